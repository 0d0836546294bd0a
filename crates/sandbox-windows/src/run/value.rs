//! What a variable can hold.

use std::{cell::RefCell, rc::Rc};

use jiff::Timestamp;

use crate::{machine::Certificate, script::ast::Block};

/// Names that are compared without case, in the order in which they were set.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names(pub(crate) Vec<(String, Value)>);

impl Names {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
}

/// An object of a class other than the ones that [`Value`] names.
#[derive(Debug)]
pub(crate) struct Object {
    /// The full .NET name.
    pub(crate) class: String,
    pub(crate) properties: Names,
    pub(crate) native: Native,
}

/// What stands behind an object, beside its properties.
#[derive(Debug, Clone, Default)]
pub(crate) enum Native {
    /// Nothing: a member that it does not have is `$null`, as with `[pscustomobject]`.
    #[default]
    Custom,
    /// An object of the emulator: to ask it for a member that it does not have is an error of the emulator.
    Known,
    Certificate(Box<Certificate>),
    Store {
        location: String,
        name: String,
        open: bool,
    },
}

/// A value of the language.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    /// What a pipeline without output leaves in a variable: null everywhere but at a pipeline's head.
    Nothing,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Rc<str>),
    Date {
        at: Timestamp,
        utc: bool,
    },
    /// A length of time, in seconds.
    Span(f64),
    Bytes(Rc<Vec<u8>>),
    Array(Rc<RefCell<Vec<Value>>>),
    /// A list that grows: `ArrayList` and its kin.
    List(Rc<RefCell<Vec<Value>>>),
    Hash(Rc<RefCell<Names>>),
    Object(Rc<RefCell<Object>>),
    Block(Rc<Block>),
    Type(Rc<str>),
    /// A `SecureString`.
    Secure(Rc<RefCell<String>>),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Value {
        Value::Text(text.as_ref().into())
    }

    pub(crate) fn array(values: Vec<Value>) -> Value {
        Value::Array(Rc::new(RefCell::new(values)))
    }

    pub(crate) fn int(number: usize) -> Value {
        Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(crate) fn date(at: Timestamp) -> Value {
        Value::Date { at, utc: false }
    }

    pub(crate) fn custom(properties: Names) -> Value {
        Value::object("System.Management.Automation.PSCustomObject", properties, Native::Custom)
    }

    pub(crate) fn object(class: &str, properties: Names, native: Native) -> Value {
        Value::Object(Rc::new(RefCell::new(Object { class: class.to_owned(), properties, native })))
    }

    /// An object of the emulator with these members.
    pub(crate) fn known<const N: usize>(class: &str, members: [(&str, Value); N]) -> Value {
        let properties = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Value::object(class, Names(properties), Native::Known)
    }

    /// What a pipeline gave: nothing is null, one value stands for itself, more are an array.
    pub(crate) fn gathered(mut values: Vec<Value>) -> Value {
        match values.len() {
            0 => Value::Null,
            1 => values.remove(0),
            _ => Value::array(values),
        }
    }

    /// The elements over which a pipeline or a loop goes; null has one in a pipeline, itself.
    pub(crate) fn unrolled(&self) -> Vec<Value> {
        match self {
            Value::Array(values) | Value::List(values) => values.borrow().clone(),
            Value::Bytes(bytes) => bytes.iter().map(|byte| Value::Int(i64::from(*byte))).collect(),
            other => vec![other.clone()],
        }
    }

    /// Null in place of nothing.
    pub(crate) fn settled(self) -> Value {
        if matches!(self, Value::Nothing) { Value::Null } else { self }
    }

    /// As [`Value::unrolled`], and null has no element: what a list argument of a cmdlet holds.
    pub(crate) fn elements(&self) -> Vec<Value> {
        if matches!(self, Value::Null | Value::Nothing) { Vec::new() } else { self.unrolled() }
    }

    pub(crate) fn truthy(&self) -> bool {
        match self {
            Value::Null | Value::Nothing => false,
            Value::Bool(value) => *value,
            Value::Int(number) => *number != 0,
            Value::Double(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Array(values) | Value::List(values) => match values.borrow().as_slice() {
                [] => false,
                [only] => only.truthy(),
                _ => true,
            },
            _ => true,
        }
    }

    /// The full .NET name of the value's class.
    pub(crate) fn class(&self) -> String {
        match self {
            Value::Null | Value::Nothing => "null".to_owned(),
            Value::Bool(_) => "System.Boolean".to_owned(),
            Value::Int(number) if i32::try_from(*number).is_ok() => "System.Int32".to_owned(),
            Value::Int(_) => "System.Int64".to_owned(),
            Value::Double(_) => "System.Double".to_owned(),
            Value::Text(_) => "System.String".to_owned(),
            Value::Date { .. } => "System.DateTime".to_owned(),
            Value::Span(_) => "System.TimeSpan".to_owned(),
            Value::Bytes(_) => "System.Byte[]".to_owned(),
            Value::Array(_) => "System.Object[]".to_owned(),
            Value::List(_) => "System.Collections.ArrayList".to_owned(),
            Value::Hash(_) => "System.Collections.Hashtable".to_owned(),
            Value::Object(object) => object.borrow().class.clone(),
            Value::Block(_) => "System.Management.Automation.ScriptBlock".to_owned(),
            Value::Type(_) => "System.RuntimeType".to_owned(),
            Value::Secure(_) => "System.Security.SecureString".to_owned(),
        }
    }

    /// The value as text, as in a string in double quotation marks.
    pub(crate) fn show(&self) -> String {
        match self {
            Value::Null | Value::Nothing => String::new(),
            Value::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Double(number) => number.to_string(),
            Value::Text(text) => text.to_string(),
            Value::Date { at, .. } => at.strftime("%m/%d/%Y %H:%M:%S").to_string(),
            Value::Span(seconds) => format!("{seconds}"),
            Value::Bytes(_) | Value::Array(_) | Value::List(_) => {
                self.unrolled().iter().map(Value::show).collect::<Vec<_>>().join(" ")
            }
            Value::Type(name) => name.to_string(),
            Value::Object(object) => show_object(&object.borrow()),
            Value::Block(_) | Value::Hash(_) | Value::Secure(_) => self.class(),
        }
    }

    /// The value as a number, where there is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Value::Null => Some(0.0),
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            #[expect(clippy::cast_precision_loss, reason = "a .NET double loses it as well")]
            Value::Int(number) => Some(*number as f64),
            Value::Double(number) | Value::Span(number) => Some(*number),
            Value::Text(text) if text.trim().is_empty() => Some(0.0),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Date { at, .. } => Some(at.as_duration().as_secs_f64()),
            _ => None,
        }
    }

    /// A whole number, where there is one.
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Text(text) if !text.trim().is_empty() && text.trim().parse::<i64>().is_ok() => {
                text.trim().parse().ok()
            }
            #[expect(clippy::cast_possible_truncation, reason = "the float is rounded, as .NET does")]
            other => other.number().map(|number| number.round_ties_even() as i64),
        }
    }
}

fn show_object(object: &Object) -> String {
    if matches!(object.native, Native::Custom) {
        let inner: Vec<String> =
            object.properties.0.iter().map(|(name, value)| format!("{name}={}", value.show())).collect();
        return format!("@{{{}}}", inner.join("; "));
    }
    if let Some(message) = object.properties.get("\u{0}show") {
        return message.show();
    }
    object.class.clone()
}
