//! Server-driven paging: the cookie in `$skiptoken` (dynamics.md 3.4).

use std::cmp::Ordering;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::query::Order;
use crate::{
    cell::{Cell, Reference},
    fault::{Fault, Outcome},
    odata::literal::Literal,
    rows::Row,
};

/// The most rows on one page.
pub(crate) const LARGEST_PAGE: usize = 5000;

/// Where a page ended: the sort values and the key of its last row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cookie {
    pub(crate) page: u64,
    pub(crate) tracking: bool,
    last: Vec<Json>,
    /// The row's key, or the row version reached when changes are tracked.
    pub(crate) id: Uuid,
    /// For change tracking: the row version when the first page was asked for.
    pub(crate) since: i64,
}

impl Cookie {
    pub(crate) fn after(page: u64, order: &[Order], (id, row): (Uuid, &Row)) -> Self {
        let last =
            order.iter().map(|order| row.get(order.attribute.name).map_or(Json::Null, Cell::json)).collect();
        Self { page, tracking: false, last, id, since: 0 }
    }

    pub(crate) fn tracking(page: u64, id: Uuid, since: i64) -> Self {
        Self { page, tracking: true, last: Vec::new(), id, since }
    }

    /// The decoded value of `$skiptoken`.
    pub(crate) fn write(&self) -> String {
        let inner = json!([self.last, self.id, self.since]).to_string();
        let inner = utf8_percent_encode(&inner, NON_ALPHANUMERIC);
        let tracking = if self.tracking { "True" } else { "False" };
        format!("<cookie pagenumber=\"{}\" pagingcookie=\"{inner}\" istracking=\"{tracking}\" />", self.page)
    }

    pub(crate) fn read(token: &str) -> Outcome<Self> {
        let malformed = || Fault::bad(0x8004_4309, "Malformed XML in paging cookie.");
        let field = |name: &str| {
            let (_, rest) = token.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let page = field("pagenumber").and_then(|page| page.parse().ok()).ok_or_else(malformed)?;
        let inner = field("pagingcookie").ok_or_else(|| {
            Fault::bad(
                0x8004_430a,
                "Paging cookie is required when trying to retrieve a set of records on any high pages.",
            )
        })?;
        let inner = percent_decode_str(inner).decode_utf8().map_err(|_| malformed())?;
        let (last, id, since) = serde_json::from_str(&inner).map_err(|_| malformed())?;
        Ok(Self { page, tracking: field("istracking") == Some("True"), last, id, since })
    }

    /// Whether a row comes after the last row of the page before.
    pub(crate) fn is_before(&self, order: &[Order], (id, row): (Uuid, &Row)) -> bool {
        for (order, last) in order.iter().zip(&self.last) {
            let last = sort_value(order, last);
            match compare(row.get(order.attribute.name), last.as_ref(), order.descending) {
                Ordering::Less => return false,
                Ordering::Greater => return true,
                Ordering::Equal => {}
            }
        }
        id > self.id
    }
}

fn sort_value(order: &Order, json: &Json) -> Option<Cell> {
    let literal = match json {
        Json::Null => return None,
        Json::String(text) => Literal::Text(text.clone()),
        Json::Bool(value) => Literal::Boolean(*value),
        number => number
            .as_i64()
            .map_or_else(|| Literal::Real(number.as_f64().unwrap_or_default()), Literal::Integer),
    };
    literal.cell(order.attribute).ok().flatten()
}

fn compare(left: Option<&Cell>, right: Option<&Cell>, descending: bool) -> Ordering {
    let ordering = match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(left), Some(right)) => left.compare(right).unwrap_or(Ordering::Equal),
    };
    if descending { ordering.reverse() } else { ordering }
}

/// The order of two rows; nulls come first, the key decides between equals.
pub(crate) fn in_order(order: &[Order], left: (Uuid, &Row), right: (Uuid, &Row)) -> Ordering {
    order
        .iter()
        .map(|order| {
            compare(left.1.get(order.attribute.name), right.1.get(order.attribute.name), order.descending)
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or_else(|| left.0.cmp(&right.0))
}

/// A lookup in a sort value compares by its id alone.
impl From<Reference> for Cell {
    fn from(reference: Reference) -> Self {
        Self::Lookup(reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_survives_its_way_through_the_url() {
        let cookie =
            Cookie {
                page: 2, tracking: true, last: vec![json!("ä\"<&")], id: Uuid::from_u128(7), since: 12
            };
        assert_eq!(Cookie::read(&cookie.write()).unwrap(), cookie);
        assert_eq!(Cookie::read("<cookie pagenumber=\"9\" />").unwrap_err().code, Some(0x8004_430a));
    }
}
