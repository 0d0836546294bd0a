//! A user's own mail goes through: from files on disk to email records with all that was in them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use support::{Control, Sandbox, hybridge, run};

/// The bytes of a large file, which no compression or charset leaves as they are by accident.
fn film() -> Vec<u8> {
    (0..20_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Base64 in lines, as mail has it.
fn lines(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    encoded.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\r\n")
}

/// Writes the mail of a user as his programs left it: single files, a Maildir and an mbox.
fn write_mail(folder: &Path, sender: &str, to: &str) {
    let head = |subject: &str, id: &str| {
        let id = if id.is_empty() { String::new() } else { format!("Message-ID: <{id}>\r\n") };
        format!(
            "From: Kim <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n{id}MIME-Version: 1.0\r\n"
        )
    };
    let write = |name: &str, text: &[u8]| fs::write(folder.join(name), text).unwrap();

    let nested = format!(
        "{}Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\
         Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n--c\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n<p>deep down <img src=\"cid:logo\"></p>\r\n--c--\r\n--b\r\n\
         Content-Type: image/png; name=logo.png\r\nContent-ID: <logo>\r\nContent-Disposition: inline; filename=logo.png\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n--a\r\nContent-Type: application/pdf\r\n\
         Content-Disposition: attachment; filename=\"=?utf-8?q?Angebot_=C3=BCber_Bl=C3=BCten=2Epdf?=\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--a--\r\n",
        head("nested", "nested@import"),
        lines(b"\x89PNG logo"),
        lines(b"%PDF offer")
    );
    write("nested.eml", nested.as_bytes());
    let mut windows = head("=?windows-1251?B?z/Do4uXy?=", "charset@import").into_bytes();
    windows
        .extend(b"Content-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    windows.extend(b"\xc4\xee\xe1\xf0\xfb\xe9 \xe4\xe5\xed\xfc");
    write("charset.eml", &windows);
    let mut japanese = head("=?ISO-2022-JP?B?GyRCO24kNxsoQg==?=", "japanese@import").into_bytes();
    japanese.extend(b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B;n$7\x1b(B");
    write("japanese.eml", &japanese);
    let signed = format!(
        "{}Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=s\r\n\r\n--s\r\n\
         Content-Type: text/plain\r\n\r\nsigned words\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7s\r\n\r\n{}\r\n--s--\r\n",
        head("signed", "signed@import"),
        lines(&[0x30, 0x80, 6, 9])
    );
    write("signed.eml", signed.as_bytes());
    let large = format!(
        "{}Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nsee the film\r\n--m\r\n\
         Content-Type: video/mp4; name=film.mp4\r\nContent-Disposition: attachment; filename=film.mp4\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--m--\r\n",
        head("large", "large@import"),
        lines(&film())
    );
    write("large.eml", large.as_bytes());
    write("nameless.eml", format!("{}\r\nno Message-Id\r\n", head("nameless", "")).as_bytes());

    for place in ["Maildir/cur", "Maildir/new", "Maildir/tmp"] {
        fs::create_dir_all(folder.join(place)).unwrap();
    }
    write(
        "Maildir/cur/1700000000.1.host:2,S",
        format!("{}\r\nfrom a Maildir\r\n", head("maildir", "maildir@import")).as_bytes(),
    );
    let entry = |number: u32| {
        let id = format!("mbox{number}@import");
        format!("From kim@x Mon Nov 23 08:00:00 2026\r\n{}\r\n>From an mbox\r\n\r\n", head("mbox", &id))
    };
    write("archive.mbox", format!("{}{}", entry(1), entry(2)).as_bytes());
}

#[test]
fn own_mail_becomes_records_with_everything_in_it() {
    let sandbox = Sandbox::start("import");
    let control = Control::of(&sandbox);
    let configuration = sandbox.folder().join("hybridge.toml");
    // An organization that takes large attachments, and a web server before it that takes large requests.
    control.put(
        "organization",
        &json!({ "settings": { "maxuploadfilesize": 32 << 20 }, "largestRequest": 50 << 20 }),
    );
    let text = fs::read_to_string(&configuration).unwrap();
    let roomy = text.replace("# largest_request_mb = 12", "largest_request_mb = 40");
    assert_ne!(roomy, text, "the setting has another form: {text}");
    fs::write(&configuration, roomy).unwrap();
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    let known: Vec<Value> = control.emails();

    let mail = sandbox.folder().join("mail");
    fs::create_dir(&mail).unwrap();
    write_mail(&mail, &control.known_sender(), sandbox.address(1));
    let import = hybridge(&configuration, &["sandbox", "import", "--json", "--sandbox"])
        .arg(sandbox.folder())
        .args(["--mailbox", sandbox.address(1)])
        .arg(&mail)
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&import.stdout).unwrap();
    assert_eq!((told["imported"].as_u64(), &told["troubles"]), (Some(9), &json!([])), "{told}");

    let synced = run(&configuration, &["sync", "--once"]);
    assert_eq!(synced.code, 0, "{synced:#?}");
    let made: Vec<Value> = control.emails().into_iter().filter(|email| !known.contains(email)).collect();
    assert_eq!(made.len(), 9, "{made:#?}");
    let email = |subject: &str| {
        made.iter()
            .find(|email| email["subject"] == subject)
            .unwrap_or_else(|| panic!("{subject}: {made:#?}"))
    };
    let files = |subject: &str| email(subject)["attachments"].clone();
    assert_eq!(
        files("nested"),
        json!([{ "name": "Angebot über Blüten.pdf", "bytes": 10 }, { "name": "logo.png", "bytes": 9 }])
    );
    assert_eq!(email("Привет")["message_id"], "<charset@import>");
    assert_eq!(email("試し")["message_id"], "<japanese@import>");
    // Exchange keeps a signed message whole, as one attachment.
    assert_eq!(files("signed")[0]["name"], "smime.p7m");
    assert_eq!(files("large"), json!([{ "name": "film.mp4", "bytes": 20 << 20 }]));
    assert_eq!(email("maildir")["message_id"], "<maildir@import>");
    assert!(
        email("nameless")["message_id"].as_str().is_some_and(|id| id.starts_with('<')),
        "{:#?}",
        email("nameless")
    );
    let nameless = run(&configuration, &["explain", "nameless"]).stdout;
    assert!(nameless.contains("no usable Message-Id"), "{nameless}");
}
