use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    graph::Tenant,
    mailbox::{
        Mailbox, folder,
        ids::{FolderNumber, ItemNumber, looks_like_id},
        message::Message,
    },
    setup::MailboxState,
    state::State,
    web::{
        answer::Fault,
        auth::{Caller, Need},
        request::Request,
    },
};

/// One operation: who asks for what, and the tenant that it works on.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) tenant: &'a Tenant,
    pub(crate) caller: &'a Caller,
    pub(crate) request: &'a Request,
    pub(crate) now: Timestamp,
}

impl Session<'_> {
    /// The user whose mailbox the path names (`/users/{user}/…`), when the caller may do this there.
    pub(crate) fn mailbox_owner(&self, need: Need) -> Result<Uuid, Fault> {
        self.owner_of(self.request.path.text(1), need)
    }

    pub(crate) fn owner_of(&self, name: &str, need: Need) -> Result<Uuid, Fault> {
        let Some(user) = self.state.find_user(name) else {
            let granted = self.caller.has(need);
            return Err(if granted { unknown_user(name) } else { Fault::access_denied() });
        };
        let granted_here = self.granted(user.id, need);
        if user.mailbox == MailboxState::OutOfScope && !granted_here {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "ErrorAccessDenied",
                "Access to OData is disabled.",
            ));
        }
        if !granted_here && !self.caller.has(need) {
            return Err(Fault::access_denied());
        }
        if user.mailbox == MailboxState::NotEnabled {
            return Err(Fault::new(
                StatusCode::NOT_FOUND,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            ));
        }
        if user.mailbox == MailboxState::Unavailable {
            return Err(Fault::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ErrorMailboxStoreUnavailable",
                "The mailbox database is temporarily unavailable.",
            ));
        }
        Ok(user.id)
    }

    fn granted(&self, user: Uuid, need: Need) -> bool {
        let by_option = self.state.options.mailbox_grants.iter().any(|grant| {
            grant.app_id == self.caller.app_id && grant.user_id == user && need.is_met_by(&grant.role)
        });
        by_option || self.state.exchange.grants(self.caller, user, need, self.now)
    }

    /// Whether the caller may see bodies and attachments, not only metadata.
    pub(crate) fn may_read_all(&self, user: Uuid) -> bool {
        self.caller.has(Need::Read) || self.granted(user, Need::Read)
    }

    /// Refuses to store anything in a full mailbox.
    pub(crate) fn require_space(&self, user: Uuid) -> Result<(), Fault> {
        let full =
            self.state.users.get(&user).is_some_and(|user| user.mailbox == MailboxState::QuotaExceeded);
        if full {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "ErrorQuotaExceeded",
                "The mailbox has exceeded its maximum mailbox size.",
            ));
        }
        Ok(())
    }

    pub(crate) fn mailbox(&mut self, user: Uuid) -> &mut Mailbox {
        self.state.mailbox(user)
    }

    pub(crate) fn find_folder(&mut self, user: Uuid, name_or_id: &str) -> Result<FolderNumber, Fault> {
        let known = folder::by_name(name_or_id).map(|folder| folder.number);
        match known.or_else(|| self.mailbox(user).find_folder(name_or_id)) {
            Some(folder) => Ok(folder),
            None if looks_like_id(name_or_id) => Err(Fault::item_not_found()),
            None => Err(Fault::malformed_id()),
        }
    }

    pub(crate) fn find_message(&mut self, user: Uuid, id: &str) -> Result<&Message, Fault> {
        match self.state.mailbox(user).find(id) {
            Some(message) => Ok(message),
            None if looks_like_id(id) => Err(Fault::item_not_found()),
            None => Err(Fault::malformed_id()),
        }
    }

    /// The message that the path names at `position`; it must match `If-Match` when that is sent.
    pub(crate) fn addressed(&mut self, user: Uuid, position: usize) -> Result<ItemNumber, Fault> {
        let condition = self.request.header("if-match").map(str::to_owned);
        let id = self.request.path.text(position).to_owned();
        let message = self.find_message(user, &id)?;
        let current = etag(message.sequence);
        if condition.is_some_and(|condition| condition != "*" && condition != current) {
            return Err(Fault::new(
                StatusCode::PRECONDITION_FAILED,
                "ErrorIrresolvableConflict",
                "A precondition provided in the request (such as an if-match header) does not match the resource's current state.",
            ));
        }
        Ok(message.item)
    }

    /// Tells subscribers about what was just done to a mailbox.
    pub(crate) fn publish(&mut self, user: Uuid) {
        self.state.publish(user, self.now, self.tenant);
    }

    /// The address of the version root, with a trailing slash.
    pub(crate) fn root(&self) -> String {
        format!("{}{}/", self.tenant.origins.graph, self.request.path.version)
    }

    /// An answer's body with its `@odata.context`.
    pub(crate) fn with_context(&self, context: &str, mut body: Value) -> Value {
        if let Some(object) = body.as_object_mut() {
            object.insert("@odata.context".to_owned(), json!(format!("{}$metadata#{context}", self.root())));
        }
        body
    }
}

/// The change key of a change, as Graph writes it.
pub(crate) fn change_key(sequence: u64) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut bytes = [0_u8; 21];
    if let Some(tail) = bytes.last_chunk_mut::<8>() {
        *tail = sequence.to_be_bytes();
    }
    format!("CQ{}", STANDARD.encode(bytes))
}

pub(crate) fn etag(sequence: u64) -> String {
    format!("W/\"{}\"", change_key(sequence))
}

fn unknown_user(name: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "ErrorInvalidUser", format!("The requested user '{name}' is invalid."))
}
