//! How a statement can end other than by going on.

use super::value::{Names, Value};

/// An error of the script: what `$_` is in a `catch`.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The .NET class of the exception.
    pub(crate) class: String,
    pub(crate) message: String,
    pub(crate) id: String,
    pub(crate) line: usize,
    /// What was thrown, if it was not a text.
    pub(crate) target: Value,
    /// From `throw` or `-ErrorAction Stop`: ends the script; otherwise it ends the statement.
    pub(crate) ends_script: bool,
}

impl Failure {
    pub(crate) fn new(class: &str, message: impl Into<String>) -> Failure {
        Failure {
            class: class.to_owned(),
            message: message.into(),
            id: class.rsplit('.').next().unwrap_or(class).to_owned(),
            line: 0,
            target: Value::Null,
            ends_script: false,
        }
    }

    /// The error record.
    pub(crate) fn record(&self) -> Value {
        let exception = Value::known(
            &self.class,
            [
                ("Message", Value::text(&self.message)),
                ("InnerException", Value::Null),
                ("HResult", Value::Int(-2_146_233_088)),
                ("\u{0}show", Value::text(format!("{}: {}", self.class, self.message))),
            ],
        );
        Value::known(
            "System.Management.Automation.ErrorRecord",
            [
                ("Exception", exception),
                ("FullyQualifiedErrorId", Value::text(&self.id)),
                ("TargetObject", self.target.clone()),
                (
                    "InvocationInfo",
                    Value::known(
                        "System.Management.Automation.InvocationInfo",
                        [("ScriptLineNumber", Value::int(self.line))],
                    ),
                ),
                ("ErrorDetails", Value::Null),
                ("ScriptStackTrace", Value::text(format!("at <ScriptBlock>: line {}", self.line))),
                ("\u{0}show", Value::text(&self.message)),
            ],
        )
    }

    /// The failure of a record that is thrown again.
    pub(crate) fn of_record(record: &Names) -> Failure {
        let text = |names: &Names, name: &str| names.get(name).map(Value::show).unwrap_or_default();
        let (mut class, mut message) = (String::new(), String::new());
        if let Some(Value::Object(exception)) = record.get("Exception") {
            class.clone_from(&exception.borrow().class);
            message = text(&exception.borrow().properties, "Message");
        }
        let mut failure = Failure::new(&class, message);
        failure.id = text(record, "FullyQualifiedErrorId");
        failure.target = record.get("TargetObject").cloned().unwrap_or(Value::Null);
        if let Some(Value::Object(place)) = record.get("InvocationInfo") {
            let line = place.borrow().properties.get("ScriptLineNumber").and_then(Value::whole);
            failure.line = line.and_then(|line| usize::try_from(line).ok()).unwrap_or(0);
        }
        failure
    }
}

/// Why the statements that follow are not run.
#[derive(Debug)]
pub(crate) enum Flow {
    Failed(Box<Failure>),
    Break,
    Continue,
    Return,
    Exit(i32),
    /// The emulator does not know something: no `catch` takes it.
    Unknown {
        line: usize,
        what: String,
    },
}

/// The result of running something.
pub(crate) type Ran<T = Value> = Result<T, Flow>;

/// A terminating error of this .NET class.
pub(crate) fn failed<T>(class: &str, message: impl Into<String>) -> Ran<T> {
    Err(Flow::Failed(Box::new(Failure::new(class, message))))
}

/// A terminating error as the run time reports most of them.
pub(crate) fn runtime<T>(message: impl Into<String>) -> Ran<T> {
    failed("System.Management.Automation.RuntimeException", message)
}

/// Something that the emulator does not know.
pub(crate) fn unknown<T>(line: usize, what: impl Into<String>) -> Ran<T> {
    Err(Flow::Unknown { line, what: what.into() })
}
