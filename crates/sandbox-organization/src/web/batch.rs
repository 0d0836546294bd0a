//! `$batch`: multipart requests with change sets (dynamics.md 3.9).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use hybridge_sandbox_kit::Reply;

use super::{
    dispatch,
    request::{Request, fault_reply, set},
};
use crate::{
    fault::{Fault, Outcome},
    odata::prefer::Prefer,
    state::{Session, State},
};

/// One part of a batch.
enum Part {
    Operation(Request),
    ChangeSet(Vec<(Option<String>, Request)>),
}

/// Answers a batch.
pub(crate) fn answer(state: &mut State, session: &Session, request: &Request) -> Reply {
    state.count("$batch");
    match read(state, request) {
        Ok(parts) => run(state, session, request, parts),
        Err(fault) => fault_reply(&fault),
    }
}

fn run(state: &mut State, session: &Session, request: &Request, parts: Vec<Part>) -> Reply {
    let go_on = Prefer::read(request.header("prefer").unwrap_or_default()).continue_on_error;
    let boundary = format!("batchresponse_{}", state.dice.uuid());
    let mut body = Vec::new();
    for part in parts {
        line(&mut body, &format!("--{boundary}"));
        let good = match part {
            Part::Operation(request) => {
                let reply = dispatch::answer(state, session, &request);
                embed(&mut body, &reply, None);
                !failed(&reply)
            }
            Part::ChangeSet(requests) => change_set(state, session, &mut body, requests),
        };
        if !good && !go_on {
            break;
        }
    }
    line(&mut body, &format!("--{boundary}--"));
    let mut reply = Response::new(Bytes::from(body));
    set(&mut reply, "content-type", &format!("multipart/mixed; boundary={boundary}"));
    set(&mut reply, "odata-version", "4.0");
    reply
}

fn failed(reply: &Reply) -> bool {
    reply.status().is_client_error() || reply.status().is_server_error()
}

/// Runs a change set as a whole or not at all; one error answers for all of it.
fn change_set(
    state: &mut State,
    session: &Session,
    body: &mut Vec<u8>,
    requests: Vec<(Option<String>, Request)>,
) -> bool {
    let mut session = session.clone();
    let outcome = state.atomically(|state| {
        let mut replies = Vec::with_capacity(requests.len());
        for (content_id, mut request) in requests {
            if let Some((reference, rest)) = reference(&request.path)
                && let Some(url) = session.content_ids.get(reference)
            {
                let below = url.strip_prefix(&session.base).unwrap_or(url);
                request.path = format!("{below}{rest}");
            }
            let reply = dispatch::answer(state, &session, &request);
            if failed(&reply) {
                return Err(Box::new((content_id, reply)));
            }
            let made = reply.headers().get("odata-entityid").and_then(|url| url.to_str().ok());
            if let (Some(id), Some(url)) = (&content_id, made) {
                session.content_ids.insert(format!("${id}"), url.to_owned());
            }
            replies.push((content_id, reply));
        }
        Ok(replies)
    });
    match outcome {
        Err(failure) => {
            let (content_id, reply) = *failure;
            embed(body, &reply, content_id.as_deref());
            false
        }
        Ok(replies) => {
            let boundary = format!("changesetresponse_{}", state.dice.uuid());
            line(body, &format!("Content-Type: multipart/mixed; boundary={boundary}"));
            line(body, "");
            for (content_id, reply) in &replies {
                line(body, &format!("--{boundary}"));
                embed(body, reply, content_id.as_deref());
            }
            line(body, &format!("--{boundary}--"));
            line(body, "");
            true
        }
    }
}

/// `$1` or `$1/…` at the start of a path.
fn reference(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix('$')?;
    let end = path.find('/').unwrap_or(path.len());
    path.split_at_checked(end)
}

fn line(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.extend_from_slice(b"\r\n");
}

/// Writes an answer as a part.
fn embed(body: &mut Vec<u8>, reply: &Reply, content_id: Option<&str>) {
    line(body, "Content-Type: application/http");
    line(body, "Content-Transfer-Encoding: binary");
    if let Some(id) = content_id {
        line(body, &format!("Content-ID: {id}"));
    }
    line(body, "");
    let status = reply.status();
    line(body, &format!("HTTP/1.1 {} {}", status.as_u16(), status.canonical_reason().unwrap_or("Unknown")));
    for (name, value) in reply.headers() {
        if let Ok(value) = value.to_str() {
            line(body, &format!("{name}: {value}"));
        }
    }
    line(body, "");
    body.extend_from_slice(reply.body());
    line(body, "");
}

fn read(state: &State, request: &Request) -> Outcome<Vec<Part>> {
    if request.method != Method::POST {
        return Err(Fault::no_method("$batch is called with POST."));
    }
    let boundary = boundary(request.header("content-type").unwrap_or_default()).ok_or_else(|| {
        Fault::unreadable("The batch has no 'multipart/mixed' content type with a boundary.")
    })?;
    let mut operations = 0;
    let mut parts = Vec::new();
    for part in split(&request.body, &boundary)? {
        let (headers, content) = part_headers(part)?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("multipart/mixed") {
            let inner = super::batch::boundary(kind)
                .ok_or_else(|| Fault::unreadable("The change set has no boundary."))?;
            let mut requests = Vec::new();
            for part in split(content, &inner)? {
                let (headers, content) = part_headers(part)?;
                let id = headers.get("content-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
                let request = embedded(content)?;
                if request.method == Method::GET {
                    return Err(Fault::unreadable("A GET request is not allowed inside a change set."));
                }
                requests.push((id, request));
            }
            within(state, requests.len())?;
            operations += 1;
            parts.push(Part::ChangeSet(requests));
        } else {
            operations += 1;
            parts.push(Part::Operation(embedded(content)?));
        }
        within(state, operations)?;
    }
    Ok(parts)
}

fn within(state: &State, operations: usize) -> Outcome<()> {
    let most = state.options.largest_batch;
    if operations <= most {
        return Ok(());
    }
    Err(Fault::bad(
        0x8006_088a,
        format!(
            "The batch request contains too many operations. A maximum number of '{most}' operations are allowed in a change set."
        ),
    ))
}

/// The boundary of a multipart content type.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// The parts between boundaries. Line ends are CR LF; a body with bare line feeds is refused.
fn split<'a>(body: &'a [u8], boundary: &str) -> Outcome<Vec<&'a [u8]>> {
    let delimiter = format!("--{boundary}");
    let malformed = || Fault::unreadable("The batch is malformed: a boundary or a CRLF line end is missing.");
    let mut parts = Vec::new();
    let (mut start, mut from) = (None, 0);
    loop {
        let rest = body.get(from..).ok_or_else(malformed)?;
        let at = from + find(rest, delimiter.as_bytes()).ok_or_else(malformed)?;
        let after = at + delimiter.len();
        let line_end = body.get(after..).unwrap_or_default();
        // A longer boundary that begins with this one is not this one.
        let (last, next) = (line_end.starts_with(b"--"), line_end.starts_with(b"\r\n"));
        if last || next {
            if let Some(start) = start {
                let part = body.get(start..at).unwrap_or_default();
                parts.push(part.strip_suffix(b"\r\n").unwrap_or(part));
            }
            if last {
                return if start.is_some() { Ok(parts) } else { Err(malformed()) };
            }
            start = Some(after + 2);
        }
        from = after;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn part_headers(part: &[u8]) -> Outcome<(HeaderMap, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    match httparse::parse_headers(part, &mut headers) {
        Ok(httparse::Status::Complete((length, headers))) => {
            Ok((header_map(headers), part.get(length..).unwrap_or_default()))
        }
        _ => Err(Fault::unreadable("The headers of a part of the batch can't be read.")),
    }
}

fn header_map(headers: &[httparse::Header<'_>]) -> HeaderMap {
    headers
        .iter()
        .filter_map(|header| {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(header.value).ok()?))
        })
        .collect()
}

/// The request in a part: a request line with an absolute or relative URL, headers, body.
fn embedded(content: &[u8]) -> Outcome<Request> {
    let complete = {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        matches!(httparse::Request::new(&mut headers).parse(content), Ok(httparse::Status::Complete(_)))
    };
    if complete {
        return read_embedded(content);
    }
    // Clients leave the blank line out behind the headers of a GET, which has no body, and the service takes it.
    read_embedded(&[content.trim_ascii_end(), b"\r\n\r\n"].concat())
}

fn read_embedded(content: &[u8]) -> Outcome<Request> {
    let malformed = || Fault::unreadable("The request in a part of the batch can't be read.");
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = parsed.parse(content) else {
        return Err(malformed());
    };
    let method: Method = parsed.method.unwrap_or_default().parse().map_err(|_| malformed())?;
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // Absolute URLs and paths from the root both name the API; the rest is relative to it.
    let below = match path.find("/api/data/v") {
        Some(at) => {
            let rest = path.get(at + "/api/data/v".len()..).unwrap_or_default();
            rest.split_once('/').map_or("", |(_, below)| below)
        }
        None => path.trim_start_matches('/'),
    };
    if below.starts_with("$batch") {
        return Err(Fault::unreadable("A batch can't hold a batch."));
    }
    Ok(Request {
        method,
        path: below.to_owned(),
        query: query.to_owned(),
        headers: header_map(parsed.headers),
        body: Bytes::copy_from_slice(content.get(length..).unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_stand_between_boundaries() {
        let body = b"preamble\r\n--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n";
        assert_eq!(split(body, "b").unwrap(), [b"one", b"two"]);
        assert!(split(b"--b\none\n--b--\n", "b").is_err(), "bare line feeds are refused");
        assert_eq!(boundary("multipart/mixed; boundary=\"x y\""), Some("x y".into()));
    }

    #[test]
    fn urls_of_parts_are_absolute_or_relative() {
        for target in
            ["https://x/api/data/v9.1/emails", "/api/data/v9.0/emails", "/org/api/data/v9.1/emails", "emails"]
        {
            let request = embedded(format!("GET {target}?$top=1 HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
            assert_eq!((request.path.as_str(), request.query.as_str()), ("emails", "$top=1"));
        }
        assert!(embedded(b"POST $batch HTTP/1.1\r\n\r\n").is_err());
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body: Vec<u8>) {
            if let Ok(parts) = split(&body, "b") {
                for part in parts {
                    drop(part_headers(part));
                    drop(embedded(part));
                }
            }
        }
    }
}
