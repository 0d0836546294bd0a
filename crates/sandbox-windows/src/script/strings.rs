//! Strings with variables in them, here-strings, numbers, and words of the command line.

use tree_sitter::Node;

use super::{
    Reader, Unread, all,
    ast::{Expr, ExprKind},
    line_of,
};

/// The text between the first and the last line of a here-string.
pub(super) fn here(text: &str) -> String {
    let text = text.trim_start();
    let start = text.find('\n').map_or(text.len(), |at| at + 1);
    let inner = text.get(start..).unwrap_or_default();
    let end = inner.rfind('\n').unwrap_or(0);
    inner.get(..end).unwrap_or_default().trim_end_matches('\r').to_owned()
}

/// A number with its suffixes; none if it is something else.
pub(super) fn number(text: &str) -> Option<ExprKind> {
    let text = text.to_ascii_lowercase();
    let (digits, factor) = [("kb", 1_i64 << 10), ("mb", 1 << 20), ("gb", 1 << 30)]
        .into_iter()
        .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|digits| (digits.to_owned(), factor)))
        .unwrap_or((text, 1));
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(|number| ExprKind::Int(number * factor));
    }
    if let Ok(number) = digits.trim_end_matches('l').parse::<i64>() {
        return Some(ExprKind::Int(number * factor));
    }
    if digits.chars().any(|sign| !sign.is_ascii_digit() && !".e+-".contains(sign)) || factor != 1 {
        return None;
    }
    digits.parse().ok().map(ExprKind::Double)
}

/// What stands after a backtick.
fn escaped(sign: char) -> String {
    match sign {
        '0' => "\0".to_owned(),
        'a' => "\u{7}".to_owned(),
        'b' => "\u{8}".to_owned(),
        'f' => "\u{c}".to_owned(),
        'n' => "\n".to_owned(),
        'r' => "\r".to_owned(),
        't' => "\t".to_owned(),
        'v' => "\u{b}".to_owned(),
        '\n' => String::new(),
        other => other.to_string(),
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        if sign == '`' {
            out.push_str(&signs.next().map(escaped).unwrap_or_default());
        } else {
            out.push(sign);
        }
    }
    out
}

impl Reader<'_> {
    /// The pieces of a string in double quotation marks.
    ///
    /// The text between variables is taken from the source by position, as the grammar drops white space.
    pub(super) fn expandable(&self, node: Node<'_>, is_here: bool) -> Result<Vec<Expr>, Unread> {
        let mut pieces = Vec::new();
        let whole = self.text_of(node);
        let lead = whole.len() - whole.trim_start().len();
        let (mut at, end) = if is_here {
            let first = whole.find('\n').map_or(whole.len(), |end| end + 1);
            (node.start_byte() + first, node.start_byte() + whole.trim_end().rfind('\n').unwrap_or(first))
        } else {
            (node.start_byte() + lead + 1, node.end_byte() - 1)
        };
        let text = |from: usize, to: usize| -> Option<Expr> {
            let raw = self.text.get(from..to).filter(|raw| !raw.is_empty())?;
            let raw = if is_here { raw.to_owned() } else { raw.replace("\"\"", "\"") };
            Some(Expr { line: line_of(node), kind: ExprKind::Text(unescape(&raw)) })
        };
        for child in all(node) {
            if !matches!(child.kind(), "variable" | "sub_expression") {
                continue;
            }
            let start = child.start_byte();
            pieces.extend(text(at, start));
            pieces.push(self.expression(child)?);
            at = child.end_byte();
        }
        pieces.extend(text(at.min(end), end.max(at)).filter(|_| at < end));
        Ok(pieces)
    }

    /// A word of the command line: a number, or text in which variables stand.
    pub(super) fn word(&self, node: Node<'_>) -> Result<Expr, Unread> {
        let text = self.text_of(node).trim();
        let line = line_of(node);
        if let Some(kind) = number(text) {
            return Ok(Expr { line, kind });
        }
        if !text.contains('$') {
            return Ok(Expr { line, kind: ExprKind::Text(unescape(&text.replace(['\'', '"'], ""))) });
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, variable) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Expr { line, kind: ExprKind::Text(unescape(before)) });
            }
            let name = variable.get(1..).unwrap_or_default();
            let length =
                name.find(|sign: char| !(sign.is_alphanumeric() || sign == '_')).unwrap_or(name.len());
            if length == 0 || name.get(length..).is_some_and(|after| after.starts_with([':', '.', '['])) {
                return Err(self.unknown(node, "a word of the command line; put it into quotation marks"));
            }
            let (name, after) = name.split_at(length);
            pieces.push(Expr { line, kind: ExprKind::Variable(name.to_owned()) });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Expr { line, kind: ExprKind::Text(unescape(rest)) });
        }
        // A lone variable is its value, not its text.
        if pieces.len() == 1 {
            return Ok(pieces.remove(0));
        }
        Ok(Expr { line, kind: ExprKind::Expand(pieces) })
    }
}
