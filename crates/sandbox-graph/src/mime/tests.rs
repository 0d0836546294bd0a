use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;

use super::{read::read, write::write};
use crate::mailbox::message::{AttachmentKind, BodyType, Content, MessageKind};

fn parse(raw: &str) -> Content {
    read(&Bytes::from(raw.replace('\n', "\r\n")), Timestamp::UNIX_EPOCH)
}

#[test]
fn odd_charsets_become_text() {
    let raw = b"Subject: =?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\xd2\xc9\xd7\xc5\xd4";
    let content = read(&Bytes::from_static(raw), Timestamp::UNIX_EPOCH);
    assert_eq!(content.subject, "こんにちは");
    assert_eq!(content.body.content, "Привет");
    assert_eq!(content.body.body_type, BodyType::Text);
}

#[test]
fn a_signed_message_has_one_attachment_that_holds_it_all() {
    let content = parse(
        "From: a@b\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=s\n\n--s\nContent-Type: text/plain\n\nSigned text\n--s\nContent-Type: application/pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\nAAAA\n--s--\n",
    );
    assert_eq!(content.body.content.trim(), "Signed text");
    let [attachment] = content.attachments.as_slice() else { panic!("{:?}", content.attachments) };
    assert_eq!(
        (attachment.name.as_str(), attachment.content_type.as_deref()),
        ("smime.p7m", Some("multipart/signed"))
    );
    let AttachmentKind::File(bytes) = &attachment.kind else { panic!() };
    assert!(bytes.starts_with(b"Content-Type: multipart/signed") && bytes.ends_with(b"--s--\r\n"));
}

#[test]
fn a_meeting_request_is_recognised_with_its_time_and_place() {
    let content = parse(
        "Subject: Review\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nDTSTART;TZID=\"Pacific Standard Time\":20260302T090000\nDTEND:20260302T180000Z\nLOCATION:Room 1\\, floor\n  2\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    let MessageKind::Meeting(meeting) = content.kind else { panic!() };
    assert_eq!(meeting.start, Some(("2026-03-02T09:00:00.0000000".into(), "Pacific Standard Time".into())));
    assert_eq!(meeting.end, Some(("2026-03-02T18:00:00.0000000".into(), "UTC".into())));
    assert_eq!(meeting.location, "Room 1, floor 2");
}

#[test]
fn a_built_message_reads_back_as_it_was() {
    let mut content = parse(
        "From: Ada <a@b.c>\nTo: x@y.z\nSubject: Preis: 5 €\nMessage-ID: <1@b.c>\nDate: Mon, 2 Mar 2026 09:00:00 +0100\nX-Own: kept\nContent-Type: text/html\n\n<p>Gr&uuml;&szlig;e</p>",
    );
    content.mime = None;
    let again = read(&write(&content), Timestamp::UNIX_EPOCH);
    assert_eq!((&again.subject, &again.from, &again.to), (&content.subject, &content.from, &content.to));
    assert_eq!((&again.internet_message_id, again.sent), (&content.internet_message_id, content.sent));
    assert_eq!(again.header("X-Own"), Some("kept"));
    assert!(again.body.content.contains("Gr&uuml;&szlig;e"));
}

proptest! {
    #[test]
    fn broken_mail_never_fails(bytes: Vec<u8>) {
        let content = read(&Bytes::from(bytes), Timestamp::UNIX_EPOCH);
        prop_assert!(content.mime.is_some());
    }

    #[test]
    fn broken_structures_never_fail(parts in proptest::collection::vec("(--x|--x--|--y|Content-Type: (multipart/mixed; boundary=[xy]|message/rfc822|text/(html|calendar|plain); charset=[a-z0-9-]{0,9})|Content-Transfer-Encoding: (base64|quoted-printable)|METHOD:REQUEST|DTSTART:20|[a-z=?é]{0,12}|)", 0..30)) {
        read(&Bytes::from(parts.join("\r\n")), Timestamp::UNIX_EPOCH);
    }
}
