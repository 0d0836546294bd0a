use crate::mailbox::ids::FolderNumber;

/// The folders that every mailbox has, by the names that address them in any language (graph.md 3.2).
///
/// They take no memory in a mailbox: their place and number are the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WellKnown {
    pub(crate) number: FolderNumber,
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) parent: Option<FolderNumber>,
    pub(crate) hidden: bool,
}

pub(crate) const ROOT: FolderNumber = FolderNumber(1);
pub(crate) const INBOX: FolderNumber = FolderNumber(2);
pub(crate) const DRAFTS: FolderNumber = FolderNumber(3);
pub(crate) const SENT_ITEMS: FolderNumber = FolderNumber(4);
pub(crate) const DELETED_ITEMS: FolderNumber = FolderNumber(5);
#[cfg(test)]
pub(crate) const ARCHIVE: FolderNumber = FolderNumber(6);
pub(crate) const RECOVERABLE_ITEMS: FolderNumber = FolderNumber(10);

/// The first number of a folder that a user made.
pub(crate) const FIRST_OWN: u32 = 64;

const fn top(number: u32, name: &'static str, display_name: &'static str) -> WellKnown {
    WellKnown { number: FolderNumber(number), name, display_name, parent: Some(ROOT), hidden: false }
}

const fn hidden(number: u32, name: &'static str, display_name: &'static str) -> WellKnown {
    WellKnown { number: FolderNumber(number), name, display_name, parent: Some(ROOT), hidden: true }
}

const fn below_sync_issues(number: u32, name: &'static str, display_name: &'static str) -> WellKnown {
    WellKnown {
        number: FolderNumber(number),
        name,
        display_name,
        parent: Some(FolderNumber(14)),
        hidden: true,
    }
}

/// Every well-known folder, in the order in which a listing shows them.
pub(crate) const WELL_KNOWN: [WellKnown; 17] = [
    WellKnown {
        number: ROOT,
        name: "msgfolderroot",
        display_name: "Top of Information Store",
        parent: None,
        hidden: false,
    },
    top(6, "archive", "Archive"),
    top(7, "conversationhistory", "Conversation History"),
    top(5, "deleteditems", "Deleted Items"),
    top(3, "drafts", "Drafts"),
    top(2, "inbox", "Inbox"),
    top(8, "junkemail", "Junk Email"),
    top(9, "outbox", "Outbox"),
    top(4, "sentitems", "Sent Items"),
    hidden(10, "recoverableitemsdeletions", "Deletions"),
    hidden(11, "clutter", "Clutter"),
    hidden(12, "scheduled", "Scheduled"),
    hidden(13, "searchfolders", "Search Folders"),
    hidden(14, "syncissues", "Sync Issues"),
    below_sync_issues(15, "conflicts", "Conflicts"),
    below_sync_issues(16, "localfailures", "Local Failures"),
    below_sync_issues(17, "serverfailures", "Server Failures"),
];

pub(crate) fn well_known(number: FolderNumber) -> Option<&'static WellKnown> {
    WELL_KNOWN.iter().find(|folder| folder.number == number)
}

pub(crate) fn by_name(name: &str) -> Option<&'static WellKnown> {
    WELL_KNOWN.iter().find(|folder| folder.name.eq_ignore_ascii_case(name))
}

/// A folder that a user or an app made.
#[derive(Debug, Clone)]
pub(crate) struct OwnFolder {
    pub(crate) display_name: String,
    pub(crate) parent: FolderNumber,
    pub(crate) hidden: bool,
    pub(crate) sequence: u64,
}

/// A folder as clients see it.
#[derive(Debug, Clone)]
pub(crate) struct FolderView {
    pub(crate) number: FolderNumber,
    pub(crate) display_name: String,
    pub(crate) parent: Option<FolderNumber>,
    pub(crate) hidden: bool,
    pub(crate) child_folders: usize,
    pub(crate) total_items: usize,
    pub(crate) unread_items: usize,
}
