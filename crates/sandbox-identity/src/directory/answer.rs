use bytes::Bytes;
use http::{Response, StatusCode};
use hybridge_sandbox_kit::{Reply, json_reply};
use serde_json::{Value, json};

/// A refusal in Graph's envelope (graph.md 7.3).
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
}

pub(super) type Answer = Result<(StatusCode, Value), Refused>;

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        let text = format!(
            "Resource '{what}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", text)
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    pub(super) fn privileges() -> Self {
        let text = "Insufficient privileges to complete the operation.";
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", text)
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }
}

/// The HTTP answer.
pub(super) fn reply(answer: Answer, request_id: &str) -> Reply {
    let mut reply = match answer {
        Ok((StatusCode::NO_CONTENT, _)) => {
            let mut reply = Response::new(Bytes::new());
            *reply.status_mut() = StatusCode::NO_CONTENT;
            reply
        }
        Ok((status, body)) => json_reply(status, &body),
        Err(refused) => {
            let inner = json!({ "request-id": request_id, "client-request-id": request_id });
            let error = json!({ "code": refused.code, "message": refused.message, "innerError": inner });
            let mut reply = json_reply(refused.status, &json!({ "error": error }));
            if refused.status == StatusCode::TOO_MANY_REQUESTS {
                reply.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
            }
            reply
        }
    };
    if let Ok(id) = request_id.parse() {
        reply.headers_mut().insert("request-id", id);
    }
    reply
}
