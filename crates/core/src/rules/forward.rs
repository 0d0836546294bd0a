//! How a forward is told from a reply.
//!
//! No header says so: Outlook gives both the same `In-Reply-To`, `References` and `Thread-Index` (server-side-sync.md
//! 2.4). What differs is what the sender's mail program puts before the subject, in the language of its user. Only
//! mail that a rule of Outlook or Exchange forwarded by itself carries a mark (`PidTagAutoForwarded`, MS-OXCMAIL
//! 2.1.3.2.21).

use crate::message::MessageHeader;

/// What mail programs put before the subject of a forward, by language.
///
/// `VS` is missing on purpose: Danish and Norwegian programs write it before forwards, Finnish ones before replies.
pub const FORWARD_PREFIXES: &[&str] = &[
    // English, and what many programs write in every language.
    "FW",
    "FWD",
    // German.
    "WG",
    "Weitergeleitet",
    // French.
    "TR",
    // Spanish.
    "RV",
    // Portuguese.
    "ENC",
    // Italian.
    "I",
    // Dutch.
    "Doorst",
    // Swedish, Finnish, Icelandic.
    "VB",
    "VL",
    "FS",
    // Polish.
    "PD",
    // Turkish, and as it is typed without the dotted capital.
    "İLT",
    "ILT",
    // Greek.
    "ΠΡΘ",
    // Indonesian.
    "TRS",
    // Hebrew, Arabic.
    "הועבר",
    "إعادة توجيه",
    // Chinese, simplified and traditional; Japanese, Korean.
    "转发",
    "轉寄",
    "転送",
    "전달",
];

/// Why a message is taken for a forward, if it is; completes "because …".
///
/// The outermost prefix counts: `RE: FW: Offer` is a reply to a forward. Marks in brackets that a gateway puts before it
/// (`[EXTERNAL]`) do not count.
pub fn sign_of_forward(header: &MessageHeader, more_prefixes: &[String]) -> Option<String> {
    if header.auto_forwarded {
        return Some("a mail rule forwarded it by itself".to_owned());
    }
    let prefix = prefix_of(&header.subject)?;
    let folded = without_counter(prefix).to_lowercase();
    FORWARD_PREFIXES
        .iter()
        .copied()
        .chain(more_prefixes.iter().map(String::as_str))
        .any(|known| known.to_lowercase() == folded)
        .then(|| format!("its subject begins with “{prefix}:”"))
}

/// What stands before the first colon, behind marks in brackets.
fn prefix_of(subject: &str) -> Option<&str> {
    let mut rest = subject.trim_start();
    while let Some((_, behind)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        rest = behind.trim_start();
    }
    let (prefix, _) = rest.split_once([':', '：'])?;
    Some(prefix.trim()).filter(|prefix| !prefix.is_empty())
}

/// `FW[2]` and `Fwd (3)` are what some programs make of a forward of a forward.
fn without_counter(prefix: &str) -> &str {
    let cut = prefix
        .strip_suffix(']')
        .and_then(|inside| inside.rsplit_once('['))
        .or_else(|| prefix.strip_suffix(')').and_then(|inside| inside.rsplit_once('(')));
    match cut {
        Some((word, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => word.trim_end(),
        _ => prefix,
    }
}
