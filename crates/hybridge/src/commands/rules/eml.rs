//! The header of a message file, as Graph would show it.

use std::{fs, path::Path};

use hybridge_core::{
    address::Address,
    ids::ItemId,
    message::{Importance, InternetMessageId, MessageHeader, MessageKind, Party, Sensitivity},
};
use jiff::Timestamp;
use mail_parser::{HeaderValue, Message, MessageParser};

use crate::{
    error::{Failure, Result},
    exit::Exit,
};

/// Reads a message file.
pub(super) fn read(path: &Path) -> Result<MessageHeader> {
    let failure = |what: String| Failure::new(Exit::Configuration, format!("{}: {what}", path.display()));
    let bytes = fs::read(path).map_err(|error| failure(format!("the message can't be read: {error}")))?;
    let outlook = bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]);
    let parsed =
        MessageParser::default().parse_headers(&bytes).filter(|message| !message.headers().is_empty());
    match parsed {
        Some(message) if !outlook => Ok(header(path, &message)),
        _ if outlook => Err(failure("this is a .msg file of Outlook".to_owned())
            .help("Save the message as .eml: in Outlook on the web, More actions, Download.")),
        _ => Err(failure("this is no message: it has no header".to_owned())
            .help("Give an .eml file: header lines (From, To, Subject), an empty line, the body.")),
    }
}

fn header(path: &Path, message: &Message<'_>) -> MessageHeader {
    let text = |name: &'static str| message.header_raw(name).map(str::trim).unwrap_or_default();
    let date = message.date().and_then(|date| Timestamp::from_second(date.to_timestamp()).ok());
    MessageHeader {
        id: ItemId(path.display().to_string()),
        message_id: message.message_id().and_then(|id| InternetMessageId::new(&format!("<{id}>"))),
        kind: MessageKind::default(),
        subject: message.subject().unwrap_or_default().to_owned(),
        from: parties(message.from()).into_iter().next(),
        to: parties(message.to()),
        cc: parties(message.cc()),
        bcc: parties(message.bcc()),
        received: date.unwrap_or(Timestamp::UNIX_EPOCH),
        sent: date,
        importance: Importance::Normal,
        sensitivity: Sensitivity::from_header(text("Sensitivity")),
        auto_forwarded: text("X-MS-Exchange-Organization-AutoForwarded").eq_ignore_ascii_case("true"),
        rights_protected: text("Content-Class").to_ascii_lowercase().starts_with("rpmsg.message"),
        is_draft: false,
        conversation: String::new(),
        conversation_index: String::new(),
        in_reply_to: match message.in_reply_to() {
            HeaderValue::Text(id) => format!("<{id}>"),
            HeaderValue::TextList(ids) => ids.first().map(|id| format!("<{id}>")).unwrap_or_default(),
            _ => String::new(),
        },
        folder: "inbox".to_owned(),
    }
}

fn parties(list: Option<&mail_parser::Address<'_>>) -> Vec<Party> {
    let party = |one: &mail_parser::Addr<'_>| {
        let name = one.name().unwrap_or_default().to_owned();
        Some(Party { name, address: Address::new(one.address()?)? })
    };
    list.into_iter().flat_map(mail_parser::Address::iter).filter_map(party).collect()
}
