//! Pipelines, functions and script blocks.

use std::rc::Rc;

use super::{
    Run,
    call::{Call, From, Given, Word},
    convert,
    flow::{Flow, Ran, failed, unknown},
    operators,
    value::{Names, Value},
};
use crate::{
    cmdlets,
    script::ast::{Argument, Block, Command, ExprKind, Redirect, Stage},
};

impl Run<'_> {
    pub(crate) fn pipeline(&mut self, stages: &[Stage], out: &mut Vec<Value>) -> Ran<()> {
        let mut flowing: Option<Vec<Value>> = None;
        for stage in stages {
            let errors = self.stderr.len();
            let (values, redirect) = match stage {
                Stage::Expression { expression, redirect } => {
                    let nothing = matches!(&expression.kind, ExprKind::Variable(name)
                        if matches!(self.raw_variable(name), Some(Value::Nothing)));
                    let value = self.eval(expression)?;
                    let silent = matches!(expression.kind, ExprKind::Step { .. })
                        || matches!((&expression.kind, &value), (ExprKind::Call { .. }, Value::Null));
                    let values = if nothing || silent { Vec::new() } else { value.unrolled() };
                    (values, *redirect)
                }
                Stage::Command(command) => {
                    self.line = command.line;
                    (self.command(command, flowing.take())?, command.redirect)
                }
            };
            flowing = Some(self.redirected(values, redirect, errors));
        }
        out.extend(flowing.unwrap_or_default());
        Ok(())
    }

    fn redirected(&mut self, values: Vec<Value>, redirect: Redirect, errors: usize) -> Vec<Value> {
        let mut values = if redirect.drop_output { Vec::new() } else { values };
        if redirect.drop_errors || redirect.merge_errors {
            let text = self.stderr.split_off(errors.min(self.stderr.len()));
            if redirect.merge_errors && !text.is_empty() {
                values.push(Value::text(text.trim_end()));
            }
        }
        values
    }

    fn command(&mut self, command: &Command, input: Option<Vec<Value>>) -> Ran<Vec<Value>> {
        let name = self.eval(&command.name)?;
        let mut given = Given { words: Vec::new(), input };
        for argument in &command.arguments {
            match argument {
                Argument::Parameter(name, value) => {
                    let value = value.as_ref().map(|value| self.eval(value)).transpose()?;
                    given.words.push(Word::Name(name.clone(), value));
                }
                Argument::Value(value) => given.words.push(Word::Value(self.eval(value)?)),
                Argument::Splat(variable) => match self.variable(variable)? {
                    Value::Hash(names) => {
                        for (name, value) in &names.borrow().0 {
                            given.words.push(Word::Name(name.clone(), Some(value.clone())));
                        }
                    }
                    other => given.words.extend(other.elements().into_iter().map(Word::Value)),
                },
            }
        }
        self.line = command.line;
        if let Value::Block(block) = &name {
            let arguments = values_only(&given);
            let depth = self.scopes.len();
            let ended = if command.dot_sourced {
                self.run_block(block, given.input.as_deref())
            } else {
                self.invoke(block, given.words, arguments, given.input.as_deref())
            };
            self.scopes.truncate(depth);
            return ended;
        }
        self.call_by_name(command.line, &name.show(), given)
    }

    /// Runs a function, cmdlet or program by its name.
    pub(crate) fn call_by_name(&mut self, line: usize, name: &str, given: Given) -> Ran<Vec<Value>> {
        let function = self.functions.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).cloned();
        if let Some((_, block)) = function {
            let arguments = values_only(&given);
            return self.invoke(&block, given.words, arguments, given.input.as_deref());
        }
        if name.to_ascii_lowercase().ends_with(".ps1") {
            let mut out = Vec::new();
            self.script_file(line, name, given, &mut out)?;
            return Ok(out);
        }
        let Some(cmdlet) = cmdlets::find(name) else {
            return unknown(line, format!("the command {name}"));
        };
        if !self.offers(cmdlet.from) {
            return not_recognized(name);
        }
        let call = Call::bind(cmdlet, line, given)?;
        let outcome = (cmdlet.run)(self, &call);
        self.line = line;
        outcome
    }

    /// Whether the commands from there exist on this machine, in this session.
    pub(crate) fn offers(&self, from: From) -> bool {
        let loaded = |name: &str| self.modules.iter().any(|known| known.eq_ignore_ascii_case(name));
        match from {
            From::Shell => true,
            From::Crm => loaded("Microsoft.Crm.PowerShell"),
            From::Adfs => self.machine.roles.adfs,
            From::Adfs2016 => self.machine.roles.adfs && !self.machine.farm().before_2016,
        }
    }

    /// Runs a block in the scope that is there, as `ForEach-Object` does.
    pub(crate) fn invoke_here(&mut self, block: &Block) -> Ran<Vec<Value>> {
        let mut out = Vec::new();
        if let Some(process) = &block.process {
            self.statements(process, &mut out)?;
        }
        match self.statements(&block.end, &mut out) {
            Ok(()) | Err(Flow::Return) => Ok(out),
            Err(other) => Err(other),
        }
    }

    /// Runs a block with its parameters bound, in a scope of its own.
    pub(crate) fn invoke(
        &mut self,
        block: &Rc<Block>,
        words: Vec<Word>,
        arguments: Vec<Value>,
        input: Option<&[Value]>,
    ) -> Ran<Vec<Value>> {
        let line = self.line;
        if self.scopes.len() > 200 {
            return failed(
                "System.Management.Automation.ScriptCallDepthException",
                "The script failed due to call depth overflow.",
            );
        }
        let words = if words.is_empty() { arguments.into_iter().map(Word::Value).collect() } else { words };
        self.scopes.push(Names::default());
        let depth = self.scopes.len();
        let ended = self.bind(block, words, input).and_then(|()| self.run_block(block, input));
        self.scopes.truncate(depth - 1);
        self.line = line;
        ended
    }

    fn run_block(&mut self, block: &Block, input: Option<&[Value]>) -> Ran<Vec<Value>> {
        let mut out = Vec::new();
        let mut run = |run: &mut Self, statements: &[_]| match run.statements(statements, &mut out) {
            Ok(()) => Ok(true),
            Err(Flow::Return) => Ok(false),
            Err(other) => Err(other),
        };
        run(self, &block.begin)?;
        if let Some(process) = &block.process {
            for value in input.unwrap_or(&[Value::Null]).iter().cloned() {
                if input.is_some() {
                    self.set_variable("_", value.clone())?;
                    if let Some(parameter) = block.parameters.iter().find(|one| one.from_pipeline) {
                        self.set_variable(&parameter.name, value)?;
                    }
                }
                run(self, process)?;
            }
        } else if let Some(input) = input {
            self.set_variable("input", Value::array(input.to_vec()))?;
            let last = block.parameters.iter().find(|one| one.from_pipeline).zip(input.last());
            if let Some((parameter, value)) = last {
                self.set_variable(&parameter.name, value.clone())?;
            }
        }
        run(self, &block.end)?;
        Ok(out)
    }

    pub(super) fn bind(&mut self, block: &Block, words: Vec<Word>, input: Option<&[Value]>) -> Ran<()> {
        let mut bound: Vec<String> = Vec::new();
        let mut rest = Vec::new();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let (name, attached) = match word {
                Word::Name(name, attached) => (name, attached),
                Word::Value(value) => {
                    rest.push(value);
                    continue;
                }
            };
            let lower = name.to_ascii_lowercase();
            let parameter =
                block.parameters.iter().find(|one| one.name.eq_ignore_ascii_case(&name)).or_else(|| {
                    block.parameters.iter().find(|one| one.name.to_ascii_lowercase().starts_with(&lower))
                });
            let Some(parameter) = parameter else {
                if lower == "erroraction" || lower == "ea" {
                    let action = attached.or_else(|| match words.next() {
                        Some(Word::Value(value)) => Some(value),
                        _ => None,
                    });
                    self.set_variable("ErrorActionPreference", action.unwrap_or(Value::Null))?;
                    continue;
                }
                return failed(
                    "System.Management.Automation.ParameterBindingException",
                    format!("A parameter cannot be found that matches parameter name '{name}'."),
                );
            };
            let value = match attached {
                Some(value) => value,
                None if is_switch(parameter.type_name.as_deref()) => Value::Bool(true),
                None => match words.next_if(|next| matches!(next, Word::Value(_))) {
                    Some(Word::Value(value)) => value,
                    _ => {
                        return failed(
                            "System.Management.Automation.ParameterBindingException",
                            format!("Missing an argument for parameter '{name}'."),
                        );
                    }
                },
            };
            bound.push(parameter.name.clone());
            self.bind_one(parameter, value)?;
        }
        let mut rest = rest.into_iter();
        let mut given = Names::default();
        for name in &bound {
            given.set(name, self.raw_variable(name).cloned().unwrap_or(Value::Null));
        }
        for parameter in &block.parameters {
            if bound.iter().any(|name| name.eq_ignore_ascii_case(&parameter.name)) {
                continue;
            }
            if !is_switch(parameter.type_name.as_deref())
                && let Some(value) = rest.next()
            {
                self.bind_one(parameter, value)?;
                given
                    .set(&parameter.name, self.raw_variable(&parameter.name).cloned().unwrap_or(Value::Null));
            } else if let Some(default) = &parameter.default {
                let value = self.eval(default)?;
                self.bind_one(parameter, value)?;
            } else if parameter.mandatory && !(parameter.from_pipeline && input.is_some()) {
                return failed(
                    "System.Management.Automation.ParameterBindingException",
                    format!(
                        "Cannot process command because of one or more missing mandatory parameters: {}.",
                        parameter.name
                    ),
                );
            } else {
                let empty = match parameter.type_name.as_deref().map(convert::short).as_deref() {
                    Some("switch" | "bool") => Value::Bool(false),
                    Some("string") => Value::text(""),
                    Some("int") => Value::Int(0),
                    _ => Value::Null,
                };
                self.set_variable(&parameter.name, empty)?;
            }
        }
        self.set_variable("PSBoundParameters", convert::table(given))?;
        self.set_variable("args", Value::array(rest.collect()))
    }

    fn bind_one(&mut self, parameter: &crate::script::ast::Parameter, value: Value) -> Ran<()> {
        let value = match &parameter.type_name {
            Some(class) => convert::cast(self.line, class, &value)?,
            None => value,
        };
        let mut allowed = Vec::new();
        for one in &parameter.allowed {
            allowed.push(self.eval(one)?);
        }
        if !allowed.is_empty() && !allowed.iter().any(|one| operators::equal(one, &value, false)) {
            return failed(
                "System.Management.Automation.ParameterBindingException",
                format!(
                    "Cannot validate argument on parameter '{}'. The argument \"{}\" does not belong to the set.",
                    parameter.name,
                    value.show()
                ),
            );
        }
        self.set_variable(&parameter.name, value)
    }
}

fn values_only(given: &Given) -> Vec<Value> {
    let value = |word: &Word| match word {
        Word::Value(value) => Some(value.clone()),
        Word::Name(..) => None,
    };
    given.words.iter().filter_map(value).collect()
}

fn is_switch(type_name: Option<&str>) -> bool {
    type_name.is_some_and(|name| convert::short(name) == "switch")
}

fn not_recognized<T>(name: &str) -> Ran<T> {
    failed(
        "System.Management.Automation.CommandNotFoundException",
        format!(
            "The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again."
        ),
    )
}
