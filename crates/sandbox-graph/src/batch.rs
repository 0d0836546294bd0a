//! JSON batches (graph.md 7.1).

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use url::Url;

use crate::{
    graph::Graph,
    service::JSON,
    web::{
        answer::{Answer, Fault, Payload},
        auth::Caller,
        request::Request,
    },
};

/// Requests in one batch at most.
const MOST_ITEMS: usize = 20;

/// Items of a batch that run at once against Outlook.
const AT_ONCE: usize = 4;

#[derive(Debug)]
struct Item {
    id: String,
    depends_on: Vec<String>,
    request: Result<Request, Fault>,
}

impl Graph {
    /// `POST /$batch`.
    pub(crate) async fn batch(&self, caller: &Caller, envelope: &Request) -> Result<Answer, Fault> {
        if envelope.method != Method::POST {
            return Err(Fault::method_not_allowed());
        }
        self.state().counts.batches += 1;
        let items = self.read_batch(envelope)?;
        let mut statuses: BTreeMap<String, StatusCode> = BTreeMap::new();
        let mut responses = Vec::new();
        let mut waiting = items;
        while !waiting.is_empty() {
            let (ready, later): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|item| item.depends_on.iter().all(|id| statuses.contains_key(&id.to_lowercase())));
            if ready.is_empty() {
                return Err(malformed("The dependsOn members of the batch form a circle."));
            }
            waiting = later;
            let mut ready = ready.into_iter().peekable();
            while ready.peek().is_some() {
                let wave: Vec<Item> = ready.by_ref().take(AT_ONCE).collect();
                for (id, status, response) in self.run_wave(caller, wave, &statuses).await {
                    statuses.insert(id.to_lowercase(), status);
                    responses.push(response);
                }
            }
        }
        Ok(Answer::ok(json!({"responses": responses})))
    }

    /// Items that run at the same time: they share one latency.
    async fn run_wave(
        &self,
        caller: &Caller,
        wave: Vec<Item>,
        statuses: &BTreeMap<String, StatusCode>,
    ) -> Vec<(String, StatusCode, Value)> {
        let admitted: Vec<_> = wave
            .into_iter()
            .map(|item| {
                let failed = item
                    .depends_on
                    .iter()
                    .any(|id| statuses.get(&id.to_lowercase()).is_none_or(|status| !status.is_success()));
                let admitted = if failed {
                    Err(Fault::new(
                        StatusCode::FAILED_DEPENDENCY,
                        "FailedDependency",
                        "A request that this request depends on has failed.",
                    ))
                } else {
                    item.request.and_then(|request| Ok((self.admit(caller, &request)?, request)))
                };
                (item.id, admitted)
            })
            .collect();
        self.take_time().await;
        let mut done = Vec::new();
        for (id, admitted) in admitted {
            let (applied, result) = match admitted {
                Ok((running, request)) => {
                    let result = self.perform(caller, &request).await;
                    drop(running);
                    self.record(caller, &request, &result);
                    (request.prefer.applied(), result)
                }
                Err(fault) => {
                    self.state().counts.count("refused item of a batch".to_owned(), fault.status);
                    (None, Err(fault))
                }
            };
            let (status, response) = self.write_item(&id, applied, result);
            done.push((id, status, response));
        }
        done
    }

    fn read_batch(&self, envelope: &Request) -> Result<Vec<Item>, Fault> {
        let json = envelope.json()?;
        let requests = json.get("requests").and_then(Value::as_array);
        let requests = requests.ok_or_else(|| malformed("Batch request must have 'requests'."))?;
        if requests.is_empty() {
            return Err(malformed("Batch must contain at least one request."));
        }
        if requests.len() > MOST_ITEMS {
            return Err(Fault::bad_request(
                "MaximumValueExceeded",
                format!("Number of batch request steps exceeds the maximum value of {MOST_ITEMS}."),
            ));
        }
        let items: Vec<Item> =
            requests.iter().map(|json| self.read_item(json, envelope)).collect::<Result<_, _>>()?;
        let ids: BTreeSet<String> = items.iter().map(|item| item.id.to_lowercase()).collect();
        if ids.len() < items.len() {
            return Err(malformed("Request Id has to be unique in a batch."));
        }
        let dangling =
            items.iter().flat_map(|item| &item.depends_on).any(|id| !ids.contains(&id.to_lowercase()));
        if dangling {
            return Err(malformed("dependsOn names a request that is not in the batch."));
        }
        Ok(items)
    }

    fn read_item(&self, json: &Value, envelope: &Request) -> Result<Item, Fault> {
        let id = match json.get("id") {
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            _ => return Err(malformed("Each request of a batch must have an id.")),
        };
        let names = json.get("dependsOn").and_then(Value::as_array).into_iter().flatten();
        let depends_on = names.filter_map(Value::as_str).map(str::to_owned).collect();
        let method = json.get("method").and_then(Value::as_str).unwrap_or_default();
        let method = Method::from_str(&method.to_ascii_uppercase())
            .map_err(|_| malformed("Each request of a batch must have a method."))?;
        let relative = json.get("url").and_then(Value::as_str);
        let relative = relative.ok_or_else(|| malformed("Each request of a batch must have a url."))?;
        let root = &self.tenant.origins.graph;
        let address = format!("{root}{}/{}", envelope.path.version, relative.trim_start_matches('/'));
        let url = Url::parse(&address).map_err(|_| malformed("The url of a request is not valid."))?;
        let headers = item_headers(json);
        let body = item_body(json, &headers);
        let request = body.and_then(|body| Request::assemble(method, &url, headers, body));
        Ok(Item { id, depends_on, request })
    }

    fn write_item(
        &self,
        id: &str,
        applied: Option<String>,
        result: Result<Answer, Fault>,
    ) -> (StatusCode, Value) {
        let answer = result.unwrap_or_else(|fault| {
            let request_id = self.tenant.dice.uuid().to_string();
            let body = fault.body(self.now(), &request_id, &request_id);
            let mut answer = Answer::json(fault.status, body);
            answer.headers = fault.headers;
            answer
        });
        let mut headers: Map<String, Value> = answer
            .headers
            .into_iter()
            .chain(applied.map(|applied| ("Preference-Applied", applied)))
            .map(|(name, value)| (canonical(name), Value::String(value)))
            .collect();
        let mut response = json!({"id": id, "status": answer.status.as_u16()});
        let body = match answer.body {
            Payload::Empty => None,
            Payload::Json(body) => {
                headers.insert("Content-Type".to_owned(), json!(JSON));
                Some(body)
            }
            Payload::Raw { content_type, bytes } => {
                headers.insert("Content-Type".to_owned(), json!(content_type));
                Some(json!(STANDARD.encode(bytes)))
            }
        };
        if let Some(object) = response.as_object_mut() {
            object.insert("headers".to_owned(), Value::Object(headers));
            object.extend(body.map(|body| ("body".to_owned(), body)));
        }
        (answer.status, response)
    }
}

fn item_headers(json: &Value) -> HeaderMap {
    let members = json.get("headers").and_then(Value::as_object).into_iter().flatten();
    members
        .filter_map(|(name, value)| {
            Some((HeaderName::from_str(name).ok()?, HeaderValue::from_str(value.as_str()?).ok()?))
        })
        .collect()
}

/// JSON as it stands; anything else comes as text in base64.
fn item_body(json: &Value, headers: &HeaderMap) -> Result<Bytes, Fault> {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    match json.get("body") {
        None | Some(Value::Null) => Ok(Bytes::new()),
        Some(_) if content_type.is_none() => {
            Err(malformed("A request with a body must have a Content-Type header."))
        }
        Some(Value::String(text)) => {
            let decoded =
                URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).or_else(|_| STANDARD.decode(text));
            decoded.map(Bytes::from).map_err(|_| malformed("The body of a request is not valid base64."))
        }
        Some(value) => Ok(Bytes::from(value.to_string())),
    }
}

/// `retry-after` as `Retry-After`: SDKs look members up by that name.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

fn malformed(message: &str) -> Fault {
    Fault::bad_request("BadRequest", format!("Invalid batch payload format. {message}"))
}
