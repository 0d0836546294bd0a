//! Query options (dynamics.md 3.3).

use std::collections::BTreeMap;

use super::{filter::Condition, paging::Cookie};
use crate::{
    fault::{Fault, Outcome},
    schema::{self, Attribute, Collection, Table, Target},
};

/// The options of a query on a table.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) select: Option<Vec<&'static Attribute>>,
    pub(crate) filter: Option<Condition>,
    pub(crate) order: Vec<Order>,
    pub(crate) top: Option<usize>,
    pub(crate) count: bool,
    pub(crate) expand: Vec<Expand>,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) delta_token: Option<String>,
}

/// One item of `$orderby`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) attribute: &'static Attribute,
    pub(crate) descending: bool,
}

/// One item of `$expand`.
#[derive(Debug)]
pub(crate) struct Expand {
    pub(crate) name: String,
    pub(crate) path: ExpandPath,
    pub(crate) table: &'static Table,
    pub(crate) options: Options,
    /// The options as they were written, for the `nextLink` of a collection.
    pub(crate) source: String,
}

/// Where an expanded property leads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ExpandPath {
    Single(&'static Attribute, &'static Target),
    Collection(&'static Collection),
}

/// The aliases (`@p`) among the query options.
pub(crate) fn aliases(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    pairs.iter().filter(|(name, _)| name.starts_with('@')).cloned().collect()
}

impl Options {
    /// Reads the options of a URL.
    pub(crate) fn read(table: &'static Table, pairs: &[(String, String)]) -> Outcome<Self> {
        let aliases = aliases(pairs);
        let mut options = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "$expand" => options.expand = expand(table, value, &aliases)?,
                "$skiptoken" => options.cookie = Some(Cookie::read(value)?),
                "$deltatoken" => options.delta_token = Some(value.clone()),
                name if name.starts_with('@') => {}
                name => options.read_one(table, name, value, &aliases)?,
            }
        }
        Ok(options)
    }

    fn read_one(
        &mut self,
        table: &'static Table,
        name: &str,
        value: &str,
        aliases: &BTreeMap<String, String>,
    ) -> Outcome<()> {
        match name {
            "$select" => self.select = Some(select(table, value)?),
            "$filter" => self.filter = Some(Condition::parse(value, table, aliases)?),
            "$orderby" => self.order = order(table, value)?,
            "$top" => {
                let top = value.parse().ok().filter(|top| (1..=5000).contains(top));
                self.top = Some(top.ok_or_else(|| {
                    Fault::unreadable(format!("Invalid value '{value}' for $top query option found."))
                })?);
            }
            "$count" => self.count = value == "true",
            _ => {
                return Err(Fault::unreadable(format!("The query parameter {name} is not supported.")));
            }
        }
        Ok(())
    }
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn property(table: &'static Table, name: &str) -> Outcome<&'static Attribute> {
    table
        .property(name)
        .filter(|attribute| attribute.read)
        .ok_or_else(|| Fault::no_property(name, table.name))
}

fn select(table: &'static Table, value: &str) -> Outcome<Vec<&'static Attribute>> {
    items(value).map(|name| property(table, name)).collect()
}

fn order(table: &'static Table, value: &str) -> Outcome<Vec<Order>> {
    items(value)
        .map(|item| {
            let (name, direction) = item.split_once(' ').unwrap_or((item, "asc"));
            let descending = match direction.trim() {
                "asc" => false,
                "desc" => true,
                other => return Err(Fault::unreadable(format!("'{other}' is no direction of $orderby."))),
            };
            Ok(Order { attribute: property(table, name)?, descending })
        })
        .collect()
}

fn expand(table: &'static Table, value: &str, aliases: &BTreeMap<String, String>) -> Outcome<Vec<Expand>> {
    outside(value, ',')
        .into_iter()
        .map(|item| {
            let item = item.trim();
            let (name, source) = match item.split_once('(') {
                Some((name, rest)) => (
                    name,
                    rest.strip_suffix(')')
                        .ok_or_else(|| Fault::unreadable("Bad Request - Error in query syntax."))?,
                ),
                None => (item, ""),
            };
            let (path, target) = match (table.collection(name), table.navigation(name)) {
                (Some(collection), _) => (ExpandPath::Collection(collection), collection.table),
                (None, Some((attribute, target))) => (ExpandPath::Single(attribute, target), target.table),
                (None, None) => return Err(Fault::no_property(name, table.name)),
            };
            let target = schema::table(target).ok_or_else(|| Fault::no_property(name, table.name))?;
            let mut options = Options::default();
            for option in outside(source, ';').into_iter().filter(|option| !option.trim().is_empty()) {
                let (name, value) = option.split_once('=').unwrap_or((option, ""));
                match name.trim() {
                    name @ ("$select" | "$filter" | "$orderby" | "$top") => {
                        options.read_one(target, name, value, aliases)?;
                    }
                    other => {
                        return Err(Fault::unreadable(format!(
                            "The query option {other} is not supported in $expand."
                        )));
                    }
                }
            }
            Ok(Expand { name: name.to_owned(), path, table: target, options, source: source.to_owned() })
        })
        .collect()
}

/// Cuts at a separator outside parentheses and quotes.
fn outside(value: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted) = (0_usize, false);
    value
        .split(|letter| {
            match letter {
                '\'' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == separator && depth == 0 && !quoted
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pairs: &[(&str, &str)]) -> Outcome<Options> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Options::read(schema::table("email").unwrap(), &pairs)
    }

    #[test]
    fn options_are_read_against_the_schema() {
        let options = read(&[
            ("$select", "subject, _ownerid_value"),
            ("$orderby", "createdon desc,subject"),
            ("$expand", "ownerid($select=fullname),email_activity_parties($select=addressused;$filter=contains(addressused,','))"),
        ])
        .unwrap();
        assert_eq!(options.select.unwrap().len(), 2);
        assert!(options.order[0].descending && !options.order[1].descending);
        assert_eq!(options.expand.len(), 2);
    }

    #[test]
    fn what_the_organization_does_not_support_is_refused() {
        let refused = [
            ("$skip", "5"),
            ("$search", "x"),
            ("$format", "json"),
            ("$Select", "subject"),
            ("$top", "5001"),
            ("$select", "colour"),
            ("$expand", "ownerid($expand=businessunitid)"),
        ];
        for (name, value) in refused {
            assert!(read(&[(name, value)]).is_err(), "{name}={value}");
        }
    }

    proptest! {
        #[test]
        fn any_option_is_read_or_refused(value: String) {
            for name in ["$select", "$orderby", "$expand", "$filter", "$top", "$skiptoken"] {
                drop(read(&[(name, &value)]));
            }
        }
    }
}
