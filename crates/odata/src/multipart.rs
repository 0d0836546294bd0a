//! Dynamics' multipart batches (dynamics.md 3.9).
//!
//! Requests stand in the batch one after the other, each on its own (no change sets): the organization
//! works on them in order, and with `odata.continue-on-error` one that fails does not stop the next.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use crate::{
    answer::Answer,
    call::Call,
    error::{Error, Failure},
    service::Service,
};

/// The most requests that are put into one batch (the limit of the oldest servers).
pub const MOST_PARTS: usize = 100;

/// One request of a batch.
#[derive(Debug, Clone)]
pub struct Part {
    /// The method.
    pub method: Method,
    /// The path below the service's root, percent-encoded.
    pub path: String,
    /// A JSON body, for a POST.
    pub body: Option<Bytes>,
}

impl Part {
    /// A read.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None }
    }

    /// About how many bytes the part takes in the batch.
    pub fn bytes(&self) -> usize {
        self.path.len() + self.body.as_ref().map_or(0, Bytes::len) + 300
    }
}

/// Sends the parts as one batch and returns their answers in order.
///
/// `repeatable` says that doing all of it twice does no harm.
///
/// # Errors
/// When the batch as a whole fails. A part's own failure stands in its place in the result; a part that
/// has no answer (the organization stopped before it) has [`Error::Unreadable`].
pub async fn send(
    service: &Service,
    parts: &[Part],
    repeatable: bool,
) -> Result<Vec<Result<Answer, Error>>, Error> {
    // The boundary stands in no body: JSON has no line that begins with two dashes and this name.
    const BOUNDARY: &str = "batch_hybridge";
    let mut call = Call::post("$batch")
        .header("prefer", "odata.continue-on-error")
        .header("odata-version", "4.0")
        .header("odata-maxversion", "4.0")
        .body(&format!("multipart/mixed;boundary={BOUNDARY}"), compose(service.root(), parts, BOUNDARY))
        .at_most(256 << 20);
    if repeatable {
        call = call.repeatable();
    }
    let answer = service.send(call).await?;
    let content_type = answer.header("content-type").unwrap_or_default().to_owned();
    let mut read = parse(&content_type, &answer.body)?.into_iter();
    let now = service.clock().now();
    Ok(parts
        .iter()
        .map(|part| match read.next() {
            Some(PartReply { status, headers, body }) if status.is_success() => {
                Ok(Answer { status, headers, body })
            }
            Some(PartReply { status, headers, body }) => {
                let path = part.path.split('?').next().unwrap_or_default().to_owned();
                let method = part.method.clone();
                Err(Error::Failed(Box::new(Failure::read(
                    service.name(),
                    method,
                    path,
                    status,
                    &headers,
                    &body,
                    now,
                ))))
            }
            None => Err(Error::Unreadable {
                what: "batch answer",
                detail: "this request has no answer in it".to_owned(),
            }),
        })
        .collect())
}

fn compose(root: &Url, parts: &[Part], boundary: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(parts.iter().map(Part::bytes).sum::<usize>() + 64);
    let mut line = |bytes: &[u8]| {
        text.extend_from_slice(bytes);
        text.extend_from_slice(b"\r\n");
    };
    for part in parts {
        line(format!("--{boundary}").as_bytes());
        line(b"Content-Type: application/http");
        line(b"Content-Transfer-Encoding: binary");
        line(b"");
        line(format!("{} {}{} HTTP/1.1", part.method, root, part.path).as_bytes());
        line(b"Accept: application/json");
        if let Some(body) = &part.body {
            line(b"Content-Type: application/json");
            line(format!("Content-Length: {}", body.len()).as_bytes());
            line(b"");
            line(body);
        } else {
            line(b"");
            line(b"");
        }
    }
    line(format!("--{boundary}--").as_bytes());
    text
}

/// One answer inside a batch's answer.
#[derive(Debug, Clone)]
pub struct PartReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Reads the answer of a batch. Answers of change sets inside it stand in order among the others.
///
/// # Errors
/// [`Error::Unreadable`] when it is not a multipart answer or a part is not an HTTP answer.
pub fn parse(content_type: &str, body: &Bytes) -> Result<Vec<PartReply>, Error> {
    // A change set's answers stand one level deep; deeper ones could only be meant to exhaust the stack.
    parse_nested(content_type, body, 1)
}

fn parse_nested(content_type: &str, body: &Bytes, levels: u32) -> Result<Vec<PartReply>, Error> {
    let boundary = boundary_of(content_type).ok_or_else(|| unreadable("it is not multipart"))?;
    let mut replies = Vec::new();
    for section in sections(body, &boundary) {
        let (headers, content) = split_headers(&section)?;
        let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("multipart/") {
            let levels = levels.checked_sub(1).ok_or_else(|| unreadable("it is nested too deeply"))?;
            replies.extend(parse_nested(kind, &content, levels)?);
        } else {
            replies.push(read_reply(&content)?);
        }
    }
    Ok(replies)
}

fn unreadable(detail: impl Into<String>) -> Error {
    Error::Unreadable { what: "batch answer", detail: detail.into() }
}

fn boundary_of(content_type: &str) -> Option<String> {
    if !content_type.to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    content_type.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// The sections between delimiter lines. The delimiter counts only at the beginning of a line.
fn sections(body: &Bytes, boundary: &str) -> Vec<Bytes> {
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    let mut began: Option<usize> = None;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        if line.starts_with(delimiter.as_bytes()) {
            if let Some(start) = began {
                let section = body.slice(start.min(at)..at);
                found.push(without_last_line_end(&section));
            }
            let rest = line.get(delimiter.len()..).unwrap_or_default();
            if rest.starts_with(b"--") {
                return found;
            }
            began = Some(next);
        }
        at = next;
    }
    found
}

fn without_last_line_end(section: &Bytes) -> Bytes {
    let mut end = section.len();
    if section.ends_with(b"\r\n") {
        end -= 2;
    } else if section.ends_with(b"\n") {
        end -= 1;
    }
    section.slice(..end)
}

/// The MIME headers of a section and what follows the blank line.
fn split_headers(section: &Bytes) -> Result<(HeaderMap, Bytes), Error> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(section, &mut slots) {
        Ok(httparse::Status::Complete((length, parsed))) => Ok((header_map(parsed), section.slice(length..))),
        Ok(httparse::Status::Partial) => Err(unreadable("a part's headers don't end")),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

fn read_reply(content: &Bytes) -> Result<PartReply, Error> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut slots);
    match response.parse(content) {
        Ok(httparse::Status::Complete(length)) => {
            let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
            Ok(PartReply {
                status: status.ok_or_else(|| unreadable("a part has no valid status"))?,
                headers: header_map(response.headers),
                body: content.slice(length..),
            })
        }
        Ok(httparse::Status::Partial) => Err(unreadable("a part ends too early")),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

fn header_map(headers: &[httparse::Header<'_>]) -> HeaderMap {
    headers
        .iter()
        .filter_map(|header| {
            Some((HeaderName::try_from(header.name).ok()?, HeaderValue::from_bytes(header.value).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = "--batchresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Type: application/json; odata.metadata=minimal\r\nOData-Version: 4.0\r\n\r\n\
        {\"value\":\"--batchresponse_1 in a body\"}\r\n\
        --batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n\
        --changesetresponse_2\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\
        OData-EntityId: https://crm/emails(1)\r\n\r\n\r\n--changesetresponse_2--\r\n\
        --batchresponse_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n{}\r\n--batchresponse_1--\r\n";

    #[test]
    fn answers_come_in_order_with_those_of_change_sets_among_them() {
        let replies =
            parse("multipart/mixed; boundary=batchresponse_1", &Bytes::from_static(ANSWER.as_bytes()))
                .unwrap();
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        assert_eq!(statuses, [200, 204, 404]);
        assert_eq!(replies[0].body, "{\"value\":\"--batchresponse_1 in a body\"}");
        assert_eq!(replies[1].headers["odata-entityid"], "https://crm/emails(1)");
    }

    #[test]
    fn a_batch_is_written_with_absolute_addresses_and_crlf() {
        let root = Url::parse("https://crm.test/api/data/v9.1/").unwrap();
        let parts = [
            Part::get("WhoAmI()"),
            Part { method: Method::POST, path: "emails/x".into(), body: Some(Bytes::from_static(b"{}")) },
        ];
        let text = String::from_utf8(compose(&root, &parts, "b")).unwrap();
        assert!(text.contains("\r\nGET https://crm.test/api/data/v9.1/WhoAmI() HTTP/1.1\r\n"));
        assert!(text.contains("Content-Length: 2\r\n\r\n{}\r\n--b--\r\n"));
        assert!(!text.replace("\r\n", "").contains('\n'));
    }

    #[test]
    fn an_answer_that_is_nested_too_deeply_is_refused() {
        let mut body = String::from("--b--");
        for _ in 0..1000 {
            body = format!("--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{body}\r\n--b--\r\n");
        }
        // What is inside stands before the outer end; two levels are one too many.
        let twice = "--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n--a--";
        assert!(parse("multipart/mixed; boundary=a", &Bytes::from_static(twice.as_bytes())).is_err());
        let _no_overflow = parse("multipart/mixed; boundary=b", &Bytes::from(body));
    }

    #[test]
    fn a_web_page_is_not_a_batch_answer() {
        assert!(parse("text/html", &Bytes::from_static(b"<html>")).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(body: Vec<u8>, cut in 0..ANSWER.len()) {
            let _ignored = parse("multipart/mixed; boundary=b", &Bytes::from(body));
            let _ignored = parse("multipart/mixed; boundary=batchresponse_1", &Bytes::copy_from_slice(&ANSWER.as_bytes()[..cut]));
        }
    }
}
