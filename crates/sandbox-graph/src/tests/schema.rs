use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use jsonschema::Validator;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/graph/v1.0.schema.json");

/// Checks every entity of an answer against Microsoft's published metadata, where that is at hand.
pub(super) fn check(body: &Value) {
    if let Some(responses) = body.get("responses").and_then(Value::as_array) {
        // A batch: what stands in it is as good as what is answered by itself.
        responses.iter().filter_map(|response| response.get("body")).for_each(check);
    }
    let context = body.get("@odata.context").and_then(Value::as_str).unwrap_or_default();
    let fragment = context.rsplit_once('#').map_or("", |(_, fragment)| fragment);
    let Some(entity) = entity_of(fragment) else { return };
    match body.get("value").and_then(Value::as_array) {
        Some(list) => list.iter().for_each(|value| check_entity(entity, value)),
        None => check_entity(entity, body),
    }
}

fn entity_of(fragment: &str) -> Option<&'static str> {
    let fragment = fragment.trim_end_matches("/$entity");
    let (last, _) = fragment.rsplit_once('/').map_or((fragment, ""), |(head, tail)| (tail, head));
    match last {
        "messages" | "Collection(message)" => Some("message"),
        "mailFolders" | "Collection(mailFolder)" => Some("mailFolder"),
        "attachments" => Some("attachment"),
        "users" => Some("user"),
        "organization" => Some("organization"),
        "subscriptions" => Some("subscription"),
        "microsoft.graph.uploadSession" => Some("uploadSession"),
        _ => None,
    }
}

pub(super) fn check_entity(entity: &str, value: &Value) {
    let mut value = value.clone();
    let named = value.get("@odata.type").and_then(Value::as_str);
    let entity = named.map_or_else(|| entity.to_owned(), |name| name.replace("#microsoft.graph.", ""));
    if let Some(object) = value.as_object_mut() {
        // The published metadata has no member for an attached item: it is checked by itself.
        if let Some(item) = object.remove("item") {
            check_entity("message", &item);
        }
        if let Some(Value::Array(attachments)) = object.get_mut("attachments") {
            for attachment in attachments.iter() {
                check_entity("attachment", attachment);
            }
            attachments.clear();
        }
    }
    if let Some(validator) = validator(&entity) {
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{entity} {value:#}: {errors:#?}");
    }
}

fn validator(entity: &str) -> Option<Arc<Validator>> {
    static KNOWN: OnceLock<Mutex<BTreeMap<String, Arc<Validator>>>> = OnceLock::new();
    static SCHEMA: OnceLock<Option<Value>> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| serde_json::from_str(&std::fs::read_to_string(FILE).ok()?).ok());
    let definitions = schema.as_ref()?.get("$defs")?;
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap();
    let validator = known.entry(entity.to_owned()).or_insert_with(|| {
        let root = json!({"$ref": format!("#/$defs/microsoft.graph.{entity}"), "$defs": definitions});
        Arc::new(jsonschema::validator_for(&root).unwrap())
    });
    Some(Arc::clone(validator))
}

#[test]
fn a_property_that_the_metadata_does_not_have_is_noticed() {
    // Without the metadata nothing is checked; this is the test that would otherwise say so.
    let Some(validator) = validator("mailFolder") else { return };
    assert!(validator.is_valid(&json!({"id": "1", "displayName": "Inbox"})));
    assert!(!validator.is_valid(&json!({"id": "1", "isReadable": true})));
}
