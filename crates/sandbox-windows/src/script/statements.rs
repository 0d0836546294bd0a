//! Statements, functions and parameters.

use std::rc::Rc;

use tree_sitter::Node;

use super::{
    Reader, Unread, all,
    ast::{Block, Expr, ExprKind, Leave, Parameter, Stmt, StmtKind, SwitchMode},
    line_of, named,
};

impl Reader<'_> {
    pub(super) fn program(&self, root: Node<'_>) -> Result<Block, Unread> {
        let mut block = Block::default();
        for child in named(root) {
            match child.kind() {
                "param_block" => block.parameters = self.parameters(child)?,
                "statement_list" => block.end = self.statements(child)?,
                _ => return Err(self.unknown(child, "a script")),
            }
        }
        Ok(block)
    }

    pub(super) fn statements(&self, list: Node<'_>) -> Result<Vec<Stmt>, Unread> {
        named(list)
            .into_iter()
            .filter(|child| child.kind() != "empty_statement")
            .map(|child| self.statement(child))
            .collect()
    }

    /// The statements of a `{ }` block, which may be empty.
    fn body(&self, block: Node<'_>) -> Result<Vec<Stmt>, Unread> {
        match block.child_by_field_name("statement_list") {
            Some(list) => self.statements(list),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn statement(&self, node: Node<'_>) -> Result<Stmt, Unread> {
        let kind = match node.kind() {
            "pipeline" => return self.pipeline(node),
            "if_statement" => self.if_statement(node)?,
            "foreach_statement" => self.foreach_statement(node)?,
            "for_statement" => self.for_statement(node)?,
            "while_statement" => {
                let condition = self.condition(node)?;
                StmtKind::While { condition: Box::new(condition), body: self.last_body(node)? }
            }
            "do_statement" => StmtKind::Do {
                condition: Box::new(self.condition(node)?),
                body: self.last_body(node)?,
                until: all(node).iter().any(|child| self.text_of(*child).eq_ignore_ascii_case("until")),
            },
            "switch_statement" => self.switch_statement(node)?,
            "function_statement" => self.function(node)?,
            "flow_control_statement" => self.leave(node)?,
            "try_statement" => self.try_statement(node)?,
            "empty_statement" => StmtKind::Empty,
            _ => return Err(self.unknown(node, "a list of statements")),
        };
        Ok(Stmt { line: line_of(node), kind })
    }

    fn condition(&self, node: Node<'_>) -> Result<Stmt, Unread> {
        let condition =
            node.child_by_field_name("condition").ok_or_else(|| self.unknown(node, "a condition"))?;
        if condition.kind() == "while_condition" {
            return self.pipeline(self.one(condition, "a condition")?);
        }
        self.pipeline(condition)
    }

    fn last_body(&self, node: Node<'_>) -> Result<Vec<Stmt>, Unread> {
        let block = named(node).into_iter().rfind(|child| child.kind() == "statement_block");
        self.body(block.ok_or_else(|| self.unknown(node, "a block"))?)
    }

    fn if_statement(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let mut branches = vec![(self.condition(node)?, self.last_body(node)?)];
        if let Some(clauses) = node.child_by_field_name("elseif_clauses") {
            for clause in named(clauses) {
                branches.push((self.condition(clause)?, self.last_body(clause)?));
            }
        }
        let otherwise = match node.child_by_field_name("else_clause") {
            Some(clause) => Some(self.last_body(clause)?),
            None => None,
        };
        Ok(StmtKind::If { branches, otherwise })
    }

    fn foreach_statement(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let children = named(node);
        let [variable, over, _] = children.as_slice() else {
            return Err(self.unknown(node, "foreach"));
        };
        Ok(StmtKind::ForEach {
            variable: self.variable_name(*variable),
            over: Box::new(self.pipeline(*over)?),
            body: self.last_body(node)?,
        })
    }

    fn for_statement(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let part = |field: &str| -> Result<Option<Box<Stmt>>, Unread> {
            match node.child_by_field_name(field) {
                Some(part) => Ok(Some(Box::new(self.pipeline(self.one(part, "for")?)?))),
                None => Ok(None),
            }
        };
        Ok(StmtKind::For {
            start: part("for_initializer")?,
            condition: part("for_condition")?,
            step: part("for_iterator")?,
            body: self.last_body(node)?,
        })
    }

    fn switch_statement(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let (mut mode, mut over, mut clauses) = (SwitchMode::Exact, None, Vec::new());
        for child in named(node) {
            match child.kind() {
                "switch_parameters" => {
                    mode = match self.text_of(child).trim().to_ascii_lowercase().as_str() {
                        "-regex" => SwitchMode::Regex,
                        "-wildcard" => SwitchMode::Wildcard,
                        "-exact" => SwitchMode::Exact,
                        _ => return Err(self.unknown(child, "switch")),
                    }
                }
                "switch_condition" => over = Some(self.pipeline(self.one(child, "switch")?)?),
                "switch_body" => {
                    for clause in named(child).into_iter().flat_map(named) {
                        clauses.push(self.switch_clause(clause)?);
                    }
                }
                _ => return Err(self.unknown(child, "switch")),
            }
        }
        let over = Box::new(over.ok_or_else(|| self.unknown(node, "switch"))?);
        Ok(StmtKind::Switch { mode, over, clauses })
    }

    fn switch_clause(&self, clause: Node<'_>) -> Result<(Option<Expr>, Vec<Stmt>), Unread> {
        let condition = self.one(clause, "switch")?;
        let body = self.last_body(clause)?;
        if self.text_of(condition).trim().eq_ignore_ascii_case("default") {
            return Ok((None, body));
        }
        let expression = match named(condition).into_iter().next() {
            Some(inner) => self.expression(inner)?,
            None => self.bare_word(condition),
        };
        Ok((Some(expression), body))
    }

    fn function(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let (mut name, mut block) = (String::new(), Block::default());
        let word = all(node).first().map(|first| self.text_of(*first).to_ascii_lowercase());
        if word.as_deref() != Some("function") {
            return Err(self.unknown(node, "a script"));
        }
        for child in named(node) {
            match child.kind() {
                "function_name" => self.text_of(child).clone_into(&mut name),
                "function_parameter_declaration" => block.parameters = self.parameters(child)?,
                "script_block" => {
                    let parameters = std::mem::take(&mut block.parameters);
                    block = self.block(child)?;
                    block.parameters.splice(0..0, parameters);
                }
                _ => return Err(self.unknown(child, "a function")),
            }
        }
        Ok(StmtKind::Function { name, block: Rc::new(block) })
    }

    /// A `script_block`, or the expression around one.
    pub(super) fn block(&self, node: Node<'_>) -> Result<Block, Unread> {
        let mut block = Block::default();
        for child in named(node) {
            match child.kind() {
                "param_block" => block.parameters = self.parameters(child)?,
                "script_block" => {
                    let inner = self.block(child)?;
                    let parameters = std::mem::take(&mut block.parameters);
                    block = inner;
                    block.parameters.splice(0..0, parameters);
                }
                "script_block_body" => {
                    for part in named(child) {
                        match part.kind() {
                            "statement_list" => block.end = self.statements(part)?,
                            "named_block_list" => self.named_blocks(part, &mut block)?,
                            _ => return Err(self.unknown(part, "a script block")),
                        }
                    }
                }
                _ => return Err(self.unknown(child, "a script block")),
            }
        }
        Ok(block)
    }

    fn named_blocks(&self, list: Node<'_>, block: &mut Block) -> Result<(), Unread> {
        for part in named(list) {
            let name = self.text_of(self.one(part, "a named block")?).to_ascii_lowercase();
            let body = self.last_body(part)?;
            match name.as_str() {
                "begin" => block.begin = body,
                "process" => block.process = Some(body),
                "end" => block.end = body,
                _ => return Err(self.unknown(part, "a script block")),
            }
        }
        Ok(())
    }

    fn parameters(&self, node: Node<'_>) -> Result<Vec<Parameter>, Unread> {
        let mut parameters = Vec::new();
        for child in named(node) {
            match child.kind() {
                "parameter_list" => {
                    for parameter in named(child) {
                        parameters.push(self.parameter(parameter)?);
                    }
                }
                "attribute_list" => {}
                _ => return Err(self.unknown(child, "param")),
            }
        }
        Ok(parameters)
    }

    fn parameter(&self, node: Node<'_>) -> Result<Parameter, Unread> {
        let mut parameter = Parameter {
            name: String::new(),
            type_name: None,
            mandatory: false,
            from_pipeline: false,
            allowed: Vec::new(),
            default: None,
        };
        for child in named(node) {
            match child.kind() {
                "variable" => parameter.name = self.variable_name(child),
                "script_parameter_default" => {
                    parameter.default = Some(self.expression(self.one(child, "a default")?)?);
                }
                "attribute_list" => {
                    for attribute in named(child) {
                        self.attribute(attribute, &mut parameter)?;
                    }
                }
                _ => return Err(self.unknown(child, "a parameter")),
            }
        }
        Ok(parameter)
    }

    fn attribute(&self, node: Node<'_>, parameter: &mut Parameter) -> Result<(), Unread> {
        let text = self.text_of(node).trim();
        let inner = text.trim_start_matches('[').trim_end_matches(']').trim();
        let Some((name, arguments)) = inner.split_once('(') else {
            parameter.type_name =
                Some(text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).to_owned());
            return Ok(());
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "parameter" => {
                let arguments = arguments.to_ascii_lowercase().replace(' ', "");
                parameter.mandatory =
                    arguments.contains("mandatory") && !arguments.contains("mandatory=$false");
                parameter.from_pipeline = arguments.contains("valuefrompipeline")
                    && !arguments.contains("valuefrompipelinebypropertyname");
            }
            "validateset" => {
                parameter.allowed = arguments
                    .trim_end_matches(')')
                    .split(',')
                    .map(|word| Expr {
                        line: line_of(node),
                        kind: ExprKind::Text(word.trim().trim_matches(['\'', '"']).to_owned()),
                    })
                    .collect();
            }
            "validatenotnullorempty" | "allownull" | "allowemptystring" | "allowemptycollection" => {}
            _ => return Err(self.unknown(node, "a parameter")),
        }
        Ok(())
    }

    fn leave(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let how = match all(node).first().map(|word| self.text_of(*word).to_ascii_lowercase()).as_deref() {
            Some("break") => Leave::Break,
            Some("continue") => Leave::Continue,
            Some("throw") => Leave::Throw,
            Some("return") => Leave::Return,
            Some("exit") => Leave::Exit,
            _ => return Err(self.unknown(node, "a list of statements")),
        };
        let value = match named(node).into_iter().next() {
            Some(pipeline) if pipeline.kind() == "pipeline" => Some(Box::new(self.pipeline(pipeline)?)),
            Some(label) => return Err(self.unknown(label, "break or continue")),
            None => None,
        };
        Ok(StmtKind::Leave { how, value })
    }

    fn try_statement(&self, node: Node<'_>) -> Result<StmtKind, Unread> {
        let (mut body, mut catches, mut finally) = (Vec::new(), Vec::new(), None);
        for child in named(node) {
            match child.kind() {
                "statement_block" => body = self.body(child)?,
                "catch_clauses" => {
                    for clause in named(child) {
                        let types = named(clause)
                            .into_iter()
                            .filter(|part| part.kind() == "catch_type_list")
                            .flat_map(named)
                            .map(|name| self.type_name(name))
                            .collect();
                        catches.push((types, self.last_body(clause)?));
                    }
                }
                "finally_clause" => finally = Some(self.last_body(child)?),
                _ => return Err(self.unknown(child, "try")),
            }
        }
        Ok(StmtKind::Try { body, catches, finally })
    }
}
