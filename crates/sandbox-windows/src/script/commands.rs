//! Pipelines, assignments and commands with their arguments.

use tree_sitter::Node;

use super::{
    Reader, Unread, all,
    ast::{Argument, Command, Expr, ExprKind, Redirect, Stage, Stmt, StmtKind},
    line_of, named,
};

impl Reader<'_> {
    pub(super) fn pipeline(&self, node: Node<'_>) -> Result<Stmt, Unread> {
        let line = line_of(node);
        let [only] = named(node)[..] else { return Err(self.unknown(node, "a pipeline")) };
        let kind = match only.kind() {
            "assignment_expression" => self.assignment(only)?,
            "pipeline_chain" => StmtKind::Pipeline(self.stages(only)?),
            _ => return Err(self.unknown(only, "a pipeline")),
        };
        Ok(Stmt { line, kind })
    }

    fn assignment(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let [target, operator, value] = named(node)[..] else {
            return Err(self.unknown(node, "an assignment"));
        };
        Ok(StmtKind::Assign {
            target: self.expression(target)?,
            operator: self.text_of(operator).trim().to_owned(),
            value: Box::new(self.statement(value)?),
        })
    }

    fn stages(&self, chain: Node<'_>) -> Result<Vec<Stage>, Unread> {
        let mut stages = Vec::new();
        for part in named(chain) {
            match part.kind() {
                // The grammar takes a range at the head of a pipeline for a command.
                "command" => stages.push(match self.range(part) {
                    Some(expression) => Stage::Expression { expression, redirect: Redirect::default() },
                    None => Stage::Command(self.command(part)?),
                }),
                "redirections" => {
                    let Some(Stage::Expression { redirect, .. }) = stages.last_mut() else {
                        return Err(self.unknown(part, "a pipeline"));
                    };
                    for one in named(part) {
                        self.redirect(one, redirect)?;
                    }
                }
                _ => stages.push(Stage::Expression {
                    expression: self.expression(part)?,
                    redirect: Redirect::default(),
                }),
            }
        }
        Ok(stages)
    }

    fn range(&self, node: Node<'_>) -> Option<Expr> {
        let (from, to) = self.text_of(node).trim().split_once("..")?;
        let number = |text: &str| {
            let kind = ExprKind::Int(text.parse().ok()?);
            Some(Box::new(Expr { line: line_of(node), kind }))
        };
        Some(Expr {
            line: line_of(node),
            kind: ExprKind::Binary("..".to_owned(), number(from)?, number(to)?),
        })
    }

    fn command(&self, node: Node<'_>) -> Result<Command, Unread> {
        let name = node.child_by_field_name("command_name").ok_or_else(|| self.unknown(node, "a command"))?;
        let called = all(node).into_iter().find(|child| child.kind() == "command_invokation_operator");
        let mut command = Command {
            line: line_of(node),
            name: match named(name).into_iter().next() {
                Some(inner) if inner.kind() == "path_command_name" => self.word(inner)?,
                Some(inner) if name.kind() == "command_name_expr" && inner.kind() != "command_name" => {
                    self.expression(inner)?
                }
                _ => self.bare_word(name),
            },
            dot_sourced: called.is_some_and(|operator| self.text_of(operator).trim() == "."),
            arguments: Vec::new(),
            redirect: Redirect::default(),
        };
        if let Some(elements) = node.child_by_field_name("command_elements") {
            self.elements(elements, &mut command)?;
        }
        Ok(command)
    }

    fn elements(&self, elements: Node<'_>, command: &mut Command) -> Result<(), Unread> {
        let (mut comma, mut colon) = (false, false);
        for element in all(elements) {
            let value = match element.kind() {
                "command_argument_sep" => {
                    colon = self.text_of(element).trim() == ":";
                    continue;
                }
                "," => {
                    comma = true;
                    continue;
                }
                "command_parameter" => {
                    let name = self.text_of(element).trim().trim_start_matches('-').to_owned();
                    command.arguments.push(Argument::Parameter(name, None));
                    continue;
                }
                "redirection" => {
                    self.redirect(element, &mut command.redirect)?;
                    continue;
                }
                "generic_token" if self.text_of(element).contains('>') => {
                    self.redirect(element, &mut command.redirect)?;
                    continue;
                }
                "generic_token" => self.word(element)?,
                // `New-Object X(1, 2)`: a list in parentheses right behind a word is the next argument.
                "argument_list" => {
                    let mut values = self.arguments(element)?;
                    if values.len() == 1 {
                        values.remove(0)
                    } else {
                        Expr { line: line_of(element), kind: ExprKind::List(values) }
                    }
                }
                _ => {
                    let text = self.text_of(element).trim();
                    if let Some(splat) =
                        text.strip_prefix('@').filter(|rest| !rest.starts_with(['(', '{', '"', '\'']))
                    {
                        command.arguments.push(Argument::Splat(splat.to_owned()));
                        continue;
                    }
                    self.expression(element)?
                }
            };
            self.argument(command, value, std::mem::take(&mut comma), std::mem::take(&mut colon));
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "stands with the other parts of a command")]
    fn argument(&self, command: &mut Command, value: Expr, comma: bool, colon: bool) {
        match command.arguments.last_mut() {
            Some(Argument::Value(last)) if comma => {
                if let ExprKind::List(list) = &mut last.kind {
                    list.push(value);
                } else {
                    let line = last.line;
                    let first = std::mem::replace(last, Expr { line, kind: ExprKind::List(Vec::new()) });
                    last.kind = ExprKind::List(vec![first, value]);
                }
            }
            Some(Argument::Parameter(_, attached @ None)) if colon => *attached = Some(value),
            _ => command.arguments.push(Argument::Value(value)),
        }
    }

    fn redirect(&self, node: Node<'_>, redirect: &mut Redirect) -> Result<(), Unread> {
        let text: String = self.text_of(node).split_whitespace().collect();
        match text.to_ascii_lowercase().as_str() {
            "2>&1" => redirect.merge_errors = true,
            "2>$null" => redirect.drop_errors = true,
            ">$null" => redirect.drop_output = true,
            "*>$null" => {
                redirect.drop_errors = true;
                redirect.drop_output = true;
            }
            _ => return Err(self.unknown(node, "a redirection")),
        }
        Ok(())
    }
}
