use hybridge_core::{
    ids::{DeltaLink, ItemId},
    message::MessageHeader,
};
use hybridge_odata::{Call, Error, Page, query::Query};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Graph, IMMUTABLE_IDS, Result,
    user::UserRef,
    wire::{HEADER_EXPANSION, HEADER_FIELDS, read_header},
};

/// One entry of a delta page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A message that is new in the folder or has changed.
    Message(Box<MessageHeader>),
    /// A message that is no longer in the folder: deleted, or moved away.
    Removed(ItemId),
    /// An entry that can't be read.
    Unreadable {
        /// Its id, where at least that can be read.
        id: Option<ItemId>,
        /// What is wrong with it.
        detail: String,
    },
}

/// Where a page leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To another page of the same round.
    More(DeltaLink),
    /// The round is over; the link brings what will have changed.
    Over(DeltaLink),
}

/// A page of a delta round.
#[derive(Debug)]
pub struct Round {
    /// The entries, in order; of several about one item the last one counts.
    pub entries: Vec<Entry>,
    /// Where it leads.
    pub place: Place,
}

impl Graph {
    /// Begins a round over a folder: everything in it, received from `floor` on.
    ///
    /// With a floor Graph ends the round after 5,000 messages (graph.md 3.3); the caller counts.
    pub async fn delta_begin(
        &self,
        user: &UserRef,
        folder: &str,
        floor: Option<Timestamp>,
        page_size: u32,
    ) -> Result<Round> {
        let path = format!("{}/mailFolders/{folder}/messages/delta", user.path());
        let filter =
            floor.map(|floor| format!("receivedDateTime ge {}", floor.strftime("%Y-%m-%dT%H:%M:%SZ")));
        let query = Query::on(path)
            .option("$select", HEADER_FIELDS)
            .option("$expand", HEADER_EXPANSION)
            .maybe("$filter", filter.as_deref())
            .build();
        self.delta_page(Call::get(query), user, page_size).await
    }

    /// Follows a next or delta link.
    pub async fn delta_follow(&self, user: &UserRef, link: &DeltaLink, page_size: u32) -> Result<Round> {
        self.delta_page(Call::follow(link.0.clone()), user, page_size).await
    }

    async fn delta_page(&self, call: Call, user: &UserRef, page_size: u32) -> Result<Round> {
        // Both preferences have to be sent again with every link (graph.md 3.3).
        let prefer = format!("{IMMUTABLE_IDS}, odata.maxpagesize={page_size}");
        let call = call.header("prefer", &prefer).counted_against(user.as_str());
        read_round(&self.service.send(call).await?.page("delta page")?)
    }
}

fn read_round(page: &Page) -> Result<Round> {
    let place = match (&page.next_link, &page.delta_link) {
        (Some(next), _) => Place::More(DeltaLink(next.clone())),
        (None, Some(delta)) => Place::Over(DeltaLink(delta.clone())),
        (None, None) => {
            return Err(Error::Unreadable {
                what: "delta page",
                detail: "it has neither next nor delta link".into(),
            });
        }
    };
    Ok(Round { entries: page.value.iter().map(|entry| read_entry(entry)).collect(), place })
}

fn read_entry(entry: &RawValue) -> Entry {
    #[derive(Deserialize)]
    struct Head {
        id: Option<String>,
        #[serde(rename = "@removed")]
        removed: Option<serde::de::IgnoredAny>,
    }
    let head: Head = match serde_json::from_str(entry.get()) {
        Ok(head) => head,
        Err(error) => return Entry::Unreadable { id: None, detail: error.to_string() },
    };
    match (head.id, head.removed) {
        (Some(id), Some(_)) => Entry::Removed(ItemId(id)),
        (id, _) => match read_header(entry.get()) {
            Ok(header) => Entry::Message(Box::new(header)),
            Err(detail) => Entry::Unreadable { id: id.map(ItemId), detail },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(json: &str) -> Entry {
        read_entry(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn the_three_kinds_of_entry_are_told_apart() {
        let removed =
            r##"{"@odata.type":"#microsoft.graph.message","id":"A","@removed":{"reason":"deleted"}}"##;
        assert_eq!(entry(removed), Entry::Removed(ItemId("A".into())));
        let Entry::Message(header) = entry(
            r##"{"@odata.type":"#microsoft.graph.eventMessageRequest","id":"B","subject":null,
                "receivedDateTime":"2026-11-01T10:00:00Z","from":{"emailAddress":{"name":"Kim","address":"kim@example.com"}},
                "toRecipients":[{"emailAddress":{"address":""}},{"emailAddress":{"name":"A","address":"a@x"}}],
                "internetMessageId":"<1@x>","isDraft":false,"importance":"high"}"##,
        ) else {
            panic!("not a message")
        };
        assert_eq!(header.kind, hybridge_core::message::MessageKind::Meeting);
        assert_eq!(header.to.len(), 1, "a recipient without address is no party");
        assert_eq!(header.importance, hybridge_core::message::Importance::High);
    }

    #[test]
    fn what_graph_has_no_property_for_is_read_from_extended_ones() {
        use hybridge_core::message::Sensitivity;
        let header = |properties: &str| {
            let entry = entry(&format!(
                r#"{{"id":"E","receivedDateTime":"2026-11-01T10:00:00Z","singleValueExtendedProperties":[{properties}]}}"#
            ));
            let Entry::Message(header) = entry else { panic!("not a message") };
            (header.in_reply_to.clone(), header.sensitivity, header.auto_forwarded)
        };
        assert_eq!(
            header(
                r#"{"id":"Boolean 0x5","value":"True"},{"id":"Integer 0x0036","value":"3"},{"id":"String 0x1042","value":"<1@x>"}"#
            ),
            ("<1@x>".into(), Sensitivity::Confidential, true)
        );
        assert_eq!(
            header(
                r#"{"id":"String 0x36","value":"3"},{"id":"Integer 0x36","value":"?"},{"id":"x","value":"1"}"#
            ),
            (String::new(), Sensitivity::Normal, false)
        );
    }

    #[test]
    fn lists_may_be_null() {
        let entry = entry(
            r#"{"id":"D","receivedDateTime":"2026-11-01T10:00:00Z","toRecipients":null,"ccRecipients":null,
                "bccRecipients":null,"singleValueExtendedProperties":null}"#,
        );
        assert!(matches!(entry, Entry::Message(header) if header.to.is_empty()), "a list of nobody");
    }

    #[test]
    fn one_unreadable_entry_keeps_its_id_and_spoils_nothing() {
        assert!(matches!(
            entry(r#"{"id":"C","receivedDateTime":"yesterday"}"#),
            Entry::Unreadable { id: Some(id), .. } if id.0 == "C"
        ));
        assert!(matches!(entry("7"), Entry::Unreadable { id: None, .. }));
    }

    proptest! {
        #[test]
        fn no_entry_makes_the_reader_panic(id: String, subject: String, received: String) {
            let json = serde_json::json!({ "id": id, "subject": subject, "receivedDateTime": received }).to_string();
            let _entry = entry(&json);
        }
    }
}
