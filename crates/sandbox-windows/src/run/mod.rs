//! Runs a script's tree against a machine.

pub(crate) mod call;
mod commands;
pub(crate) mod convert;
mod expressions;
pub(crate) mod flow;
pub(crate) mod format;
pub(crate) mod methods;
mod natives;
pub(crate) mod operators;
mod statements;
pub(crate) mod statics;
pub(crate) mod value;

use std::rc::Rc;

use self::{
    flow::{Failure, Flow, Ran, failed},
    value::{Names, Value},
};
use crate::{
    machine::Machine,
    script::{self, ast::Block},
};

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What the script wrote, a line for each value.
    pub stdout: String,
    /// Errors and warnings; what the emulator does not know begins with `emulator:`.
    pub stderr: String,
    /// 0; 1 after a terminating error; what `exit` says; [`EMULATOR`] if the emulator does not know something.
    pub exit: i32,
}

/// The exit code that says that the emulator, not the script, failed.
pub const EMULATOR: i32 = 70;

/// Runs a script of Windows PowerShell 5.1 on a machine, with a JSON value on its standard input.
pub fn run(script: &str, stdin_json: &serde_json::Value, machine: &mut Machine) -> Ended {
    run_text(script, stdin_json.to_string(), machine)
}

/// Runs `powershell.exe` with these arguments and this text on its standard input: `-EncodedCommand` with the script in
/// base64, `-Command -` with the script on the standard input, or `-File` with a script among the machine's files and its
/// parameters.
pub fn powershell(arguments: &[&str], stdin: &str, machine: &mut Machine) -> Ended {
    let refused = |what: &str| Ended {
        stdout: String::new(),
        stderr: format!("emulator: powershell.exe: {what}\n"),
        exit: EMULATOR,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_str() {
            "-nologo" | "-noprofile" | "-noninteractive" => {}
            "-executionpolicy" | "-outputformat" | "-inputformat" => {
                words.next();
            }
            "-encodedcommand" | "-enc" | "-e" => {
                let script = words
                    .next()
                    .and_then(|text| methods::unbase64(text).ok())
                    .and_then(|bytes| utf16(&bytes));
                return match script {
                    Some(script) => run_text(&script, stdin.to_owned(), machine),
                    None => refused(
                        "cannot process the command because the value specified with -EncodedCommand is not properly encoded",
                    ),
                };
            }
            "-file" => {
                let path = words.next().copied().unwrap_or_default();
                let given: Vec<&str> = words.copied().collect();
                return run_file(path, &given, stdin.to_owned(), machine);
            }
            "-command" | "-c" if words.next() == Some(&"-") => {
                return run_text(stdin, String::new(), machine);
            }
            other => return refused(&format!("the argument {other}")),
        }
    }
    refused("there is nothing to run")
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
        .map(u16::from_le_bytes)
        .collect();
    String::from_utf16(&units).ok()
}

fn run_text(script: &str, stdin: String, machine: &mut Machine) -> Ended {
    let emulator = |line: usize, what: &str| Ended {
        stdout: String::new(),
        stderr: format!("emulator: line {line}: {what}\n"),
        exit: EMULATOR,
    };
    let block = match script::read(script) {
        Ok(block) => block,
        Err(error) => return emulator(error.line, &error.what),
    };
    started(machine, stdin, |run, out| run.program(&block, out))
}

/// `-File`: words that begin with a hyphen are names of parameters.
fn run_file(path: &str, given: &[&str], stdin: String, machine: &mut Machine) -> Ended {
    let word = |text: &&str| match text.strip_prefix('-') {
        Some(name) => call::Word::Name(name.to_owned(), None),
        None => call::Word::Value(Value::text(text)),
    };
    let words: Vec<call::Word> = given.iter().map(word).collect();
    started(machine, stdin, |run, out| run.script_file(1, path, call::Given { words, input: None }, out))
}

fn started(
    machine: &mut Machine,
    stdin: String,
    begin: impl FnOnce(&mut Run<'_>, &mut Vec<Value>) -> Ran<()>,
) -> Ended {
    if machine.faults.down {
        return Ended {
            stdout: String::new(),
            stderr: format!("the machine {} cannot be reached\n", machine.name),
            exit: 1,
        };
    }
    let mut run = Run::new(machine, stdin);
    let mut out = Vec::new();
    let ended = begin(&mut run, &mut out);
    let mut exit = run.write(&out);
    match ended {
        Ok(()) | Err(Flow::Return | Flow::Break | Flow::Continue) => {}
        Err(Flow::Exit(code)) => exit = code,
        Err(Flow::Failed(failure)) => {
            run.report(&failure);
            exit = 1;
        }
        Err(Flow::Unknown { line, what }) => {
            run.stderr
                .push_str(&format!("emulator: line {}: {what}\n", if line == 0 { run.line } else { line }));
            exit = EMULATOR;
        }
    }
    Ended { stdout: run.stdout, stderr: run.stderr, exit }
}

/// A script that is being run.
pub(crate) struct Run<'m> {
    pub(crate) machine: &'m mut Machine,
    /// The outermost scope is the script's.
    scopes: Vec<Names>,
    functions: Vec<(String, Rc<Block>)>,
    stdin: Option<String>,
    stdout: String,
    pub(crate) stderr: String,
    /// How many `try` blocks stand around.
    tries: usize,
    pub(crate) strict: bool,
    /// The line that is being run.
    pub(crate) line: usize,
    /// The errors so far, the newest first.
    errors: Vec<Value>,
    pub(crate) modules: Vec<String>,
    /// The script files that are being run, the innermost last.
    files: Vec<String>,
}

impl<'m> Run<'m> {
    fn new(machine: &'m mut Machine, stdin: String) -> Self {
        let mut script = Names::default();
        script.set("ErrorActionPreference", Value::text("Continue"));
        for name in ["ProgressPreference", "WarningPreference", "VerbosePreference", "ConfirmPreference"] {
            script.set(name, Value::text("Continue"));
        }
        script.set("LASTEXITCODE", Value::Int(0));
        Run {
            machine,
            scopes: vec![script],
            functions: Vec::new(),
            stdin: Some(stdin),
            stdout: String::new(),
            stderr: String::new(),
            tries: 0,
            strict: false,
            line: 1,
            errors: Vec::new(),
            modules: Vec::new(),
            files: Vec::new(),
        }
    }

    fn program(&mut self, block: &Block, out: &mut Vec<Value>) -> Ran<()> {
        for parameter in &block.parameters {
            let value = match &parameter.default {
                Some(default) => self.eval(default)?,
                None => Value::Null,
            };
            self.set_variable(&parameter.name, value)?;
        }
        self.statements(&block.end, out)
    }

    /// Writes what was left in the pipeline at the end of the script.
    fn write(&mut self, out: &[Value]) -> i32 {
        for value in out.iter().flat_map(Value::unrolled) {
            let text = match &value {
                Value::Null => continue,
                Value::Text(_) | Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Date { .. } => {
                    value.show()
                }
                other => {
                    let class = other.class();
                    self.stderr.push_str(&format!(
                        "emulator: line {}: a {class} is shown on the screen\n",
                        self.line
                    ));
                    return EMULATOR;
                }
            };
            self.stdout.push_str(&text);
            self.stdout.push('\n');
        }
        0
    }

    /// Writes an error that nobody caught.
    fn report(&mut self, failure: &Failure) {
        self.stderr.push_str(&format!(
            "{}\nAt line:{}\n    + FullyQualifiedErrorId : {}\n",
            failure.message, failure.line, failure.id
        ));
    }

    /// Runs a script among the machine's files, in a scope of its own. `exit` ends that script, with its output.
    pub(crate) fn script_file(
        &mut self,
        line: usize,
        path: &str,
        given: call::Given,
        out: &mut Vec<Value>,
    ) -> Ran<()> {
        let found = self.machine.files.iter().find(|(known, _)| known.eq_ignore_ascii_case(path));
        let Some((path, bytes)) = found else {
            return failed(
                "System.Management.Automation.CommandNotFoundException",
                format!(
                    "The term '{path}' is not recognized as the name of a cmdlet, function, script file, or operable program."
                ),
            );
        };
        let (path, text) = (path.clone(), String::from_utf8_lossy(bytes).into_owned());
        let block = match script::read(text.trim_start_matches('\u{feff}')) {
            Ok(block) => Rc::new(block),
            Err(error) => {
                return flow::unknown(line, format!("line {} of {path}: {}", error.line, error.what));
            }
        };
        let outer = self.functions.clone();
        self.files.push(path);
        self.scopes.push(Names::default());
        let depth = self.scopes.len();
        let ended = self
            .bind(&block, given.words, given.input.as_deref())
            .and_then(|()| self.statements(&block.begin, out))
            .and_then(|()| self.statements(&block.end, out));
        self.scopes.truncate(depth - 1);
        self.line = line;
        self.files.pop();
        let ended = match ended {
            Err(Flow::Return) => Ok(()),
            Err(Flow::Exit(code)) if !self.files.is_empty() => {
                self.set_variable("script:LASTEXITCODE", Value::Int(code.into()))
            }
            other => other,
        };
        self.functions = outer;
        ended
    }

    /// The next line of the standard input.
    pub(crate) fn read_line(&mut self) -> String {
        let text = self.stdin.take().unwrap_or_default();
        let (line, rest) = text.split_once('\n').unwrap_or((&text, ""));
        self.stdin = Some(rest.to_owned());
        line.trim_end_matches('\r').to_owned()
    }

    /// The standard input, which can be read once.
    pub(crate) fn read_stdin(&mut self) -> String {
        self.stdin.take().unwrap_or_default()
    }

    pub(crate) fn write_line(&mut self, text: &str) {
        self.stdout.push_str(text);
        self.stdout.push('\n');
    }

    /// What the variable holds, as it is kept.
    pub(crate) fn raw_variable(&self, name: &str) -> Option<&Value> {
        match name.split_once(':') {
            Some((scope, name)) if is_script_scope(scope) => self.scopes.first()?.get(name),
            Some((scope, name)) if scope.eq_ignore_ascii_case("local") => self.scopes.last()?.get(name),
            _ => self.scopes.iter().rev().find_map(|scope| scope.get(name)),
        }
    }

    pub(crate) fn variable(&mut self, name: &str) -> Ran {
        match name.to_ascii_lowercase().as_str() {
            "null" => return Ok(Value::Null),
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "input" if self.raw_variable(name).is_none() => return Ok(Value::text(self.read_stdin())),
            "error" => return Ok(Value::array(self.errors.clone())),
            "executioncontext" => return Ok(self.execution_context()),
            "psversiontable" => return Ok(version_table()),
            "pscommandpath" => return Ok(Value::text(self.files.last().map_or("", String::as_str))),
            "psscriptroot" => {
                let folder = self.files.last().and_then(|path| path.rsplit_once('\\'));
                return Ok(Value::text(folder.map_or("", |(folder, _)| folder)));
            }
            _ => {}
        }
        if let Some((drive, name)) = name.split_once(':')
            && drive.eq_ignore_ascii_case("env")
        {
            return Ok(self.machine.environment(name).map_or(Value::Null, Value::text));
        }
        match self.raw_variable(name) {
            Some(Value::Nothing) => Ok(Value::Null),
            Some(value) => Ok(value.clone()),
            None if self.strict && name != "_" => failed(
                "System.Management.Automation.RuntimeException",
                format!("The variable '${name}' cannot be retrieved because it has not been set."),
            ),
            None => Ok(Value::Null),
        }
    }

    pub(crate) fn set_variable(&mut self, name: &str, value: Value) -> Ran<()> {
        let (scope, name) = match name.split_once(':') {
            Some((scope, name)) if is_script_scope(scope) => (self.scopes.first_mut(), name),
            Some((scope, name)) if scope.eq_ignore_ascii_case("local") => (self.scopes.last_mut(), name),
            Some((scope, _)) => return flow::unknown(self.line, format!("the variable scope '{scope}:'")),
            None => (self.scopes.last_mut(), name),
        };
        if ["null", "true", "false"].contains(&name.to_ascii_lowercase().as_str()) {
            if name.eq_ignore_ascii_case("null") {
                return Ok(());
            }
            return failed(
                "System.Management.Automation.SessionStateUnauthorizedAccessException",
                format!("Cannot overwrite variable {name} because it is read-only or constant."),
            );
        }
        if let Some(scope) = scope {
            scope.set(name, value);
        }
        Ok(())
    }

    fn execution_context(&self) -> Value {
        let mode =
            if self.machine.faults.constrained_language { "ConstrainedLanguage" } else { "FullLanguage" };
        let state =
            Value::known("System.Management.Automation.SessionState", [("LanguageMode", Value::text(mode))]);
        Value::known("System.Management.Automation.EngineIntrinsics", [("SessionState", state)])
    }

    /// Whether an error that is not caught is to end the script.
    pub(crate) fn stops(&self) -> bool {
        self.raw_variable("ErrorActionPreference")
            .is_some_and(|preference| preference.show().eq_ignore_ascii_case("stop"))
    }
}

fn is_script_scope(scope: &str) -> bool {
    scope.eq_ignore_ascii_case("script") || scope.eq_ignore_ascii_case("global")
}

fn version_table() -> Value {
    let version = Value::known(
        "System.Version",
        [("Major", Value::Int(5)), ("Minor", Value::Int(1)), ("\u{0}show", Value::text("5.1.17763.1"))],
    );
    let mut table = Names::default();
    table.set("PSVersion", version);
    table.set("PSEdition", Value::text("Desktop"));
    convert::table(table)
}
