use std::collections::BTreeSet;

use super::{
    answer::Fault,
    filter::Filter,
    query::{Query, split_list},
};

/// What a client wants to see of each entity: `$select` and `$expand`.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// The selected properties; everything that is shown without asking when absent.
    pub(crate) select: Option<BTreeSet<String>>,
    pub(crate) attachments: Option<ExpandAttachments>,
    /// The ids of the extended properties to show.
    pub(crate) extended_properties: Vec<String>,
}

/// `$expand=attachments(…)`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExpandAttachments {
    pub(crate) select: Option<BTreeSet<String>>,
    pub(crate) with_item: bool,
}

impl View {
    pub(crate) fn read(query: &Query) -> Result<Self, Fault> {
        let mut view = Self { select: query.get("select").map(selection), ..Self::default() };
        for part in query.get("expand").map(split_list).unwrap_or_default() {
            view.expand(part)?;
        }
        Ok(view)
    }

    /// `$select` alone.
    pub(crate) fn read_select(query: &Query) -> Option<BTreeSet<String>> {
        query.get("select").map(selection)
    }

    /// Only these properties.
    pub(crate) fn only<'a>(properties: impl IntoIterator<Item = &'a str>) -> Self {
        let select = properties.into_iter().map(str::to_owned).collect();
        Self { select: Some(select), ..Self::default() }
    }

    /// Whether a property that is shown by default is to be shown.
    pub(crate) fn shows(&self, property: &str) -> bool {
        self.select
            .as_ref()
            .is_none_or(|select| select.iter().any(|name| name.eq_ignore_ascii_case(property)))
    }

    /// Whether a property that is shown on request only was requested.
    pub(crate) fn asks_for(&self, property: &str) -> bool {
        self.select.is_some() && self.shows(property)
    }

    fn expand(&mut self, part: &str) -> Result<(), Fault> {
        let (name, options) = match part.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or(rest)),
            None => (part, ""),
        };
        match name.to_ascii_lowercase().as_str() {
            "attachments" => self.attachments = Some(ExpandAttachments::read(options)),
            "singlevalueextendedproperties" => {
                let filter = option(options, "filter").ok_or_else(|| {
                    Fault::bad_request(
                        "ErrorInvalidRequest",
                        "Expanding singleValueExtendedProperties needs a $filter on id.",
                    )
                })?;
                self.extended_properties = Filter::parse(filter)?.texts_of("id");
            }
            "multivalueextendedproperties" | "extensions" => {}
            _ => {
                return Err(Fault::bad_request(
                    "RequestBroker--ParseUri",
                    format!("Could not find a property named '{name}' on type 'microsoft.graph.message'."),
                ));
            }
        }
        Ok(())
    }
}

impl ExpandAttachments {
    /// From the options inside the parentheses, or from a request's own `$select` and `$expand`.
    fn read(options: &str) -> Self {
        Self {
            select: option(options, "select").map(selection),
            with_item: option(options, "expand").is_some_and(names_item),
        }
    }

    pub(crate) fn of_query(query: &Query) -> Self {
        Self {
            select: query.get("select").map(selection),
            with_item: query.get("expand").is_some_and(names_item),
        }
    }
}

fn names_item(expand: &str) -> bool {
    expand.to_ascii_lowercase().contains("itemattachment/item")
}

fn selection(text: &str) -> BTreeSet<String> {
    split_list(text).into_iter().map(str::to_owned).collect()
}

fn option<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    options.split(';').find_map(|part| {
        let (found, value) = part.trim().split_once('=')?;
        found.trim_start_matches('$').eq_ignore_ascii_case(name).then_some(value)
    })
}
