//! What the program says when it can't go on: what is wrong, where, and what to do.

use std::{fmt, path::Path};

use hybridge_core::trouble::{Class, Trouble};
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceSpan};
use serde_json::{Value, json};

use crate::exit::Exit;

/// A failure, as it is shown.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    place: Option<Box<(NamedSource<String>, SourceSpan)>>,
}

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None, place: None }
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        let help = help.into();
        self.help = (!help.is_empty()).then_some(help);
        self
    }

    /// Ends with another code.
    #[must_use]
    pub(crate) fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Points at a place in a file.
    #[must_use]
    pub(crate) fn at(mut self, path: &Path, text: &str, span: std::ops::Range<usize>) -> Self {
        let line = text.get(..span.start).unwrap_or_default().lines().count().max(1);
        self.message = format!("{} ({}, line {line})", self.message, path.display());
        let source = NamedSource::new(path.display().to_string(), text.to_owned());
        self.place = Some(Box::new((source, span.into())));
        self
    }

    /// For scripts.
    pub(crate) fn json(&self) -> Value {
        json!({ "error": { "message": self.message, "help": self.help, "exit": self.exit as u8 } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.place.as_ref().map(|place| &place.0 as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.place.as_ref()?.1;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some("here".to_owned()), span))))
    }
}

impl From<hybridge_store::Error> for Failure {
    fn from(error: hybridge_store::Error) -> Self {
        let exit = match error {
            hybridge_store::Error::OtherInstallation { .. }
            | hybridge_store::Error::Foreign { .. }
            | hybridge_store::Error::NewerSchema { .. }
            | hybridge_store::Error::OlderSchema { .. } => Exit::Refused,
            hybridge_store::Error::Locked => Exit::Locked,
            _ => Exit::Storage,
        };
        Self::new(exit, error.to_string()).help(error.remedy())
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let exit = match trouble.class {
            class if class.passes() => Exit::Temporary,
            Class::Denied | Class::Gone => Exit::Denied,
            _ => Exit::Unexpected,
        };
        Self::new(exit, trouble.what).help(trouble.remedy)
    }
}

impl From<hybridge_engine::Error> for Failure {
    fn from(error: hybridge_engine::Error) -> Self {
        match error {
            hybridge_engine::Error::Store(error) => error.into(),
            hybridge_engine::Error::Organization(trouble) => {
                let what = format!("the organization's configuration can't be read: {}", trouble.what);
                Self::from(Trouble { what, ..trouble })
            }
            other => Self::new(Exit::Unexpected, other.to_string()),
        }
    }
}

impl From<hybridge_engine::LaneError> for Failure {
    fn from(error: hybridge_engine::LaneError) -> Self {
        match error {
            hybridge_engine::LaneError::Trouble(trouble) => trouble.into(),
            hybridge_engine::LaneError::Store(error) => error.into(),
        }
    }
}
