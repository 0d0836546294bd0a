use hybridge_core::{
    message::{InternetMessageId, MessageHeader, address_list},
    verdict::{ReasonCode, Verdict},
};
use hybridge_odata::{
    Answer, Error,
    multipart::{self, Part},
    query::{Query, literal},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Dynamics, Result,
    route::{Route, lacks_operation},
    soap::{self, Request, Value},
};

/// What the organization is asked about a message before its body is read.
#[derive(Debug, Clone)]
pub struct Question {
    /// The identity.
    pub message_id: InternetMessageId,
    /// The subject.
    pub subject: String,
    /// The sender's address.
    pub from: String,
    /// The To addresses, `;` between.
    pub to: String,
    /// The Cc addresses.
    pub cc: String,
    /// The Bcc addresses.
    pub bcc: String,
    /// The thread, where it is known.
    pub thread: Thread,
}

/// What ties a message to its thread. Sent in `ExtraProperties`, the only place for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// `In-Reply-To`, may be empty.
    pub in_reply_to: String,
    /// The conversation index (base64), may be empty.
    pub conversation_index: String,
}

impl Question {
    /// The question about a message.
    pub fn about(header: &MessageHeader, message_id: InternetMessageId) -> Self {
        Self {
            message_id,
            subject: header.subject.clone(),
            from: header.from.as_ref().map(|from| from.address.to_string()).unwrap_or_default(),
            to: address_list(&header.to),
            cc: address_list(&header.cc),
            bcc: address_list(&header.bcc),
            thread: Thread {
                in_reply_to: header.in_reply_to.clone(),
                conversation_index: header.conversation_index.clone(),
            },
        }
    }

    fn web_api(&self, with_thread: bool) -> Part {
        let (mut names, mut query_options) = (Vec::new(), Vec::new());
        let mut parameter = |name: &str, value: String| {
            let alias = format!("@p{}", names.len() + 1);
            names.push(format!("{name}={alias}"));
            query_options.push((alias, value));
        };
        parameter("MessageId", literal(self.message_id.as_str()));
        parameter("Subject", literal(&self.subject));
        parameter("From", literal(&self.from));
        parameter("To", literal(&self.to));
        parameter("Cc", literal(&self.cc));
        parameter("Bcc", literal(&self.bcc));
        if with_thread && !self.thread.is_empty() {
            parameter("ExtraProperties", self.thread.json().to_string());
        }
        let query = Query::on(format!("CheckIncomingEmail({})", names.join(",")));
        Part::get(
            query_options.iter().fold(query, |query, (alias, value)| query.option(alias, value)).build(),
        )
    }

    fn soap(&self, with_thread: bool) -> Request {
        Request::new("CheckIncomingEmail")
            .with("MessageId", Value::text(self.message_id.as_str()))
            .with("Subject", Value::text(&self.subject))
            .with("From", Value::text(&self.from))
            .with("To", Value::text(&self.to))
            .with("Cc", Value::text(&self.cc))
            .with("Bcc", Value::text(&self.bcc))
            .with_some("ExtraProperties", self.thread.soap().filter(|_| with_thread))
    }
}

impl Thread {
    pub(crate) fn is_empty(&self) -> bool {
        self.in_reply_to.is_empty() && self.conversation_index.is_empty()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "@odata.type": "Microsoft.Dynamics.CRM.email",
            "inreplyto": self.in_reply_to,
            "conversationindex": self.conversation_index,
        })
    }

    pub(crate) fn soap(&self) -> Option<Value> {
        (!self.is_empty()).then(|| Value::Entity {
            name: "email",
            attributes: vec![
                ("inreplyto", Value::text(&self.in_reply_to)),
                ("conversationindex", Value::text(&self.conversation_index)),
            ],
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireVerdict {
    should_deliver: bool,
    reason_code: i32,
}

fn read(answer: &Answer) -> Result<Verdict> {
    let wire: WireVerdict = answer.json("CheckIncomingEmail answer")?;
    Ok(Verdict { deliver: wire.should_deliver, reason: ReasonCode::from_code(wire.reason_code) })
}

impl Dynamics {
    /// Asks the organization about messages, in batches; the answers come in order.
    ///
    /// # Errors
    /// When a batch as a whole fails. A single question's failure stands in its place.
    pub async fn check_incoming(&self, questions: &[Question]) -> Result<Vec<Result<Verdict>>> {
        if self.routes.known() == Some(Route::Soap) {
            return self.check_by_soap(questions).await;
        }
        let mut verdicts = Vec::with_capacity(questions.len());
        for chunk in questions.chunks(multipart::MOST_PARTS) {
            let with_thread = self.routes.thread_is_taken();
            let parts: Vec<Part> = chunk.iter().map(|question| question.web_api(with_thread)).collect();
            let mut answers = multipart::send(&self.web_api, &parts, true).await?;
            if answers.iter().any(|answer| answer.as_ref().is_err_and(lacks_operation)) {
                self.routes.learn(Route::Soap);
                return self.check_by_soap(questions).await;
            }
            if with_thread && thread_was_refused(chunk, &answers) {
                // An organization that does not take ExtraProperties refuses every question that has them.
                self.routes.refuse_thread();
                let parts: Vec<Part> = chunk.iter().map(|question| question.web_api(false)).collect();
                answers = multipart::send(&self.web_api, &parts, true).await?;
            }
            if answers.iter().any(Result::is_ok) {
                self.routes.learn(Route::WebApi);
            }
            verdicts.extend(answers.into_iter().map(|answer| read(&answer?)));
        }
        Ok(verdicts)
    }

    async fn check_by_soap(&self, questions: &[Question]) -> Result<Vec<Result<Verdict>>> {
        let mut verdicts = Vec::with_capacity(questions.len());
        for chunk in questions.chunks(multipart::MOST_PARTS) {
            let with_thread = self.routes.thread_is_taken();
            let ask = |with_thread| {
                let requests: Vec<Request> =
                    chunk.iter().map(|question| question.soap(with_thread)).collect();
                async move { soap::execute_multiple(&self.soap, &requests, true).await }
            };
            let mut answers = ask(with_thread).await?;
            if with_thread && thread_was_refused(chunk, &answers) {
                self.routes.refuse_thread();
                answers = ask(false).await?;
            }
            for answer in answers {
                verdicts.push(answer.and_then(|results| {
                    let missing = || Error::Unreadable {
                        what: "CheckIncomingEmail answer",
                        detail: "a result is missing".into(),
                    };
                    let deliver = results.boolean("ShouldDeliver").ok_or_else(missing)?;
                    let reason = results.integer("ReasonCode").ok_or_else(missing)?;
                    Ok(Verdict { deliver, reason: ReasonCode::from_code(reason) })
                }));
            }
        }
        Ok(verdicts)
    }
}

/// Whether every question that told its thread was refused as malformed.
fn thread_was_refused<T>(questions: &[Question], answers: &[Result<T>]) -> bool {
    let mut threaded =
        questions.iter().zip(answers).filter(|(question, _)| !question.thread.is_empty()).peekable();
    threaded.peek().is_some()
        && threaded.all(|(_, answer)| {
            answer
                .as_ref()
                .is_err_and(|error| error.failure().is_some_and(|failure| failure.status.as_u16() == 400))
        })
}
