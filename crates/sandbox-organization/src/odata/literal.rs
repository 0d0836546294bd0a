//! Tokens and literals of OData expressions.

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    cell::Cell,
    fault::{Fault, Outcome},
    schema::{Attribute, Kind},
};

/// A token of a filter, a parameter list or a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// An identifier, path, number, GUID, instant or keyword.
    Word(String),
    /// A quoted text.
    Text(String),
    /// A JSON object or array, as parameters of functions may hold.
    Json(String),
    /// One of `( ) , : [ ] =`.
    Mark(char),
}

/// Cuts a decoded expression into tokens.
pub(crate) fn tokens(source: &str) -> Outcome<Vec<Token>> {
    let letters: Vec<char> = source.chars().collect();
    let at = |index: usize| letters.get(index).copied();
    let mut tokens = Vec::new();
    let mut index = 0;
    while let Some(letter) = at(index) {
        match letter {
            _ if letter.is_whitespace() => index += 1,
            '\'' => {
                let (text, next) = quoted(&letters, index)?;
                tokens.push(Token::Text(text));
                index = next;
            }
            '{' => {
                let (json, next) = object(&letters, index)?;
                tokens.push(Token::Json(json));
                index = next;
            }
            '(' | ')' | ',' | ':' | '[' | ']' | '=' => {
                tokens.push(Token::Mark(letter));
                index += 1;
            }
            _ => {
                let mut word = String::new();
                while let Some(letter) = at(index) {
                    // A colon inside an instant (08:00) belongs to the word; one after a lambda variable does not.
                    let in_time = letter == ':'
                        && word.ends_with(|last: char| last.is_ascii_digit())
                        && word.starts_with(|first: char| first.is_ascii_digit());
                    if !in_time && (letter.is_whitespace() || "'(),:[]=".contains(letter)) {
                        break;
                    }
                    word.push(letter);
                    index += 1;
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn quoted(letters: &[char], start: usize) -> Outcome<(String, usize)> {
    let mut text = String::new();
    let mut index = start + 1;
    while let Some(letter) = letters.get(index).copied() {
        if letter == '\'' {
            if letters.get(index + 1) != Some(&'\'') {
                return Ok((text, index + 1));
            }
            index += 1;
        }
        text.push(letter);
        index += 1;
    }
    Err(Fault::unreadable("There is an unterminated string literal in the expression."))
}

fn object(letters: &[char], start: usize) -> Outcome<(String, usize)> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (index, letter) in letters.iter().enumerate().skip(start) {
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '{' if !in_text => depth += 1,
            '}' if !in_text => {
                depth -= 1;
                if depth == 0 {
                    return Ok((letters.iter().skip(start).take(index - start + 1).collect(), index + 1));
                }
            }
            _ => {}
        }
    }
    Err(Fault::unreadable("There is an unterminated object in the expression."))
}

/// A literal of a filter or a function's parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Text(String),
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Id(Uuid),
    Time(Timestamp),
    Json(String),
}

impl Literal {
    /// The literal that a token stands for, or `None` when it is an identifier.
    pub(crate) fn of(token: &Token) -> Option<Self> {
        let word = match token {
            Token::Text(text) => return Some(Self::Text(text.clone())),
            Token::Json(json) => return Some(Self::Json(json.clone())),
            Token::Mark(_) => return None,
            Token::Word(word) => word,
        };
        match word.as_str() {
            "null" => return Some(Self::Null),
            "true" => return Some(Self::Boolean(true)),
            "false" => return Some(Self::Boolean(false)),
            _ => {}
        }
        if let Ok(number) = word.parse() {
            return Some(Self::Integer(number));
        }
        if word.len() == 36
            && let Ok(id) = word.parse()
        {
            return Some(Self::Id(id));
        }
        if !word.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            return None;
        }
        if let Ok(number) = word.parse() {
            return Some(Self::Real(number));
        }
        instant(word).map(Self::Time)
    }

    /// The value that a column is compared with; `None` stands for null.
    pub(crate) fn cell(&self, attribute: &Attribute) -> Outcome<Option<Cell>> {
        let cell = match (self, attribute.kind) {
            (Self::Null, _) => return Ok(None),
            (Self::Text(text), Kind::Text(_)) => Cell::text(text),
            (Self::Id(id), Kind::Text(_)) => Cell::text(id.to_string()),
            (Self::Integer(number), Kind::Text(_)) => Cell::text(number.to_string()),
            (Self::Boolean(value), Kind::Boolean) => Cell::Boolean(*value),
            (Self::Integer(number), Kind::Integer | Kind::BigInt | Kind::Choice(_) | Kind::Real) => {
                Cell::Integer(*number)
            }
            (Self::Text(text), Kind::Integer | Kind::BigInt | Kind::Choice(_)) => {
                text.parse().map(Cell::Integer).map_err(|_| self.misfit(attribute))?
            }
            (Self::Real(number), Kind::Real) => Cell::Real(*number),
            (Self::Id(id), Kind::Id | Kind::Lookup(_)) => Cell::Id(*id),
            (Self::Text(text), Kind::Id | Kind::Lookup(_)) => {
                text.parse().map(Cell::Id).map_err(|_| self.misfit(attribute))?
            }
            (Self::Time(time), Kind::Time) => Cell::Time(*time),
            (Self::Text(text), Kind::Time) => {
                instant(text).map(Cell::Time).ok_or_else(|| self.misfit(attribute))?
            }
            _ => return Err(self.misfit(attribute)),
        };
        Ok(Some(cell))
    }

    fn misfit(&self, attribute: &Attribute) -> Fault {
        Fault::unreadable(format!(
            "A binary operator with incompatible types was detected. The literal {self:?} does not fit '{}'.",
            attribute.property_name()
        ))
    }
}

/// An instant with a zone, or a date alone (midnight UTC).
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_are_told_apart() {
        let of = |word: &str| Literal::of(&tokens(word).unwrap()[0]);
        assert_eq!(of("'O''Hara'"), Some(Literal::Text("O'Hara".into())));
        assert_eq!(of("7"), Some(Literal::Integer(7)));
        assert_eq!(of("-1.5"), Some(Literal::Real(-1.5)));
        assert_eq!(of("00000000-0000-0000-0000-000000000007"), Some(Literal::Id(Uuid::from_u128(7))));
        assert!(matches!(of("2026-11-23T08:00:00Z"), Some(Literal::Time(_))));
        assert!(matches!(of("2026-11-23"), Some(Literal::Time(_))));
        assert_eq!(of("subject"), None);
        assert_eq!(of("{\"a\":\"}\"}"), Some(Literal::Json("{\"a\":\"}\"}".into())));
    }

    #[test]
    fn a_lambda_colon_is_a_mark_of_its_own() {
        let words = tokens("p:p/code eq 1").unwrap();
        assert_eq!(words[..2], [Token::Word("p".into()), Token::Mark(':')]);
    }

    proptest! {
        #[test]
        fn any_text_is_cut_or_refused(text: String) {
            if let Ok(tokens) = tokens(&text) {
                for token in &tokens {
                    drop(Literal::of(token));
                }
            }
        }
    }
}
