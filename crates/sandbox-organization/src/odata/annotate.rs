//! Rows as JSON: selected columns, `ETag`, annotations (dynamics.md 3.2, 3.5).

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{
    cell::Cell,
    rows::{Row, Store},
    schema::{Attribute, Table},
    state::Session,
};

const FORMATTED: &str = "OData.Community.Display.V1.FormattedValue";
const LOOKUP_NAME: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";
const NAVIGATION: &str = "Microsoft.Dynamics.CRM.associatednavigationproperty";

/// The `ETag` of a row.
pub(crate) fn etag(row: &Row) -> String {
    format!("W/\"{}\"", row.version())
}

/// A row with its `ETag`, key and selected columns (all readable ones without a selection).
pub(crate) fn render(
    store: &Store,
    session: &Session,
    table: &'static Table,
    (id, row): (Uuid, &Row),
    selected: Option<&[&'static Attribute]>,
) -> Map<String, Json> {
    let mut json = Map::new();
    json.insert("@odata.etag".to_owned(), Json::from(etag(row)));
    match selected {
        Some(selected) => {
            for attribute in selected {
                column(store, session, row, attribute, &mut json);
            }
        }
        None => {
            for attribute in table.readable() {
                column(store, session, row, attribute, &mut json);
            }
        }
    }
    json.insert(table.key.to_owned(), Json::from(id.to_string()));
    json
}

fn column(
    store: &Store,
    session: &Session,
    row: &Row,
    attribute: &'static Attribute,
    json: &mut Map<String, Json>,
) {
    let name = attribute.property_name();
    let cell = row.get(attribute.name);
    let mut annotate = |annotation: &str, value: Option<String>| {
        if let Some(value) = value.filter(|_| session.prefer.wants(annotation)) {
            json.insert(format!("{name}@{annotation}"), Json::from(value));
        }
    };
    if let Some(Cell::Lookup(reference)) = cell {
        let navigation = attribute
            .targets()
            .and_then(|targets| targets.iter().find(|target| reference.is_a(target.table)))
            .map(|target| target.navigation.to_owned());
        annotate(NAVIGATION, navigation);
        annotate(LOOKUP_NAME, Some(reference.table.name.to_owned()));
        let title =
            store.get(reference.table, reference.id).map(|row| row.text(reference.table.title).to_owned());
        annotate(FORMATTED, title.filter(|title| !title.is_empty()));
    } else if let Some(cell) = cell {
        annotate(FORMATTED, cell.label(attribute));
    }
    json.insert(name, cell.map_or(Json::Null, Cell::json));
}
