//! The XML of `organization.orgdborgsettings` (server-side-sync.md appendix A).

use std::collections::BTreeMap;

use quick_xml::{Reader, events::Event};

/// The settings by key; a key that is not there has the default of the organization's build. What stands before a
/// mistake in the XML is read, as a broken setting is no reason to ignore the others.
pub(crate) fn settings(xml: &str) -> BTreeMap<String, String> {
    let mut reader = Reader::from_str(xml);
    let mut settings = BTreeMap::new();
    // Settings are the children of the root; the text inside one can come in pieces.
    let (mut depth, mut open) = (0_usize, None::<(String, String)>);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                depth += 1;
                if depth == 2 {
                    open = Some((start.local_name().as_ref().to_owned(), String::new()));
                }
            }
            Ok(Event::Text(text)) => {
                if let Some((_, value)) = &mut open {
                    value.push_str(&text);
                }
            }
            Ok(Event::GeneralRef(reference)) => {
                let letter = match reference.resolve_char_ref() {
                    Ok(Some(letter)) => letter.to_string(),
                    _ => quick_xml::escape::resolve_predefined_entity(&reference)
                        .unwrap_or_default()
                        .to_owned(),
                };
                if let Some((_, value)) = &mut open {
                    value.push_str(&letter);
                }
            }
            Ok(Event::End(_)) => {
                if depth == 2
                    && let Some((key, value)) = open.take()
                {
                    settings.insert(key, value.trim().to_owned());
                }
                depth = depth.saturating_sub(1);
            }
            Ok(Event::Eof) | Err(_) => return settings,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn appendix_a_settings_are_read_however_they_are_written() {
        let read = settings(
            "<?xml version=\"1.0\"?>\n<OrgSettings>\n <RestrictIRMEmailItems> true </RestrictIRMEmailItems>\n \
             <Other a=\"b\">x &amp; y</Other><Empty/><!-- no --></OrgSettings>",
        );
        let expected = [("Other", "x & y"), ("RestrictIRMEmailItems", "true")];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert!(settings("").is_empty());
        assert_eq!(
            settings("<OrgSettings><A>1</A><B>2</OrgSettings>").len(),
            1,
            "what is before the mistake"
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(xml: String) {
            settings(&xml);
        }
    }
}
