//! Microsoft's published metadata, against which what Hybridge sends is checked.

use std::collections::BTreeSet;

use hybridge_simulation::Sent;
use jsonschema::Validator;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/graph/v1.0.schema.json");

/// The schemas of what Hybridge sends; without the file nothing is known and everything passes.
#[derive(Debug)]
pub(crate) struct Metadata {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    subscription: Validator,
    message: Validator,
    file: Validator,
    upload: Validator,
}

impl Metadata {
    pub(crate) fn at_hand() -> Self {
        let schema: Option<Value> =
            std::fs::read_to_string(FILE).ok().map(|text| serde_json::from_str(&text).unwrap());
        let known = schema.map(|schema| {
            let validator = |name: &str| {
                let name = format!("#/$defs/microsoft.graph.{name}");
                let root = json!({ "$ref": name, "$defs": schema["$defs"] });
                jsonschema::validator_for(&root).unwrap()
            };
            Known {
                subscription: validator("subscription"),
                message: validator("message"),
                file: validator("fileAttachment"),
                upload: validator("attachmentItem"),
            }
        });
        Self { known }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// How many payloads were in what was sent; each fits its type.
    pub(crate) fn check(&self, sent: &Sent) -> usize {
        let body: Value = serde_json::from_str(&sent.body).unwrap();
        self.check_body(&sent.method, &sent.path, &body)
    }

    fn check_body(&self, method: &str, path: &str, body: &Value) -> usize {
        let path = path.split('?').next().unwrap();
        if path == "$batch" {
            return self.check_batch(body);
        }
        let Some(known) = &self.known else { return 0 };
        let segments: Vec<&str> = path.split('/').collect();
        let (validator, body) = match *segments.as_slice() {
            ["subscriptions", ..] => (&known.subscription, body),
            ["users", _, "messages"] => (&known.message, body),
            ["users", _, "messages", _, "attachments"] => (&known.file, body),
            ["users", _, "messages", _, "attachments", "createUploadSession"] => {
                (&known.upload, &body["AttachmentItem"])
            }
            _ => panic!("{method} {path} is sent with a body that nobody checks: add its type here"),
        };
        let errors: Vec<String> = validator.iter_errors(body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{method} {path} {body:#}: {errors:#?}");
        1
    }

    /// The metadata has no type for batches: their form is that of the documentation (graph.md 7.1).
    fn check_batch(&self, body: &Value) -> usize {
        let requests = body["requests"].as_array().unwrap();
        let ids: BTreeSet<&str> = requests.iter().map(|request| request["id"].as_str().unwrap()).collect();
        assert!(!requests.is_empty() && requests.len() <= 20, "{} requests in a batch", requests.len());
        assert_eq!(ids.len(), requests.len(), "two requests of a batch have one id: {body:#}");
        let mut checked = 1;
        for request in requests {
            let (method, url) = (request["method"].as_str().unwrap(), request["url"].as_str().unwrap());
            assert!(url.starts_with('/'), "{url} is not relative to the version");
            for name in request.as_object().unwrap().keys() {
                let known = ["id", "method", "url", "headers", "body", "dependsOn"];
                assert!(known.contains(&name.as_str()), "{name} is no part of a request in a batch");
            }
            if let Some(inner) = request.get("body") {
                assert_eq!(request["headers"]["content-type"], "application/json", "{request:#}");
                checked += self.check_body(method, url.trim_start_matches('/'), inner);
            }
        }
        checked
    }
}
