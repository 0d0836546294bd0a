//! The options that the organization sets (server-side-sync.md 1.3, appendix A): what each is, where its value comes
//! from, and who obeys it.
//!
//! The live value counts. Where the organization does not set an option, the documented default does; which default a
//! build has can't be seen from outside, so what Hybridge obeys can be overridden in its configuration.

mod spec;
mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{attachment::AttachmentRules, eligibility::ApprovalRules};
pub use spec::{By, Kind, Place, Spec, Value};
pub use table::TABLE;
use table::{
    APPROVED_QUEUES_ONLY, APPROVED_USERS_ONLY, BLOCKED_ATTACHMENTS, DELETE_AFTER_PROCESSING,
    LARGEST_ATTACHMENT, QUEUE_ITEM_FOR_READER, QUEUE_ITEM_FOR_TRACKED, RESTRICT_IRM,
};

/// What the organization says, as text; what is not set is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Columns of the organization row.
    pub columns: BTreeMap<String, String>,
    /// Keys in the XML of `orgdborgsettings`.
    pub settings: BTreeMap<String, String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A column of the organization.
    Column,
    /// `OrgDbOrgSettings`.
    Setting,
    /// The documented default, as the organization does not set it.
    Default,
    /// The documented default, as the organization sets something that can't be understood.
    DefaultForUnreadable,
    /// Each email server profile or mailbox says it for itself.
    Each,
    /// Hybridge's configuration.
    Override,
}

impl Source {
    /// For an administrator.
    pub fn words(self) -> &'static str {
        match self {
            Self::Column => "organization",
            Self::Setting => "OrgDbOrgSettings",
            Self::Default => "default, not set",
            Self::DefaultForUnreadable => "default, the set value can't be understood",
            Self::Each => "each record",
            Self::Override => "overridden in [options]",
        }
    }
}

/// One option as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Its name.
    pub name: String,
    /// The value that counts; none where each record says it, or where nothing is set or documented.
    pub value: Option<Value>,
    /// Where the value comes from.
    pub source: Source,
    /// What the organization says, where that does not count.
    pub organization_says: Option<String>,
}

/// Why an override is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongOverride {
    /// There is no such option.
    #[error("there is no option {name:?}{}", .meant.map(|meant| format!("; is {meant} meant?")).unwrap_or_default())]
    Unknown {
        /// As written.
        name: String,
        /// What is spelt nearly so.
        meant: Option<&'static str>,
    },
    /// It is not Hybridge that obeys it.
    #[error("the option {name} can't be overridden: {why}")]
    NotHybridges {
        /// The option.
        name: &'static str,
        /// Why.
        why: &'static str,
    },
    /// It can't have the value.
    #[error("the option {name} can't be {value:?}: it is {wanted}")]
    Value {
        /// The option.
        name: &'static str,
        /// As written.
        value: String,
        /// What it can be.
        wanted: String,
    },
}

impl WrongOverride {
    /// The option's name as written.
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown { name, .. } => name,
            Self::NotHybridges { name, .. } | Self::Value { name, .. } => name,
        }
    }
}

/// What Hybridge's configuration says instead of the organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<&'static str, Value>);

impl Overrides {
    /// Takes overrides as they are written.
    ///
    /// # Errors
    /// When one names no option, one that is not Hybridge's to obey, or a value that it can't have.
    pub fn new(written: impl IntoIterator<Item = (String, Value)>) -> Result<Self, WrongOverride> {
        let mut overrides = BTreeMap::new();
        for (name, value) in written {
            let Some(spec) = TABLE.iter().find(|spec| spec.name == name) else {
                let meant = TABLE.iter().find(|spec| spec.name.eq_ignore_ascii_case(&name));
                return Err(WrongOverride::Unknown { meant: meant.map(|spec| spec.name), name });
            };
            if let Some(why) = spec.by.refusal() {
                return Err(WrongOverride::NotHybridges { name: spec.name, why });
            }
            if !spec.kind.holds(&value) {
                let value = value.to_string();
                return Err(WrongOverride::Value { name: spec.name, value, wanted: spec.kind.words() });
            }
            overrides.insert(spec.name, value);
        }
        Ok(Self(overrides))
    }
}

impl Overrides {
    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// All options as they stand, in the order of [`TABLE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(Vec<Resolved>);

impl Default for Options {
    /// The documented defaults.
    fn default() -> Self {
        Self::resolve(&Live::default(), &Overrides::default())
    }
}

impl Options {
    /// What counts: an override before what the organization says, that before the documented default.
    pub fn resolve(live: &Live, overrides: &Overrides) -> Self {
        Self(TABLE.iter().map(|spec| resolve(spec, live, overrides)).collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Resolved> {
        self.0.iter()
    }

    /// One by its name.
    pub fn get(&self, name: &str) -> Option<&Resolved> {
        self.0.iter().find(|resolved| resolved.name == name)
    }

    /// Whether mail protected by rights management is left alone (2.2).
    pub fn restricts_irm(&self) -> bool {
        self.switch(RESTRICT_IRM).unwrap_or(false)
    }

    /// Whether mail promoted from a queue's mailbox gets an item in that queue (2.9).
    pub fn queue_item_for_reader(&self) -> bool {
        self.switch(QUEUE_ITEM_FOR_READER).unwrap_or(false)
    }

    /// Whether mail that is a record already gets an item in the queue whose mailbox holds it too (2.9).
    pub fn queue_item_for_tracked(&self) -> bool {
        self.switch(QUEUE_ITEM_FOR_TRACKED).unwrap_or(false)
    }

    /// Whether mail is deleted after processing, where that is overridden; else each mailbox says it (2.10).
    pub fn deletes_after_processing(&self) -> Option<bool> {
        self.switch(DELETE_AFTER_PROCESSING)
    }

    /// Which mailboxes have to be approved (1.4).
    pub fn approval(&self) -> ApprovalRules {
        ApprovalRules {
            users: self.switch(APPROVED_USERS_ONLY).unwrap_or(true),
            queues: self.switch(APPROVED_QUEUES_ONLY).unwrap_or(true),
        }
    }

    /// Which attachments the organization takes (2.9).
    pub fn attachments(&self) -> AttachmentRules {
        let largest = match self.value(LARGEST_ATTACHMENT) {
            Some(Value::Number(bytes)) => u64::try_from(*bytes).ok(),
            _ => None,
        };
        let blocked = match self.value(BLOCKED_ATTACHMENTS) {
            Some(Value::Text(blocked)) => blocked.as_str(),
            _ => "",
        };
        AttachmentRules::new(largest.unwrap_or(AttachmentRules::default().largest_bytes), blocked)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.get(name)?.value.as_ref()
    }

    fn switch(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Some(Value::Switch(on)) => Some(*on),
            _ => None,
        }
    }
}

impl Resolved {
    /// What is known of the option.
    pub fn spec(&self) -> Option<&'static Spec> {
        TABLE.iter().find(|spec| spec.name == self.name)
    }
}

fn resolve(spec: &Spec, live: &Live, overrides: &Overrides) -> Resolved {
    let (said, source) = match spec.place {
        Place::Column => (live.columns.get(spec.name), Source::Column),
        Place::Setting => (live.settings.get(spec.name), Source::Setting),
        Place::EachProfile | Place::EachMailbox => (None, Source::Each),
    };
    let read = said.and_then(|said| spec.kind.read(said));
    let (value, source, organization_says) = match (overrides.0.get(spec.name), read, said) {
        (Some(value), _, said) => (Some(value.clone()), Source::Override, said.cloned()),
        (None, Some(value), _) => (Some(value), source, None),
        (None, None, None) if source == Source::Each => (None, source, None),
        (None, None, None) => (spec.kind.read(spec.default), Source::Default, None),
        (None, None, Some(said)) => {
            (spec.kind.read(spec.default), Source::DefaultForUnreadable, Some(said.clone()))
        }
    };
    Resolved { name: spec.name.to_owned(), value, source, organization_says }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, value: &str) -> Live {
        Live { settings: BTreeMap::from([(name.to_owned(), value.to_owned())]), ..Live::default() }
    }

    fn overriding(name: &str, value: Value) -> Result<Overrides, WrongOverride> {
        Overrides::new([(name.to_owned(), value)])
    }

    #[test]
    fn s1_3_the_live_value_counts_then_the_documented_default_and_an_override_before_both() {
        let none = Overrides::default();
        let options = Options::default();
        assert!(!options.restricts_irm());
        assert_eq!(options.get(RESTRICT_IRM).unwrap().source, Source::Default);

        for (text, on) in [("true", true), ("True", true), ("1", true), ("false", false), ("0", false)] {
            let options = Options::resolve(&setting(RESTRICT_IRM, text), &none);
            assert_eq!(options.restricts_irm(), on, "{text}");
            assert_eq!(options.get(RESTRICT_IRM).unwrap().source, Source::Setting);
        }

        let overrides = overriding(RESTRICT_IRM, Value::Switch(false)).unwrap();
        let options = Options::resolve(&setting(RESTRICT_IRM, "true"), &overrides);
        assert!(!options.restricts_irm());
        let shown = options.get(RESTRICT_IRM).unwrap();
        assert_eq!((shown.source, shown.organization_says.as_deref()), (Source::Override, Some("true")));
    }

    #[test]
    fn s1_3_what_cannot_be_understood_has_its_default_and_is_shown() {
        let options = Options::resolve(&setting(RESTRICT_IRM, "maybe"), &Overrides::default());
        let shown = options.get(RESTRICT_IRM).unwrap();
        assert_eq!(shown.source, Source::DefaultForUnreadable);
        assert_eq!((options.restricts_irm(), shown.organization_says.as_deref()), (false, Some("maybe")));
    }

    #[test]
    fn appendix_a_only_what_hybridge_obeys_can_be_overridden() {
        for (name, value, part) in [
            ("AutoCreateContactOnPromote", Value::Switch(false), "the organization decides it"),
            ("emailconnectionchannel", Value::Number(1), "must be what the organization says"),
            ("TraceExchangeSyncData", Value::Switch(true), "which Hybridge replaces"),
            ("restrictirmemailitems", Value::Switch(true), "is RestrictIRMEmailItems meant?"),
            ("Nonsense", Value::Switch(true), "there is no option \"Nonsense\""),
            (RESTRICT_IRM, Value::Number(1), "it is true or false"),
            (LARGEST_ATTACHMENT, Value::Number(0), "a number from 1 to"),
        ] {
            let error = overriding(name, value).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.name(), name);
        }
    }

    #[test]
    fn s2_9_the_organization_says_which_attachments_it_takes() {
        let columns = [(LARGEST_ATTACHMENT, "1000"), (BLOCKED_ATTACHMENTS, "exe;.BAT")];
        let columns = columns.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let live = Live { columns: BTreeMap::from(columns), ..Live::default() };
        let rules = Options::resolve(&live, &Overrides::default()).attachments();
        assert_eq!(rules, AttachmentRules::new(1000, "exe;bat"));
        assert_eq!(Options::default().attachments(), AttachmentRules::default());
    }

    #[test]
    fn the_table_is_sound() {
        let mut names = std::collections::BTreeSet::new();
        for spec in TABLE {
            assert!(names.insert(spec.name), "{} stands there twice", spec.name);
            assert!(!spec.effect.is_empty() && !spec.effect.ends_with('.'), "{}", spec.name);
            let default = spec.kind.read(spec.default);
            assert!(
                default.is_some() || spec.default.is_empty(),
                "{}: its default is none of its values",
                spec.name
            );
        }
        // What the accessors name is there, of their kind and obeyed.
        for (name, kind) in [
            (RESTRICT_IRM, Kind::Switch),
            (QUEUE_ITEM_FOR_READER, Kind::Switch),
            (QUEUE_ITEM_FOR_TRACKED, Kind::Switch),
            (DELETE_AFTER_PROCESSING, Kind::Switch),
            (APPROVED_USERS_ONLY, Kind::Switch),
            (APPROVED_QUEUES_ONLY, Kind::Switch),
            (BLOCKED_ATTACHMENTS, Kind::Text),
        ] {
            let spec = TABLE.iter().find(|spec| spec.name == name).unwrap();
            assert_eq!((spec.kind, spec.by), (kind, By::Hybridge), "{name}");
        }
    }
}
