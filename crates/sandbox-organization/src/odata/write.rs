//! Reading what a client wants written: the JSON of a create or update against the schema
//! (dynamics.md 3.2, 3.5, 3.6, 3.12).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{literal, path};
use crate::{
    cell::{Cell, Reference},
    fault::{Fault, INVALID_ARGUMENT, NOT_FOUND_SEGMENT, Outcome},
    schema::{self, Attribute, Collection, Kind, Table},
    state::{Session, State},
};

/// Why a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Create,
    Update,
    /// The server itself writes: every column is allowed.
    System,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The primary key that the client chose.
    pub(crate) id: Option<Uuid>,
    pub(crate) cells: Vec<(&'static Attribute, Option<Cell>)>,
    /// Rows to create along with this one.
    pub(crate) children: Vec<(&'static Collection, Vec<Map<String, Json>>)>,
}

impl Changes {
    pub(crate) fn set(&mut self, table: &'static Table, column: &str, cell: impl Into<Option<Cell>>) {
        if let Some(attribute) = table.attribute(column) {
            self.cells.retain(|(known, _)| known.name != column);
            self.cells.push((attribute, cell.into()));
        }
    }

    pub(crate) fn get(&self, column: &str) -> Option<&Cell> {
        self.cells.iter().find(|(attribute, _)| attribute.name == column)?.1.as_ref()
    }

    pub(crate) fn mentions(&self, column: &str) -> bool {
        self.cells.iter().any(|(attribute, _)| attribute.name == column)
    }

    pub(crate) fn integer(&self, column: &str) -> Option<i64> {
        match self.get(column) {
            Some(Cell::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// Reads a JSON body.
    pub(crate) fn read(
        state: &State,
        session: &Session,
        table: &'static Table,
        body: &Map<String, Json>,
        purpose: Purpose,
    ) -> Outcome<Self> {
        let mut changes = Self::default();
        for (name, value) in body {
            changes.read_property(state, session, table, (name, value), purpose)?;
        }
        Ok(changes)
    }

    fn read_property(
        &mut self,
        state: &State,
        session: &Session,
        table: &'static Table,
        (name, value): (&str, &Json),
        purpose: Purpose,
    ) -> Outcome<()> {
        if let Some(navigation) = name.strip_suffix("@odata.bind") {
            let (attribute, reference) = bind(state, session, table, navigation, value)?;
            if allows(attribute, purpose) {
                self.cells.push((attribute, Some(Cell::Lookup(reference))));
            }
            return Ok(());
        }
        if name.contains('@') {
            return Ok(());
        }
        if let Some(collection) = table.collection(name) {
            return self.read_children(collection, value, purpose);
        }
        let Some(attribute) = table.property(name) else {
            return Err(Fault::bad(
                NOT_FOUND_SEGMENT,
                format!(
                    "Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{}'.",
                    table.name
                ),
            ));
        };
        if let Kind::Lookup(targets) = attribute.kind {
            if purpose != Purpose::System {
                return Err(Fault::bad(
                    INVALID_ARGUMENT,
                    "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.",
                ));
            }
            let reference = value.as_str().and_then(|text| text.parse().ok()).and_then(|id: Uuid| {
                targets.iter().filter_map(|target| schema::table(target.table)).find_map(|target| {
                    state.store.get(target, id)?;
                    Some(Reference { table: state.store.home(target, id)?, id })
                })
            });
            self.cells.push((attribute, reference.map(Cell::Lookup)));
            return Ok(());
        }
        let cell = cell_of(table, attribute, value)?;
        if attribute.name == table.key {
            self.id = cell.as_ref().and_then(Cell::id);
        } else if allows(attribute, purpose) {
            self.cells.push((attribute, cell));
        }
        Ok(())
    }

    fn read_children(
        &mut self,
        collection: &'static Collection,
        value: &Json,
        purpose: Purpose,
    ) -> Outcome<()> {
        if purpose == Purpose::Update {
            return Err(Fault::bad(
                INVALID_ARGUMENT,
                format!("Deep update of the navigation property '{}' is not allowed.", collection.name),
            ));
        }
        let rows =
            value.as_array().and_then(|rows| rows.iter().map(|row| row.as_object().cloned()).collect());
        let rows: Vec<_> = rows.ok_or_else(|| {
            Fault::unreadable(format!("'{}' must be an array of objects.", collection.name))
        })?;
        self.children.push((collection, rows));
        Ok(())
    }
}

/// Columns that are not valid for the operation are passed over without a word, as `statecode` on
/// create is (dynamics.md 4.7).
fn allows(attribute: &Attribute, purpose: Purpose) -> bool {
    match purpose {
        Purpose::Create => attribute.create,
        Purpose::Update => attribute.update,
        Purpose::System => true,
    }
}

fn bind(
    state: &State,
    session: &Session,
    table: &'static Table,
    navigation: &str,
    value: &Json,
) -> Outcome<(&'static Attribute, Reference)> {
    let (attribute, _) = table.navigation(navigation).ok_or_else(|| {
        Fault::bad(
            NOT_FOUND_SEGMENT,
            format!(
                "Invalid property '{navigation}' was found in entity 'Microsoft.Dynamics.CRM.{}'.",
                table.name
            ),
        )
    })?;
    let Some(url) = value.as_str() else {
        return Err(Fault::unreadable(format!("The value of '{navigation}@odata.bind' must be a URL.")));
    };
    let reference = resolve_url(state, session, url)?;
    // Several targets may share a navigation property's name; one of them must be the row's table.
    let fits = attribute.targets().unwrap_or_default().iter().any(|target| {
        target.answers_to(navigation)
            && (target.table == reference.table.name
                || schema::table(target.table)
                    .is_some_and(|view| view.view_of.contains(&reference.table.name)))
    });
    if !fits {
        return Err(Fault::bad(
            INVALID_ARGUMENT,
            format!("'{navigation}' can't refer to a row of '{}'.", reference.table.set),
        ));
    }
    Ok((attribute, reference))
}

/// The row that a URL names: `/contacts(id)`, an absolute URL, or `$1` in a change set.
pub(crate) fn resolve_url(state: &State, session: &Session, url: &str) -> Outcome<Reference> {
    let url = if url.starts_with('$') {
        // dynamics.md 3.9: an on-premises v9 does not know content ids in a bind.
        if !state.options.binds_content_ids {
            return Err(Fault::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                NOT_FOUND_SEGMENT,
                format!("Resource not found for the segment '{url}'."),
            ));
        }
        session.content_ids.get(url).map_or(url, String::as_str)
    } else {
        url
    };
    let path = match url.find("/api/data/") {
        Some(at) => {
            let rest = url.get(at + "/api/data/".len()..).unwrap_or_default();
            rest.split_once('/').map_or("", |(_, path)| path)
        }
        None => url,
    };
    match path::parse(path)?.as_slice() {
        [path::Segment { name, arguments: Some(path::Arguments::Key(literal::Literal::Id(id))) }] => {
            let table = schema::by_set(name).ok_or_else(|| Fault::no_segment(name))?;
            let home = state.store.home(table, *id).filter(|home| state.store.get(home, *id).is_some());
            let home = home.ok_or_else(|| Fault::no_row(table.name, *id))?;
            Ok(Reference { table: home, id: *id })
        }
        _ => Err(Fault::unreadable(format!("'{url}' does not name a row."))),
    }
}

/// The value of a column in JSON; `None` stands for null.
pub(crate) fn cell_of(table: &Table, attribute: &Attribute, value: &Json) -> Outcome<Option<Cell>> {
    let misfit = || {
        Fault::unreadable(format!(
            "An error occurred while validating input parameters: the value of '{}' does not fit its type.",
            attribute.name
        ))
    };
    let cell = match (attribute.kind, value) {
        (_, Json::Null) => return Ok(None),
        (Kind::Text(most), Json::String(text)) => {
            if text.chars().count() > most {
                return Err(Fault::bad(
                    0x8004_4331,
                    format!(
                        "A validation error occurred.  The length of the '{}' attribute of the '{}' entity exceeded the maximum allowed length of '{most}'.",
                        attribute.name, table.name
                    ),
                ));
            }
            Cell::text(text)
        }
        (Kind::Integer | Kind::BigInt, Json::Number(number)) => {
            Cell::Integer(number.as_i64().ok_or_else(misfit)?)
        }
        (Kind::Choice(labels), Json::Number(number)) => {
            let number = number.as_i64().ok_or_else(misfit)?;
            if !labels.iter().any(|(value, _)| *value == number) {
                return Err(Fault::bad(
                    INVALID_ARGUMENT,
                    format!(
                        "The value {number} of '{}' on record of type '{}' is outside the valid range.",
                        attribute.name, table.name
                    ),
                ));
            }
            Cell::Integer(number)
        }
        (Kind::Real, Json::Number(number)) => Cell::Real(number.as_f64().ok_or_else(misfit)?),
        (Kind::Boolean, Json::Bool(value)) => Cell::Boolean(*value),
        (Kind::Id, Json::String(text)) => Cell::Id(text.parse().map_err(|_| misfit())?),
        (Kind::File, Json::String(text)) => {
            Cell::File(STANDARD.decode(text.trim()).map_err(|_| misfit())?.into())
        }
        (Kind::Time, Json::String(text)) => {
            let instant = literal::instant(text).ok_or_else(misfit)?;
            if instant.as_second() < EARLIEST {
                return Err(Fault::bad(
                    0x8004_0239,
                    "DateTime is less than minumum value supported by CrmDateTime.",
                ));
            }
            Cell::time(instant)
        }
        _ => return Err(misfit()),
    };
    Ok(Some(cell))
}

/// 1753-01-01T00:00:00Z, the first instant that SQL Server's `datetime` holds.
const EARLIEST: i64 = -6_847_804_800;
