//! The settings in the XML of `organization.orgdborgsettings` (server-side-sync.md appendix A).

use std::collections::BTreeMap;

use quick_xml::{Reader, events::Event};

/// The settings by key; an absent key has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrgDbOrgSettings(BTreeMap<String, String>);

impl OrgDbOrgSettings {
    /// Reads `<OrgSettings><Key>value</Key>…</OrgSettings>`; what can't be read counts as absent.
    pub(crate) fn read(xml: &str) -> Self {
        let mut reader = Reader::from_str(xml);
        let (mut settings, mut key) = (BTreeMap::new(), None);
        loop {
            match reader.read_event() {
                Ok(Event::Start(start)) => {
                    key = Some(start.local_name().as_ref().to_owned());
                }
                Ok(Event::Text(text)) => {
                    if let Some(key) = &key {
                        settings.insert(key.clone(), text.trim().to_owned());
                    }
                }
                Ok(Event::End(_)) => key = None,
                Ok(Event::Eof) | Err(_) => return Self(settings),
                Ok(_) => {}
            }
        }
    }

    /// A switch, or its default when absent or unreadable.
    pub(crate) fn flag(&self, key: &str, default: bool) -> bool {
        match self.0.get(key).map(|value| value.to_ascii_lowercase()).as_deref() {
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            _ => default,
        }
    }

    /// A number, or its default when absent or unreadable.
    pub(crate) fn number(&self, key: &str, default: i64) -> i64 {
        self.0.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_odd_settings_have_their_defaults() {
        let settings =
            OrgDbOrgSettings::read("<OrgSettings><A>true</A><B>False</B><C>3</C><D>maybe</D></OrgSettings>");
        assert!(settings.flag("A", false) && !settings.flag("B", true) && settings.flag("D", true));
        assert_eq!((settings.number("C", -1), settings.number("E", -1)), (3, -1));
        assert_eq!(OrgDbOrgSettings::read("<broken"), OrgDbOrgSettings::default());
    }
}
