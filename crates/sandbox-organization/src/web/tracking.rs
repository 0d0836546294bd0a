//! Change tracking: delta links and what they answer (dynamics.md 3.7).

use std::sync::Arc;

use http::StatusCode;
use hybridge_sandbox_kit::Reply;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    read::{context, link, query},
    request::reply,
};
use crate::{
    fault::{Fault, Outcome},
    odata::{
        annotate::render,
        paging::{Cookie, LARGEST_PAGE},
        query::Options,
    },
    rows::Row,
    schema::Table,
    state::{Session, State},
};

/// A delta token: the row version it stands for, and when it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    version: i64,
    given: Timestamp,
}

impl Token {
    /// `<version>!MM/dd/yyyy HH:mm:ss`, in UTC.
    fn write(self) -> String {
        format!("{}!{}", self.version, self.given.strftime("%m/%d/%Y %H:%M:%S"))
    }

    fn read(text: &str) -> Option<Self> {
        let (version, given) = text.split_once('!')?;
        let given = DateTime::strptime("%m/%d/%Y %H:%M:%S", given).ok()?;
        let given = given.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Self { version: version.parse().ok()?, given })
    }
}

/// The first full read, or what changed since a delta token.
pub(super) fn answer(
    state: &State,
    session: &Session,
    table: &'static Table,
    pairs: &[(String, String)],
) -> Outcome<Reply> {
    if !state.tracked.contains(table.name) {
        return Err(Fault::bad(
            0x8007_2491,
            format!("Change tracking is not enabled for entity '{}'.", table.name),
        ));
    }
    for refused in ["$filter", "$orderby", "$top", "$expand"] {
        if pairs.iter().any(|(name, _)| name == refused) {
            return Err(Fault::unreadable(format!(
                "The `{refused}` query parameter isn't supported when Change Tracking is enabled."
            )));
        }
    }
    let options = Options::read(table, pairs)?;
    match &options.delta_token {
        None => Ok(first(state, session, table, pairs, &options)),
        Some(token) => changes(state, session, table, pairs, &options, token),
    }
}

fn first(
    state: &State,
    session: &Session,
    table: &'static Table,
    pairs: &[(String, String)],
    options: &Options,
) -> Reply {
    // The token of the last page stands for the moment of the first: what changed in between comes again.
    let since = options.cookie.as_ref().map_or(state.store.version(), |cookie| cookie.since);
    let after = options.cookie.as_ref().map(|cookie| cookie.id);
    let size = session.prefer.page_size.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let mut rows: Vec<(Uuid, &Arc<Row>)> = state
        .store
        .rows(table)
        .filter(|(id, _)| after.is_none_or(|after| *id > after))
        .take(size + 1)
        .collect();
    let more = rows.len() > size;
    rows.truncate(size);
    let rendered = rows
        .iter()
        .map(|(id, row)| {
            Json::from(render(&state.store, session, table, (*id, row), options.select.as_deref()))
        })
        .collect();
    let next = rows.last().filter(|_| more).map(|(id, _)| {
        let page = options.cookie.as_ref().map_or(1, |cookie| cookie.page) + 1;
        link(session, table.set, pairs, &Cookie::tracking(page, *id, since))
    });
    page(state, session, table, pairs, (rendered, "", since), next)
}

fn changes(
    state: &State,
    session: &Session,
    table: &'static Table,
    pairs: &[(String, String)],
    options: &Options,
    token: &str,
) -> Outcome<Reply> {
    let token = Token::read(token).ok_or_else(|| Fault::unreadable("The delta token can't be read."))?;
    let days = state.organization().integer("expirechangetrackingindays").unwrap_or(90);
    let oldest =
        state.now().checked_sub(SignedDuration::from_hours(24 * days.max(0))).unwrap_or(Timestamp::MIN);
    if token.given < oldest {
        return Err(Fault::bad(
            0x8004_4352,
            "Version stamp associated with the client has expired. Please perform a full sync.",
        ));
    }
    let from = options.cookie.as_ref().map_or(token.version, |cookie| cookie.since);
    let size = session.prefer.page_size.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let mut rows: Vec<(Uuid, &Arc<Row>)> =
        state.store.rows(table).filter(|(_, row)| row.version() > from).collect();
    rows.sort_by_key(|(_, row)| row.version());
    let more = rows.len() > size;
    rows.truncate(size);
    let mut rendered: Vec<Json> = rows
        .iter()
        .map(|(id, row)| {
            Json::from(render(&state.store, session, table, (*id, row), options.select.as_deref()))
        })
        .collect();
    let next = rows.last().filter(|_| more).map(|(id, row)| {
        let page = options.cookie.as_ref().map_or(1, |cookie| cookie.page) + 1;
        link(session, table.set, pairs, &Cookie::tracking(page, *id, row.version()))
    });
    if next.is_none() {
        rendered.extend(deleted(state, session, table, token));
    }
    Ok(page(state, session, table, pairs, (rendered, "/$delta", state.store.version()), next))
}

/// The rows deleted since a token that are still gone; a row created and deleted in between counts too.
fn deleted(state: &State, session: &Session, table: &'static Table, token: Token) -> Vec<Json> {
    let gone = state.store.tombstones(table).iter().filter(|tombstone| {
        tombstone.version > token.version && state.store.get(table, tombstone.id).is_none()
    });
    let mut ids: Vec<Uuid> = Vec::new();
    for tombstone in gone {
        if !ids.contains(&tombstone.id) {
            ids.push(tombstone.id);
        }
    }
    let context = format!("{}$metadata#{}/$deletedEntity", session.base, table.set);
    ids.iter().map(|id| json!({ "@odata.context": context, "id": id, "reason": "deleted" })).collect()
}

fn page(
    state: &State,
    session: &Session,
    table: &'static Table,
    pairs: &[(String, String)],
    (rows, suffix, version): (Vec<Json>, &str, i64),
    next: Option<String>,
) -> Reply {
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), Json::from(context(session, table, pairs, suffix)));
    body.insert("value".to_owned(), Json::from(rows));
    if let Some(next) = next {
        body.insert("@odata.nextLink".to_owned(), Json::from(next));
    } else {
        let token = Token { version, given: state.now() }.write();
        let kept = pairs
            .iter()
            .filter(|(name, _)| name == "$select")
            .map(|(name, value)| (name.as_str(), value.clone()));
        let options = query(kept.chain([("$deltatoken", token)]));
        let delta = format!("{}{}?{options}", session.base, table.set);
        body.insert("@odata.deltaLink".to_owned(), Json::from(delta));
    }
    reply(StatusCode::OK, Some(&Json::from(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_version_and_a_moment() {
        let token = Token { version: 919_042, given: "2017-08-22T08:10:44Z".parse().unwrap() };
        assert_eq!(token.write(), "919042!08/22/2017 08:10:44");
        assert_eq!(Token::read(&token.write()), Some(token));
        assert_eq!(Token::read("919042"), None);
    }
}
