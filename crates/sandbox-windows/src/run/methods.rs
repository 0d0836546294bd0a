//! Members and methods of values.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Run, convert,
    flow::{Ran, failed, unknown},
    format, operators,
    value::{Native, Value},
};

impl Run<'_> {
    pub(crate) fn member(&mut self, of: &Value, name: &str) -> Ran {
        let lower = name.to_ascii_lowercase();
        Ok(match (of, lower.as_str()) {
            (Value::Null | Value::Nothing, _) if self.strict => {
                return failed(
                    "System.Management.Automation.PropertyNotFoundException",
                    format!(
                        "The property '{name}' cannot be found on this object. Verify that the property exists."
                    ),
                );
            }
            (Value::Null | Value::Nothing, "count" | "length") => Value::Int(0),
            (Value::Null | Value::Nothing, _) => Value::Null,
            (Value::Text(text), "length") => Value::int(text.chars().count()),
            (Value::Secure(text), "length") => Value::int(text.borrow().chars().count()),
            (Value::Array(_) | Value::List(_) | Value::Bytes(_), "length" | "count" | "longlength") => {
                Value::int(of.unrolled().len())
            }
            (Value::Array(values) | Value::List(values), _) => {
                let mut found = Vec::new();
                for value in values.borrow().iter() {
                    if !matches!(value, Value::Null) && has_member(value, name) {
                        found.extend(self.member(value, name)?.unrolled());
                    }
                }
                if found.is_empty() && self.strict {
                    return missing(of, name);
                }
                Value::gathered(found)
            }
            (Value::Hash(names), _) => {
                let names = names.borrow();
                match (names.get(name), lower.as_str()) {
                    (Some(value), _) => value.clone(),
                    (None, "count") => Value::int(names.0.len()),
                    (None, "keys") => {
                        Value::array(names.0.iter().map(|(name, _)| Value::text(name)).collect())
                    }
                    (None, "values") => {
                        Value::array(names.0.iter().map(|(_, value)| value.clone()).collect())
                    }
                    (None, _) if self.strict => return missing(of, name),
                    (None, _) => Value::Null,
                }
            }
            (Value::Object(object), _) => {
                let object = object.borrow();
                if lower == "psobject" {
                    return Ok(psobject(&object.properties));
                }
                match (object.properties.get(name), &object.native) {
                    (Some(value), _) => value.clone(),
                    (None, _) if lower == "count" || lower == "length" => return self.single(of, name),
                    (None, Native::Custom) if self.strict => return missing(of, name),
                    (None, Native::Custom) => Value::Null,
                    // No server answered.
                    (None, _) if lower == "response" && object.class == "System.Net.WebException" => {
                        Value::Null
                    }
                    (None, _) => return unknown(self.line, format!("{name} of {}", object.class)),
                }
            }
            (Value::Date { at, utc }, _) => self.date_member(*at, *utc, name)?,
            (Value::Span(seconds), "totalseconds") => Value::Double(*seconds),
            (Value::Span(seconds), "totalminutes") => Value::Double(seconds / 60.0),
            (Value::Span(seconds), "totalhours") => Value::Double(seconds / 3600.0),
            (Value::Span(seconds), "totaldays") => Value::Double(seconds / 86_400.0),
            (Value::Span(seconds), "totalmilliseconds") => Value::Double(seconds * 1000.0),
            (Value::Span(seconds), "days") => {
                Value::Double((seconds / 86_400.0).trunc()).whole().map_or(Value::Null, Value::Int)
            }
            (Value::Type(class), "fullname") => Value::text(class),
            (Value::Type(class), "name") => Value::text(class.rsplit('.').next().unwrap_or(class)),
            (_, "count" | "length") => return self.single(of, name),
            _ => return unknown(self.line, format!("{name} of {}", of.class())),
        })
    }

    /// `Count` of what is no collection: 1, and an error in strict mode, as in 5.1.
    fn single(&self, of: &Value, name: &str) -> Ran {
        if self.strict { missing(of, name) } else { Ok(Value::Int(1)) }
    }

    fn date_member(&self, at: jiff::Timestamp, utc: bool, name: &str) -> Ran {
        let part =
            |style: &str| format::date(self.line, at, utc, style).map(|text| text.parse().unwrap_or(0));
        Ok(Value::Int(match name.to_ascii_lowercase().as_str() {
            "year" => part("yyyy")?,
            "month" => part("MM")?,
            "day" => part("dd")?,
            "hour" => part("HH")?,
            "minute" => part("mm")?,
            "second" => part("ss")?,
            "date" => {
                let day = at.as_second().div_euclid(86_400) * 86_400;
                let at = jiff::Timestamp::from_second(day).unwrap_or(at);
                return Ok(Value::Date { at, utc });
            }
            "kind" => return Ok(Value::text(if utc { "Utc" } else { "Local" })),
            "ticks" => at.as_microsecond() * 10 + 621_355_968_000_000_000,
            _ => return unknown(self.line, format!("{name} of System.DateTime")),
        }))
    }

    pub(crate) fn set_member(&mut self, of: &Value, name: &str, value: Value) -> Ran<()> {
        match of {
            Value::Hash(names) => {
                names.borrow_mut().set(name, value);
                Ok(())
            }
            Value::Object(object) => {
                let mut object = object.borrow_mut();
                if object.properties.get(name).is_none() {
                    if matches!(object.native, Native::Custom) {
                        return failed(
                            "System.Management.Automation.SetValueInvocationException",
                            format!(
                                "Exception setting \"{name}\": \"The property '{name}' cannot be found on this object. Verify that the property exists and can be set.\""
                            ),
                        );
                    }
                    return unknown(self.line, format!("setting {name} of {}", object.class));
                }
                object.properties.set(name, value);
                Ok(())
            }
            Value::Null | Value::Nothing => failed(
                "System.Management.Automation.RuntimeException",
                format!(
                    "The property '{name}' cannot be found on this object. Verify that the property exists and can be set."
                ),
            ),
            other => unknown(self.line, format!("setting {name} of {}", other.class())),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one table")]
    pub(crate) fn method(&mut self, line: usize, of: &Value, name: &str, arguments: &[Value]) -> Ran {
        let lower = name.to_ascii_lowercase();
        let text = |at: usize| arguments.get(at).map(Value::show).unwrap_or_default();
        match (of, lower.as_str()) {
            (Value::Null | Value::Nothing, _) => failed(
                "System.Management.Automation.RuntimeException",
                "You cannot call a method on a null-valued expression.",
            ),
            (Value::Object(_), "tostring") if arguments.is_empty() => Ok(Value::text(of.show())),
            (_, "gettype") => Ok(Value::Type(of.class().as_str().into())),
            (Value::Object(object), _)
                if !matches!(object.borrow().native, Native::Custom)
                    || object.borrow().properties.get(name).is_none() =>
            {
                self.native_method(line, of, &lower, arguments)
            }
            (Value::Object(object), _) => {
                let member = object.borrow().properties.get(name).cloned();
                match member {
                    Some(Value::Block(block)) => {
                        self.invoke(&block, Vec::new(), arguments.to_vec(), None).map(Value::gathered)
                    }
                    _ => unknown(line, format!("the method {name} of {}", of.class())),
                }
            }
            (Value::Text(value), _) => string_method(line, value, &lower, arguments),
            (Value::Date { at, utc }, _) => {
                let number = arguments.first().and_then(Value::number).unwrap_or(0.0);
                match lower.as_str() {
                    "touniversaltime" => Ok(Value::Date { at: *at, utc: true }),
                    "tolocaltime" => Ok(Value::Date { at: *at, utc: false }),
                    "adddays" => convert::shifted(*at, *utc, number * 86_400.0),
                    "addhours" => convert::shifted(*at, *utc, number * 3600.0),
                    "addminutes" => convert::shifted(*at, *utc, number * 60.0),
                    "addseconds" => convert::shifted(*at, *utc, number),
                    "subtract" => operators::binary(line, "-", of, arguments.first().unwrap_or(&Value::Null)),
                    "tostring" => format::date(
                        line,
                        *at,
                        *utc,
                        &if arguments.is_empty() { "MM/dd/yyyy HH:mm:ss".to_owned() } else { text(0) },
                    )
                    .map(Value::text),
                    _ => unknown(line, format!("the method {name} of System.DateTime")),
                }
            }
            (Value::Int(_) | Value::Double(_) | Value::Bool(_), "tostring") => {
                format::styled(line, of, &text(0)).map(Value::text)
            }
            (Value::Hash(names), "containskey" | "contains") => {
                Ok(Value::Bool(names.borrow().get(&text(0)).is_some()))
            }
            (Value::Hash(names), "add") => {
                if names.borrow().get(&text(0)).is_some() {
                    return failed(
                        "System.ArgumentException",
                        format!("Item has already been added. Key in dictionary: '{}'", text(0)),
                    );
                }
                names.borrow_mut().set(&text(0), arguments.get(1).cloned().unwrap_or(Value::Null));
                Ok(Value::Null)
            }
            (Value::Hash(names), "remove") => {
                names.borrow_mut().remove(&text(0));
                Ok(Value::Null)
            }
            (Value::Hash(names), "getenumerator") => Ok(Value::array(entries(&names.borrow()))),
            (Value::Array(values) | Value::List(values), "contains") => {
                let wanted = arguments.first().cloned().unwrap_or(Value::Null);
                Ok(Value::Bool(values.borrow().iter().any(|one| operators::equal(one, &wanted, true))))
            }
            (Value::Array(_) | Value::List(_) | Value::Bytes(_), "getenumerator" | "clone" | "toarray") => {
                Ok(Value::array(of.unrolled()))
            }
            (Value::List(values), "add") => {
                values.borrow_mut().push(arguments.first().cloned().unwrap_or(Value::Null));
                Ok(Value::Null)
            }
            (Value::List(values), "addrange") => {
                let more = arguments.first().map(Value::elements).unwrap_or_default();
                values.borrow_mut().extend(more);
                Ok(Value::Null)
            }
            (Value::List(values), "remove") => {
                let unwanted = arguments.first().cloned().unwrap_or(Value::Null);
                let at = values.borrow().iter().position(|one| operators::equal(one, &unwanted, true));
                if let Some(at) = at {
                    values.borrow_mut().remove(at);
                }
                Ok(Value::Null)
            }
            (Value::List(values), "clear") => {
                values.borrow_mut().clear();
                Ok(Value::Null)
            }
            (Value::Array(values), "find") => {
                let property = match text(0).to_ascii_lowercase().as_str() {
                    "findbysubjectdistinguishedname" => "Subject",
                    "findbythumbprint" => "Thumbprint",
                    other => return unknown(line, format!("Find by {other}")),
                };
                let mut found = Vec::new();
                for value in values.borrow().iter() {
                    if self.member(value, property)?.show().eq_ignore_ascii_case(&text(1)) {
                        found.push(value.clone());
                    }
                }
                Ok(Value::array(found))
            }
            (Value::Array(_), "add" | "remove") => failed(
                "System.NotSupportedException",
                format!(
                    "Exception calling \"{name}\" with \"1\" argument(s): \"Collection was of a fixed size.\""
                ),
            ),
            (Value::Array(values) | Value::List(values), _) => {
                let values = values.borrow().clone();
                let results: Ran<Vec<Value>> =
                    values.iter().map(|one| self.method(line, one, name, arguments)).collect();
                results.map(Value::gathered)
            }
            (Value::Block(block), "invoke") => {
                self.invoke(block, Vec::new(), arguments.to_vec(), None).map(Value::gathered)
            }
            (Value::Secure(_), "makereadonly" | "dispose" | "clear") => Ok(Value::Null),
            (Value::Secure(secret), "appendchar") => {
                secret.borrow_mut().push_str(&arguments.first().map(Value::show).unwrap_or_default());
                Ok(Value::Null)
            }
            _ => unknown(line, format!("the method {name} of {}", of.class())),
        }
    }
}

fn missing(of: &Value, name: &str) -> Ran {
    failed(
        "System.Management.Automation.PropertyNotFoundException",
        format!(
            "The property '{name}' cannot be found on this object. Verify that the property exists. ({})",
            of.class()
        ),
    )
}

fn has_member(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(object) => {
            let object = object.borrow();
            object.properties.get(name).is_some() || !matches!(object.native, Native::Custom)
        }
        Value::Hash(names) => names.borrow().get(name).is_some(),
        _ => true,
    }
}

/// The pairs of a table, each with `Key`, `Name` and `Value`.
pub(crate) fn entries(names: &super::value::Names) -> Vec<Value> {
    names
        .0
        .iter()
        .map(|(name, value)| {
            Value::known(
                "System.Collections.DictionaryEntry",
                [("Key", Value::text(name)), ("Name", Value::text(name)), ("Value", value.clone())],
            )
        })
        .collect()
}

fn psobject(names: &super::value::Names) -> Value {
    let properties: Vec<Value> = names
        .0
        .iter()
        .filter(|(name, _)| !name.starts_with('\u{0}'))
        .map(|(name, value)| {
            Value::known(
                "System.Management.Automation.PSNoteProperty",
                [("Name", Value::text(name)), ("Value", value.clone())],
            )
        })
        .collect();
    Value::known("System.Management.Automation.PSObject", [("Properties", Value::array(properties))])
}

fn string_method(line: usize, value: &str, name: &str, arguments: &[Value]) -> Ran {
    let text = |at: usize| arguments.get(at).map(Value::show).unwrap_or_default();
    let number =
        |at: usize| arguments.get(at).and_then(Value::whole).and_then(|number| usize::try_from(number).ok());
    let ignores_case = arguments.len() > 1 && text(1).to_ascii_lowercase().contains("ignorecase");
    let cased = |text: &str| if ignores_case { text.to_lowercase() } else { text.to_owned() };
    let trims: Vec<char> = arguments.iter().flat_map(|one| one.show().chars().collect::<Vec<_>>()).collect();
    let trimmed = |sign: char| {
        if trims.is_empty() { sign.is_whitespace() } else { trims.contains(&sign) }
    };
    let place = |found: Option<usize>| {
        found.map_or(Value::Int(-1), |at| Value::int(value.get(..at).unwrap_or_default().chars().count()))
    };
    Ok(match name {
        "tolower" | "tolowerinvariant" => Value::text(value.to_lowercase()),
        "toupper" | "toupperinvariant" => Value::text(value.to_uppercase()),
        "trim" => Value::text(value.trim_matches(trimmed)),
        "trimstart" => Value::text(value.trim_start_matches(trimmed)),
        "trimend" => Value::text(value.trim_end_matches(trimmed)),
        "tostring" => Value::text(value),
        "startswith" => Value::Bool(cased(value).starts_with(&cased(&text(0)))),
        "endswith" => Value::Bool(cased(value).ends_with(&cased(&text(0)))),
        "contains" => Value::Bool(value.contains(&text(0))),
        "equals" => Value::Bool(cased(value) == cased(&text(0))),
        "indexof" => place(value.find(&text(0))),
        "lastindexof" => place(value.rfind(&text(0))),
        "replace" => Value::text(value.replace(&text(0), &text(1))),
        "insert" => {
            let head: String = value.chars().take(number(0).unwrap_or(0)).collect();
            let tail: String = value.chars().skip(number(0).unwrap_or(0)).collect();
            Value::text(format!("{head}{}{tail}", text(1)))
        }
        "substring" => {
            let signs: Vec<char> = value.chars().collect();
            let from = number(0).unwrap_or(usize::MAX);
            let to = number(1).map_or(signs.len(), |length| from.saturating_add(length));
            match signs.get(from..to) {
                Some(part) => Value::text(part.iter().collect::<String>()),
                None => {
                    return failed(
                        "System.Management.Automation.MethodInvocationException",
                        "Exception calling \"Substring\": \"Index and length must refer to a location within the string.\"",
                    );
                }
            }
        }
        "split" => {
            let separators: Vec<char> = arguments
                .first()
                .map(Value::elements)
                .unwrap_or_default()
                .iter()
                .flat_map(|one| one.show().chars().collect::<Vec<_>>())
                .collect();
            let keeps = !text(1).eq_ignore_ascii_case("RemoveEmptyEntries");
            let parts = value.split(|sign: char| {
                if separators.is_empty() { sign.is_whitespace() } else { separators.contains(&sign) }
            });
            Value::array(parts.filter(|part| keeps || !part.is_empty()).map(Value::text).collect())
        }
        "tochararray" => Value::array(value.chars().map(|sign| Value::text(sign.to_string())).collect()),
        "padleft" => Value::text(format!("{value:>width$}", width = number(0).unwrap_or(0))),
        "padright" => Value::text(format!("{value:<width$}", width = number(0).unwrap_or(0))),
        "getenumerator" => Value::array(value.chars().map(|sign| Value::text(sign.to_string())).collect()),
        _ => return unknown(line, format!("the method {name} of System.String")),
    })
}

/// Base64 as .NET writes it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes from base64, white space aside.
pub(crate) fn unbase64(text: &str) -> Ran<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    match STANDARD.decode(text) {
        Ok(bytes) => Ok(bytes),
        Err(_) => failed(
            "System.FormatException",
            "Exception calling \"FromBase64String\" with \"1\" argument(s): \"The input is not a valid Base-64 string as it contains a non-base 64 character, more than two padding characters, or an illegal character among the padding characters. \"",
        ),
    }
}
