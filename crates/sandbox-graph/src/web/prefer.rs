use http::HeaderMap;

use crate::mailbox::{ids::IdForm, message::BodyType};

/// The preferences of a request that this service honours (graph.md 3.1).
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefer {
    pub(crate) id_form: IdForm,
    pub(crate) page_size: Option<usize>,
    pub(crate) body_type: Option<BodyType>,
    pub(crate) unsafe_html: bool,
    applied: Vec<String>,
}

impl Prefer {
    /// Reads every `Prefer` header; several preferences may be joined by commas or semicolons.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        for value in headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()) {
            for preference in value.split([',', ';']) {
                prefer.take(preference.trim());
            }
        }
        prefer
    }

    fn take(&mut self, preference: &str) {
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "idtype" if value.eq_ignore_ascii_case("ImmutableId") => {
                self.id_form = IdForm::Immutable;
                self.applied.push("IdType=ImmutableId".to_owned());
            }
            "odata.maxpagesize" => {
                if let Some(size) = value.parse().ok().filter(|size| *size > 0) {
                    self.page_size = Some(size);
                    self.applied.push(format!("odata.maxpagesize={size}"));
                }
            }
            "outlook.body-content-type" => {
                let body_type = match value.to_ascii_lowercase().as_str() {
                    "text" => BodyType::Text,
                    "html" => BodyType::Html,
                    _ => return,
                };
                self.body_type = Some(body_type);
                self.applied.push(format!("outlook.body-content-type=\"{}\"", value.to_ascii_lowercase()));
            }
            "outlook.allow-unsafe-html" => {
                self.unsafe_html = true;
                self.applied.push("outlook.allow-unsafe-html".to_owned());
            }
            _ => {}
        }
    }

    /// The `Preference-Applied` header.
    pub(crate) fn applied(&self) -> Option<String> {
        (!self.applied.is_empty()).then(|| self.applied.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_and_repeated_preferences_count() {
        let mut headers = HeaderMap::new();
        headers.append("prefer", "IdType=\"ImmutableId\", odata.maxpagesize=50".parse().unwrap());
        headers.append(
            "prefer",
            "outlook.body-content-type='x', outlook.body-content-type=\"text\"".parse().unwrap(),
        );
        let prefer = Prefer::read(&headers);
        assert_eq!(prefer.id_form, IdForm::Immutable);
        assert_eq!(prefer.page_size, Some(50));
        assert_eq!(prefer.body_type, Some(BodyType::Text));
        assert!(prefer.applied().unwrap().starts_with("IdType=ImmutableId, odata.maxpagesize=50"));
    }
}
