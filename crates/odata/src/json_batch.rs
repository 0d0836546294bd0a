//! Graph's JSON batches (graph.md 7.1).

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    answer::read_json,
    call::Call,
    error::{Error, Failure},
    service::Service,
};

/// The most requests in one batch.
pub const MOST_PARTS: usize = 20;
/// Graph runs this many requests of a batch at once against one mailbox.
const AT_ONCE: u32 = 4;
/// How often parts that were refused for a while are asked again.
const ROUNDS: u32 = 4;
/// A longer pause than this is not waited for here.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// One request of a batch, without body: reading is all that batches are used for so far.
#[derive(Debug, Clone)]
pub struct Part {
    /// The path below the version root, percent-encoded.
    pub path: String,
    /// `Prefer`, where something is preferred.
    pub prefer: Option<&'static str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    requests: Vec<WirePart<'a>>,
}

#[derive(Serialize)]
struct WirePart<'a> {
    id: String,
    method: &'static str,
    url: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'static str, &'a str>,
}

#[derive(Deserialize)]
struct Answers {
    responses: Vec<WireAnswer>,
}

#[derive(Deserialize)]
struct WireAnswer {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

/// The body of one part's answer.
#[derive(Debug)]
pub struct PartAnswer(Option<Box<RawValue>>);

impl PartAnswer {
    /// Reads the body as JSON.
    pub fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, Error> {
        read_json(self.0.as_ref().map_or("null", |body| body.get()).as_bytes(), what)
    }
}

/// Sends reads of one mailbox as batches of 20 and returns their answers in order. Parts that were
/// throttled or met a passing fault are asked again, in a batch of their own, after the longest pause
/// that any of them asked for.
///
/// # Errors
/// When a batch as a whole fails. A part's own failure stands in its place in the result.
pub async fn read(
    service: &Service,
    key: &str,
    parts: &[Part],
) -> Result<Vec<Result<PartAnswer, Error>>, Error> {
    let mut answers: Vec<Option<Result<PartAnswer, Error>>> = parts.iter().map(|_| None).collect();
    let mut open: Vec<usize> = (0..parts.len()).collect();
    for round in 1..=ROUNDS {
        let mut pause = Duration::ZERO;
        for chunk in open.chunks(MOST_PARTS) {
            for (index, answer) in exchange(service, key, parts, chunk).await? {
                if let Some(asked) = answer.as_ref().err().and_then(|error| pause_asked(error, round)) {
                    pause = pause.max(asked);
                }
                if let Some(slot) = answers.get_mut(index) {
                    *slot = Some(answer);
                }
            }
        }
        open = answers
            .iter()
            .enumerate()
            .filter(|(_, answer)| match answer {
                Some(Err(error)) => pause_asked(error, round).is_some(),
                Some(Ok(_)) => false,
                None => true,
            })
            .map(|(index, _)| index)
            .collect();
        if open.is_empty() || round == ROUNDS || pause > LONGEST_PAUSE {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    let missing = || Error::Unreadable { what: "batch answer", detail: "a part has no answer".to_owned() };
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(missing()))).collect())
}

fn pause_asked(error: &Error, round: u32) -> Option<Duration> {
    let failure = error.failure()?;
    let passing = matches!(
        failure.status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    passing.then(|| failure.retry_after.unwrap_or(Duration::from_secs(u64::from(round))))
}

async fn exchange(
    service: &Service,
    key: &str,
    parts: &[Part],
    indices: &[usize],
) -> Result<Vec<(usize, Result<PartAnswer, Error>)>, Error> {
    let requests = indices
        .iter()
        .filter_map(|index| Some((index, parts.get(*index)?)))
        .map(|(index, part)| WirePart {
            id: index.to_string(),
            method: "GET",
            url: format!("/{}", part.path),
            headers: part.prefer.map(|prefer| ("Prefer", prefer)).into_iter().collect(),
        })
        .collect();
    // Each counts in the quota; the gate gives no more places than there are.
    let weight = u32::try_from(indices.len()).unwrap_or(AT_ONCE);
    let call = Call::post("$batch")
        .json(&Envelope { requests })?
        .repeatable()
        .counted_against(key)
        .weighing(weight)
        .at_most(256 << 20);
    let answers: Answers = service.send(call).await?.json("batch answer")?;
    Ok(answers
        .responses
        .into_iter()
        .filter_map(|answer| Some((answer.id.parse::<usize>().ok()?, answer)))
        .filter(|(index, _)| indices.contains(index))
        .map(|(index, answer)| {
            let path = parts.get(index).map_or("", |part| part.path.as_str());
            (index, judge(service, path, answer))
        })
        .collect())
}

fn judge(service: &Service, path: &str, answer: WireAnswer) -> Result<PartAnswer, Error> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    if status.is_success() {
        return Ok(PartAnswer(answer.body));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    let body = answer.body.as_ref().map_or("", |body| body.get()).as_bytes();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    let now = service.clock().now();
    Err(Error::Failed(Box::new(Failure::read(
        service.name(),
        Method::GET,
        path,
        status,
        &headers,
        body,
        now,
    ))))
}
