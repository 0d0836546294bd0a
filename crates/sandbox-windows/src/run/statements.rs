//! Statements.

use super::{
    Run,
    flow::{Failure, Flow, Ran, unknown},
    operators,
    value::{Native, Value},
};
use crate::script::ast::{Expr, ExprKind, Leave, Stage, Stmt, StmtKind, SwitchMode};

/// More rounds than this of one loop are taken for a loop without end.
const ROUNDS: usize = 100_000;

impl Run<'_> {
    pub(crate) fn statements(&mut self, list: &[Stmt], out: &mut Vec<Value>) -> Ran<()> {
        for statement in list {
            self.line = statement.line;
            let ended = self.statement(statement, out);
            match ended {
                Err(Flow::Failed(mut failure)) => {
                    if failure.line == 0 {
                        failure.line = self.line;
                        self.errors.insert(0, failure.record());
                    }
                    if failure.ends_script || self.tries > 0 || self.stops() {
                        failure.ends_script = true;
                        return Err(Flow::Failed(failure));
                    }
                    self.report(&failure);
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// The value of a statement: an expression's own, or what a pipeline gave.
    pub(crate) fn value_of(&mut self, statement: &Stmt) -> Ran {
        let value = self.kept_value_of(statement)?;
        Ok(if matches!(value, Value::Nothing) { Value::Null } else { value })
    }

    /// As [`Run::value_of`]; a pipeline that gave nothing is told apart from null.
    fn kept_value_of(&mut self, statement: &Stmt) -> Ran {
        if let StmtKind::Pipeline(stages) = &statement.kind
            && let [Stage::Expression { expression, .. }] = stages.as_slice()
        {
            self.line = statement.line;
            return self.eval(expression);
        }
        let mut out = Vec::new();
        self.statement(statement, &mut out)?;
        // `$a = $b = 1` and `($a = 1)`: an assignment in the place of a value has one.
        if let StmtKind::Assign { target, .. } = &statement.kind {
            return self.eval(target);
        }
        Ok(if out.is_empty() { Value::Nothing } else { Value::gathered(out) })
    }

    fn is_true(&mut self, statement: &Stmt) -> Ran<bool> {
        Ok(self.value_of(statement)?.truthy())
    }

    fn statement(&mut self, statement: &Stmt, out: &mut Vec<Value>) -> Ran<()> {
        match &statement.kind {
            StmtKind::Pipeline(stages) => self.pipeline(stages, out),
            StmtKind::Assign { target, operator, value } => {
                let mut value = self.kept_value_of(value)?;
                if operator != "=" {
                    let old = self.eval(target)?;
                    let sign = operator.trim_end_matches('=');
                    value = operators::binary(statement.line, sign, &old, &value.settled())?;
                }
                self.assign(target, value)
            }
            StmtKind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.is_true(condition)? {
                        return self.statements(body, out);
                    }
                }
                otherwise.as_ref().map_or(Ok(()), |body| self.statements(body, out))
            }
            StmtKind::ForEach { variable, over, body } => {
                let over = self.value_of(over)?;
                for value in over.elements() {
                    self.set_variable(variable, value)?;
                    if self.goes_on(body, out)?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            StmtKind::For { start, condition, step, body } => {
                if let Some(start) = start {
                    self.statement(start, &mut Vec::new())?;
                }
                self.rounds(statement.line, |run| {
                    if let Some(condition) = condition
                        && !run.is_true(condition)?
                    {
                        return Ok(false);
                    }
                    if run.goes_on(body, out)?.is_break() {
                        return Ok(false);
                    }
                    if let Some(step) = step {
                        run.statement(step, &mut Vec::new())?;
                    }
                    Ok(true)
                })
            }
            StmtKind::While { condition, body } => self.rounds(statement.line, |run| {
                Ok(run.is_true(condition)? && run.goes_on(body, out)?.is_continue())
            }),
            StmtKind::Do { body, condition, until } => self.rounds(statement.line, |run| {
                Ok(run.goes_on(body, out)?.is_continue() && run.is_true(condition)? != *until)
            }),
            StmtKind::Switch { mode, over, clauses } => {
                let over = self.value_of(over)?;
                self.switch(*mode, &over, clauses, out)
            }
            StmtKind::Function { name, block } => {
                let name = name.rsplit(':').next().unwrap_or(name).to_owned();
                self.functions.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
                self.functions.push((name, block.clone()));
                Ok(())
            }
            StmtKind::Leave { how, value } => self.leave(*how, value.as_deref(), out),
            StmtKind::Try { body, catches, finally } => {
                let mut ended = self.tried(body, catches, out);
                if let Some(finally) = finally {
                    let last = self.statements(finally, out);
                    if last.is_err() {
                        ended = last;
                    }
                }
                ended
            }
            StmtKind::Empty => Ok(()),
        }
    }

    /// Runs a loop's body once, and says whether the loop goes on.
    fn goes_on(&mut self, body: &[Stmt], out: &mut Vec<Value>) -> Ran<std::ops::ControlFlow<()>> {
        match self.statements(body, out) {
            Ok(()) | Err(Flow::Continue) => Ok(std::ops::ControlFlow::Continue(())),
            Err(Flow::Break) => Ok(std::ops::ControlFlow::Break(())),
            Err(other) => Err(other),
        }
    }

    fn rounds(&mut self, line: usize, mut round: impl FnMut(&mut Self) -> Ran<bool>) -> Ran<()> {
        for _ in 0..ROUNDS {
            if !round(self)? {
                return Ok(());
            }
        }
        unknown(line, format!("a loop of more than {ROUNDS} rounds"))
    }

    fn switch(
        &mut self,
        mode: SwitchMode,
        over: &Value,
        clauses: &[(Option<Expr>, Vec<Stmt>)],
        out: &mut Vec<Value>,
    ) -> Ran<()> {
        for value in over.unrolled() {
            let mut matched = false;
            self.set_variable("_", value.clone())?;
            for (condition, body) in clauses {
                let fits = match condition {
                    None => !matched,
                    Some(condition) => self.fits(mode, &value, condition)?,
                };
                if !fits {
                    continue;
                }
                matched = true;
                match self.statements(body, out) {
                    Err(Flow::Break) => return Ok(()),
                    Err(Flow::Continue) => break,
                    other => other?,
                }
            }
        }
        Ok(())
    }

    fn fits(&mut self, mode: SwitchMode, value: &Value, condition: &Expr) -> Ran<bool> {
        let condition_value = self.eval(condition)?;
        if let Value::Block(block) = &condition_value {
            return Ok(Value::gathered(self.invoke_here(block)?).truthy());
        }
        Ok(match mode {
            SwitchMode::Exact => operators::equal(value, &condition_value, false),
            SwitchMode::Wildcard => operators::wildcard(&value.show(), &condition_value.show(), false),
            SwitchMode::Regex => self.matches(&value.show(), &condition_value.show(), false)?,
        })
    }

    fn leave(&mut self, how: Leave, value: Option<&Stmt>, out: &mut Vec<Value>) -> Ran<()> {
        match how {
            Leave::Break => Err(Flow::Break),
            Leave::Continue => Err(Flow::Continue),
            Leave::Return => {
                if let Some(statement) = value {
                    self.statement(statement, out)?;
                }
                Err(Flow::Return)
            }
            Leave::Exit => {
                let code = match value {
                    Some(statement) => self.value_of(statement)?.whole().unwrap_or(0),
                    None => 0,
                };
                Err(Flow::Exit(i32::try_from(code).unwrap_or(1)))
            }
            Leave::Throw => {
                let value = match value {
                    Some(statement) => self.value_of(statement)?,
                    None => self.variable("_")?,
                };
                let mut failure = thrown(&value);
                failure.ends_script = true;
                Err(Flow::Failed(Box::new(failure)))
            }
        }
    }

    fn tried(
        &mut self,
        body: &[Stmt],
        catches: &[(Vec<String>, Vec<Stmt>)],
        out: &mut Vec<Value>,
    ) -> Ran<()> {
        let catching = !catches.is_empty();
        self.tries += usize::from(catching);
        let depth = self.scopes.len();
        let ended = self.statements(body, out);
        self.tries -= usize::from(catching);
        let Err(Flow::Failed(failure)) = ended else { return ended };
        self.scopes.truncate(depth);
        let class = &failure.class;
        let handler = catches.iter().find(|(types, _)| {
            types.is_empty()
                || types.iter().any(|name| {
                    let name = name.to_ascii_lowercase();
                    let class = class.to_ascii_lowercase();
                    class == name
                        || class == format!("system.{name}")
                        || matches!(name.as_str(), "system.exception" | "exception")
                })
        });
        let Some((_, handler)) = handler else { return Err(Flow::Failed(failure)) };
        let before = self.raw_variable("_").cloned();
        self.set_variable("_", failure.record())?;
        let ended = self.statements(handler, out);
        self.set_variable("_", before.unwrap_or(Value::Null))?;
        ended
    }

    fn assign(&mut self, target: &Expr, value: Value) -> Ran<()> {
        match &target.kind {
            ExprKind::Variable(name) => self.set_variable(name, value),
            ExprKind::Cast(class, inner) => {
                let value = super::convert::cast(target.line, class, &value.settled())?;
                self.assign(inner, value)
            }
            ExprKind::List(targets) => {
                let values = value.settled().elements();
                for (at, one) in targets.iter().enumerate() {
                    let last = at + 1 == targets.len() && values.len() > targets.len();
                    let part = if last {
                        Value::array(values.get(at..).unwrap_or_default().to_vec())
                    } else {
                        values.get(at).cloned().unwrap_or(Value::Null)
                    };
                    self.assign(one, part)?;
                }
                Ok(())
            }
            ExprKind::Member { of, name, is_static: false } => {
                let of = self.eval(of)?;
                let name = self.eval(name)?.show();
                self.set_member(&of, &name, value.settled())
            }
            // How the console and old TLS stacks are set up does not matter here.
            ExprKind::Member { of, name, is_static: true } => {
                let name = self.eval(name)?.show().to_ascii_lowercase();
                let class = match &of.kind {
                    ExprKind::Type(class) => super::convert::short(class),
                    _ => String::new(),
                };
                match (class.as_str(), name.as_str()) {
                    ("console", "outputencoding" | "inputencoding")
                    | ("net.servicepointmanager", "securityprotocol") => Ok(()),
                    _ => unknown(target.line, format!("setting [{class}]::{name}")),
                }
            }
            ExprKind::Index(of, index) => {
                let of = self.eval(of)?;
                let index = self.eval(index)?;
                self.set_index(&of, &index, value.settled())
            }
            _ => unknown(target.line, "an assignment to something that is not a variable, member or element"),
        }
    }
}

/// The failure that `throw` makes of a value.
fn thrown(value: &Value) -> Failure {
    if let Value::Object(object) = value {
        let object = object.borrow();
        if object.class == "System.Management.Automation.ErrorRecord" {
            return Failure::of_record(&object.properties);
        }
        if matches!(object.native, Native::Known) && object.class.ends_with("Exception") {
            let message = object.properties.get("Message").map(Value::show).unwrap_or_default();
            return Failure::new(&object.class, message);
        }
    }
    let message = if matches!(value, Value::Null) { "ScriptHalted".to_owned() } else { value.show() };
    let mut failure = Failure::new("System.Management.Automation.RuntimeException", message.clone());
    failure.id = message;
    failure.target = value.clone();
    failure
}
