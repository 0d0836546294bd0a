//! The envelope of an `Execute`: read into a small tree, then into an `OrganizationRequest`.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use quick_xml::{
    Reader,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

/// The deepest nesting of elements that is read.
const DEEPEST: usize = 100;

/// An element with its namespace prefix taken off.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    pub(super) name: String,
    /// The local part of `i:type`.
    kind: Option<String>,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Node> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

/// Reads a document.
pub(super) fn tree(body: &[u8]) -> Result<Node, String> {
    let mut reader = Reader::from_reader(body);
    let mut open = vec![Node::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => open.push(node(&start)),
            Event::Empty(start) => close(&mut open, node(&start))?,
            Event::End(_) => {
                let done = open.pop().ok_or("an element is closed that was not opened")?;
                close(&mut open, done)?;
            }
            Event::Text(text) => append(&mut open, &text),
            Event::CData(data) => append(&mut open, &data),
            Event::GeneralRef(reference) => {
                if let Ok(Some(letter)) = reference.resolve_char_ref() {
                    append(&mut open, letter.encode_utf8(&mut [0; 4]));
                } else {
                    let text = resolve_predefined_entity(&reference).ok_or("an unknown entity")?;
                    append(&mut open, text);
                }
            }
            Event::DocType(_) => return Err("a document type is not allowed".to_owned()),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
        if open.len() > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
    }
    open.pop().filter(|_| open.is_empty()).ok_or_else(|| "it ends too early".to_owned())
}

fn close(open: &mut [Node], done: Node) -> Result<(), String> {
    open.last_mut().ok_or("an element is closed that was not opened")?.children.push(done);
    Ok(())
}

fn append(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn node(start: &BytesStart<'_>) -> Node {
    let kind = start
        .attributes()
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == "type")
        .map(|attribute| attribute.value.into_owned())
        .map(|value| value.rsplit_once(':').map_or(value.clone(), |(_, local)| local.to_owned()));
    Node { name: start.local_name().as_ref().to_owned(), kind, ..Node::default() }
}

/// A value of `anyType`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Boolean(bool),
    Integer(i64),
    /// The attributes of an `Entity`.
    Entity(BTreeMap<String, Value>),
    /// The rows of an `EntityCollection`.
    Entities(Vec<BTreeMap<String, Value>>),
    /// An `OrganizationRequestCollection`.
    Requests(Vec<OrganizationRequest>),
    Settings {
        continue_on_error: bool,
        return_responses: bool,
    },
    Null,
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// An `OrganizationRequest`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct OrganizationRequest {
    pub(super) name: String,
    pub(super) parameters: BTreeMap<String, Value>,
}

impl OrganizationRequest {
    /// Reads a `request` or an item of a collection of requests.
    pub(super) fn read(node: &Node) -> Result<Self, String> {
        let name = node.child("RequestName").map(|name| name.text.trim().to_owned()).unwrap_or_default();
        let parameters = node.child("Parameters").map(pairs).transpose()?.unwrap_or_default();
        Ok(Self { name, parameters })
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.parameters.get(name).and_then(Value::text).unwrap_or_default()
    }
}

fn pairs(node: &Node) -> Result<BTreeMap<String, Value>, String> {
    node.children
        .iter()
        .map(|pair| {
            let key = pair.child("key").ok_or("a pair has no key")?;
            let value = pair.child("value").map_or(Ok(Value::Null), value)?;
            Ok((key.text.clone(), value))
        })
        .collect()
}

fn value(node: &Node) -> Result<Value, String> {
    Ok(match node.kind.as_deref() {
        Some("boolean") => Value::Boolean(matches!(node.text.trim(), "true" | "1")),
        Some("int" | "long") => {
            Value::Integer(node.text.trim().parse().map_err(|_| "a number can't be read".to_owned())?)
        }
        Some("dateTime" | "guid" | "base64Binary") => Value::Text(node.text.trim().to_owned()),
        Some("Entity") => Value::Entity(attributes(node)?),
        Some("EntityCollection") => {
            let rows = node.child("Entities").map(|rows| rows.children.iter().map(attributes).collect());
            Value::Entities(rows.transpose()?.unwrap_or_default())
        }
        Some("OrganizationRequestCollection") => {
            Value::Requests(node.children.iter().map(OrganizationRequest::read).collect::<Result<_, _>>()?)
        }
        Some("ExecuteMultipleSettings") => {
            let flag = |name: &str| node.child(name).is_some_and(|flag| flag.text.trim() == "true");
            Value::Settings {
                continue_on_error: flag("ContinueOnError"),
                return_responses: flag("ReturnResponses"),
            }
        }
        Some("string") => Value::Text(node.text.clone()),
        _ if node.children.is_empty() && node.text.is_empty() => Value::Null,
        _ => Value::Text(node.text.clone()),
    })
}

fn attributes(node: &Node) -> Result<BTreeMap<String, Value>, String> {
    node.child("Attributes").map(pairs).transpose().map(Option::unwrap_or_default)
}

/// The bytes of a base64 value.
pub(super) fn bytes(value: Option<&Value>) -> Result<Vec<u8>, String> {
    let text: String = value.and_then(Value::text).unwrap_or_default().split_whitespace().collect();
    STANDARD.decode(text).map_err(|_| "the body of an attachment is not base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_read_whatever_its_prefixes() {
        let root = tree(
            br#"<x:Envelope xmlns:x="e"><x:Body><Execute><request><a:Parameters>
            <a:KeyValuePairOfstringanyType><b:key>Subject</b:key><b:value i:type="c:string">a &amp; &#98;</b:value></a:KeyValuePairOfstringanyType>
            <a:KeyValuePairOfstringanyType><b:key>Valid</b:key><b:value i:type="c:boolean">true</b:value></a:KeyValuePairOfstringanyType>
            </a:Parameters><a:RequestName>CheckIncomingEmail</a:RequestName></request></Execute></x:Body></x:Envelope>"#,
        )
        .unwrap();
        let request = OrganizationRequest::read(root.find("request").unwrap()).unwrap();
        assert_eq!(request.name, "CheckIncomingEmail");
        assert_eq!(request.text("Subject"), "a & b");
        assert_eq!(request.parameters["Valid"], Value::Boolean(true));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for body in ["<a>", "</a>", "<!DOCTYPE a><a/>", &"<a>".repeat(200)] {
            assert!(tree(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body: Vec<u8>) {
            drop(tree(&body));
        }
    }
}
