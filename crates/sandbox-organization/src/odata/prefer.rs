//! The `Prefer` header (dynamics.md 3.1).

/// The preferences that are honoured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    pub(crate) representation: bool,
    pub(crate) page_size: Option<usize>,
    /// The patterns of `odata.include-annotations`.
    pub(crate) annotations: Vec<String>,
    pub(crate) track_changes: bool,
    pub(crate) continue_on_error: bool,
}

impl Prefer {
    /// Reads the header's value; preferences that are not known are passed over.
    pub(crate) fn read(value: &str) -> Self {
        let mut prefer = Self::default();
        for item in outside_quotes(value) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().trim_start_matches("odata.") {
                "return" => prefer.representation = value == "representation",
                "maxpagesize" => prefer.page_size = value.parse().ok().filter(|size| *size > 0),
                "include-annotations" => {
                    prefer.annotations = value.split(',').map(|name| name.trim().to_owned()).collect();
                }
                "track-changes" => prefer.track_changes = true,
                "continue-on-error" => prefer.continue_on_error = true,
                _ => {}
            }
        }
        prefer
    }

    /// Whether an annotation was asked for, by name or by a pattern that ends in `*`.
    pub(crate) fn wants(&self, annotation: &str) -> bool {
        self.annotations.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => annotation.starts_with(prefix),
            None => annotation == pattern,
        })
    }

    /// The value of `Preference-Applied`, if a preference was honoured.
    pub(crate) fn applied(&self) -> Option<String> {
        let mut applied = Vec::new();
        if self.representation {
            applied.push("return=representation".to_owned());
        }
        if let Some(size) = self.page_size {
            applied.push(format!("odata.maxpagesize={size}"));
        }
        if !self.annotations.is_empty() {
            applied.push(format!("odata.include-annotations=\"{}\"", self.annotations.join(",")));
        }
        if self.track_changes {
            applied.push("odata.track-changes".to_owned());
        }
        (!applied.is_empty()).then(|| applied.join(", "))
    }
}

fn outside_quotes(value: &str) -> Vec<&str> {
    let mut quoted = false;
    value
        .split(|letter| {
            if letter == '"' {
                quoted = !quoted;
            }
            letter == ',' && !quoted
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_from_one_list() {
        let prefer = Prefer::read(
            "return=representation, odata.maxpagesize=25,odata.include-annotations=\"OData.*,x.y\"",
        );
        assert!(prefer.representation && prefer.wants("OData.Community") && prefer.wants("x.y"));
        assert!(!prefer.wants("x.z"));
        assert_eq!(prefer.page_size, Some(25));
    }
}
