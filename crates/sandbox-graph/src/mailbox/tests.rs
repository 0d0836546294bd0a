use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    Mailbox,
    folder::{ARCHIVE, DELETED_ITEMS, INBOX, ROOT},
    ids::IdForm,
    message::{Content, NewMessage},
};

fn mailbox() -> Mailbox {
    Mailbox::new(Uuid::from_u128(1), SignedDuration::ZERO, 10)
}

fn unread(mailbox: &mut Mailbox) -> super::ids::ItemNumber {
    let new = NewMessage {
        folder: INBOX,
        received: Timestamp::UNIX_EPOCH,
        is_read: false,
        is_draft: false,
        content: Arc::new(Content::default()),
    };
    mailbox.insert(new, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_move_ends_the_default_id_and_keeps_the_immutable_one() {
    let mut mailbox = mailbox();
    let item = unread(&mut mailbox);
    let before = mailbox.message(item).map(|m| m.stay).unwrap();
    let default = mailbox.codec.item(IdForm::Default, item, before);
    let immutable = mailbox.codec.immutable(item);

    assert!(mailbox.relocate(item, ARCHIVE, Timestamp::UNIX_EPOCH));

    assert!(mailbox.find(&default).is_none());
    assert_eq!(mailbox.find(&immutable).map(|m| m.folder), Some(ARCHIVE));
}

#[test]
fn counters_follow_reading_moving_and_deleting() {
    let mut mailbox = mailbox();
    let first = unread(&mut mailbox);
    unread(&mut mailbox);
    mailbox.update(first, Timestamp::UNIX_EPOCH, |message| message.is_read = true);
    let inbox = mailbox.folder(INBOX).unwrap();
    assert_eq!((inbox.total_items, inbox.unread_items), (2, 1));

    mailbox.soft_delete(first, Timestamp::UNIX_EPOCH);
    assert_eq!(mailbox.folder(INBOX).unwrap().total_items, 1);
    assert_eq!(mailbox.folder(DELETED_ITEMS).unwrap().total_items, 1);
}

#[test]
fn a_lagging_mailbox_hides_fresh_changes() {
    let mut mailbox = Mailbox::new(Uuid::from_u128(1), SignedDuration::from_secs(30), 10);
    unread(&mut mailbox);
    assert_eq!(mailbox.horizon(Timestamp::UNIX_EPOCH), 0);
    assert_eq!(mailbox.horizon(Timestamp::from_second(30).unwrap()), 1);
}

#[test]
fn deleting_a_folder_takes_everything_below_with_it() {
    let mut mailbox = mailbox();
    let now = Timestamp::UNIX_EPOCH;
    let outer = mailbox.create_folder(ROOT, "Projects", false, now).unwrap();
    let inner = mailbox.create_folder(outer, "Apollo", false, now).unwrap();
    let item = unread(&mut mailbox);
    mailbox.relocate(item, inner, now);

    mailbox.delete_folder(outer, now).unwrap();

    assert!(!mailbox.folder_exists(inner));
    assert!(mailbox.message(item).is_none());
}
