//! How the program speaks: data on standard output, everything else on standard error; `--json` gives
//! one JSON object in place of text.

use std::io::{self, Write};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

/// Where a command's result goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One JSON object instead of text.
    pub(crate) json: bool,
}

impl Output {
    /// Prints a line for people; nothing under `--json`.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        if !self.json {
            write_out(text.as_ref());
        }
    }

    /// Prints the result for scripts; nothing without `--json`.
    pub(crate) fn json(self, value: &Value) {
        if self.json {
            write_out(&value.to_string());
        }
    }

    /// Says something that is no data: progress, a hint.
    pub(crate) fn say(text: impl AsRef<str>) {
        let _closed = writeln!(io::stderr(), "{}", text.as_ref());
    }
}

// A reader that has seen enough (`| head`) is no failure.
fn write_out(text: &str) {
    let _closed = writeln!(io::stdout(), "{text}");
}

/// An instant in the machine's zone, to the second.
pub(crate) fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A span of seconds in words: `340 ms`, `12.4 s`, `3 min 20 s`.
pub(crate) fn span(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

/// A text as wide as a column: padded, or cut with an ellipsis.
pub(crate) fn column(text: &str, width: usize) -> String {
    let clean: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let count = clean.chars().count();
    if count <= width {
        format!("{clean}{}", " ".repeat(width - count))
    } else {
        clean.chars().take(width.saturating_sub(1)).chain(['…']).collect()
    }
}

/// The value at a fraction of sorted values (0.5 the median), or 0 without values.
pub(crate) fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a slice"
    )]
    let index = ((sorted.len() as f64 * fraction).ceil() as usize).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((percentile(&values, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 0.99) - 99.0).abs() < f64::EPSILON);
        assert!((percentile(&[7.0], 0.99) - 7.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn columns_are_as_wide_as_they_say() {
        assert_eq!(column("ab\tc", 6), "ab c  ");
        assert_eq!(column("Größe der Anlage", 6), "Größe…");
        assert_eq!(span(0.34), "340 ms");
        assert_eq!(span(200.0), "3 min 20 s");
    }
}
