//! Casts, and the dates that texts hold.

use std::{cell::RefCell, rc::Rc};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use super::{
    flow::{Ran, failed, unknown},
    value::{Names, Native, Value},
};

/// A type's name without namespace, in lower case: `System.String[]` is `string[]`.
pub(crate) fn short(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let lower = lower.strip_prefix("system.").unwrap_or(&lower).to_owned();
    match lower.as_str() {
        "int32" | "int64" | "long" | "uint32" => "int".to_owned(),
        "boolean" => "bool".to_owned(),
        "management.automation.switchparameter" | "switchparameter" => "switch".to_owned(),
        "management.automation.pscustomobject" | "psobject" => "pscustomobject".to_owned(),
        "management.automation.scriptblock" => "scriptblock".to_owned(),
        "collections.hashtable" | "collections.idictionary" => "hashtable".to_owned(),
        "security.securestring" => "securestring".to_owned(),
        "object[]" => "array".to_owned(),
        _ => lower,
    }
}

/// A date from a text.
pub(crate) fn date(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Value::Date { at, utc: false });
    }
    let civil = ["%m/%d/%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S"]
        .iter()
        .find_map(|form| civil::DateTime::strptime(form, text).ok())
        .or_else(|| {
            let day = text.parse::<civil::Date>().or_else(|_| civil::Date::strptime("%m/%d/%Y", text));
            day.ok().map(|day| day.at(0, 0, 0, 0))
        })?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| Value::Date { at: zoned.timestamp(), utc: false })
}

/// A date that many seconds later.
pub(crate) fn shifted(at: Timestamp, utc: bool, seconds: f64) -> Ran {
    match SignedDuration::try_from_secs_f64(seconds).ok().and_then(|by| at.checked_add(by).ok()) {
        Some(at) => Ok(Value::Date { at, utc }),
        None => failed(
            "System.ArgumentOutOfRangeException",
            "The added or subtracted value results in an un-representable DateTime.",
        ),
    }
}

fn refused<T>(value: &Value, name: &str) -> Ran<T> {
    failed(
        "System.Management.Automation.PSInvalidCastException",
        format!("Cannot convert value \"{}\" to type \"{name}\".", value.show()),
    )
}

/// `[name]value`
pub(crate) fn cast(line: usize, name: &str, value: &Value) -> Ran {
    let kind = short(name);
    if let Some(of) = kind.strip_suffix("[]").filter(|of| *of != "byte") {
        if matches!(value, Value::Null) {
            return Ok(Value::Null);
        }
        let values: Ran<Vec<Value>> = value.unrolled().iter().map(|one| cast(line, of, one)).collect();
        return values.map(Value::array);
    }
    Ok(match kind.as_str() {
        "object" | "scriptblock" | "securestring" => value.clone(),
        "string" => match value {
            Value::Text(_) => value.clone(),
            other => Value::text(other.show()),
        },
        "int" => match value.whole() {
            Some(number) => Value::Int(number),
            None => return refused(value, "System.Int32"),
        },
        "double" | "decimal" => match value.number() {
            Some(number) => Value::Double(number),
            None => return refused(value, "System.Double"),
        },
        "bool" | "switch" => Value::Bool(value.truthy()),
        "void" => Value::Null,
        "array" => match value {
            Value::Array(_) | Value::List(_) | Value::Null => value.clone(),
            other => Value::array(other.unrolled()),
        },
        "byte[]" => match value {
            Value::Bytes(_) | Value::Null => value.clone(),
            other => {
                let bytes: Option<Vec<u8>> = other
                    .unrolled()
                    .iter()
                    .map(|one| one.whole().and_then(|byte| u8::try_from(byte).ok()))
                    .collect();
                match bytes {
                    Some(bytes) => Value::Bytes(Rc::new(bytes)),
                    None => return refused(value, "System.Byte[]"),
                }
            }
        },
        list if list == "collections.arraylist" || list.starts_with("collections.generic.list[") => {
            Value::List(Rc::new(RefCell::new(value.elements())))
        }
        "char" => match value.whole().filter(|_| matches!(value, Value::Int(_))) {
            Some(code) => match u32::try_from(code).ok().and_then(char::from_u32) {
                Some(sign) => Value::text(sign.to_string()),
                None => return refused(value, "System.Char"),
            },
            None => Value::text(value.show()),
        },
        "datetime" => match value {
            Value::Date { .. } => value.clone(),
            other => match date(&other.show()) {
                Some(date) => date,
                None => return refused(value, "System.DateTime"),
            },
        },
        // Enumerations are kept by the names of their values.
        "security.cryptography.x509certificates.x509keystorageflags" | "x509keystorageflags" => {
            Value::text(value.show())
        }
        "guid" => match uuid::Uuid::parse_str(&value.show()) {
            Ok(id) => guid(&id),
            Err(_) => return refused(value, "System.Guid"),
        },
        "pscustomobject" => match value {
            Value::Hash(names) => Value::custom(names.borrow().clone()),
            other => other.clone(),
        },
        "hashtable" | "ordered" => match value {
            Value::Hash(_) => value.clone(),
            _ => return refused(value, "System.Collections.Hashtable"),
        },
        "security.principal.windowsprincipal" => {
            Value::known("System.Security.Principal.WindowsPrincipal", [])
        }
        _ if value.class().eq_ignore_ascii_case(name) => value.clone(),
        _ => return unknown(line, format!("a cast to [{name}]")),
    })
}

/// A `Guid`: shows as its text.
pub(crate) fn guid(id: &uuid::Uuid) -> Value {
    let text = Value::text(id.to_string());
    Value::known("System.Guid", [("Guid", text.clone()), ("\u{0}show", text)])
}

/// Whether a value is of a class, as `-is` says.
pub(crate) fn is(value: &Value, name: &str) -> bool {
    let wanted = short(name);
    let class = value.class();
    match (wanted.as_str(), value) {
        (_, Value::Null) => false,
        ("object", _)
        | ("array", Value::Array(_) | Value::List(_) | Value::Bytes(_))
        | ("int", Value::Int(_))
        | ("hashtable", Value::Hash(_)) => true,
        ("pscustomobject", Value::Object(object)) => matches!(object.borrow().native, Native::Custom),
        ("collections.ienumerable" | "collections.ilist", value) => {
            matches!(value, Value::Array(_) | Value::List(_) | Value::Bytes(_))
        }
        _ => wanted == short(&class) || name.eq_ignore_ascii_case(&class),
    }
}

/// A value from JSON: objects are custom objects.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => {
            let whole = number.as_i64().map(Value::Int);
            whole.unwrap_or_else(|| Value::Double(number.as_f64().unwrap_or(0.0)))
        }
        serde_json::Value::String(text) => {
            let milliseconds = text
                .strip_prefix("/Date(")
                .and_then(|rest| rest.strip_suffix(")/"))
                .and_then(|number| number.parse().ok());
            match milliseconds.and_then(|number| Timestamp::from_millisecond(number).ok()) {
                Some(at) => Value::Date { at, utc: true },
                None => Value::text(text),
            }
        }
        serde_json::Value::Array(values) => Value::array(values.iter().map(from_json).collect()),
        serde_json::Value::Object(members) => {
            let names = members.iter().map(|(name, value)| (name.clone(), from_json(value))).collect();
            Value::custom(Names(names))
        }
    }
}

/// A value as `ConvertTo-Json` of Windows PowerShell writes it; what lies deeper than `depth` is text.
pub(crate) fn to_json(value: &Value, depth: i64) -> Ran<serde_json::Value> {
    use serde_json::Value as Json;
    let members = |names: &Names| -> Ran<Json> {
        let mut map = serde_json::Map::new();
        for (name, value) in names.0.iter().filter(|(name, _)| !name.starts_with('\u{0}')) {
            map.insert(name.clone(), to_json(value, depth - 1)?);
        }
        Ok(Json::Object(map))
    };
    Ok(match value {
        Value::Null | Value::Nothing => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) => Json::from(*number),
        Value::Double(number) => Json::from(*number),
        Value::Text(text) => Json::from(&**text),
        Value::Date { at, .. } => Json::from(format!("/Date({})/", at.as_millisecond())),
        Value::Object(object) if object.borrow().class == "System.Guid" => Json::from(value.show()),
        _ if depth < 0 => Json::from(value.show()),
        Value::Bytes(_) | Value::Array(_) | Value::List(_) => {
            let values: Ran<Vec<Json>> = value.unrolled().iter().map(|one| to_json(one, depth - 1)).collect();
            Json::Array(values?)
        }
        Value::Hash(names) => members(&names.borrow())?,
        Value::Object(object) => match object.borrow().native {
            Native::Custom | Native::Known => members(&object.borrow().properties)?,
            _ => return unknown(0, format!("a {} as JSON", object.borrow().class)),
        },
        Value::Type(_) | Value::Block(_) | Value::Secure(_) | Value::Span(_) => {
            return unknown(0, format!("a {} as JSON", value.class()));
        }
    })
}

/// An empty mutable table.
pub(crate) fn table(names: Names) -> Value {
    Value::Hash(Rc::new(RefCell::new(names)))
}
