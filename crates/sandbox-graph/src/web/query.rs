use std::collections::BTreeMap;

use url::Url;

use super::answer::Fault;

/// The query options of a request, found by name in any case and with or without `$`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn read(url: &Url) -> Self {
        let options = url
            .query_pairs()
            .map(|(name, value)| (name.trim_start_matches('$').to_ascii_lowercase(), value.into_owned()));
        Self(options.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number within bounds; anything else is a bad request.
    pub(crate) fn number(&self, name: &str, lowest: usize, highest: usize) -> Result<Option<usize>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (lowest..=highest).contains(number));
        number.map(Some).ok_or_else(|| {
            Fault::bad_request(
                "ErrorInvalidUrlQuery",
                format!("Invalid value '{text}' for $'{name}' query option."),
            )
        })
    }

    /// `$orderby` as property and whether it descends.
    pub(crate) fn order(&self) -> Vec<(String, bool)> {
        let Some(text) = self.get("orderby") else { return Vec::new() };
        text.split(',')
            .filter_map(|part| {
                let mut words = part.split_whitespace();
                let property = words.next()?.to_owned();
                Some((property, words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"))))
            })
            .collect()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Splits at commas that stand outside parentheses and quotes.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut begin) = (0_i32, false, 0);
    let mut parts = Vec::new();
    for (position, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text.get(begin..position).unwrap_or_default().trim());
                begin = position + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..).unwrap_or_default().trim());
    parts.retain(|part| !part.is_empty());
    parts
}
