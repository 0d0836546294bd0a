use std::collections::BTreeMap;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use uuid::Uuid;

/// The results of one request: simple values by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Results(BTreeMap<String, String>);

impl Results {
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.parse().ok()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i32> {
        self.0.get(name)?.parse().ok()
    }

    pub(crate) fn guid(&self, name: &str) -> Option<Uuid> {
        self.0.get(name)?.parse().ok()
    }
}

/// An `OrganizationServiceFault`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: i32,
    pub(crate) message: String,
}

type Items = BTreeMap<usize, Result<Results, Fault>>;

/// A small tree is easier to read a deep answer from than a stream of events; answers are small, as they
/// hold ids and verdicts only.
#[derive(Debug, Default)]
struct Node {
    name: String,
    text: String,
    nil: bool,
    children: Vec<Node>,
}

impl Node {
    fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    fn find(&self, name: &str) -> Option<&Node> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

/// The answers of an `ExecuteMultiple`, by request index.
pub(super) fn execute_multiple(body: &[u8]) -> Result<Items, String> {
    let root = tree(body)?;
    // Faults of single requests stand deeper, each in its response.
    if let Some(fault) = root.find("Body").and_then(|body| body.child("Fault")) {
        let text = fault.child("faultstring").map_or("a fault without text", |text| text.text.as_str());
        return Err(text.to_owned());
    }
    let results = root.find("Results").ok_or("it has no results")?;
    let responses = results
        .children
        .iter()
        .find(|pair| pair.child("key").is_some_and(|key| key.text == "Responses"))
        .and_then(|pair| pair.child("value"))
        .ok_or("it has no responses")?;
    responses.children.iter().filter(|item| item.name == "ExecuteMultipleResponseItem").map(item).collect()
}

fn item(item: &Node) -> Result<(usize, Result<Results, Fault>), String> {
    let index = item
        .child("RequestIndex")
        .and_then(|index| index.text.parse().ok())
        .ok_or("a response has no index")?;
    if let Some(fault) = item.child("Fault").filter(|fault| !fault.nil && !fault.children.is_empty()) {
        let code = fault.child("ErrorCode").and_then(|code| code.text.parse().ok()).unwrap_or(-1);
        let message = fault.child("Message").map(|message| message.text.clone()).unwrap_or_default();
        return Ok((index, Err(Fault { code, message })));
    }
    let pairs = item.child("Response").and_then(|response| response.child("Results"));
    let results = pairs
        .into_iter()
        .flat_map(|pairs| &pairs.children)
        .filter_map(|pair| Some((pair.child("key")?.text.clone(), pair.child("value")?.text.clone())))
        .collect();
    Ok((index, Ok(Results(results))))
}

fn tree(body: &[u8]) -> Result<Node, String> {
    let mut reader = Reader::from_reader(body);
    let mut open = vec![Node::default()];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => open.push(node(&start)),
            Event::Empty(start) => {
                let child = node(&start);
                open.last_mut().ok_or("it is not well-formed")?.children.push(child);
            }
            Event::End(_) => {
                let done = open.pop().ok_or("it is not well-formed")?;
                open.last_mut().ok_or("it is not well-formed")?.children.push(done);
            }
            Event::Text(text) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                let letter = match reference.resolve_char_ref() {
                    Ok(Some(letter)) => letter.to_string(),
                    _ => quick_xml::escape::resolve_predefined_entity(&reference)
                        .unwrap_or_default()
                        .to_owned(),
                };
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&letter);
                }
            }
            Event::CData(data) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&data);
                }
            }
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
        }
        if open.len() > 100 {
            return Err("it is nested too deeply".to_owned());
        }
    }
    open.pop().filter(|_| open.is_empty()).ok_or_else(|| "it ends too early".to_owned())
}

fn node(start: &BytesStart<'_>) -> Node {
    let nil = start
        .attributes()
        .flatten()
        .any(|attribute| attribute.key.local_name().as_ref() == "nil" && &*attribute.value == "true");
    Node { name: start.local_name().as_ref().to_owned(), nil, ..Node::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><ExecuteResponse>
      <ExecuteResult xmlns:a="x" xmlns:b="y" xmlns:i="z"><a:ResponseName>ExecuteMultiple</a:ResponseName><a:Results>
      <a:KeyValuePairOfstringanyType><b:key>IsFaulted</b:key><b:value>true</b:value></a:KeyValuePairOfstringanyType>
      <a:KeyValuePairOfstringanyType><b:key>Responses</b:key><b:value>
      <l:ExecuteMultipleResponseItem><l:Fault i:nil="true"/><l:RequestIndex>0</l:RequestIndex><l:Response><a:Results>
        <a:KeyValuePairOfstringanyType><b:key>ShouldDeliver</b:key><b:value>true</b:value></a:KeyValuePairOfstringanyType>
        <a:KeyValuePairOfstringanyType><b:key>ReasonCode</b:key><b:value>6</b:value></a:KeyValuePairOfstringanyType>
        </a:Results></l:Response></l:ExecuteMultipleResponseItem>
      <l:ExecuteMultipleResponseItem><l:Fault><a:ErrorCode>-2147220891</a:ErrorCode><a:Message>stopped &amp; refused</a:Message>
        </l:Fault><l:RequestIndex>1</l:RequestIndex></l:ExecuteMultipleResponseItem>
      </b:value></a:KeyValuePairOfstringanyType></a:Results></ExecuteResult></ExecuteResponse></s:Body></s:Envelope>"#;

    #[test]
    fn results_and_faults_are_told_apart_by_request() {
        let items = execute_multiple(ANSWER.as_bytes()).unwrap();
        let first = items[&0].as_ref().unwrap();
        assert_eq!((first.boolean("ShouldDeliver"), first.integer("ReasonCode")), (Some(true), Some(6)));
        assert_eq!(items[&1], Err(Fault { code: -2_147_220_891, message: "stopped & refused".into() }));
        assert_eq!(format!("0x{:08x}", -2_147_220_891_i32), "0x80040265");
    }

    #[test]
    fn a_fault_of_the_whole_request_is_told() {
        let body = b"<s:Envelope><s:Body><s:Fault><faultcode>x</faultcode><faultstring>denied</faultstring></s:Fault></s:Body></s:Envelope>";
        assert_eq!(execute_multiple(body), Err("denied".into()));
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(body: Vec<u8>, cut in 0..ANSWER.len()) {
            let _ignored = execute_multiple(&body);
            let _ignored = execute_multiple(&ANSWER.as_bytes()[..cut]);
        }
    }
}
