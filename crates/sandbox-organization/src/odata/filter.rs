//! `$filter`: parsed against the schema, answered from an index where one helps
//! (dynamics.md 3.3).

use std::{cmp::Ordering, collections::BTreeMap, collections::BTreeSet};

use uuid::Uuid;

use super::literal::{Literal, Token, tokens};
use crate::{
    cell::{Cell, fold},
    fault::{Fault, Outcome},
    rows::{Row, Store},
    schema::{self, Attribute, Collection, Table},
};

/// The deepest nesting of parentheses and lambdas that is read.
const DEEPEST: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// A condition on a row.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(&'static Attribute, Operator, Option<Cell>),
    /// The lookup points at a row of this table with this id (`nav/key eq id`).
    Target(&'static Attribute, &'static str, Operator, Option<Cell>),
    Text(TextTest, &'static Attribute, String),
    OneOf(&'static Attribute, Vec<Cell>),
    Some(&'static Collection, &'static Table, Option<Box<Condition>>),
    Every(&'static Collection, &'static Table, Box<Condition>),
}

impl Condition {
    /// Reads a filter on a table; `aliases` hold the values of `@p` query options.
    pub(crate) fn parse(
        source: &str,
        table: &'static Table,
        aliases: &BTreeMap<String, String>,
    ) -> Outcome<Self> {
        let tokens = tokens(source)?;
        let mut parser = Parser { tokens: &tokens, at: 0, aliases, depth: 0 };
        let condition = parser.any(table, None)?;
        if parser.at < tokens.len() {
            return Err(Fault::unreadable(format!("Syntax error at position {} in '{source}'.", parser.at)));
        }
        Ok(condition)
    }

    /// Whether a row meets the condition.
    pub(crate) fn holds(&self, store: &Store, id: Uuid, row: &Row) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(store, id, row)),
            Self::Any(any) => any.iter().any(|one| one.holds(store, id, row)),
            Self::Not(one) => !one.holds(store, id, row),
            Self::Compare(attribute, operator, cell) => {
                compare(row.get(attribute.name), *operator, cell.as_ref())
            }
            Self::Target(attribute, table, operator, cell) => {
                let value = row.get(attribute.name);
                let here = row.lookup(attribute.name).is_some_and(|target| target.is_a(table));
                compare(value.filter(|_| here), *operator, cell.as_ref())
            }
            Self::Text(test, attribute, sought) => {
                let value = fold(row.text(attribute.name));
                match test {
                    TextTest::Contains => value.contains(sought),
                    TextTest::StartsWith => value.starts_with(sought),
                    TextTest::EndsWith => value.ends_with(sought),
                }
            }
            Self::OneOf(attribute, cells) => {
                cells.iter().any(|cell| compare(row.get(attribute.name), Operator::Equal, Some(cell)))
            }
            Self::Some(collection, members, condition) => {
                store.find_rows(members, collection.by, &Cell::Id(id)).any(|(id, member)| {
                    condition.as_ref().is_none_or(|condition| condition.holds(store, id, member))
                })
            }
            Self::Every(collection, members, condition) => store
                .find_rows(members, collection.by, &Cell::Id(id))
                .all(|(id, member)| condition.holds(store, id, member)),
        }
    }

    /// The only rows that can meet the condition, when an index tells; `None` means any row may.
    pub(crate) fn candidates(&self, store: &Store, table: &'static Table) -> Option<BTreeSet<Uuid>> {
        let by = |attribute: &'static Attribute, cell: &Cell| {
            if attribute.name == table.key {
                return cell.id().map(|id| BTreeSet::from([id]));
            }
            store.find(table, attribute.name, &cell.index_key()?)
        };
        match self {
            Self::Compare(attribute, Operator::Equal, Some(cell))
            | Self::Target(attribute, _, Operator::Equal, Some(cell)) => by(attribute, cell),
            Self::OneOf(attribute, cells) => union(cells.iter().map(|cell| by(attribute, cell))),
            Self::All(all) => all.iter().find_map(|one| one.candidates(store, table)),
            Self::Any(any) => union(any.iter().map(|one| one.candidates(store, table))),
            _ => None,
        }
    }
}

fn union(sets: impl Iterator<Item = Option<BTreeSet<Uuid>>>) -> Option<BTreeSet<Uuid>> {
    sets.collect::<Option<Vec<_>>>().map(|sets| sets.into_iter().flatten().collect())
}

/// Null equals null only; a value that is there differs from null and from what it does not equal.
fn compare(value: Option<&Cell>, operator: Operator, sought: Option<&Cell>) -> bool {
    let ordering = match (value, sought) {
        (None, None) => Some(Ordering::Equal),
        (Some(value), Some(sought)) => value.compare(sought),
        _ => None,
    };
    match operator {
        Operator::Equal => ordering == Some(Ordering::Equal),
        Operator::NotEqual => ordering != Some(Ordering::Equal),
        _ if sought.is_none() => false,
        Operator::Greater => ordering.is_some_and(Ordering::is_gt),
        Operator::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        Operator::Less => ordering.is_some_and(Ordering::is_lt),
        Operator::LessOrEqual => ordering.is_some_and(Ordering::is_le),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    aliases: &'a BTreeMap<String, String>,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Outcome<Token> {
        let token = self.peek().cloned().ok_or_else(|| Fault::unreadable("The filter ends too early."))?;
        self.at += 1;
        Ok(token)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next == word);
        if found {
            self.at += 1;
        }
        found
    }

    fn mark(&mut self, mark: char) -> Outcome<()> {
        match self.next()? {
            Token::Mark(found) if found == mark => Ok(()),
            other => Err(Fault::unreadable(format!("'{mark}' was expected in the filter, not {other:?}."))),
        }
    }

    fn any(&mut self, table: &'static Table, variable: Option<&str>) -> Outcome<Condition> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Fault::unreadable("The node count limit of the filter has been exceeded."));
        }
        let mut any = vec![self.all(table, variable)?];
        while self.takes_word("or") {
            any.push(self.all(table, variable)?);
        }
        self.depth -= 1;
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Any(any) })
    }

    fn all(&mut self, table: &'static Table, variable: Option<&str>) -> Outcome<Condition> {
        let mut all = vec![self.one(table, variable)?];
        while self.takes_word("and") {
            all.push(self.one(table, variable)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    fn one(&mut self, table: &'static Table, variable: Option<&str>) -> Outcome<Condition> {
        let mut negated = false;
        while self.takes_word("not") {
            negated = !negated;
        }
        let condition = match self.next()? {
            Token::Mark('(') => {
                let inner = self.any(table, variable)?;
                self.mark(')')?;
                inner
            }
            Token::Word(word) if self.peek() == Some(&Token::Mark('(')) => {
                self.call(&word, table, variable)?
            }
            Token::Word(word) => self.comparison(&word, table, variable)?,
            other => return Err(Fault::unreadable(format!("Unexpected {other:?} in the filter."))),
        };
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn call(&mut self, name: &str, table: &'static Table, variable: Option<&str>) -> Outcome<Condition> {
        self.mark('(')?;
        let condition = match name {
            "contains" => self.text_test(TextTest::Contains, table, variable)?,
            "startswith" => self.text_test(TextTest::StartsWith, table, variable)?,
            "endswith" => self.text_test(TextTest::EndsWith, table, variable)?,
            "Microsoft.Dynamics.CRM.In" => self.one_of(table)?,
            _ => match name.rsplit_once('/') {
                Some((path, kind @ ("any" | "all"))) => self.lambda(path, kind, table, variable)?,
                _ => {
                    return Err(Fault::unreadable(format!(
                        "An unknown function with name '{name}' was found."
                    )));
                }
            },
        };
        self.mark(')')?;
        Ok(condition)
    }

    fn text_test(
        &mut self,
        test: TextTest,
        table: &'static Table,
        variable: Option<&str>,
    ) -> Outcome<Condition> {
        let Token::Word(name) = self.next()? else {
            return Err(Fault::unreadable("A property was expected in the filter."));
        };
        let attribute = property(table, local(&name, variable)?)?;
        self.mark(',')?;
        match self.literal()? {
            Literal::Text(sought) => Ok(Condition::Text(test, attribute, fold(&sought))),
            other => Err(Fault::unreadable(format!("A text was expected in the filter, not {other:?}."))),
        }
    }

    /// `Microsoft.Dynamics.CRM.In(PropertyName='x',PropertyValues=['a','b'])`, after the parenthesis.
    fn one_of(&mut self, table: &'static Table) -> Outcome<Condition> {
        let (mut attribute, mut values) = (None, Vec::new());
        loop {
            let Token::Word(name) = self.next()? else {
                return Err(Fault::unreadable("A parameter name was expected in the filter."));
            };
            self.mark('=')?;
            match name.as_str() {
                "PropertyName" => {
                    let Literal::Text(name) = self.literal()? else {
                        return Err(Fault::unreadable("PropertyName is a text."));
                    };
                    // The function names lookups by their logical name as well.
                    attribute = Some(table.attribute(&name).map_or_else(|| property(table, &name), Ok)?);
                }
                "PropertyValues" => {
                    self.mark('[')?;
                    while self.peek() != Some(&Token::Mark(']')) {
                        values.push(self.literal()?);
                        if self.peek() == Some(&Token::Mark(',')) {
                            self.at += 1;
                        }
                    }
                    self.mark(']')?;
                }
                _ => return Err(Fault::unreadable(format!("In has no parameter '{name}'."))),
            }
            if self.peek() != Some(&Token::Mark(',')) {
                break;
            }
            self.at += 1;
        }
        let attribute = attribute.ok_or_else(|| Fault::unreadable("In needs a PropertyName."))?;
        let cells =
            values.iter().filter_map(|value| value.cell(attribute).transpose()).collect::<Outcome<_>>()?;
        Ok(Condition::OneOf(attribute, cells))
    }

    fn lambda(
        &mut self,
        path: &str,
        kind: &str,
        table: &'static Table,
        variable: Option<&str>,
    ) -> Outcome<Condition> {
        let name = local(path, variable)?;
        let collection = table.collection(name).ok_or_else(|| Fault::no_property(name, table.name))?;
        let members = schema::table(collection.table).ok_or_else(|| Fault::no_property(name, table.name))?;
        if kind == "any" && self.peek() == Some(&Token::Mark(')')) {
            return Ok(Condition::Some(collection, members, None));
        }
        let Token::Word(variable) = self.next()? else {
            return Err(Fault::unreadable("A lambda variable was expected in the filter."));
        };
        self.mark(':')?;
        let inner = Box::new(self.any(members, Some(&variable))?);
        Ok(match kind {
            "any" => Condition::Some(collection, members, Some(inner)),
            _ => Condition::Every(collection, members, inner),
        })
    }

    fn comparison(
        &mut self,
        name: &str,
        table: &'static Table,
        variable: Option<&str>,
    ) -> Outcome<Condition> {
        let name = local(name, variable)?;
        let operator = match self.next()? {
            Token::Word(word) => match word.as_str() {
                "eq" => Operator::Equal,
                "ne" => Operator::NotEqual,
                "gt" => Operator::Greater,
                "ge" => Operator::GreaterOrEqual,
                "lt" => Operator::Less,
                "le" => Operator::LessOrEqual,
                other => return Err(Fault::unreadable(format!("'{other}' is no operator of a filter."))),
            },
            other => return Err(Fault::unreadable(format!("Unexpected {other:?} in the filter."))),
        };
        let literal = self.literal()?;
        if let Some((navigation, key)) = name.split_once('/') {
            let (attribute, target) =
                table.navigation(navigation).ok_or_else(|| Fault::no_property(navigation, table.name))?;
            // Only the target's primary key may be filtered on.
            if schema::table(target.table).is_none_or(|target| target.key != key) {
                return Err(Fault::bad(NO_JOIN, format!("The filter on '{name}' is not supported.")));
            }
            return Ok(Condition::Target(attribute, target.table, operator, literal.cell(attribute)?));
        }
        let attribute = property(table, name)?;
        Ok(Condition::Compare(attribute, operator, literal.cell(attribute)?))
    }

    fn literal(&mut self) -> Outcome<Literal> {
        let token = self.next()?;
        if let Token::Word(alias) = &token
            && let Some(value) = self.aliases.get(alias)
        {
            return alias_value(alias, value);
        }
        Literal::of(&token).ok_or_else(|| Fault::unreadable(format!("{token:?} is no literal.")))
    }
}

const NO_JOIN: u32 = 0x8006_0888;

/// The literal that a parameter alias stands for.
pub(crate) fn alias_value(alias: &str, value: &str) -> Outcome<Literal> {
    match tokens(value)?.as_slice() {
        [token] => Literal::of(token),
        // A member of an enumeration: Microsoft.Dynamics.CRM.EndpointAccessType'Default'
        [Token::Word(_), Token::Text(member)] => Some(Literal::Text(member.clone())),
        _ => None,
    }
    .ok_or_else(|| Fault::unreadable(format!("The value of the parameter alias '{alias}' can't be read.")))
}

fn local<'a>(name: &'a str, variable: Option<&str>) -> Outcome<&'a str> {
    match variable {
        None => Ok(name),
        Some(variable) => name
            .strip_prefix(variable)
            .and_then(|name| name.strip_prefix('/'))
            .ok_or_else(|| Fault::unreadable(format!("'{name}' does not start with the lambda variable."))),
    }
}

fn property(table: &'static Table, name: &str) -> Outcome<&'static Attribute> {
    table
        .property(name)
        .filter(|attribute| attribute.read)
        .ok_or_else(|| Fault::no_property(name, table.name))
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
