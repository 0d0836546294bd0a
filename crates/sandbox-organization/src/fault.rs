//! What the organization answers when it refuses (dynamics.md 3.13).

use http::StatusCode;
use serde_json::{Value as Json, json};

/// A refusal: status, code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    /// The code, or `None` for the empty code of URL and parse errors.
    pub(crate) code: Option<u32>,
    pub(crate) message: String,
}

pub(crate) type Outcome<T> = Result<T, Fault>;

pub(crate) const NOT_FOUND_SEGMENT: u32 = 0x8006_0888;
pub(crate) const INVALID_ARGUMENT: u32 = 0x8004_0203;
pub(crate) const DOES_NOT_EXIST: u32 = 0x8004_0217;
pub(crate) const DUPLICATE: u32 = 0x8004_0237;
pub(crate) const CLOSED_ACTIVITY: u32 = 0x8004_3500;
pub(crate) const NOT_ACCEPTED: u32 = 0x8005_e20b;
pub(crate) const ROUTER_DISABLED: u32 = 0x8005_e246;

impl Fault {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code: Some(code), message: message.into() }
    }

    /// 400 with a code.
    pub(crate) fn bad(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 with an empty code: the URL or the body could not be read.
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: None, message: message.into() }
    }

    /// 404: there is no such path.
    pub(crate) fn no_segment(segment: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            NOT_FOUND_SEGMENT,
            format!("Resource not found for the segment '{segment}'."),
        )
    }

    /// 404: there is no such row.
    pub(crate) fn no_row(table: &str, id: uuid::Uuid) -> Self {
        Self::new(StatusCode::NOT_FOUND, DOES_NOT_EXIST, format!("{table} With Id = {id} Does Not Exist"))
    }

    /// 400: the property is unknown in a query.
    pub(crate) fn no_property(name: &str, table: &str) -> Self {
        Self::bad(
            NOT_FOUND_SEGMENT,
            format!("Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table}'."),
        )
    }

    /// 405.
    pub(crate) fn no_method(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, 0x8006_088a, message)
    }

    /// The code as the wire writes it.
    pub(crate) fn code_text(&self) -> String {
        self.code.map(|code| format!("0x{code:08x}")).unwrap_or_default()
    }

    /// The code as SOAP writes it: the same 32 bits as a signed number.
    pub(crate) fn soap_code(&self) -> i32 {
        self.code.unwrap_or(0x8004_0216).cast_signed()
    }

    pub(crate) fn body(&self) -> Json {
        let kind = if self.code.is_some() {
            "System.ServiceModel.FaultException`1[[Microsoft.Xrm.Sdk.OrganizationServiceFault, Microsoft.Xrm.Sdk, Version=9.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]"
        } else {
            "Microsoft.Crm.CrmHttpException"
        };
        json!({ "error": {
            "code": self.code_text(),
            "message": self.message,
            "innererror": {
                "message": self.message,
                "type": kind,
                "stacktrace": "   at Microsoft.Crm.Extensibility.OrganizationSdkServiceInternal.Execute(OrganizationRequest request)",
            },
        }})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_same_on_both_wires() {
        let fault = Fault::bad(NOT_ACCEPTED, "no");
        assert_eq!(fault.code_text(), "0x8005e20b");
        assert_eq!(format!("0x{:08x}", fault.soap_code()), "0x8005e20b");
        assert_eq!(Fault::unreadable("no").body()["error"]["code"], "");
    }
}
