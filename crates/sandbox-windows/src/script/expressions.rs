//! Expressions.

use std::rc::Rc;

use tree_sitter::Node;

use super::{
    Reader, Unread, all,
    ast::{Expr, ExprKind, Stmt},
    line_of, named,
};

impl Reader<'_> {
    pub(super) fn expression(&self, node: Node<'_>) -> Result<Expr, Unread> {
        let line = line_of(node);
        let parts = all(node);
        let kind = match node.kind() {
            "logical_expression"
            | "bitwise_expression"
            | "comparison_expression"
            | "additive_expression"
            | "multiplicative_expression"
            | "format_expression"
            | "range_expression"
            | "argument_expression"
            | "logical_argument_expression"
            | "bitwise_argument_expression"
            | "comparison_argument_expression"
            | "additive_argument_expression"
            | "multiplicative_argument_expression"
            | "format_argument_expression"
            | "range_argument_expression"
            | "left_assignment_expression"
            | "unary_expression"
            | "string_literal"
            | "integer_literal" => match parts.as_slice() {
                [only] => return self.expression(*only),
                [left, operator, right] => ExprKind::Binary(
                    self.text_of(*operator).trim().to_ascii_lowercase(),
                    Box::new(self.expression(*left)?),
                    Box::new(self.expression(*right)?),
                ),
                _ => return Err(self.unknown(node, "an expression")),
            },
            "array_literal_expression" => match named(node).as_slice() {
                [only] => return self.expression(*only),
                several => ExprKind::List(self.expressions(several)?),
            },
            "expression_with_unary_operator" => match parts.as_slice() {
                [only] => return self.expression(*only),
                [operator, operand] => ExprKind::Unary(
                    self.text_of(*operator).trim().to_ascii_lowercase(),
                    Box::new(self.expression(*operand)?),
                ),
                _ => return Err(self.unknown(node, "an expression")),
            },
            "pre_increment_expression" => self.step(node, 1, false)?,
            "pre_decrement_expression" => self.step(node, -1, false)?,
            "post_increment_expression" => self.step(node, 1, true)?,
            "post_decrement_expression" => self.step(node, -1, true)?,
            "cast_expression" => match named(node).as_slice() {
                [target, operand] => {
                    ExprKind::Cast(self.type_name(*target), Box::new(self.expression(*operand)?))
                }
                _ => return Err(self.unknown(node, "a cast")),
            },
            "type_literal" => ExprKind::Type(self.type_name(node)),
            "variable" => ExprKind::Variable(self.variable_name(node)),
            "decimal_integer_literal" | "hexadecimal_integer_literal" | "real_literal" => {
                self.number(node)?
            }
            "expandable_string_literal" => ExprKind::Expand(self.expandable(node, false)?),
            "expandable_here_string_literal" => ExprKind::Expand(self.expandable(node, true)?),
            "verbatim_string_characters" => {
                let text = self.text_of(node).trim();
                let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(text);
                ExprKind::Text(inner.replace("''", "'"))
            }
            "verbatim_here_string_characters" => ExprKind::Text(super::strings::here(self.text_of(node))),
            "parenthesized_expression" => {
                ExprKind::Paren(Box::new(self.pipeline(self.one(node, "parentheses")?)?))
            }
            "sub_expression" => ExprKind::Sub(self.inner_statements(node)?),
            "array_expression" => ExprKind::ArrayOf(self.inner_statements(node)?),
            "script_block_expression" => ExprKind::Block(Rc::new(self.block(node)?)),
            "hash_literal_expression" => ExprKind::Hash(self.hash(node)?),
            "member_access" => self.member(node)?,
            "invokation_expression" => self.call(node)?,
            "element_access" => match named(node).as_slice() {
                [of, index] => {
                    ExprKind::Index(Box::new(self.expression(*of)?), Box::new(self.expression(*index)?))
                }
                _ => return Err(self.unknown(node, "an index")),
            },
            _ => return Err(self.unknown(node, "an expression")),
        };
        Ok(Expr { line, kind })
    }

    fn expressions(&self, nodes: &[Node<'_>]) -> Result<Vec<Expr>, Unread> {
        nodes.iter().map(|node| self.expression(*node)).collect()
    }

    fn inner_statements(&self, node: Node<'_>) -> Result<Vec<Stmt>, Unread> {
        match node.child_by_field_name("statements") {
            Some(list) => self.statements(list),
            None => Ok(Vec::new()),
        }
    }

    fn step(&self, node: Node<'_>, by: i64, post: bool) -> Result<ExprKind, Unread> {
        let target = Box::new(self.expression(self.one(node, "a step")?)?);
        Ok(ExprKind::Step { target, by, post })
    }

    fn hash(&self, node: Node<'_>) -> Result<Vec<(Expr, Stmt)>, Unread> {
        let mut entries = Vec::new();
        for entry in named(node).into_iter().flat_map(named) {
            let [key, value] = named(entry)[..] else { return Err(self.unknown(entry, "a hashtable")) };
            let name = self.one(key, "a key")?;
            let key =
                if name.kind() == "simple_name" { self.bare_word(name) } else { self.expression(name)? };
            entries.push((key, self.statement(value)?));
        }
        Ok(entries)
    }

    fn member_name(&self, node: Node<'_>) -> Result<Expr, Unread> {
        let inner = self.one(node, "a member's name")?;
        if inner.kind() == "simple_name" { Ok(self.bare_word(inner)) } else { self.expression(inner) }
    }

    fn member(&self, node: Node<'_>) -> Result<ExprKind, Unread> {
        let [of, dot, name] = all(node)[..] else { return Err(self.unknown(node, "a member")) };
        Ok(ExprKind::Member {
            of: Box::new(self.expression(of)?),
            name: Box::new(self.member_name(name)?),
            is_static: self.text_of(dot).trim() == "::",
        })
    }

    fn call(&self, node: Node<'_>) -> Result<ExprKind, Unread> {
        let [of, dot, name, list] = all(node)[..] else { return Err(self.unknown(node, "a method call")) };
        let arguments = self.arguments(list)?;
        Ok(ExprKind::Call {
            of: Box::new(self.expression(of)?),
            name: Box::new(self.member_name(name)?),
            arguments,
            is_static: self.text_of(dot).trim() == "::",
        })
    }

    /// What stands in the parentheses of an `argument_list`.
    pub(super) fn arguments(&self, list: Node<'_>) -> Result<Vec<Expr>, Unread> {
        match list.child_by_field_name("argument_expression_list") {
            Some(arguments) => self.expressions(&named(arguments)),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn bare_word(&self, node: Node<'_>) -> Expr {
        Expr { line: line_of(node), kind: ExprKind::Text(self.text_of(node).trim().to_owned()) }
    }

    /// `$name`, `${name}`, `$env:NAME`: the name with its drive or scope, without the sign.
    pub(super) fn variable_name(&self, node: Node<'_>) -> String {
        let text = self.text_of(node).trim();
        let text = text.strip_prefix(['$', '@']).unwrap_or(text);
        text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text).to_owned()
    }

    /// `[System.String[]]` as `System.String[]`.
    pub(super) fn type_name(&self, node: Node<'_>) -> String {
        let text: String = self.text_of(node).split_whitespace().collect();
        text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(&text).to_owned()
    }

    fn number(&self, node: Node<'_>) -> Result<ExprKind, Unread> {
        let text = self.text_of(node).trim().to_ascii_lowercase();
        super::strings::number(&text).ok_or_else(|| self.unknown(node, "a number"))
    }
}
