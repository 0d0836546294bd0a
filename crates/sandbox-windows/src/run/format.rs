//! The `-f` operator and the formats of numbers and dates.

use jiff::Timestamp;

use super::{
    flow::{Ran, failed, unknown},
    value::Value,
};

/// `'{0:x2} {1,5}' -f ...`
pub(crate) fn format(line: usize, template: &str, arguments: &[Value]) -> Ran {
    let mut out = String::new();
    let mut signs = template.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '{' if signs.peek() == Some(&'{') => {
                signs.next();
                out.push('{');
            }
            '}' => {
                signs.next_if_eq(&'}');
                out.push('}');
            }
            '{' => {
                let item: String = signs.by_ref().take_while(|sign| *sign != '}').collect();
                let (place, style) = item.split_once(':').unwrap_or((item.as_str(), ""));
                let (place, width) = place.split_once(',').unwrap_or((place, "0"));
                let argument = place.trim().parse::<usize>().ok().and_then(|at| arguments.get(at));
                let Some(argument) = argument else {
                    return failed(
                        "System.FormatException",
                        "Error formatting a string: Index (zero based) must be greater than or equal to zero and less than the size of the argument list..",
                    );
                };
                let text = styled(line, argument, style)?;
                let width: i64 = width.trim().parse().unwrap_or(0);
                let room = usize::try_from(width.unsigned_abs()).unwrap_or(0);
                if width < 0 {
                    out.push_str(&format!("{text:<room$}"));
                } else {
                    out.push_str(&format!("{text:>room$}"));
                }
            }
            other => out.push(other),
        }
    }
    Ok(Value::text(out))
}

/// One value in a .NET format.
pub(crate) fn styled(line: usize, value: &Value, style: &str) -> Ran<String> {
    if style.is_empty() {
        return Ok(value.show());
    }
    if let Value::Date { at, utc } = value {
        return date(line, *at, *utc, style);
    }
    let (letter, digits) = style.split_at(1);
    let digits = digits.parse::<usize>().unwrap_or(0);
    match (letter, value.whole(), value.number()) {
        ("x", Some(number), _) => Ok(format!("{number:0digits$x}")),
        ("X", Some(number), _) => Ok(format!("{number:0digits$X}")),
        ("d" | "D", Some(number), _) => Ok(format!("{number:0digits$}")),
        ("n" | "N" | "f" | "F", _, Some(number)) => Ok(format!("{number:.digits$}")),
        ("0", Some(number), _) if style.chars().all(|sign| sign == '0') => {
            Ok(format!("{number:0width$}", width = style.len()))
        }
        _ => unknown(line, format!("the format '{style}' of {}", value.class())),
    }
}

/// A date in a standard or custom .NET format.
pub(crate) fn date(line: usize, at: Timestamp, utc: bool, style: &str) -> Ran<String> {
    let nanoseconds = at.subsec_nanosecond();
    let zone = if utc { "Z" } else { "+00:00" };
    match style {
        "o" | "O" => {
            return Ok(format!("{}.{:07}{zone}", at.strftime("%Y-%m-%dT%H:%M:%S"), nanoseconds / 100));
        }
        "s" => return Ok(at.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
        "u" => return Ok(at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
        _ => {}
    }
    let mut out = String::new();
    let signs: Vec<char> = style.chars().collect();
    let mut at_sign = 0;
    while let Some(&sign) = signs.get(at_sign) {
        if sign == '\'' {
            let quoted: String = signs.iter().skip(at_sign + 1).take_while(|sign| **sign != '\'').collect();
            at_sign += quoted.chars().count() + 2;
            out.push_str(&quoted);
            continue;
        }
        if sign == '\\' {
            out.extend(signs.get(at_sign + 1));
            at_sign += 2;
            continue;
        }
        let length = signs.iter().skip(at_sign).take_while(|other| **other == sign).count();
        at_sign += length;
        out.push_str(&match (sign, length) {
            ('y', 4) => at.strftime("%Y").to_string(),
            ('y', 2) => at.strftime("%y").to_string(),
            ('M', 2) => at.strftime("%m").to_string(),
            ('d', 2) => at.strftime("%d").to_string(),
            ('H', 2) => at.strftime("%H").to_string(),
            ('m', 2) => at.strftime("%M").to_string(),
            ('s', 2) => at.strftime("%S").to_string(),
            ('f', 1..=7) => format!("{nanoseconds:09}").chars().take(length).collect(),
            ('K', 1) => zone.to_owned(),
            ('z', 3) => "+00:00".to_owned(),
            (other, _) if other.is_ascii_alphabetic() && !matches!(other, 'T' | 'Z') => {
                return unknown(line, format!("'{other}' in the date format '{style}'"));
            }
            (other, _) => std::iter::repeat_n(other, length).collect(),
        });
    }
    Ok(out)
}
