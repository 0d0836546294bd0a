//! The address strings of the email messages: `;`-joined, each with an optional display form
//! (dynamics.md 5.1).

/// One mailbox of an address string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) display: Option<String>,
    pub(crate) address: String,
}

impl Address {
    /// Reads `Display <local@domain>` or `local@domain`; `None` when there is no address in it.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (display, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((display, address)) => (display.trim().trim_matches('"').trim(), address.trim()),
            None => ("", text),
        };
        let display = Some(display.to_owned()).filter(|display| !display.is_empty());
        (!address.is_empty()).then(|| Self { display, address: address.to_owned() })
    }

    /// Whether mail could come from here.
    pub(crate) fn is_valid(&self) -> bool {
        self.address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !self.address.contains(char::is_whitespace)
        })
    }
}

/// Reads an address string; what names no address is passed over.
pub(crate) fn list(text: &str) -> Vec<Address> {
    let mut quoted = false;
    text.split(|letter| {
        if letter == '"' {
            quoted = !quoted;
        }
        letter == ';' && !quoted
    })
    .filter_map(Address::read)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_have_an_optional_display_form() {
        let found = list("\"Hara; Ana\" <ana@example.org>;bea@example.org; ;Cy <cy@example.org>");
        let names: Vec<_> = found.iter().map(|one| (one.display.as_deref(), one.address.as_str())).collect();
        assert_eq!(
            names,
            [
                (Some("Hara; Ana"), "ana@example.org"),
                (None, "bea@example.org"),
                (Some("Cy"), "cy@example.org")
            ]
        );
    }

    #[test]
    fn a_sender_needs_two_sides_of_an_at() {
        for (text, valid) in [("a@b", true), ("a", false), ("@b", false), ("a@", false), ("a b@c", false)] {
            assert_eq!(list(text)[0].is_valid(), valid, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String) {
            drop(list(&text));
        }
    }
}
