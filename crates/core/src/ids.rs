//! The identifiers, each a type of its own so that one can't stand in for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

uuid_id!(
    /// The Dynamics organization (`organizationid`).
    OrganizationId
);
uuid_id!(
    /// The Entra ID tenant that holds the mailboxes.
    TenantId
);
uuid_id!(
    /// A mailbox record of the organization (`mailboxid`).
    MailboxId
);
uuid_id!(
    /// A queue of the organization (`queueid`).
    QueueId
);
uuid_id!(
    /// A record of the organization: an email's `activityid`, say.
    RecordId
);

/// An item's immutable Graph id. Case matters: two ids can differ in the case of one letter
/// (anchors.md section 8), so nothing may fold it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub String);

impl fmt::Display for ItemId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A Graph delta link: an opaque absolute URL. It is not printed; it can hold a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeltaLink(pub String);

impl fmt::Debug for DeltaLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DeltaLink")
    }
}
