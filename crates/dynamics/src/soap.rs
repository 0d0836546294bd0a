//! `OrganizationRequest`s over SOAP 1.1 (`XRMServices/2011/Organization.svc/web`, dynamics.md section 1):
//! the same messages as the Web API's actions, for servers whose Web API lacks them.

mod read;
mod write;

use hybridge_odata::{
    Call, Error, Failure, Service,
    http::{Method, StatusCode},
};
use jiff::Timestamp;

pub(crate) use read::Results;

const PATH: &str = "XRMServices/2011/Organization.svc/web";
const ACTION: &str = "http://schemas.microsoft.com/xrm/2011/Contracts/Services/IOrganizationService/Execute";

/// A value of a request's parameter or an entity's attribute.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Instant(Timestamp),
    Entity { name: &'static str, attributes: Vec<(&'static str, Value)> },
    Entities { name: &'static str, rows: Vec<Vec<(&'static str, Value)>> },
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An `OrganizationRequest`.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    name: &'static str,
    parameters: Vec<(&'static str, Value)>,
}

impl Request {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, parameters: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.parameters.push((name, value));
        self
    }

    pub(crate) fn with_some(self, name: &'static str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// Sends requests as one `ExecuteMultiple` and returns their results in order.
pub(crate) async fn execute_multiple(
    service: &Service,
    requests: &[Request],
    repeatable: bool,
) -> Result<Vec<Result<Results, Error>>, Error> {
    let envelope = write::execute_multiple(requests)
        .map_err(|error| Error::Unwritable { what: "SOAP request", detail: error.to_string() })?;
    let mut call = Call::post(PATH)
        .header("soapaction", ACTION)
        .header("accept", "text/xml")
        .body("text/xml; charset=utf-8", envelope)
        .at_most(64 << 20);
    if repeatable {
        call = call.repeatable();
    }
    let answer = service.send(call).await?;
    let items = read::execute_multiple(&answer.body)
        .map_err(|detail| Error::Unreadable { what: "SOAP answer", detail })?;
    Ok(requests
        .iter()
        .enumerate()
        .map(|(index, request)| match items.get(&index) {
            Some(Ok(results)) => Ok(results.clone()),
            Some(Err(fault)) => Err(Error::Failed(Box::new(failure(service, request.name, fault)))),
            None => Err(Error::Unreadable {
                what: "SOAP answer",
                detail: "a request has no answer in it".to_owned(),
            }),
        })
        .collect())
}

/// A fault inside `ExecuteMultiple` in the form that the Web API would have answered it.
fn failure(service: &Service, request: &str, fault: &read::Fault) -> Failure {
    Failure {
        service: service.name(),
        method: Method::POST,
        path: request.to_owned(),
        status: StatusCode::BAD_REQUEST,
        code: format!("0x{:08x}", fault.code),
        inner_codes: Vec::new(),
        message: fault.message.clone(),
        retry_after: None,
        not_before: None,
        request_id: None,
    }
}
