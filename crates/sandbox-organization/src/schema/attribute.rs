//! One column of a table.

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Text of at most so many characters.
    Text(usize),
    /// A whole number.
    Integer,
    /// A 64-bit whole number.
    BigInt,
    /// A number with a fraction.
    Real,
    /// One of the numbers, with their labels.
    Choice(&'static [(i64, &'static str)]),
    /// True or false.
    Boolean,
    /// An instant, in whole seconds.
    Time,
    /// A GUID.
    Id,
    /// A file's bytes, base64 on the wire.
    File,
    /// A reference to a row of one of the targets.
    Lookup(&'static [Target]),
}

/// One table that a lookup may point at, with the navigation property used for it.
#[derive(Debug)]
pub(crate) struct Target {
    /// The logical name of the table.
    pub table: &'static str,
    /// The single-valued navigation property.
    pub navigation: &'static str,
    inherited: Option<&'static str>,
}

impl Target {
    pub(super) const fn new(table: &'static str, navigation: &'static str) -> Self {
        Self { table, navigation, inherited: None }
    }

    pub(super) const fn also(self, inherited: &'static str) -> Self {
        Self { inherited: Some(inherited), ..self }
    }

    /// Whether a navigation property's name is this target's own or the one inherited from
    /// `activitypointer` (dynamics.md 3.5).
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        self.navigation == name || self.inherited == Some(name)
    }
}

/// A column: its type and who may write it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the metadata, each for itself")]
pub(crate) struct Attribute {
    /// The logical name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Valid for create (`noC` in the specification when false).
    pub create: bool,
    /// Valid for update (`noU`).
    pub update: bool,
    /// Valid for read (`noR`).
    pub read: bool,
    /// Rows are found by this column without a scan.
    pub indexed: bool,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, create: true, update: true, read: true, indexed: false }
    }

    pub(super) const fn read_only(self) -> Self {
        Self { create: false, update: false, ..self }
    }

    pub(super) const fn no_update(self) -> Self {
        Self { update: false, ..self }
    }

    pub(super) const fn no_create(self) -> Self {
        Self { create: false, ..self }
    }

    pub(super) const fn no_read(self) -> Self {
        Self { read: false, ..self }
    }

    pub(super) const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// The targets, for a lookup.
    pub(crate) fn targets(&self) -> Option<&'static [Target]> {
        match self.kind {
            Kind::Lookup(targets) => Some(targets),
            _ => None,
        }
    }

    /// The name in the Web API.
    pub(crate) fn property_name(&self) -> String {
        match self.kind {
            Kind::Lookup(_) => format!("_{}_value", self.name),
            _ => self.name.to_owned(),
        }
    }
}

pub(super) const fn text(name: &'static str, most: usize) -> Attribute {
    Attribute::new(name, Kind::Text(most))
}
pub(super) const fn memo(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Text(1_073_741_823))
}
pub(super) const fn integer(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Integer)
}
pub(super) const fn bigint(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::BigInt)
}
pub(super) const fn real(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Real)
}
pub(super) const fn choice(name: &'static str, labels: &'static [(i64, &'static str)]) -> Attribute {
    Attribute::new(name, Kind::Choice(labels))
}
pub(super) const fn boolean(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Boolean)
}
pub(super) const fn time(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Time)
}
pub(super) const fn key(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Id).no_update()
}
pub(super) const fn id(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::Id)
}
pub(super) const fn file(name: &'static str) -> Attribute {
    Attribute::new(name, Kind::File)
}
pub(super) const fn lookup(name: &'static str, targets: &'static [Target]) -> Attribute {
    Attribute::new(name, Kind::Lookup(targets))
}
