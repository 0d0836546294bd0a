//! Resource paths: segments with their keys or parameters.

use percent_encoding::percent_decode_str;

use super::literal::{Literal, Token, tokens};
use crate::fault::{Fault, Outcome};

/// One segment, for example `emails(…)` or `CheckIncomingEmail(MessageId=@p1)`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    /// The name before the parentheses.
    pub(crate) name: String,
    /// What stands in the parentheses, if there are any.
    pub(crate) arguments: Option<Arguments>,
}

/// What stands in the parentheses of a segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arguments {
    /// Nothing: `WhoAmI()`.
    None,
    /// A bare value: a primary key.
    Key(Literal),
    /// `name=value` pairs: parameters or an alternate key.
    Named(Vec<(String, Argument)>),
}

/// The value of a named argument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    Literal(Literal),
    /// `@p1`: the query option of that name holds the value.
    Alias(String),
}

/// Decodes and cuts a path; empty segments (double slashes) are passed over.
pub(crate) fn parse(path: &str) -> Outcome<Vec<Segment>> {
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| Fault::unreadable("Bad URL."))?;
    cut(&decoded).into_iter().filter(|part| !part.is_empty()).map(segment).collect()
}

/// Cuts at slashes outside quotes and parentheses.
fn cut(path: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (at, letter) in path.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            '/' if !quoted && depth == 0 => {
                parts.push(path.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(path.get(start..).unwrap_or_default());
    parts
}

fn segment(part: &str) -> Outcome<Segment> {
    let Some((name, rest)) = part.split_once('(') else {
        return Ok(Segment { name: part.to_owned(), arguments: None });
    };
    let inside =
        rest.strip_suffix(')').ok_or_else(|| Fault::unreadable("Bad Request - Error in query syntax."))?;
    let tokens = tokens(inside)?;
    let arguments = match tokens.as_slice() {
        [] => Arguments::None,
        [only] => Arguments::Key(
            Literal::of(only).ok_or_else(|| Fault::unreadable("Bad Request - Error in query syntax."))?,
        ),
        many => Arguments::Named(named(many)?),
    };
    Ok(Segment { name: name.to_owned(), arguments: Some(arguments) })
}

fn named(tokens: &[Token]) -> Outcome<Vec<(String, Argument)>> {
    tokens
        .split(|token| *token == Token::Mark(','))
        .map(|pair| match pair {
            [Token::Word(name), Token::Mark('='), value] => {
                let argument = match value {
                    Token::Word(word) if word.starts_with('@') => Argument::Alias(word.clone()),
                    value => Argument::Literal(Literal::of(value).ok_or_else(|| {
                        Fault::unreadable(format!("The value of the parameter '{name}' can't be read."))
                    })?),
                };
                Ok((name.clone(), argument))
            }
            // An enumeration: AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Default'
            [Token::Word(name), Token::Mark('='), Token::Word(_), Token::Text(member)] => {
                Ok((name.clone(), Argument::Literal(Literal::Text(member.clone()))))
            }
            _ => Err(Fault::unreadable("Bad Request - Error in query syntax.")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn a_path_is_cut_outside_quotes_only() {
        let path = parse("//CheckIncomingEmail(MessageId='%3Ca/b)%3E',To=@p2)/x").unwrap();
        assert_eq!(path.len(), 2);
        assert_eq!(
            path[0].arguments,
            Some(Arguments::Named(vec![
                ("MessageId".into(), Argument::Literal(Literal::Text("<a/b)>".into()))),
                ("To".into(), Argument::Alias("@p2".into())),
            ]))
        );
        let row = parse("emails(00000000-0000-0000-0000-000000000001)/subject").unwrap();
        assert_eq!(row[0].arguments, Some(Arguments::Key(Literal::Id(Uuid::from_u128(1)))));
    }

    proptest! {
        #[test]
        fn any_path_is_read_or_refused(path: String) {
            drop(parse(&path));
        }
    }
}
