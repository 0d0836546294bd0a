//! Graph's JSON, and how it becomes the vocabulary of `core`.

use hybridge_core::{
    address::Address,
    ids::ItemId,
    message::{Importance, InternetMessageId, MessageHeader, MessageKind, Party, Sensitivity},
};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// The properties that the verdict needs, for `$select`.
pub(crate) const HEADER_FIELDS: &str = "internetMessageId,subject,from,toRecipients,ccRecipients,bccRecipients,\
     receivedDateTime,sentDateTime,importance,isDraft,conversationId,conversationIndex,parentFolderId";

/// `In-Reply-To` as the MAPI property that Exchange keeps it in: header fields can't be asked for in a
/// delta round, extended properties can (graph.md 3.6 and section 8).
const IN_REPLY_TO: &str = "String 0x1042";

/// `PidTagSensitivity`. Graph's message has no property for it, its event alone does.
const SENSITIVITY: &str = "Integer 0x36";

/// `PidTagAutoForwarded`: a mail rule forwarded it.
const AUTO_FORWARDED: &str = "Boolean 0x5";

/// The header field `Content-Class`: `rpmsg.message` where rights management protects the message ([MS-OXORMMS] 2.1.1).
const CONTENT_CLASS: &str = "String {00020386-0000-0000-C000-000000000046} Name content-class";

/// What a header needs beside its properties, for `$expand`.
pub(crate) const HEADER_EXPANSION: &str = "singleValueExtendedProperties($filter=id eq 'String 0x1042' \
     or id eq 'Integer 0x36' or id eq 'Boolean 0x5' \
     or id eq 'String {00020386-0000-0000-C000-000000000046} Name content-class')";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireMessage {
    pub(crate) id: String,
    #[serde(rename = "@odata.type", default)]
    kind: Option<String>,
    #[serde(default)]
    internet_message_id: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    from: Option<WireRecipient>,
    #[serde(default, deserialize_with = "null_as_empty")]
    to_recipients: Vec<WireRecipient>,
    #[serde(default, deserialize_with = "null_as_empty")]
    cc_recipients: Vec<WireRecipient>,
    #[serde(default, deserialize_with = "null_as_empty")]
    bcc_recipients: Vec<WireRecipient>,
    received_date_time: Option<Timestamp>,
    #[serde(default)]
    sent_date_time: Option<Timestamp>,
    #[serde(default)]
    importance: Option<String>,
    #[serde(default)]
    is_draft: Option<bool>,
    #[serde(default)]
    conversation_id: Option<String>,
    #[serde(default)]
    conversation_index: Option<String>,
    #[serde(default)]
    parent_folder_id: Option<String>,
    #[serde(default, deserialize_with = "null_as_empty")]
    single_value_extended_properties: Vec<WireProperty>,
}

/// A list that may also be null.
pub(crate) fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct WireProperty {
    id: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRecipient {
    #[serde(default)]
    email_address: Option<WireAddress>,
}

#[derive(Deserialize)]
struct WireAddress {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    address: Option<String>,
}

impl WireRecipient {
    fn party(self) -> Option<Party> {
        let address = self.email_address?;
        Some(Party { name: address.name.unwrap_or_default(), address: Address::new(&address.address?)? })
    }
}

fn parties(recipients: Vec<WireRecipient>) -> Vec<Party> {
    recipients.into_iter().filter_map(WireRecipient::party).collect()
}

impl WireProperty {
    /// Whether it is the property with this id. Services pad the number of a tag with zeros as they like.
    fn is(&self, id: &str) -> bool {
        let tag = |id: &str| {
            let (kind, number) = id.split_once(" 0x").or_else(|| id.split_once(" 0X"))?;
            Some((kind.to_ascii_lowercase(), u32::from_str_radix(number, 16).ok()?))
        };
        self.id.eq_ignore_ascii_case(id)
            || tag(&self.id).is_some_and(|found| tag(id).is_some_and(|wanted| found == wanted))
    }
}

impl WireMessage {
    /// The value of an extended property; empty where the message has none.
    fn property(&self, id: &str) -> &str {
        let found = self.single_value_extended_properties.iter().find(|property| property.is(id));
        found.and_then(|property| property.value.as_deref()).unwrap_or_default()
    }

    /// The header, or what is missing for one.
    pub(crate) fn header(self) -> Result<MessageHeader, &'static str> {
        let meeting =
            self.kind.as_deref().is_some_and(|kind| kind.starts_with("#microsoft.graph.eventMessage"));
        let in_reply_to = self.property(IN_REPLY_TO).to_owned();
        let sensitivity = self.property(SENSITIVITY).parse().map(Sensitivity::from_code).unwrap_or_default();
        let auto_forwarded = self.property(AUTO_FORWARDED).eq_ignore_ascii_case("true");
        let rights_protected =
            self.property(CONTENT_CLASS).trim().to_ascii_lowercase().starts_with("rpmsg.message");
        Ok(MessageHeader {
            id: ItemId(self.id),
            message_id: self.internet_message_id.as_deref().and_then(InternetMessageId::new),
            kind: if meeting { MessageKind::Meeting } else { MessageKind::Message },
            subject: self.subject.unwrap_or_default(),
            from: self.from.and_then(WireRecipient::party),
            to: parties(self.to_recipients),
            cc: parties(self.cc_recipients),
            bcc: parties(self.bcc_recipients),
            received: self.received_date_time.ok_or("it has no received time")?,
            sent: self.sent_date_time,
            importance: match self.importance.as_deref() {
                Some("low") => Importance::Low,
                Some("high") => Importance::High,
                _ => Importance::Normal,
            },
            sensitivity,
            auto_forwarded,
            rights_protected,
            is_draft: self.is_draft.unwrap_or(false),
            conversation: self.conversation_id.unwrap_or_default(),
            conversation_index: self.conversation_index.unwrap_or_default(),
            in_reply_to,
            folder: self.parent_folder_id.unwrap_or_default(),
        })
    }
}

/// Reads a message's header.
pub(crate) fn read_header(json: &str) -> Result<MessageHeader, String> {
    serde_json::from_str::<WireMessage>(json)
        .map_err(|error| error.to_string())?
        .header()
        .map_err(str::to_owned)
}
