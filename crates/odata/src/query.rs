//! Builds query strings and literals.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand unescaped in a query value; `$`, `=`, `(`, `)`, `,`, `/`, `:` and `'` are left readable
/// as both services take them.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$')
    .remove(b'=')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b'*');

const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'=').remove(b'@');

/// A path with query options, percent-encoded.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    first: bool,
}

impl Query {
    /// A query on a path (already encoded).
    pub fn on(path: impl Into<String>) -> Self {
        Self { text: path.into(), first: true }
    }

    /// Adds an option, `$filter` for example.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        let separator = if self.first { '?' } else { '&' };
        self.first = false;
        // Writing to a String can't fail.
        let _written = write!(self.text, "{separator}{name}={}", utf8_percent_encode(value, QUERY));
        self
    }

    /// Adds an option where there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.option(name, value),
            None => self,
        }
    }

    /// The path and query.
    pub fn build(self) -> String {
        self.text
    }
}

/// One path segment, percent-encoded.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A string literal: quoted, quotes doubled (percent-encoding is [`Query`]'s work).
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_stay_readable() {
        let query = Query::on("emails")
            .option("$select", "activityid,messageid")
            .option("$filter", &format!("messageid eq {}", literal("<a'b&c+d@x>")))
            .build();
        assert_eq!(
            query,
            "emails?$select=activityid,messageid&$filter=messageid%20eq%20%27%3Ca%27%27b%26c%2Bd%40x%3E%27"
        );
    }

    #[test]
    fn a_segment_can_hold_any_id() {
        assert_eq!(segment("AAk/A+Lg=="), "AAk%2FA%2BLg==");
        assert_eq!(segment("anna@contoso.test"), "anna@contoso.test");
    }
}
