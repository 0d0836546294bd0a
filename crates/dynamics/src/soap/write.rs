use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use super::{Request, Value};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SERVICES: &str = "http://schemas.microsoft.com/xrm/2011/Contracts/Services";
const CONTRACTS: &str = "http://schemas.microsoft.com/xrm/2011/Contracts";
const GENERIC: &str = "http://schemas.datacontract.org/2004/07/System.Collections.Generic";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const CRM: &str = "http://schemas.microsoft.com/xrm/2012/Contracts";

type Xml = Writer<Vec<u8>>;

/// The envelope of an `ExecuteMultiple` that goes on after a fault and returns every result.
pub(super) fn execute_multiple(requests: &[Request]) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let envelope = BytesStart::new("s:Envelope").with_attributes([
        ("xmlns:s", ENVELOPE),
        ("xmlns:a", CONTRACTS),
        ("xmlns:b", GENERIC),
        ("xmlns:c", SCHEMA),
        ("xmlns:i", INSTANCE),
        ("xmlns:l", CRM),
    ]);
    element(&mut xml, envelope, |xml| {
        element(xml, BytesStart::new("s:Body"), |xml| {
            element(xml, BytesStart::new("Execute").with_attributes([("xmlns", SERVICES)]), |xml| {
                element(xml, BytesStart::new("request"), |xml| {
                    element(xml, BytesStart::new("a:Parameters"), |xml| {
                        pair(xml, "Requests", typed("l:OrganizationRequestCollection"), |xml| {
                            requests.iter().try_for_each(|request| organization_request(xml, request))
                        })?;
                        pair(xml, "Settings", typed("l:ExecuteMultipleSettings"), |xml| {
                            text(xml, "l:ContinueOnError", "true")?;
                            text(xml, "l:ReturnResponses", "true")
                        })
                    })?;
                    text(xml, "a:RequestName", "ExecuteMultiple")
                })
            })
        })
    })?;
    Ok(xml.into_inner())
}

fn organization_request(xml: &mut Xml, request: &Request) -> io::Result<()> {
    element(xml, BytesStart::new("l:OrganizationRequest"), |xml| {
        element(xml, BytesStart::new("a:Parameters"), |xml| pairs(xml, &request.parameters))?;
        text(xml, "a:RequestName", request.name)
    })
}

fn pairs(xml: &mut Xml, pairs: &[(&'static str, Value)]) -> io::Result<()> {
    pairs.iter().try_for_each(|(key, value)| match value {
        Value::Text(content) => pair(xml, key, typed("c:string"), |xml| characters(xml, content)),
        Value::Instant(instant) => pair(xml, key, typed("c:dateTime"), |xml| {
            characters(xml, &instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }),
        Value::Entity { name, attributes } => {
            pair(xml, key, typed("a:Entity"), |xml| entity(xml, name, attributes))
        }
        Value::Entities { name, rows } => pair(xml, key, typed("a:EntityCollection"), |xml| {
            element(xml, BytesStart::new("a:Entities"), |xml| {
                rows.iter().try_for_each(|row| {
                    element(xml, BytesStart::new("a:Entity"), |xml| entity(xml, name, row))
                })
            })?;
            text(xml, "a:EntityName", name)
        }),
    })
}

fn entity(xml: &mut Xml, name: &str, attributes: &[(&'static str, Value)]) -> io::Result<()> {
    element(xml, BytesStart::new("a:Attributes"), |xml| pairs(xml, attributes))?;
    text(xml, "a:LogicalName", name)
}

fn typed(kind: &'static str) -> BytesStart<'static> {
    BytesStart::new("b:value").with_attributes([("i:type", kind)])
}

fn pair(
    xml: &mut Xml,
    key: &str,
    value: BytesStart<'static>,
    content: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    element(xml, BytesStart::new("a:KeyValuePairOfstringanyType"), |xml| {
        text(xml, "b:key", key)?;
        element(xml, value, content)
    })
}

fn text(xml: &mut Xml, name: &'static str, content: &str) -> io::Result<()> {
    element(xml, BytesStart::new(name), |xml| characters(xml, content))
}

/// Characters that XML 1.0 has no way to write (control characters, as mail bodies hold at times) are
/// left out; one of them would make the server refuse the whole request.
fn characters(xml: &mut Xml, content: &str) -> io::Result<()> {
    let writable = |letter: &char| matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    let cleaned: String = content.chars().filter(writable).collect();
    xml.write_event(Event::Text(BytesText::new(&cleaned)))
}

fn element(
    xml: &mut Xml,
    start: BytesStart<'static>,
    content: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let end: BytesEnd<'static> = start.to_end().into_owned();
    xml.write_event(Event::Start(start))?;
    content(xml)?;
    xml.write_event(Event::End(end))
}
