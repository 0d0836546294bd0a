//! One value of a row, and how it looks in JSON and in comparisons.

use std::{cmp::Ordering, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::schema::{Attribute, Kind, Table};

/// A reference to a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    pub(crate) table: &'static Table,
    pub(crate) id: Uuid,
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.table.name == other.table.name
    }
}

impl Eq for Reference {}

impl Reference {
    pub(crate) fn is_a(&self, table: &str) -> bool {
        self.table.name == table
    }
}

/// A value that is not null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(Arc<str>),
    Integer(i64),
    Real(f64),
    Boolean(bool),
    Time(Timestamp),
    Id(Uuid),
    Lookup(Reference),
    File(Bytes),
}

impl Cell {
    pub(crate) fn text(value: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(value.as_ref()))
    }

    /// An instant as the organization keeps it: whole seconds (dynamics.md 8, implementation hints).
    pub(crate) fn time(instant: Timestamp) -> Self {
        Self::Time(Timestamp::from_second(instant.as_second()).unwrap_or(instant))
    }

    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(&**text),
            Self::Integer(number) => Json::from(*number),
            Self::Real(number) => Json::from(*number),
            Self::Boolean(value) => Json::from(*value),
            Self::Time(instant) => Json::from(instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            Self::Id(id) | Self::Lookup(Reference { id, .. }) => Json::from(id.to_string()),
            Self::File(bytes) => Json::from(STANDARD.encode(bytes)),
        }
    }

    /// The text that a person would see (`FormattedValue`), where it differs from the value.
    pub(crate) fn label(&self, attribute: &Attribute) -> Option<String> {
        match (self, attribute.kind) {
            (Self::Integer(number), Kind::Choice(labels)) => {
                labels.iter().find(|(value, _)| value == number).map(|(_, label)| (*label).to_owned())
            }
            (Self::Integer(number), _) => Some(number.to_string()),
            (Self::Boolean(value), _) => Some(if *value { "Yes" } else { "No" }.to_owned()),
            (Self::Time(instant), _) => Some(instant.strftime("%-m/%-d/%Y %-I:%M %p").to_string()),
            _ => None,
        }
    }

    /// SQL's order with its case-insensitive collation; `None` for values of different kinds.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => Some(fold(left).cmp(&fold(right))),
            (Self::Boolean(left), Self::Boolean(right)) => Some(left.cmp(right)),
            (Self::Time(left), Self::Time(right)) => Some(left.cmp(right)),
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(right)),
            _ => match (self.number(), other.number(), self.id(), other.id()) {
                (Some(left), Some(right), _, _) => left.partial_cmp(&right),
                (_, _, Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => None,
            },
        }
    }

    pub(crate) fn id(&self) -> Option<Uuid> {
        match self {
            Self::Id(id) | Self::Lookup(Reference { id, .. }) => Some(*id),
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a comparison of a whole number with a fraction")]
    fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// What an index files the value under.
    pub(crate) fn index_key(&self) -> Option<IndexKey> {
        match self {
            Self::Text(text) => Some(IndexKey::Text(fold(text).into())),
            Self::Integer(number) => Some(IndexKey::Number(*number)),
            Self::Id(id) | Self::Lookup(Reference { id, .. }) => Some(IndexKey::Id(*id)),
            _ => None,
        }
    }
}

/// The key of an index entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IndexKey {
    Text(Box<str>),
    Number(i64),
    Id(Uuid),
}

/// Text as the collation compares it.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}
