//! The identifiers that Exchange hands out: opaque to clients, but numbers to us, so that a mailbox
//! needs no table from id to item.
//!
//! Ids are case-sensitive (graph.md 3.1). To make every client that forgets it fail, two
//! neighbouring numbers have ids that differ in the case of one letter only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

/// Which of the two ids of an item a client asked for with `Prefer: IdType` (graph.md 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum IdForm {
    /// Changes whenever the item moves.
    #[default]
    Default,
    /// Stays for the item's life in the mailbox.
    Immutable,
}

/// An item for its whole life in one mailbox: what an immutable id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ItemNumber(pub(crate) u64);

/// An item's stay in one folder: what a default id says. Each move begins a new stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StayNumber(pub(crate) u64);

/// A folder of one mailbox. The well-known folders have the numbers below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FolderNumber(pub(crate) u32);

/// An item id as a client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemId {
    Immutable(ItemNumber),
    Default(StayNumber),
}

const DEFAULT: &str = "AAMkAD";
const IMMUTABLE: &str = "AAkALg";
const FOLDER: &str = "AQMkAD";
const CONVERSATION: &str = "AAQkAD";

/// Writes and reads the ids of one mailbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdCodec {
    mailbox: Uuid,
}

impl IdCodec {
    pub(crate) fn new(mailbox: Uuid) -> Self {
        Self { mailbox }
    }

    pub(crate) fn item(self, form: IdForm, item: ItemNumber, stay: StayNumber) -> String {
        match form {
            IdForm::Default => self.write(DEFAULT, stay.0),
            IdForm::Immutable => self.write(IMMUTABLE, item.0),
        }
    }

    pub(crate) fn immutable(self, item: ItemNumber) -> String {
        self.write(IMMUTABLE, item.0)
    }

    pub(crate) fn folder(self, folder: FolderNumber) -> String {
        self.write(FOLDER, u64::from(folder.0))
    }

    pub(crate) fn conversation(self, root: Uuid) -> String {
        format!("{CONVERSATION}{}{}=", self.stem(), URL_SAFE_NO_PAD.encode(root.as_bytes()))
    }

    /// An attachment's id contains its message's, so it changes when that one does.
    pub(crate) fn attachment(message_id: &str, number: u32) -> String {
        let stem = message_id.trim_end_matches('=');
        format!("{stem}BEgAQA{}=", URL_SAFE_NO_PAD.encode(number.to_be_bytes()))
    }

    pub(crate) fn parse_item(self, text: &str) -> Option<ItemId> {
        self.read(DEFAULT, text)
            .map(|number| ItemId::Default(StayNumber(number)))
            .or_else(|| self.read(IMMUTABLE, text).map(|number| ItemId::Immutable(ItemNumber(number))))
    }

    pub(crate) fn parse_folder(self, text: &str) -> Option<FolderNumber> {
        let number = self.read(FOLDER, text)?;
        u32::try_from(number).ok().map(FolderNumber)
    }

    fn stem(self) -> String {
        let (head, _) = self.mailbox.as_bytes().split_at(12);
        URL_SAFE_NO_PAD.encode(head)
    }

    fn write(self, prefix: &str, number: u64) -> String {
        let letter = if number & 1 == 0 { 'a' } else { 'A' };
        let bytes = (number >> 1).to_be_bytes();
        let (_, low) = bytes.split_at(2);
        format!("{prefix}{}{}{letter}AAA=", self.stem(), URL_SAFE_NO_PAD.encode(low))
    }

    fn read(self, prefix: &str, text: &str) -> Option<u64> {
        let rest = text.strip_prefix(prefix)?.strip_prefix(self.stem().as_str())?.strip_suffix("AAA=")?;
        let (digits, letter) = rest.split_at_checked(8)?;
        let bytes: [u8; 6] = URL_SAFE_NO_PAD.decode(digits).ok()?.try_into().ok()?;
        let half = bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        match letter {
            "a" => Some(half << 1),
            "A" => Some((half << 1) | 1),
            _ => None,
        }
    }
}

/// Whether a text has the outline of an item or folder id of any mailbox: what is not is answered
/// with `ErrorInvalidIdMalformed`, what is but names nothing with `ErrorItemNotFound`.
pub(crate) fn looks_like_id(text: &str) -> bool {
    text.len() > 16
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '/' | '+'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_differ_in_the_case_of_one_letter() {
        let codec = IdCodec::new(Uuid::from_u128(7));
        let even = codec.immutable(ItemNumber(2));
        let odd = codec.immutable(ItemNumber(3));
        assert_ne!(even, odd);
        assert_eq!(even.to_lowercase(), odd.to_lowercase());
    }

    proptest! {
        #[test]
        fn an_id_reads_back_in_its_own_mailbox_only(number in 0_u64..1 << 48, mailbox: u128) {
            let codec = IdCodec::new(Uuid::from_u128(mailbox));
            let id = codec.item(IdForm::Default, ItemNumber(0), StayNumber(number));
            prop_assert_eq!(codec.parse_item(&id), Some(ItemId::Default(StayNumber(number))));
            let other = IdCodec::new(Uuid::from_u128(mailbox ^ (1 << 100)));
            prop_assert_eq!(other.parse_item(&id), None);
        }

        #[test]
        fn any_text_is_read_without_harm(text: String) {
            let codec = IdCodec::new(Uuid::nil());
            let _ = (codec.parse_item(&text), codec.parse_folder(&text));
        }
    }
}
