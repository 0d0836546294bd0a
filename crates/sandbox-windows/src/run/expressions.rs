//! Expressions.

use super::{
    Run, convert,
    flow::{Ran, failed, runtime, unknown},
    operators,
    value::{Names, Native, Value},
};
use crate::script::ast::{Expr, ExprKind};

impl Run<'_> {
    pub(crate) fn eval(&mut self, expression: &Expr) -> Ran {
        let line = expression.line;
        match &expression.kind {
            ExprKind::Int(number) => Ok(Value::Int(*number)),
            ExprKind::Double(number) => Ok(Value::Double(*number)),
            ExprKind::Text(text) => Ok(Value::text(text)),
            ExprKind::Expand(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    text.push_str(&self.eval(piece)?.show());
                }
                Ok(Value::text(text))
            }
            ExprKind::Variable(name) => self.variable(name),
            ExprKind::List(values) => {
                let values: Ran<Vec<Value>> = values.iter().map(|one| self.eval(one)).collect();
                values.map(Value::array)
            }
            ExprKind::Unary(operator, operand) => self.unary(line, operator, operand),
            ExprKind::Binary(operator, left, right) => self.binary(line, operator, left, right),
            ExprKind::Cast(class, operand) => self.cast(line, class, operand),
            ExprKind::Type(name) => Ok(Value::Type(name.as_str().into())),
            ExprKind::Member { of, name, is_static } => {
                let name = self.eval(name)?.show();
                if *is_static && let ExprKind::Type(class) = &of.kind {
                    return self.static_member(line, class, &name);
                }
                let of = self.eval(of)?;
                self.line = line;
                self.member(&of, &name)
            }
            ExprKind::Call { of, name, arguments, is_static } => {
                let name = self.eval(name)?.show();
                let target = if *is_static { None } else { Some(self.eval(of)?) };
                let arguments: Ran<Vec<Value>> = arguments.iter().map(|one| self.eval(one)).collect();
                let arguments = arguments?;
                self.line = line;
                match (target, &of.kind) {
                    (Some(target), _) => self.method(line, &target, &name, &arguments),
                    (None, ExprKind::Type(class)) => self.static_method(line, class, &name, &arguments),
                    _ => unknown(line, format!("the static method {name} of something other than a type")),
                }
            }
            ExprKind::Index(of, index) => {
                let of = self.eval(of)?;
                let index = self.eval(index)?;
                self.index(line, &of, &index)
            }
            ExprKind::Paren(statement) => self.value_of(statement),
            ExprKind::Sub(statements) => {
                let mut out = Vec::new();
                self.statements(statements, &mut out)?;
                Ok(Value::gathered(out))
            }
            ExprKind::ArrayOf(statements) => {
                let mut out = Vec::new();
                self.statements(statements, &mut out)?;
                Ok(Value::array(out))
            }
            ExprKind::Block(block) => Ok(Value::Block(block.clone())),
            ExprKind::Hash(entries) => self.hash(entries).map(convert::table),
            ExprKind::Step { target, by, post } => {
                let old = self.eval(target)?.whole().unwrap_or(0);
                let ExprKind::Variable(name) = &target.kind else {
                    return unknown(line, "++ or -- of something other than a variable");
                };
                self.set_variable(name, Value::Int(old + by))?;
                Ok(Value::Int(if *post { old } else { old + by }))
            }
        }
    }

    fn hash(&mut self, entries: &[(Expr, crate::script::ast::Stmt)]) -> Ran<Names> {
        let mut names = Names::default();
        for (key, value) in entries {
            let key = self.eval(key)?.show();
            let value = self.value_of(value)?;
            names.set(&key, value);
        }
        Ok(names)
    }

    fn unary(&mut self, line: usize, operator: &str, operand: &Expr) -> Ran {
        let value = self.eval(operand)?;
        match operator {
            "," => Ok(Value::array(vec![value])),
            "-not" | "!" => Ok(Value::Bool(!value.truthy())),
            "-" => operators::binary(line, "-", &Value::Int(0), &value),
            "+" => operators::binary(line, "+", &Value::Int(0), &value),
            "-join" => operators::binary(line, "-join", &value, &Value::text("")),
            "-bnot" => value
                .whole()
                .map(|number| Value::Int(!number))
                .map_or_else(|| runtime("-bnot needs a number."), Ok),
            _ => unknown(line, format!("the operator {operator}")),
        }
    }

    fn binary(&mut self, line: usize, operator: &str, left: &Expr, right: &Expr) -> Ran {
        let left = self.eval(left)?;
        match operator {
            "-and" if !left.truthy() => return Ok(Value::Bool(false)),
            "-or" if left.truthy() => return Ok(Value::Bool(true)),
            "-and" | "-or" => return Ok(Value::Bool(self.eval(right)?.truthy())),
            _ => {}
        }
        let right = self.eval(right)?;
        self.line = line;
        match operator {
            "-is" | "-isnot" => {
                let name = match &right {
                    Value::Type(name) => name.to_string(),
                    other => other.show(),
                };
                Ok(Value::Bool(convert::is(&left, &name) == (operator == "-is")))
            }
            "-as" => {
                let cast = convert::cast(line, &right.show(), &left);
                match cast {
                    Err(super::flow::Flow::Failed(_)) => Ok(Value::Null),
                    other => other,
                }
            }
            "-match" | "-cmatch" if matches!(left, Value::Text(_)) => {
                self.matches(&left.show(), &right.show(), operator == "-cmatch").map(Value::Bool)
            }
            _ => operators::binary(line, operator, &left, &right),
        }
    }

    /// Whether a text has a pattern; if it has, `$Matches` is set.
    pub(crate) fn matches(&mut self, text: &str, pattern: &str, case: bool) -> Ran<bool> {
        let regex = operators::pattern(pattern, case)?;
        let Some(found) = regex.captures(text) else { return Ok(false) };
        let mut groups = Names::default();
        for (at, name) in regex.capture_names().enumerate() {
            if let Some(group) = found.get(at) {
                let name = name.map_or_else(|| at.to_string(), str::to_owned);
                groups.set(&name, Value::text(group.as_str()));
            }
        }
        self.set_variable("Matches", convert::table(groups))?;
        Ok(true)
    }

    fn cast(&mut self, line: usize, class: &str, operand: &Expr) -> Ran {
        let value = self.eval(operand)?;
        let allowed = ["string", "int", "bool", "array", "object", "datetime", "guid", "hashtable", "void"];
        let plain = convert::short(class);
        if self.machine.faults.constrained_language
            && plain == "pscustomobject"
            && !matches!(value, Value::Hash(_))
            && !allowed.contains(&plain.as_str())
        {
            return failed(
                "System.Management.Automation.PSInvalidCastException",
                "Cannot convert to this type in ConstrainedLanguage mode.",
            );
        }
        convert::cast(line, class, &value)
    }

    #[expect(clippy::self_only_used_in_recursion, reason = "stands with the other expressions")]
    pub(crate) fn index(&mut self, line: usize, of: &Value, index: &Value) -> Ran {
        if let Value::Array(indexes) = index {
            let parts: Ran<Vec<Value>> =
                indexes.borrow().iter().map(|one| self.index(line, of, one)).collect();
            return parts.map(Value::array);
        }
        match of {
            Value::Hash(names) => Ok(names.borrow().get(&index.show()).cloned().unwrap_or(Value::Null)),
            Value::Array(_) | Value::List(_) | Value::Bytes(_) => {
                let values = of.unrolled();
                if let (Value::Text(key), None) = (index, index.whole()) {
                    return Ok(keyed(&values, key));
                }
                Ok(place(index, values.len()).and_then(|at| values.get(at).cloned()).unwrap_or(Value::Null))
            }
            Value::Text(text) => {
                let signs: Vec<char> = text.chars().collect();
                let sign = place(index, signs.len()).and_then(|at| signs.get(at));
                Ok(sign.map_or(Value::Null, |sign| Value::text(sign.to_string())))
            }
            Value::Null => {
                failed("System.Management.Automation.RuntimeException", "Cannot index into a null array.")
            }
            Value::Object(object) if !matches!(object.borrow().native, Native::Custom) => {
                match object.borrow().properties.get(&format!("\u{0}[{}]", index.show())) {
                    Some(value) => Ok(value.clone()),
                    None if index.whole() == Some(0) => Ok(of.clone()),
                    None => unknown(line, format!("the index {} of {}", index.show(), of.class())),
                }
            }
            other if index.whole() == Some(0) => Ok(other.clone()),
            other => failed(
                "System.Management.Automation.RuntimeException",
                format!("Unable to index into an object of type {}.", other.class()),
            ),
        }
    }

    pub(crate) fn set_index(&mut self, of: &Value, index: &Value, value: Value) -> Ran<()> {
        match of {
            Value::Hash(names) => {
                names.borrow_mut().set(&index.show(), value);
                Ok(())
            }
            Value::Array(values) | Value::List(values) => {
                let at = place(index, values.borrow().len());
                match at.and_then(|at| values.borrow_mut().get_mut(at).map(|slot| *slot = value)) {
                    Some(()) => Ok(()),
                    None => failed(
                        "System.IndexOutOfRangeException",
                        "Index was outside the bounds of the array.",
                    ),
                }
            }
            Value::Null => runtime("Cannot index into a null array."),
            Value::Object(object) => {
                object.borrow_mut().properties.set(&format!("\u{0}[{}]", index.show()), value);
                Ok(())
            }
            other => unknown(self.line, format!("an assignment to an element of {}", other.class())),
        }
    }
}

fn place(index: &Value, length: usize) -> Option<usize> {
    let at = index.whole()?;
    if at < 0 { length.checked_sub(usize::try_from(-at).ok()?) } else { usize::try_from(at).ok() }
}

/// The element of a collection of pairs with this key or name, as such collections are indexed in .NET.
fn keyed(values: &[Value], key: &str) -> Value {
    let of = |value: &Value, name: &str| match value {
        Value::Object(object) => object.borrow().properties.get(name).cloned(),
        _ => None,
    };
    let named =
        |value: &Value, name: &str| of(value, name).is_some_and(|own| own.show().eq_ignore_ascii_case(key));
    values
        .iter()
        .find_map(|value| match (named(value, "Key"), named(value, "Name")) {
            (true, _) => of(value, "Value"),
            (_, true) => Some(value.clone()),
            _ => None,
        })
        .unwrap_or(Value::Null)
}
