use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The segments of a request's path below the version, in the forms of graph.md 9: any case, keys in
/// parentheses or as segments of their own, functions with or without parentheses and namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// The version as it was asked for: `v1.0` or `beta`.
    pub(crate) version: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    text: String,
    name: String,
}

impl Path {
    /// Reads an absolute path such as `/v1.0/users/…`; `None` when the version is unknown.
    pub(crate) fn read(path: &str) -> Option<Self> {
        let trimmed = path.trim_start_matches('/');
        let (version, rest) = trimmed.split_once('/').unwrap_or((trimmed, ""));
        let version = version.to_ascii_lowercase();
        matches!(version.as_str(), "v1.0" | "beta").then(|| Self { version, segments: segments(rest) })
    }

    /// The segments in lower case: what a route is matched by.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.segments.iter().map(|segment| segment.name.as_str()).collect()
    }

    /// A segment as it was written (decoded): a key. Empty when there is none.
    pub(crate) fn text(&self, position: usize) -> &str {
        self.segments.get(position).map_or("", |segment| segment.text.as_str())
    }

    /// The path below the version, as it goes into a link to the same place.
    pub(crate) fn written(&self) -> String {
        let segments = self
            .segments
            .iter()
            .map(|segment| utf8_percent_encode(&segment.text, NON_ALPHANUMERIC).to_string());
        segments.collect::<Vec<_>>().join("/")
    }

    /// The path below the version with its keys, for people.
    pub(crate) fn readable(&self) -> String {
        self.segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join("/")
    }

    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }
}

fn segments(rest: &str) -> Vec<Segment> {
    rest.split('/')
        .filter(|part| !part.is_empty())
        .flat_map(|part| {
            let decoded = percent_decode_str(part).decode_utf8_lossy().into_owned();
            match decoded.strip_suffix(')').and_then(|head| head.split_once('(')) {
                Some((name, "")) => vec![segment(name)],
                Some((name, key)) => vec![segment(name), segment(&unquoted(key))],
                None => vec![segment(&decoded)],
            }
        })
        .collect()
}

fn segment(text: &str) -> Segment {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("microsoft.graph.").map_or(lower.clone(), str::to_owned);
    Segment { text: text.to_owned(), name }
}

fn unquoted(key: &str) -> String {
    match key.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_spellings_of_a_delta_query_are_the_same() {
        let plain = Path::read("/v1.0/users/a%40b.c/mailFolders/inbox/messages/delta").unwrap();
        for spelling in [
            "/v1.0/Users('a@b.c')/MAILFOLDERS('inbox')/messages/delta()",
            "/v1.0/users/a@b.c/mailfolders/inbox/Messages/microsoft.graph.delta()",
            "/v1.0/users/a%40b.c/mailFolders%28'inbox'%29/messages/delta%28%29",
        ] {
            assert_eq!(Path::read(spelling).unwrap().names(), plain.names());
        }
    }

    #[test]
    fn a_key_keeps_its_case_and_its_slash() {
        let path = Path::read("/beta/users/x/messages/AAk%2FB+c%3D").unwrap();
        assert_eq!(path.text(3), "AAk/B+c=");
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_harm(path: String) {
            let _ = Path::read(&path).map(|path| path.names().len());
        }
    }
}
