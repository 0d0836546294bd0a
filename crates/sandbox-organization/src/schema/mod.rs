//! The tables of the emulated organization as data: what each column holds, who may write it, what a
//! lookup points at. Everything else (reading, writing, metadata) is driven by this
//! (dynamics.md sections 3.5 and 4).

mod attribute;
mod configuration;
mod mail;
mod people;

pub(crate) use attribute::{Attribute, Kind, Target};
use attribute::{bigint, integer, lookup, time};

/// A table (an "entity" in the field's words).
#[derive(Debug)]
pub(crate) struct Table {
    /// The logical name, for example `email`.
    pub name: &'static str,
    /// The entity set's name in URLs, for example `emails`.
    pub set: &'static str,
    /// The object type code.
    pub code: u16,
    /// The primary key column.
    pub key: &'static str,
    /// The primary name column.
    pub title: &'static str,
    /// The methods that the Web API allows (dynamics.md 4.0).
    pub verbs: Verbs,
    /// The table's own columns; [`COMMON`] come on top.
    pub attributes: &'static [Attribute],
    /// Collection-valued navigation properties.
    pub collections: &'static [Collection],
    /// The tables whose rows a view shows; empty for a real table.
    pub view_of: &'static [&'static str],
}

/// Which methods a set allows. Reading is always allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verbs {
    /// `POST`.
    pub create: bool,
    /// `PATCH`.
    pub update: bool,
    /// `DELETE`.
    pub delete: bool,
}

impl Verbs {
    const ALL: Self = Self { create: true, update: true, delete: true };
    const READ: Self = Self { create: false, update: false, delete: false };
    const READ_UPDATE: Self = Self { create: false, update: true, delete: false };
}

/// A collection-valued navigation property: the rows of `table` whose lookup `by` points here.
#[derive(Debug)]
pub(crate) struct Collection {
    /// The property's name, for example `email_activity_parties`.
    pub name: &'static str,
    /// The table of the rows.
    pub table: &'static str,
    /// The lookup column of those rows that points here.
    pub by: &'static str,
}

/// The columns that almost every table has (dynamics.md 4.0).
pub(crate) static COMMON: &[Attribute] = &[
    time("createdon").read_only(),
    time("modifiedon").read_only(),
    lookup("createdby", CREATED_BY).read_only(),
    lookup("modifiedby", MODIFIED_BY).read_only(),
    lookup("createdonbehalfby", CREATED_FOR).read_only(),
    lookup("modifiedonbehalfby", MODIFIED_FOR).read_only(),
    bigint("versionnumber").read_only(),
    time("overriddencreatedon").no_update(),
    integer("importsequencenumber").no_update(),
];

const CREATED_BY: &[Target] = &[Target::new("systemuser", "createdby")];
const MODIFIED_BY: &[Target] = &[Target::new("systemuser", "modifiedby")];
const CREATED_FOR: &[Target] = &[Target::new("systemuser", "createdonbehalfby")];
const MODIFIED_FOR: &[Target] = &[Target::new("systemuser", "modifiedonbehalfby")];
const OWNER: &[Target] = &[Target::new("systemuser", "ownerid")];

/// Every table, in the order of the service document.
pub(crate) static TABLES: &[&Table] = &[
    &people::ACCOUNT,
    &mail::ATTACHMENT,
    &mail::ACTIVITY,
    &mail::NOTE,
    &mail::PARTY,
    &people::BUSINESS_UNIT,
    &people::CONTACT,
    &mail::EMAIL,
    &configuration::PROFILE,
    &configuration::SYNC_MAPPING,
    &people::LEAD,
    &people::PRIVILEGE,
    &configuration::MAILBOX,
    &configuration::ORGANIZATION,
    &configuration::QUEUE,
    &configuration::QUEUE_ITEM,
    &people::ROLE,
    &people::ROLE_PRIVILEGE,
    &people::ROLE_TEMPLATE,
    &people::USER,
    &people::USER_ROLE,
    &mail::TASK,
    &configuration::ALERT,
    &people::SETTINGS,
];

/// The table with a logical name.
pub(crate) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().copied().find(|table| table.name == name)
}

/// The table behind an entity set's name.
pub(crate) fn by_set(set: &str) -> Option<&'static Table> {
    TABLES.iter().copied().find(|table| table.set == set)
}

impl Table {
    /// A column by its logical name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().chain(COMMON).find(|attribute| attribute.name == name)
    }

    /// A column by its name in the Web API (`_regardingobjectid_value` for a lookup).
    pub(crate) fn property(&self, name: &str) -> Option<&'static Attribute> {
        let attribute = match name.strip_prefix('_').and_then(|name| name.strip_suffix("_value")) {
            Some(lookup) => self.attribute(lookup).filter(|attribute| attribute.targets().is_some())?,
            None => self.attribute(name).filter(|attribute| attribute.targets().is_none())?,
        };
        Some(attribute)
    }

    /// Every column that can be read, the key first.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &'static Attribute> + use<> {
        self.attributes.iter().chain(COMMON).filter(|attribute| attribute.read)
    }

    /// The lookup and its target that a single-valued navigation property stands for.
    pub(crate) fn navigation(&self, name: &str) -> Option<(&'static Attribute, &'static Target)> {
        self.attributes.iter().chain(COMMON).find_map(|attribute| {
            let target = attribute.targets()?.iter().find(|target| target.answers_to(name))?;
            Some((attribute, target))
        })
    }

    /// A collection-valued navigation property.
    pub(crate) fn collection(&self, name: &str) -> Option<&'static Collection> {
        self.collections.iter().find(|collection| collection.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_schema_leads_somewhere() {
        for table in TABLES {
            assert!(table.attribute(table.key).is_some(), "{} has no key column", table.name);
            assert!(table.attribute(table.title).is_some(), "{} has no name column", table.name);
            for attribute in table.attributes {
                for target in attribute.targets().unwrap_or_default() {
                    assert!(super::table(target.table).is_some(), "{}.{}", table.name, attribute.name);
                }
            }
            for collection in table.collections {
                let members = super::table(collection.table).unwrap();
                assert!(members.attribute(collection.by).is_some(), "{}", collection.name);
            }
        }
    }

    #[test]
    fn a_lookup_is_called_by_its_value_name() {
        let email = table("email").unwrap();
        assert_eq!(email.property("_regardingobjectid_value").unwrap().name, "regardingobjectid");
        assert!(email.property("regardingobjectid").is_none());
        let (attribute, target) = email.navigation("regardingobjectid_account_email").unwrap();
        assert_eq!((attribute.name, target.table), ("regardingobjectid", "account"));
        assert!(email.navigation("regardingobjectid_account").is_some(), "the inherited name works too");
    }
}
