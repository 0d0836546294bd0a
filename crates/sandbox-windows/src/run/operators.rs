//! Operators, with the conversions of the language.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

use super::{
    flow::{Ran, failed, runtime, unknown},
    value::Value,
};

/// Applies an operator that needs nothing but its two values; `case` is told by the operator itself.
pub(crate) fn binary(line: usize, operator: &str, left: &Value, right: &Value) -> Ran {
    let (name, case) = match operator.strip_prefix("-c").filter(|rest| is_cased(rest)) {
        Some(rest) => (format!("-{rest}"), true),
        None => match operator.strip_prefix("-i").filter(|rest| is_cased(rest)) {
            Some(rest) => (format!("-{rest}"), false),
            None => (operator.to_owned(), false),
        },
    };
    match name.as_str() {
        "-eq" | "-ne" | "-lt" | "-gt" | "-le" | "-ge" | "-like" | "-notlike" | "-match" | "-notmatch" => {
            if let Value::Array(values) | Value::List(values) = left {
                let mut kept = Vec::new();
                for value in values.borrow().iter() {
                    if compares(&name, value, right, case)? {
                        kept.push(value.clone());
                    }
                }
                return Ok(Value::array(kept));
            }
            compares(&name, left, right, case).map(Value::Bool)
        }
        "-contains" => Ok(Value::Bool(left.unrolled().iter().any(|one| equal(one, right, case)))),
        "-notcontains" => Ok(Value::Bool(!left.unrolled().iter().any(|one| equal(one, right, case)))),
        "-in" => Ok(Value::Bool(right.unrolled().iter().any(|one| equal(one, left, case)))),
        "-notin" => Ok(Value::Bool(!right.unrolled().iter().any(|one| equal(one, left, case)))),
        "-join" => {
            let parts: Vec<String> = left.elements().iter().map(Value::show).collect();
            Ok(Value::text(parts.join(&right.show())))
        }
        "-split" => split(left, right, case),
        "-replace" => replace(left, right, case),
        "-band" | "-bor" | "-bxor" | "-shl" | "-shr" => bits(line, &name, left, right),
        "-xor" => Ok(Value::Bool(left.truthy() != right.truthy())),
        "-f" => super::format::format(line, &left.show(), &right.unrolled()),
        "+" => add(left, right),
        "-" | "*" | "/" | "%" => arithmetic(line, &name, left, right),
        ".." => match (left.whole(), right.whole()) {
            (Some(from), Some(to)) if from <= to => Ok(Value::array((from..=to).map(Value::Int).collect())),
            (Some(from), Some(to)) => Ok(Value::array((to..=from).rev().map(Value::Int).collect())),
            _ => runtime("The ends of a range must be numbers."),
        },
        _ => unknown(line, format!("the operator {operator}")),
    }
}

fn is_cased(rest: &str) -> bool {
    [
        "eq",
        "ne",
        "lt",
        "gt",
        "le",
        "ge",
        "like",
        "notlike",
        "match",
        "notmatch",
        "contains",
        "notcontains",
        "replace",
        "split",
    ]
    .contains(&rest)
        || rest == "in"
}

/// Whether two values are equal, the right one brought to the left one's class.
pub(crate) fn equal(left: &Value, right: &Value, case: bool) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Bool(left), right) => *left == right.truthy(),
        (Value::Text(left), right) => {
            let right = right.show();
            if case { **left == *right } else { left.to_lowercase() == right.to_lowercase() }
        }
        (Value::Int(_) | Value::Double(_) | Value::Date { .. } | Value::Span(_), right) => {
            match (left.number(), date_or_number(left, right)) {
                (Some(left), Some(right)) => (left - right).abs() < f64::EPSILON * left.abs().max(1.0),
                _ => false,
            }
        }
        (Value::Object(left), Value::Object(right)) => std::rc::Rc::ptr_eq(left, right),
        (Value::Hash(left), Value::Hash(right)) => std::rc::Rc::ptr_eq(left, right),
        (Value::Type(left), Value::Type(right)) => left.eq_ignore_ascii_case(right),
        _ => false,
    }
}

fn date_or_number(left: &Value, right: &Value) -> Option<f64> {
    match (left, right) {
        (Value::Date { .. }, Value::Text(text)) => super::convert::date(text).and_then(|date| date.number()),
        _ => right.number(),
    }
}

/// The order of two values; none where there is no order.
pub(crate) fn order(left: &Value, right: &Value, case: bool) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Null, _) => Some(Ordering::Less),
        (_, Value::Null) => Some(Ordering::Greater),
        (Value::Text(left), right) => {
            let right = right.show();
            Some(if case { (**left).cmp(&*right) } else { left.to_lowercase().cmp(&right.to_lowercase()) })
        }
        _ => left.number()?.partial_cmp(&date_or_number(left, right)?),
    }
}

fn compares(name: &str, left: &Value, right: &Value, case: bool) -> Ran<bool> {
    Ok(match name {
        "-eq" => equal(left, right, case),
        "-ne" => !equal(left, right, case),
        "-like" => wildcard(&left.show(), &right.show(), case),
        "-notlike" => !wildcard(&left.show(), &right.show(), case),
        "-match" => pattern(&right.show(), case)?.is_match(&left.show()),
        "-notmatch" => !pattern(&right.show(), case)?.is_match(&left.show()),
        _ => {
            let Some(order) = order(left, right, case) else {
                return runtime(format!("Could not compare \"{}\" to \"{}\".", left.show(), right.show()));
            };
            match name {
                "-lt" => order.is_lt(),
                "-gt" => order.is_gt(),
                "-le" => order.is_le(),
                _ => order.is_ge(),
            }
        }
    })
}

/// A .NET regular expression, as far as the two languages agree.
pub(crate) fn pattern(text: &str, case: bool) -> Ran<Regex> {
    match RegexBuilder::new(text).case_insensitive(!case).build() {
        Ok(regex) => Ok(regex),
        Err(error) => failed("System.ArgumentException", format!("parsing \"{text}\" - {error}")),
    }
}

/// Whether a text fits a wildcard (`*`, `?`, `[a-z]`).
pub(crate) fn wildcard(text: &str, wildcard: &str, case: bool) -> bool {
    let mut regex = String::from("(?s)^");
    let mut signs = wildcard.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' | ']' | '-' => regex.push(sign),
            '`' => regex.push_str(&regex::escape(&signs.next().map(String::from).unwrap_or_default())),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    RegexBuilder::new(&regex).case_insensitive(!case).build().is_ok_and(|regex| regex.is_match(text))
}

fn split(left: &Value, right: &Value, case: bool) -> Ran {
    let arguments = right.unrolled();
    let limit = arguments.get(1).and_then(Value::whole).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let regex = pattern(&arguments.first().map(Value::show).unwrap_or_default(), case)?;
    let mut parts = Vec::new();
    for text in left.unrolled() {
        let text = text.show();
        if limit == 0 {
            parts.extend(regex.split(&text).map(Value::text));
        } else {
            parts.extend(regex.splitn(&text, limit).map(Value::text));
        }
    }
    Ok(Value::array(parts))
}

fn replace(left: &Value, right: &Value, case: bool) -> Ran {
    let arguments = right.unrolled();
    let regex = pattern(&arguments.first().map(Value::show).unwrap_or_default(), case)?;
    let with = arguments.get(1).map(Value::show).unwrap_or_default();
    // `$1x` is group 1 in .NET and a group named `1x` in the regex crate.
    let with = numbered(&with);
    let one = |text: &Value| Value::text(regex.replace_all(&text.show(), with.as_str()));
    Ok(match left {
        Value::Array(values) | Value::List(values) => Value::array(values.borrow().iter().map(one).collect()),
        other => one(other),
    })
}

fn numbered(with: &str) -> String {
    let mut out = String::new();
    let mut rest = with;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        if digits.is_empty() {
            out.push('$');
        } else {
            out.push_str(&format!("${{{digits}}}"));
        }
        rest = after.get(digits.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

fn bits(line: usize, name: &str, left: &Value, right: &Value) -> Ran {
    let (Some(a), Some(b)) = (left.whole(), right.whole()) else {
        return unknown(line, format!("{name} of {} and {}", left.class(), right.class()));
    };
    let shift = u32::try_from(b).unwrap_or(0);
    Ok(Value::Int(match name {
        "-band" => a & b,
        "-bor" => a | b,
        "-bxor" => a ^ b,
        "-shl" => a.wrapping_shl(shift),
        _ => a.wrapping_shr(shift),
    }))
}

fn add(left: &Value, right: &Value) -> Ran {
    match (left, right) {
        (Value::Null, right) => Ok(right.clone()),
        (Value::Text(left), right) => Ok(Value::text(format!("{left}{}", right.show()))),
        (Value::Array(_) | Value::List(_) | Value::Bytes(_), right) => {
            let mut values = left.unrolled();
            values.extend(right.unrolled());
            Ok(Value::array(values))
        }
        (Value::Hash(left), Value::Hash(right)) => {
            let mut names = left.borrow().clone();
            for (name, value) in &right.borrow().0 {
                if names.get(name).is_some() {
                    return failed(
                        "System.ArgumentException",
                        format!("Item has already been added. Key in dictionary: '{name}'"),
                    );
                }
                names.set(name, value.clone());
            }
            Ok(Value::Hash(std::rc::Rc::new(names.into())))
        }
        (Value::Date { at, utc }, Value::Span(seconds)) => super::convert::shifted(*at, *utc, *seconds),
        _ => arithmetic(0, "+", left, right),
    }
}

fn arithmetic(line: usize, name: &str, left: &Value, right: &Value) -> Ran {
    match (left, right, name) {
        (Value::Date { at: a, .. }, Value::Date { at: b, .. }, "-") => {
            return Ok(Value::Span(a.duration_since(*b).as_secs_f64()));
        }
        (Value::Date { at, utc }, Value::Span(seconds), "-") => {
            return super::convert::shifted(*at, *utc, -seconds);
        }
        (Value::Text(text), right, "*") => {
            let times = right.whole().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            return Ok(Value::text(text.repeat(times)));
        }
        (Value::Int(a), right @ (Value::Int(_) | Value::Null), _) => {
            if let Some(number) = whole(name, *a, right.whole().unwrap_or(0))? {
                return Ok(Value::Int(number));
            }
        }
        _ => {}
    }
    let (Some(a), Some(b)) = (left.number(), right.number()) else {
        return match right {
            Value::Text(text) => failed(
                "System.Management.Automation.RuntimeException",
                format!(
                    "Cannot convert value \"{text}\" to type \"System.Int32\". Error: \"Input string was not in a correct format.\""
                ),
            ),
            _ if line > 0 || name == "+" => failed(
                "System.Management.Automation.RuntimeException",
                format!(
                    "Method invocation failed because [{}] does not contain a method named 'op_{name}'.",
                    left.class()
                ),
            ),
            _ => unknown(line, format!("{} {name} {}", left.class(), right.class())),
        };
    };
    let result = match name {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" if b == 0.0 => return failed("System.DivideByZeroException", "Attempted to divide by zero."),
        "/" => a / b,
        _ => a % b,
    };
    let is_float = matches!(left, Value::Double(_)) || matches!(right, Value::Double(_));
    Ok(match Value::Double(result).whole() {
        Some(number) if result.fract() == 0.0 && !is_float => Value::Int(number),
        _ => Value::Double(result),
    })
}

fn whole(name: &str, a: i64, b: i64) -> Ran<Option<i64>> {
    Ok(match name {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        _ if b == 0 => return failed("System.DivideByZeroException", "Attempted to divide by zero."),
        "/" if a % b == 0 => Some(a / b),
        "/" => None,
        _ => Some(a % b),
    })
}
