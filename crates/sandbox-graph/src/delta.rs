//! Delta queries over messages and folders (graph.md 3.3).

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    folders,
    mailbox::{
        cursor::{ChangeTypes, Cursor, DeltaQuery, DeltaToken, Entry, ReceivedFrom, Tracked},
        ids::{FolderNumber, IdForm, ItemNumber},
    },
    messages::render::Rendering,
    session::Session,
    setup::ExpiredTokenAnswer,
    web::{
        answer::{Answer, Fault},
        auth::Need,
        filter::{Filter, Literal, Operator},
        prefer::Prefer,
        view::View,
    },
};

/// Messages that a filtered delta query returns at most.
const FILTERED_CAP: usize = 5_000;

/// Entries on one page at most, whatever the client prefers.
const LARGEST_PAGE: usize = 1_000;

impl Session<'_> {
    /// `GET …/mailFolders/{f}/messages/delta`.
    pub(crate) fn messages_delta(&mut self, folder: &str) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::ReadBasic)?;
        let folder = self.find_folder(user, folder)?;
        self.delta(user, Tracked::Messages(folder))
    }

    /// `GET …/mailFolders/delta`.
    pub(crate) fn folders_delta(&mut self) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::ReadBasic)?;
        self.delta(user, Tracked::Folders)
    }

    fn delta(&mut self, user: Uuid, tracked: Tracked) -> Result<Answer, Fault> {
        // The service has to store the sync state, which a full mailbox refuses.
        self.require_space(user)?;
        let query = &self.request.query;
        match query
            .get("deltatoken")
            .or_else(|| query.get("skiptoken"))
            .filter(|token| !token.is_empty())
            .map(str::to_owned)
        {
            None => {
                let query = Arc::new(self.read_delta_query(tracked)?);
                let cursor = self.first_round(user, query);
                self.page(user, cursor, 0)
            }
            Some(text) => self.resume(user, tracked, &text),
        }
    }

    fn resume(&mut self, user: Uuid, tracked: Tracked, text: &str) -> Result<Answer, Fault> {
        let token = DeltaToken::read(text).filter(|token| token.mailbox == user);
        let cursors = &mut self.mailbox(user).cursors;
        let found = token.and_then(|token| Some((token, cursors.recall(token.cursor)?)));
        let Some((token, cursor)) = found.filter(|(_, cursor)| cursor.query.tracked == tracked) else {
            return Err(self.expired(user, tracked));
        };
        if let Some(offset) = token.offset {
            return self.page(user, token.cursor, usize::try_from(offset).unwrap_or(usize::MAX));
        }
        match self.later_round(user, &cursor) {
            Some(next) => self.page(user, next, 0),
            // Nothing happened: the same link stays good.
            None => self.page(user, token.cursor, cursor.entries.len()),
        }
    }

    /// The options of a first call.
    fn read_delta_query(&self, tracked: Tracked) -> Result<DeltaQuery, Fault> {
        let query = &self.request.query;
        if query.get("search").is_some() {
            return Err(unsupported("$search"));
        }
        let order = query.order();
        if order
            .iter()
            .any(|(name, descending)| !name.eq_ignore_ascii_case("receivedDateTime") || !descending)
        {
            return Err(unsupported("$orderby"));
        }
        let filter = query.get("filter").map(Filter::parse).transpose()?;
        let received_from = match (&filter, tracked) {
            (None, _) => None,
            (
                Some(Filter::Compare { path, operator, literal: Literal::Instant(instant) }),
                Tracked::Messages(_),
            ) if path.eq_ignore_ascii_case("receivedDateTime")
                && matches!(operator, Operator::Greater | Operator::GreaterOrEqual) =>
            {
                Some(ReceivedFrom { instant: *instant, inclusive: *operator == Operator::GreaterOrEqual })
            }
            _ => return Err(unsupported("$filter")),
        };
        let change_types = match query.get("changetype") {
            None => ChangeTypes { created: true, updated: true, deleted: true },
            Some(text) => {
                let names: Vec<_> = text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
                let has = |name: &str| names.iter().any(|found| found == name);
                ChangeTypes { created: has("created"), updated: has("updated"), deleted: has("deleted") }
            }
        };
        let page_size = query.number("top", 1, LARGEST_PAGE)?;
        Ok(DeltaQuery { tracked, view: View::read(query)?, received_from, change_types, page_size })
    }

    /// Enumerates everything, the newest first when the query filters by time.
    fn first_round(&mut self, user: Uuid, query: Arc<DeltaQuery>) -> u64 {
        let now = self.now;
        let mailbox = self.mailbox(user);
        let end = mailbox.horizon(now);
        let mut entries: Vec<Entry> = match query.tracked {
            Tracked::Folders => mailbox.all_folders().map(Entry::Folder).collect(),
            Tracked::Messages(folder) => {
                let mut found: Vec<_> = mailbox
                    .messages()
                    .filter(|message| message.folder == folder && message.sequence <= end)
                    .filter(|message| query.received_from.is_none_or(|from| from.admits(message.received)))
                    .map(|message| (message.received, message.item))
                    .collect();
                found.sort_unstable_by(|left, right| right.cmp(left));
                if query.received_from.is_some() {
                    found.truncate(FILTERED_CAP);
                }
                found.into_iter().map(|(_, item)| Entry::Message(item)).collect()
            }
        };
        self.disturb(&mut entries);
        self.mailbox(user).cursors.keep(Cursor::new(query, 0, end, entries))
    }

    /// What changed since a round ended; `None` when nothing did.
    fn later_round(&mut self, user: Uuid, last: &Cursor) -> Option<u64> {
        let now = self.now;
        let form = self.request.prefer.id_form;
        let loses_returned = self.state.options.delta.loses_returned_messages;
        let end = self.mailbox(user).horizon(now).max(last.end);
        let mut entries = match last.query.tracked {
            Tracked::Folders => self.folder_entries(user, last.end),
            Tracked::Messages(folder) => self.message_entries(user, folder, last, end, form, loses_returned),
        };
        self.replay(user, &last.query, &mut entries);
        self.disturb(&mut entries);
        if entries.is_empty() && end == last.end {
            return None;
        }
        let cursor = Cursor::new(Arc::clone(&last.query), last.end, end, entries);
        Some(self.mailbox(user).cursors.keep(cursor))
    }

    fn folder_entries(&mut self, user: Uuid, base: u64) -> Vec<Entry> {
        let (changed, gone) = self.mailbox(user).folder_changes(base);
        let changed = changed.into_iter().map(Entry::Folder);
        changed.chain(gone.into_iter().map(Entry::FolderRemoved)).collect()
    }

    fn message_entries(
        &mut self,
        user: Uuid,
        folder: FolderNumber,
        last: &Cursor,
        end: u64,
        form: IdForm,
        loses_returned: bool,
    ) -> Vec<Entry> {
        let base = last.end;
        let query = &last.query;
        let mailbox = self.mailbox(user);
        let mut entries = Vec::new();
        let mut unreturned: Vec<ItemNumber> = Vec::new();
        for departure in mailbox.departed_between(base, end) {
            // What came and went between two rounds was never told.
            if departure.folder != folder || departure.arrived > base {
                continue;
            }
            let returned = mailbox.message(departure.item).is_some_and(|message| message.folder == folder);
            if form == IdForm::Immutable && returned {
                if !loses_returned {
                    continue;
                }
                unreturned.push(departure.item);
            }
            if query.change_types.deleted {
                entries.push(Entry::MessageRemoved(departure.item, departure.stay));
            }
        }
        for message in mailbox.changed_between(base, end) {
            let fresh = message.arrived > base;
            let wanted = if fresh { query.change_types.created } else { query.change_types.updated };
            // The documented defect: the return is not reported, later changes are.
            let unreported = unreturned.contains(&message.item) && message.sequence == message.arrived;
            let admitted = query.received_from.is_none_or(|from| from.admits(message.received));
            if message.folder == folder && wanted && admitted && !unreported {
                entries.push(Entry::Message(message.item));
            }
        }
        entries
    }

    /// Brings an unchanged message once more, as the service sometimes does.
    fn replay(&mut self, user: Uuid, query: &DeltaQuery, entries: &mut Vec<Entry>) {
        let Tracked::Messages(folder) = query.tracked else { return };
        if !self.tenant.dice.chance(self.state.options.delta.replay) {
            return;
        }
        let items: Vec<ItemNumber> = self
            .mailbox(user)
            .messages()
            .filter(|message| message.folder == folder)
            .map(|message| message.item)
            .collect();
        entries.extend(self.tenant.dice.pick(&items).map(|item| Entry::Message(*item)));
    }

    /// Repeats entries, as the service sometimes does.
    fn disturb(&self, entries: &mut Vec<Entry>) {
        let probability = self.state.options.delta.duplicate;
        let repeated: Vec<Entry> =
            entries.iter().filter(|_| self.tenant.dice.chance(probability)).copied().collect();
        entries.extend(repeated);
    }

    /// One page of a round, beginning at `offset`.
    fn page(&mut self, user: Uuid, number: u64, offset: usize) -> Result<Answer, Fault> {
        let options = self.state.options.delta;
        let prefer = self.request.prefer.clone();
        let everything = self.may_read_all(user);
        let cursor = self.mailbox(user).cursors.look(number).cloned();
        let cursor = cursor.ok_or_else(|| self.expired(user, Tracked::Folders))?;
        let size = prefer.page_size.or(cursor.query.page_size).unwrap_or(options.page_size);
        let size = size.clamp(1, LARGEST_PAGE);
        let left = cursor.entries.len().saturating_sub(offset);
        let count = if left > 0 && self.tenant.dice.chance(options.empty_page) { 0 } else { size.min(left) };
        let writer = EntryWriter { view: &cursor.query.view, prefer: &prefer, everything };
        let mailbox = self.mailbox(user);
        let entries = cursor.entries.iter().skip(offset).take(count);
        let value: Vec<Value> = entries.filter_map(|entry| writer.write(mailbox, *entry)).collect();
        let next = offset + count;
        let (name, token_name, offset) = if next < cursor.entries.len() {
            ("@odata.nextLink", "$skiptoken", u32::try_from(next).ok())
        } else {
            ("@odata.deltaLink", "$deltatoken", None)
        };
        let token = DeltaToken { mailbox: user, cursor: number, offset }.write();
        let link = format!("{}?{token_name}={token}", self.delta_address(user, cursor.query.tracked));
        let mut body = json!({"value": value});
        if let Some(object) = body.as_object_mut() {
            object.insert(name.to_owned(), json!(link));
        }
        let context = match cursor.query.tracked {
            Tracked::Messages(_) => "Collection(message)",
            Tracked::Folders => "Collection(mailFolder)",
        };
        Ok(Answer::ok(self.with_context(context, body)))
    }

    fn delta_address(&self, user: Uuid, tracked: Tracked) -> String {
        let root = format!("{}users('{user}')/mailFolders", self.root());
        match tracked {
            Tracked::Folders => format!("{root}/delta"),
            Tracked::Messages(folder) => {
                let id = self.state.existing_mailbox(user).map(|mailbox| mailbox.codec.folder(folder));
                format!("{root}('{}')/messages/delta", id.unwrap_or_default())
            }
        }
    }

    fn expired(&self, user: Uuid, tracked: Tracked) -> Fault {
        let message = "The sync state generation is not found; a full resynchronization is required.";
        match self.state.options.delta.expired_answer {
            ExpiredTokenAnswer::Gone => Fault::new(StatusCode::GONE, "syncStateNotFound", message)
                .with_header("location", format!("{}?$deltatoken=", self.delta_address(user, tracked))),
            ExpiredTokenAnswer::BadRequest => Fault::bad_request("SyncStateNotFound", message),
        }
    }
}

fn unsupported(option: &str) -> Fault {
    Fault::bad_request(
        "ErrorInvalidUrlQuery",
        format!(
            "The following parameters are not supported with change tracking over the 'Messages' resource: '{option}'."
        ),
    )
}

struct EntryWriter<'a> {
    view: &'a View,
    prefer: &'a Prefer,
    everything: bool,
}

impl EntryWriter<'_> {
    /// An entry as it is now; nothing when what it speaks of has gone meanwhile (the next round
    /// tells that).
    fn write(&self, mailbox: &crate::mailbox::Mailbox, entry: Entry) -> Option<Value> {
        match entry {
            Entry::Message(item) => {
                let message = mailbox.message(item)?;
                let rendering =
                    Rendering { view: self.view, prefer: self.prefer, everything: self.everything };
                let mut value = rendering.message(mailbox, message);
                if let Some(object) = value.as_object_mut() {
                    object.entry("@odata.type").or_insert(json!("#microsoft.graph.message"));
                }
                Some(value)
            }
            Entry::MessageRemoved(item, stay) => Some(json!({
                "@odata.type": "#microsoft.graph.message",
                "id": mailbox.codec.item(self.prefer.id_form, item, stay),
                "@removed": {"reason": "deleted"},
            })),
            Entry::Folder(number) => {
                let folder = mailbox.folder(number)?;
                let mut value = folders::render(mailbox, &folder, self.view);
                if let Some(object) = value.as_object_mut() {
                    object.insert("@odata.type".to_owned(), json!("#microsoft.graph.mailFolder"));
                }
                Some(value)
            }
            Entry::FolderRemoved(number) => Some(json!({
                "@odata.type": "#microsoft.graph.mailFolder",
                "id": mailbox.codec.folder(number),
                "@removed": {"reason": "deleted"},
            })),
        }
    }
}
