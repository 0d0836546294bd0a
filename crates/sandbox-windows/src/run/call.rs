//! A cmdlet's declaration, and a call of it with its parameters bound.

use super::{
    Run,
    flow::{Failure, Flow, Ran, failed, unknown},
    value::Value,
};

/// Where a cmdlet comes from: without it the command does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// Every Windows PowerShell.
    Shell,
    /// The snap-in `Microsoft.Crm.PowerShell`.
    Crm,
    /// The module `ADFS`, which loads by itself.
    Adfs,
    /// The same module, from Windows Server 2016 on.
    Adfs2016,
}

/// A cmdlet of the emulator.
pub(crate) struct Cmdlet {
    pub(crate) name: &'static str,
    pub(crate) from: From,
    /// The parameters, positional ones first; `?` marks a switch, `|` ends the positional ones, `!` marks one
    /// that must be given.
    pub(crate) parameters: &'static str,
    pub(crate) run: fn(&mut Run<'_>, &Call) -> Ran<Vec<Value>>,
}

/// A call with its parameters bound.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) line: usize,
    /// What came through the pipeline; none at its head.
    pub(crate) input: Option<Vec<Value>>,
    bound: Vec<(&'static str, Value)>,
    /// What positional parameters did not take.
    pub(crate) rest: Vec<Value>,
}

/// What was given to a command before anything is bound.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) words: Vec<Word>,
    pub(crate) input: Option<Vec<Value>>,
}

/// A word after a command's name.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    /// `-Name`, with the value of `-Name:value`
    Name(String, Option<Value>),
    Value(Value),
}

const COMMON: &str = "ErrorAction WarningAction InformationAction Verbose? Debug? Confirm? WhatIf?";

impl Call {
    /// Binds what was given to a cmdlet's parameters.
    pub(crate) fn bind(cmdlet: &'static Cmdlet, line: usize, given: Given) -> Ran<Call> {
        let (positional, others) = cmdlet.parameters.split_once('|').unwrap_or((cmdlet.parameters, ""));
        let declared: Vec<&'static str> = positional
            .split_whitespace()
            .chain(others.split_whitespace())
            .chain(COMMON.split_whitespace())
            .collect();
        let mut call =
            Call { name: cmdlet.name, line, input: given.input, bound: Vec::new(), rest: Vec::new() };
        let mut words = given.words.into_iter().peekable();
        while let Some(word) = words.next() {
            let (name, attached) = match word {
                // A program takes its words as they are.
                Word::Name(name, _) if cmdlet.parameters.contains('*') => {
                    call.rest.push(Value::text(format!("-{name}")));
                    continue;
                }
                Word::Name(name, attached) => (name, attached),
                Word::Value(value) => {
                    call.rest.push(value);
                    continue;
                }
            };
            let Some(parameter) = find(&declared, &name) else {
                return unknown(line, format!("the parameter -{name} of {}", cmdlet.name));
            };
            let bare = bare(parameter);
            let value = match attached {
                Some(value) => value,
                None if parameter.ends_with('?') => Value::Bool(true),
                None => match words.next_if(|next| matches!(next, Word::Value(_))) {
                    Some(Word::Value(value)) => value,
                    _ => {
                        return failed(
                            "System.Management.Automation.ParameterBindingException",
                            format!(
                                "Missing an argument for parameter '{bare}'. Specify a parameter and try again."
                            ),
                        );
                    }
                },
            };
            call.bound.push((bare, value));
        }
        // Nothing here only says what it would do, and nobody is there to be asked.
        if call.on("WhatIf") || call.on("Confirm") {
            return unknown(line, format!("-WhatIf or -Confirm of {}", cmdlet.name));
        }
        for parameter in positional.split_whitespace().map(bare) {
            if !call.has(parameter) && !call.rest.is_empty() {
                let value = call.rest.remove(0);
                call.bound.push((parameter, value));
            }
        }
        for parameter in declared.iter().filter(|parameter| parameter.ends_with('!')) {
            if !call.has(bare(parameter)) && call.input.is_none() {
                return failed(
                    "System.Management.Automation.ParameterBindingException",
                    format!(
                        "Cannot process command because of one or more missing mandatory parameters: {}.",
                        bare(parameter)
                    ),
                );
            }
        }
        if !call.rest.is_empty() && !cmdlet.parameters.contains('*') {
            return failed(
                "System.Management.Automation.ParameterBindingException",
                format!(
                    "A positional parameter cannot be found that accepts argument '{}'.",
                    call.rest.first().map(Value::show).unwrap_or_default()
                ),
            );
        }
        Ok(call)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.bound.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A switch, or a truth value.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.get(name).is_some_and(Value::truthy)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(Value::show)
    }

    /// The texts of a list parameter.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.get(name).map(|value| value.elements().iter().map(Value::show).collect()).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::whole)
    }

    /// What came through the pipeline, or this parameter's value.
    pub(crate) fn input_or(&self, name: &str) -> Vec<Value> {
        match (self.get(name), &self.input) {
            (Some(value), _) => value.elements(),
            (None, Some(input)) => input.clone(),
            (None, None) => Vec::new(),
        }
    }

    /// Reports an error that does not end the cmdlet, as the call or the preference says.
    pub(crate) fn complain(&self, run: &mut Run<'_>, failure: Failure) -> Ran<()> {
        let action = match self.text("ErrorAction") {
            Some(action) => action,
            None => run.raw_variable("ErrorActionPreference").map(Value::show).unwrap_or_default(),
        };
        run.complain(&action, self.line, failure)
    }
}

impl Run<'_> {
    /// Does with a non-terminating error what an error action says.
    pub(crate) fn complain(&mut self, action: &str, line: usize, mut failure: Failure) -> Ran<()> {
        failure.line = line;
        self.errors.insert(0, failure.record());
        match action.to_ascii_lowercase().as_str() {
            "stop" => {
                failure.ends_script = true;
                Err(Flow::Failed(Box::new(failure)))
            }
            "silentlycontinue" | "ignore" => Ok(()),
            "continue" => {
                self.report(&failure);
                Ok(())
            }
            other => unknown(line, format!("the error action '{other}'")),
        }
    }
}

fn bare(parameter: &'static str) -> &'static str {
    parameter.trim_end_matches(['?', '!', '*'])
}

fn find(declared: &[&'static str], name: &str) -> Option<&'static str> {
    let name = if name.eq_ignore_ascii_case("ea") { "ErrorAction" } else { name };
    let exact = declared.iter().find(|parameter| bare(parameter).eq_ignore_ascii_case(name));
    exact.copied().or_else(|| {
        let lower = name.to_ascii_lowercase();
        let mut fits = declared.iter().filter(|known| bare(known).to_ascii_lowercase().starts_with(&lower));
        fits.next().copied().filter(|_| fits.next().is_none())
    })
}
