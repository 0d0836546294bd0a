//! `hybridge explain`: what was decided about a message, when and why.

use std::path::Path;

use hybridge_core::{
    decision::{Decision, Outcome},
    ids::{ItemId, RecordId},
};
use hybridge_store::{Search, Store};
use serde_json::json;
use uuid::Uuid;

use crate::{
    error::{Failure, Result},
    exit::Exit,
    output::{Output, local},
    wiring,
};

/// Looks a message or record up and tells its story.
pub(crate) async fn explain(config: &Path, what: &str, output: Output) -> Result<Exit> {
    let config = crate::config::load(config)?;
    let store = wiring::open_to_read(&config).await?;
    let decisions = find(store.as_ref(), what).await?;
    if decisions.is_empty() {
        return Err(Failure::new(Exit::Configuration, format!("Hybridge has not looked at any message {what:?}")).help(
            "Give a Message-Id (Outlook: File, Properties, Internet headers), a record id, an item id, or a part of the subject or \
             sender. If the message should have been seen: `hybridge status` shows whether its mailbox takes part and how far its \
             reading is; messages outside the Inbox, or older than \"Process Email From\", are not looked at.",
        ));
    }
    let mailboxes = store.mailboxes().await?;
    let name_of = |decision: &Decision| {
        mailboxes
            .iter()
            .find(|row| row.mailbox.id == decision.lane.mailbox)
            .map_or_else(|| decision.lane.mailbox.to_string(), |row| row.mailbox.name.clone())
    };
    output.json(&json!({
        "decisions": decisions.iter().map(|decision| json!({
            "mailbox": name_of(decision),
            "conclusion": decision.conclusion(),
            "remedy": decision.remedy(),
            "decision": decision,
        })).collect::<Vec<_>>()
    }));
    for (index, decision) in decisions.iter().enumerate() {
        if index > 0 {
            output.line("");
        }
        for line in story(decision, &name_of(decision)) {
            output.line(line);
        }
    }
    Ok(Exit::Done)
}

async fn find(store: &dyn Store, what: &str) -> Result<Vec<Decision>> {
    let what = what.trim();
    let mut searches = Vec::new();
    if let Ok(id) = what.trim_matches(['{', '}']).parse::<Uuid>() {
        searches.push(Search::Record(RecordId(id)));
    }
    if what.contains('@') {
        searches.push(Search::MessageId(what.to_owned()));
    }
    searches.push(Search::Item(ItemId(what.to_owned())));
    searches.push(Search::Text(what.to_owned()));
    for search in searches {
        let found = store.search(&search).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The story of a message in one mailbox, line by line.
fn story(decision: &Decision, mailbox: &str) -> Vec<String> {
    let mut lines =
        vec![format!("“{}”", if decision.subject.is_empty() { "(no subject)" } else { &decision.subject })];
    let mut fact = |name: &str, value: String| lines.push(format!("  {name:<12}{value}"));
    if !decision.sender.is_empty() {
        fact("from", decision.sender.clone());
    }
    fact("mailbox", mailbox.to_owned());
    if let Some(received) = decision.received {
        fact("received", local(received));
    }
    if let Some(message_id) = &decision.message_id {
        fact("Message-Id", message_id.to_string());
    }
    if let Some(record) = decision.outcome.record() {
        fact("record", record.to_string());
    }
    lines.push(String::new());
    lines.push(format!("  {}", decision.conclusion()));
    if let Outcome::Promoted { left_out, .. } = &decision.outcome {
        for missing in left_out {
            lines.push(format!(
                "  Left out: {} ({} bytes), {}.",
                missing.name,
                missing.size_bytes,
                missing.reason.words()
            ));
        }
    }
    if let Some(remedy) = decision.remedy() {
        lines.push(String::new());
        lines.push(format!("  What to do: {remedy}"));
    }
    lines.push(String::new());
    lines.push("  How it came to that:".to_owned());
    lines.extend(decision.steps.iter().map(|step| format!("    {}  {}", local(step.at), step.what)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use hybridge_core::{
        attachment::LeftOut,
        decision::AttachmentLeftOut,
        ids::MailboxId,
        lane::{LaneId, LaneKind},
        message::InternetMessageId,
        trouble::{Class, Trouble},
        verdict::ReasonCode,
    };
    use jiff::Timestamp;

    fn decision(outcome: Outcome) -> Decision {
        let at: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut decision = Decision {
            lane: LaneId { mailbox: MailboxId(Uuid::from_u128(1)), kind: LaneKind::IncomingEmail },
            item: ItemId("AAkALg1".into()),
            message_id: InternetMessageId::new("<1@example.com>"),
            subject: "Offer 4711".into(),
            sender: "kim@example.com".into(),
            received: None,
            first_seen: at,
            decided: at,
            attempts: 5,
            in_inbox: true,
            outcome,
            steps: Vec::new(),
        };
        decision.note(at, "Seen in the Inbox.");
        decision
    }

    fn told(outcome: Outcome) -> String {
        let text = story(&decision(outcome), "Anna Berg").join("\n");
        // The step's time is in the machine's zone.
        text.split("How it came").next().unwrap_or_default().trim_end().to_owned()
    }

    #[test]
    fn each_outcome_is_told_in_an_administrators_words() {
        let record = RecordId(Uuid::from_u128(9));
        insta::assert_snapshot!(
            "explain_promoted",
            told(Outcome::Promoted {
                record,
                reason: ReasonCode::SenderMatch,
                recovered: true,
                left_out: vec![AttachmentLeftOut {
                    name: "film.mp4".into(),
                    size_bytes: 99,
                    reason: LeftOut::LargerThanAllowed
                }],
            })
        );
        insta::assert_snapshot!(
            "explain_filtered",
            told(Outcome::Filtered { reason: ReasonCode::NoCorrelationMatch })
        );
        insta::assert_snapshot!("explain_duplicate", told(Outcome::Duplicate { record: Some(record) }));
        insta::assert_snapshot!(
            "explain_failed",
            told(Outcome::Failed {
                trouble: Trouble::new(
                    Class::Item,
                    "the organization answered POST with 500 0x80040265",
                    "A plug-in stopped the email."
                ),
            })
        );
    }
}
