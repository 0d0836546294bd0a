//! Reading sets and single rows (dynamics.md 3.3, 3.4).

use std::sync::Arc;

use http::StatusCode;
use hybridge_sandbox_kit::{Reply, text_reply};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::request::reply;
use crate::{
    access::{self, Right},
    cell::Cell,
    fault::{Fault, Outcome},
    odata::{
        annotate::{self, render},
        filter::{Condition, Operator},
        paging::{self, Cookie, LARGEST_PAGE},
        query::{Expand, ExpandPath, Options},
    },
    rows::{Row, Store},
    schema::{self, Collection, Table},
    state::{Session, State},
};

type Found = (Uuid, Arc<Row>);

/// The rows of a table that meet a condition, in order.
fn find(
    store: &Store,
    table: &'static Table,
    condition: Option<&Condition>,
    options: &Options,
) -> Vec<Found> {
    let holds = |id: Uuid, row: &Row| {
        condition.is_none_or(|condition| condition.holds(store, id, row))
            && options.filter.as_ref().is_none_or(|filter| filter.holds(store, id, row))
    };
    let narrowed = condition
        .and_then(|condition| condition.candidates(store, table))
        .or_else(|| options.filter.as_ref()?.candidates(store, table));
    let mut found: Vec<Found> = match narrowed {
        Some(ids) => ids
            .into_iter()
            .filter_map(|id| store.get(table, id).map(|row| (id, row)))
            .filter(|(id, row)| holds(*id, row))
            .map(|(id, row)| (id, Arc::clone(row)))
            .collect(),
        None => store
            .rows(table)
            .filter(|(id, row)| holds(*id, row))
            .map(|(id, row)| (id, Arc::clone(row)))
            .collect(),
    };
    found.sort_by(|left, right| paging::in_order(&options.order, (left.0, &left.1), (right.0, &right.1)));
    found
}

/// Refuses an expansion of rows that the caller may not read.
fn demand_expanded(state: &State, session: &Session, options: &Options) -> Outcome<()> {
    let mut expanded = options.expand.iter();
    expanded.try_for_each(|expand| access::demand(state, session, expand.table, Right::Read))
}

/// `GET` of a set, or of a row's collection when there is a condition.
pub(super) fn collection(
    state: &State,
    session: &Session,
    table: &'static Table,
    pairs: &[(String, String)],
    condition: Option<&Condition>,
    path: &str,
) -> Outcome<Reply> {
    let options = Options::read(table, pairs)?;
    demand_expanded(state, session, &options)?;
    let mut found = find(&state.store, table, condition, &options);
    let total = found.len();
    if let Some(cookie) = &options.cookie {
        found.retain(|(id, row)| cookie.is_before(&options.order, (*id, row)));
    }
    let page = match options.top {
        Some(top) => top,
        None => session.prefer.page_size.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE),
    };
    let more = options.top.is_none() && found.len() > page;
    found.truncate(page);

    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), Json::from(context(session, table, pairs, "")));
    if options.count {
        body.insert("@odata.count".to_owned(), Json::from(total.min(5000)));
    }
    if session.prefer.wants("Microsoft.Dynamics.CRM.totalrecordcount") {
        body.insert(
            "@Microsoft.Dynamics.CRM.totalrecordcount".to_owned(),
            Json::from(if options.count { i64::try_from(total.min(5000)).unwrap_or(-1) } else { -1 }),
        );
        body.insert(
            "@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded".to_owned(),
            Json::from(options.count && total > 5000),
        );
    }
    let next = found.last().filter(|_| more).map(|(id, row)| {
        let page = options.cookie.as_ref().map_or(1, |cookie| cookie.page) + 1;
        link(session, path, pairs, &Cookie::after(page, &options.order, (*id, row)))
    });
    let mut rows = Vec::with_capacity(found.len());
    for (id, row) in &found {
        rows.push(Json::from(row_json(state, session, table, (*id, row), &options, false)?));
    }
    body.insert("value".to_owned(), Json::from(rows));
    if let Some(next) = next {
        body.insert("@odata.nextLink".to_owned(), Json::from(next));
    }
    Ok(reply(StatusCode::OK, Some(&Json::from(body))))
}

/// `GET` of one row's collection-valued property.
pub(super) fn members(
    state: &State,
    session: &Session,
    (table, id): (&'static Table, Uuid),
    collection_of: &'static Collection,
    pairs: &[(String, String)],
) -> Outcome<Reply> {
    let (members, condition) = restriction(collection_of, id)?;
    let path = format!("{}({id})/{}", table.set, collection_of.name);
    collection(state, session, members, pairs, Some(&condition), &path)
}

fn restriction(collection: &Collection, id: Uuid) -> Outcome<(&'static Table, Condition)> {
    let members = schema::table(collection.table).ok_or_else(|| Fault::no_segment(collection.name))?;
    let by = members.attribute(collection.by).ok_or_else(|| Fault::no_segment(collection.name))?;
    Ok((members, Condition::Compare(by, Operator::Equal, Some(Cell::Id(id)))))
}

/// One row with what is expanded. On a set an expanded collection is empty, with a link to follow;
/// on a single row it is there (dynamics.md 3.3).
pub(super) fn row_json(
    state: &State,
    session: &Session,
    table: &'static Table,
    (id, row): (Uuid, &Row),
    options: &Options,
    single: bool,
) -> Outcome<Map<String, Json>> {
    let mut json = render(&state.store, session, table, (id, row), options.select.as_deref());
    for expand in &options.expand {
        expanded(state, session, table, (id, row), expand, single, &mut json)?;
    }
    Ok(json)
}

fn expanded(
    state: &State,
    session: &Session,
    table: &'static Table,
    (id, row): (Uuid, &Row),
    expand: &Expand,
    single: bool,
    json: &mut Map<String, Json>,
) -> Outcome<()> {
    let name = &expand.name;
    match expand.path {
        ExpandPath::Single(attribute, target) => {
            let found = row.lookup(attribute.name).filter(|reference| reference.is_a(target.table)).and_then(
                |reference| state.store.get(reference.table, reference.id).map(|row| (reference, row)),
            );
            let value = found.map_or(Json::Null, |(reference, row)| {
                let selected = expand.options.select.as_deref();
                Json::from(render(&state.store, session, reference.table, (reference.id, row), selected))
            });
            json.insert(name.clone(), value);
        }
        ExpandPath::Collection(collection) => {
            let mut rows = Vec::new();
            if single {
                let (members, condition) = restriction(collection, id)?;
                let mut found = find(&state.store, members, Some(&condition), &expand.options);
                found.truncate(expand.options.top.unwrap_or(LARGEST_PAGE));
                rows.extend(found.iter().map(|(id, row)| {
                    let selected = expand.options.select.as_deref();
                    Json::from(render(&state.store, session, expand.table, (*id, row), selected))
                }));
            }
            json.insert(name.clone(), Json::from(rows));
            let options = expand.source.replace(';', "&").replace(' ', "%20");
            let mark = if options.is_empty() { "" } else { "?" };
            let next = format!("{}{}({id})/{name}{mark}{options}", session.base, table.set);
            json.insert(format!("{name}@odata.nextLink"), Json::from(next));
        }
    }
    Ok(())
}

/// `GET` of one row.
pub(super) fn single(
    state: &State,
    session: &Session,
    (table, id): (&'static Table, Uuid),
    pairs: &[(String, String)],
) -> Outcome<(Map<String, Json>, String)> {
    let row = state.store.get(table, id).ok_or_else(|| Fault::no_row(table.name, id))?;
    let options = Options::read(table, pairs)?;
    demand_expanded(state, session, &options)?;
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), Json::from(context(session, table, pairs, "/$entity")));
    body.extend(row_json(state, session, table, (id, row), &options, true)?);
    Ok((body, annotate::etag(row)))
}

/// `GET` of `/<set>/$count`; capped at 5,000.
pub(super) fn count(state: &State, table: &'static Table, pairs: &[(String, String)]) -> Outcome<Reply> {
    let options = Options::read(table, pairs)?;
    let total = find(&state.store, table, None, &options).len().min(5000);
    Ok(text_reply(StatusCode::OK, "text/plain", total.to_string()))
}

pub(super) fn context(session: &Session, table: &Table, pairs: &[(String, String)], suffix: &str) -> String {
    let select = pairs.iter().find(|(name, _)| name == "$select").map(|(_, value)| format!("({value})"));
    format!("{}$metadata#{}{}{suffix}", session.base, table.set, select.unwrap_or_default())
}

/// A link to the same query with a cookie.
pub(super) fn link(session: &Session, path: &str, pairs: &[(String, String)], cookie: &Cookie) -> String {
    let kept = pairs
        .iter()
        .filter(|(name, _)| name != "$skiptoken")
        .map(|(name, value)| (name.as_str(), value.clone()));
    let all = kept.chain([("$skiptoken", cookie.write())]);
    format!("{}{path}?{}", session.base, query(all))
}

/// Query options as they stand in a URL.
pub(super) fn query<'a>(pairs: impl Iterator<Item = (&'a str, String)>) -> String {
    let written =
        pairs.map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
    written.collect::<Vec<_>>().join("&")
}

/// The value of `@odata.context` for a complex answer.
pub(super) fn complex(session: &Session, kind: &str, mut value: Json) -> Json {
    if let Some(object) = value.as_object_mut() {
        let mut with_context = Map::new();
        let context = format!("{}$metadata#Microsoft.Dynamics.CRM.{kind}", session.base);
        with_context.insert("@odata.context".to_owned(), json!(context));
        with_context.append(object);
        return Json::from(with_context);
    }
    value
}
