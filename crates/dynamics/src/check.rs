use hybridge_core::{
    message::InternetMessageId,
    verdict::{ReasonCode, Verdict},
};
use hybridge_odata::{
    Answer, Error,
    multipart::{self, Part},
    query::{Query, literal},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    Dynamics, Result,
    envelope::{Envelope, Thread},
    route::{Route, lacks_operation},
    soap::{self, Request},
};

impl Envelope {
    fn question(&self, with_thread: bool) -> Part {
        let (mut names, mut query_options) = (Vec::new(), Vec::new());
        let mut parameter = |name: &str, value: String| {
            let alias = format!("@p{}", names.len() + 1);
            names.push(format!("{name}={alias}"));
            query_options.push((alias, value));
        };
        for (name, value) in self.parameters() {
            parameter(name, literal(value));
        }
        if with_thread && !self.thread.is_empty() {
            parameter("ExtraProperties", self.thread.json().to_string());
        }
        let query = Query::on(format!("CheckIncomingEmail({})", names.join(",")));
        Part::get(
            query_options.iter().fold(query, |query, (alias, value)| query.option(alias, value)).build(),
        )
    }

    fn soap_question(&self, with_thread: bool) -> Request {
        self.soap("CheckIncomingEmail")
            .with_some("ExtraProperties", self.thread.soap().filter(|_| with_thread))
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
    /// Asks about a message that nobody sent: the answer does not matter, the road does. An organization that
    /// processes its email itself refuses. `id` is any that is not used twice.
    pub async fn try_email_messages(&self, id: Uuid) -> Result<()> {
        let id = format!("<{id}@hybridge.invalid>");
        let Some(message_id) = InternetMessageId::new(&id) else { return Ok(()) };
        let nobody = "nobody@hybridge.invalid".to_owned();
        let question = Envelope {
            message_id,
            subject: "Is this thing on?".to_owned(),
            from: nobody.clone(),
            to: nobody,
            cc: String::new(),
            bcc: String::new(),
            thread: Thread::default(),
        };
        self.check_incoming(&[question]).await?.into_iter().collect::<Result<Vec<_>>>().map(drop)
    }

    /// Asks the organization about messages, in batches; the answers come in order.
    ///
    /// # Errors
    /// When a batch as a whole fails. A single question's failure stands in its place.
    pub async fn check_incoming(&self, questions: &[Envelope]) -> Result<Vec<Result<Verdict>>> {
        if self.routes.known() == Some(Route::Soap) {
            return self.check_by_soap(questions).await;
        }
        let mut verdicts = Vec::with_capacity(questions.len());
        for chunk in questions.chunks(multipart::MOST_PARTS) {
            let with_thread = self.routes.thread_is_taken();
            let parts: Vec<Part> = chunk.iter().map(|envelope| envelope.question(with_thread)).collect();
            let mut answers = multipart::send(&self.web_api, &parts, true).await?;
            if answers.iter().any(|answer| answer.as_ref().is_err_and(lacks_operation)) {
                self.routes.learn(Route::Soap);
                return self.check_by_soap(questions).await;
            }
            if with_thread && thread_was_refused(chunk, &answers) {
                let parts: Vec<Part> = chunk.iter().map(|envelope| envelope.question(false)).collect();
                let plain = multipart::send(&self.web_api, &parts, true).await?;
                if self.learn_about_threads(chunk, &plain) {
                    answers = plain;
                }
            }
            if answers.iter().any(Result::is_ok) {
                self.routes.learn(Route::WebApi);
            }
            verdicts.extend(answers.into_iter().map(|answer| read(&answer?)));
        }
        Ok(verdicts)
    }

    /// An organization that does not take `ExtraProperties` refuses every question that has them, and answers the
    /// same question without them. Whether that is so: a question that is refused either way tells nothing.
    fn learn_about_threads<T>(&self, questions: &[Envelope], plain: &[Result<T>]) -> bool {
        let passed = questions
            .iter()
            .zip(plain)
            .any(|(envelope, answer)| !envelope.thread.is_empty() && answer.is_ok());
        if passed {
            tracing::warn!(
                "the organization takes no ExtraProperties: answers are correlated without In-Reply-To"
            );
            self.routes.refuse_thread();
        }
        passed
    }

    async fn check_by_soap(&self, questions: &[Envelope]) -> Result<Vec<Result<Verdict>>> {
        let mut verdicts = Vec::with_capacity(questions.len());
        for chunk in questions.chunks(multipart::MOST_PARTS) {
            let with_thread = self.routes.thread_is_taken();
            let ask = |with_thread| {
                let requests: Vec<Request> =
                    chunk.iter().map(|envelope| envelope.soap_question(with_thread)).collect();
                async move { soap::execute_multiple(&self.soap, &requests, true).await }
            };
            let mut answers = ask(with_thread).await?;
            if with_thread && thread_was_refused(chunk, &answers) {
                let plain = ask(false).await?;
                if self.learn_about_threads(chunk, &plain) {
                    answers = plain;
                }
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
fn thread_was_refused<T>(questions: &[Envelope], answers: &[Result<T>]) -> bool {
    let mut threaded =
        questions.iter().zip(answers).filter(|(envelope, _)| !envelope.thread.is_empty()).peekable();
    threaded.peek().is_some()
        && threaded.all(|(_, answer)| {
            answer
                .as_ref()
                .is_err_and(|error| error.failure().is_some_and(|failure| failure.status.as_u16() == 400))
        })
}
