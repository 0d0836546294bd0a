//! Lists of messages: `$filter`, `$orderby`, `$top`, paging (graph.md 3.4).

use std::cmp::Ordering;

use serde_json::{Value, json};
use uuid::Uuid;

use super::render::Rendering;
use crate::{
    mailbox::{Mailbox, ids::FolderNumber, message::Message},
    session::Session,
    web::{
        answer::{Answer, Fault},
        auth::Need,
        filter::Filter,
        query::Query,
        view::View,
    },
};

const DEFAULT_PAGE: usize = 10;
const LARGEST_PAGE: usize = 1000;

impl Session<'_> {
    /// `GET …/messages`, of the whole mailbox or of one folder.
    pub(crate) fn list_messages(&mut self, folder: Option<&str>) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::ReadBasic)?;
        let folder = folder.map(|name| self.find_folder(user, name)).transpose()?;
        let query = self.request.query.clone();
        let view = View::read(&query)?;
        let top = query.number("top", 1, LARGEST_PAGE)?.or(self.request.prefer.page_size);
        let top = top.unwrap_or(DEFAULT_PAGE).min(LARGEST_PAGE);
        let skip = query.number("skip", 0, usize::MAX)?.unwrap_or(0);
        let everything = self.may_read_all(user);
        let prefer = self.request.prefer.clone();
        let mailbox = self.mailbox(user);
        let found = select(mailbox, folder, &query)?;
        let rendering = Rendering { view: &view, prefer: &prefer, everything };
        let page: Vec<Value> =
            found.iter().skip(skip).take(top).map(|message| rendering.message(mailbox, message)).collect();
        let (total, shown) = (found.len(), page.len());
        let mut body = json!({"value": page});
        if let Some(object) = body.as_object_mut() {
            if query.get("count").is_some_and(|count| count.eq_ignore_ascii_case("true")) {
                object.insert("@odata.count".to_owned(), json!(total));
            }
            if skip + shown < total {
                object.insert("@odata.nextLink".to_owned(), json!(self.next_page(skip + shown)));
            }
        }
        Ok(Answer::ok(self.with_context(&messages_context(user, folder), body)))
    }

    /// The same request from another position.
    pub(crate) fn next_page(&self, skip: usize) -> String {
        let mut link = url::form_urlencoded::Serializer::new(String::new());
        for name in self.request.query.names().filter(|name| *name != "skip") {
            link.append_pair(&format!("${name}"), self.request.query.get(name).unwrap_or_default());
        }
        link.append_pair("$skip", &skip.to_string());
        format!("{}{}?{}", self.root(), self.request.path.written(), link.finish())
    }
}

pub(crate) fn messages_context(user: Uuid, folder: Option<FolderNumber>) -> String {
    match folder {
        Some(_) => format!("users('{user}')/mailFolders/messages"),
        None => format!("users('{user}')/messages"),
    }
}

fn select<'a>(
    mailbox: &'a Mailbox,
    folder: Option<FolderNumber>,
    query: &Query,
) -> Result<Vec<&'a Message>, Fault> {
    let filter = query.get("filter").map(Filter::parse).transpose()?;
    let order = query.order();
    let probe = Probe::new(filter.as_ref(), &order)?;
    let mut found: Vec<(&Message, Value)> = mailbox
        .messages()
        .filter(|message| folder.is_none_or(|folder| message.folder == folder))
        .map(|message| (message, probe.look(mailbox, message)))
        .filter(|(_, seen)| filter.as_ref().is_none_or(|filter| filter.admits(seen)))
        .collect();
    found.sort_by(|left, right| compare(left, right, &order));
    Ok(found.into_iter().map(|(message, _)| message).collect())
}

/// Renders of each message only what the filter and the order look at.
struct Probe {
    view: View,
}

impl Probe {
    fn new(filter: Option<&Filter>, order: &[(String, bool)]) -> Result<Self, Fault> {
        let filtered = filter.map(Filter::properties).unwrap_or_default();
        if filter.is_some() {
            let in_order = order.iter().enumerate().all(|(position, (property, _))| {
                let root = property.split('/').next().unwrap_or_default();
                filtered.get(position).is_some_and(|filtered| filtered.eq_ignore_ascii_case(root))
            });
            if !in_order {
                return Err(Fault::bad_request(
                    "InefficientFilter",
                    "The restriction or sort order is too complex for this operation.",
                ));
            }
        }
        let ordered = order.iter().filter_map(|(property, _)| property.split('/').next());
        let mut view = View::only(filtered.iter().map(String::as_str).chain(ordered));
        view.extended_properties = filter.map(Filter::lambda_ids).unwrap_or_default();
        Ok(Self { view })
    }

    fn look(&self, mailbox: &Mailbox, message: &Message) -> Value {
        let prefer = crate::web::prefer::Prefer::default();
        Rendering { view: &self.view, prefer: &prefer, everything: true }.message(mailbox, message)
    }
}

/// By the order that was asked for; the newest first when none was.
fn compare(left: &(&Message, Value), right: &(&Message, Value), order: &[(String, bool)]) -> Ordering {
    for (property, descending) in order {
        let (a, b) = (value_at(&left.1, property), value_at(&right.1, property));
        let ordering = match (a, b) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            _ => a.as_str().map(str::to_lowercase).cmp(&b.as_str().map(str::to_lowercase)),
        };
        let ordering = if *descending { ordering.reverse() } else { ordering };
        if ordering.is_ne() {
            return ordering;
        }
    }
    (right.0.received, right.0.item).cmp(&(left.0.received, left.0.item))
}

fn value_at<'a>(entity: &'a Value, path: &str) -> &'a Value {
    let found = path.split('/').try_fold(entity, |value, step| value.get(step));
    found.unwrap_or(&Value::Null)
}
