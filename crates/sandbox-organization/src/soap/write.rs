//! The envelopes that the service answers with.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};
use uuid::Uuid;

use crate::fault::Fault;

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SERVICES: &str = "http://schemas.microsoft.com/xrm/2011/Contracts/Services";
const CONTRACTS: &str = "http://schemas.microsoft.com/xrm/2011/Contracts";
const GENERIC: &str = "http://schemas.datacontract.org/2004/07/System.Collections.Generic";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const CRM: &str = "http://schemas.microsoft.com/xrm/2012/Contracts";
const SERIALIZATION: &str = "http://schemas.microsoft.com/2003/10/Serialization/";

type Xml = Writer<Vec<u8>>;

/// A value of a response.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Boolean(bool),
    Integer(i32),
    Text(String),
    Id(Uuid),
    Responses(Vec<Item>),
}

/// The outcome of one request of an `ExecuteMultiple`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) outcome: Result<Response, Fault>,
}

/// An `OrganizationResponse`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Response {
    pub(super) name: String,
    pub(super) results: Vec<(&'static str, Answer)>,
}

/// The envelope of a response.
pub(super) fn response(response: &Response) -> io::Result<Vec<u8>> {
    envelope(|xml| {
        element(xml, BytesStart::new("ExecuteResponse").with_attributes([("xmlns", SERVICES)]), |xml| {
            element(xml, BytesStart::new("ExecuteResult"), |xml| organization_response(xml, response))
        })
    })
}

/// The envelope of a fault.
pub(super) fn fault(fault: &Fault, now: &str) -> io::Result<Vec<u8>> {
    envelope(|xml| {
        element(xml, BytesStart::new("s:Fault"), |xml| {
            text(xml, "faultcode", "s:Client")?;
            element(xml, BytesStart::new("faultstring").with_attributes([("xml:lang", "en-US")]), |xml| {
                characters(xml, &fault.message)
            })?;
            element(xml, BytesStart::new("detail"), |xml| {
                element(xml, BytesStart::new("a:OrganizationServiceFault"), |xml| {
                    service_fault(xml, fault, Some(now))
                })
            })
        })
    })
}

fn envelope(content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let envelope = BytesStart::new("s:Envelope").with_attributes([
        ("xmlns:s", ENVELOPE),
        ("xmlns:a", CONTRACTS),
        ("xmlns:b", GENERIC),
        ("xmlns:c", SCHEMA),
        ("xmlns:i", INSTANCE),
        ("xmlns:l", CRM),
        ("xmlns:e", SERIALIZATION),
    ]);
    element(&mut xml, envelope, |xml| element(xml, BytesStart::new("s:Body"), content))?;
    Ok(xml.into_inner())
}

fn organization_response(xml: &mut Xml, response: &Response) -> io::Result<()> {
    text(xml, "a:ResponseName", &response.name)?;
    element(xml, BytesStart::new("a:Results"), |xml| {
        response.results.iter().try_for_each(|(key, answer)| {
            element(xml, BytesStart::new("a:KeyValuePairOfstringanyType"), |xml| {
                text(xml, "b:key", key)?;
                value(xml, answer)
            })
        })
    })
}

fn value(xml: &mut Xml, answer: &Answer) -> io::Result<()> {
    let typed = |kind: &'static str| BytesStart::new("b:value").with_attributes([("i:type", kind)]);
    match answer {
        Answer::Boolean(value) => element(xml, typed("c:boolean"), |xml| characters(xml, &value.to_string())),
        Answer::Integer(value) => element(xml, typed("c:int"), |xml| characters(xml, &value.to_string())),
        Answer::Text(value) => element(xml, typed("c:string"), |xml| characters(xml, value)),
        Answer::Id(value) => element(xml, typed("e:guid"), |xml| characters(xml, &value.to_string())),
        Answer::Responses(items) => element(xml, typed("l:ExecuteMultipleResponseItemCollection"), |xml| {
            items.iter().try_for_each(|one| item(xml, one))
        }),
    }
}

fn item(xml: &mut Xml, item: &Item) -> io::Result<()> {
    let nil = |name: &'static str| BytesStart::new(name).with_attributes([("i:nil", "true")]);
    element(xml, BytesStart::new("l:ExecuteMultipleResponseItem"), |xml| match &item.outcome {
        Ok(response) => {
            xml.write_event(Event::Empty(nil("l:Fault")))?;
            text(xml, "l:RequestIndex", &item.index.to_string())?;
            element(xml, BytesStart::new("l:Response"), |xml| organization_response(xml, response))
        }
        Err(fault) => {
            element(xml, BytesStart::new("l:Fault"), |xml| service_fault(xml, fault, None))?;
            text(xml, "l:RequestIndex", &item.index.to_string())?;
            xml.write_event(Event::Empty(nil("l:Response")))
        }
    })
}

fn service_fault(xml: &mut Xml, fault: &Fault, now: Option<&str>) -> io::Result<()> {
    text(xml, "a:ErrorCode", &fault.soap_code().to_string())?;
    xml.write_event(Event::Empty(BytesStart::new("a:ErrorDetails")))?;
    text(xml, "a:Message", &fault.message)?;
    now.map_or(Ok(()), |now| text(xml, "a:Timestamp", now))
}

fn text(xml: &mut Xml, name: &'static str, content: &str) -> io::Result<()> {
    element(xml, BytesStart::new(name), |xml| characters(xml, content))
}

fn characters(xml: &mut Xml, content: &str) -> io::Result<()> {
    xml.write_event(Event::Text(BytesText::new(content)))
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
