//! `hybridge connect`: the trust as steps.

use std::path::Path;

use hybridge_connect::{
    Action, Difference, Entry, Event, Facts, Goal, Journal, Line, Observer, Outcome, Plan, Report, Site,
    Step, Verdict, catalogue, steps_of,
};
use hybridge_core::trouble::{Class, Trouble};
use serde_json::{Value, json};

use crate::{
    cli::{ConnectArgs, ConnectVerb, TargetName},
    commands::accept::accept,
    config::{self, Config},
    error::{Failure, Result},
    exit::Exit,
    output::{Output, column, local},
    trust,
};

use super::bundle;

/// Plans, applies, proves or takes back.
pub(crate) async fn connect(file: &Path, args: &ConnectArgs, output: Output) -> Result<Exit> {
    if let ConnectVerb::Explain { text, machine } = &args.verb {
        return Ok(explain(text, machine, output));
    }
    if let ConnectVerb::Accept(args) = &args.verb {
        return accept(file, args, output).await;
    }
    let config = config::load(file)?;
    if matches!(args.verb, ConnectVerb::Log) {
        return log(&config, &args.step, output);
    }
    let steps = chosen(args.target, &args.step)?;
    let work = Work { config: &config, file, steps: &steps, target: args.target, output };
    match &args.verb {
        ConnectVerb::Plan { details } => work.plan(*details).await,
        ConnectVerb::Apply { dry_run: true } => work.plan(false).await,
        ConnectVerb::Apply { dry_run: false } => work.apply().await,
        ConnectVerb::Verify => work.verify().await,
        ConnectVerb::Undo { dry_run: true, .. } => work.undo_plan(),
        ConnectVerb::Undo { dry_run: false, force } => work.undo(*force).await,
        ConnectVerb::Export { to, password_file } => {
            bundle::export(&config, file, (&steps, args.target), (to, password_file.as_deref()), output).await
        }
        ConnectVerb::Import { files } => bundle::import(&config, file, files, output).await,
        ConnectVerb::Accept(_) | ConnectVerb::Log | ConnectVerb::Explain { .. } => Ok(Exit::Done),
    }
}

/// What an error that somebody read somewhere means.
fn explain(text: &str, machine: &str, output: Output) -> Exit {
    let Some(known) = catalogue::find(text) else {
        output.line("This text is not in the catalogue of known failures.");
        output.line("hybridge connect plan and verify (with --target native for Dynamics' own synchronization) look at everything.");
        output.json(&json!({ "known": false }));
        return Exit::WithTroubles;
    };
    let remedy = known.remedy(machine);
    output.line(format!("It means: {}.", known.means));
    output.line(format!("What to do: {remedy}"));
    output.json(&json!({ "known": true, "means": known.means, "remedy": remedy }));
    Exit::Done
}

/// A command's work.
struct Work<'a> {
    config: &'a Config,
    file: &'a Path,
    steps: &'a [Box<dyn Step>],
    target: TargetName,
    output: Output,
}

/// The steps that were named, in their own order; all where none was.
fn chosen(target: TargetName, names: &[String]) -> Result<Vec<Box<dyn Step>>> {
    let mut steps = steps_of(match target {
        TargetName::Graph => Goal::Graph,
        TargetName::Native => Goal::Native,
    });
    let known: Vec<&str> = steps.iter().map(|step| step.facts().id).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::new(Exit::Configuration, format!("--step: there is no step {unknown:?}"))
            .help(format!("The steps are {}.", known.join(", "))));
    }
    if !names.is_empty() {
        steps.retain(|step| names.iter().any(|name| name == step.facts().id));
    }
    Ok(steps)
}

impl Work<'_> {
    fn site(&self, journal: &Journal) -> Result<Site> {
        trust::site(self.config, self.file.to_path_buf(), journal.changes())
    }

    /// A command that goes on with this target.
    fn command(&self, verb: &str) -> String {
        let target = if self.target == TargetName::Native { " --target native" } else { "" };
        format!("hybridge connect {verb}{target}")
    }

    async fn plan(&self, details: bool) -> Result<Exit> {
        let output = self.output;
        let site = self.site(&trust::journal(self.config)?)?;
        let plan = hybridge_connect::plan(&site, self.steps, |line| show(line, details, output)).await;
        output.line("");
        output.line(self.in_short(&plan));
        output.json(&json!({ "done": plan.is_done(), "steps": plan.lines }));
        Ok(if plan.count("BLOCKED") > 0 { Exit::WithTroubles } else { Exit::Done })
    }

    fn in_short(&self, plan: &Plan) -> String {
        if plan.is_done() {
            return format!("Nothing to do: all of it is set up. `{}` proves it.", self.command("verify"));
        }
        let mut parts = Vec::new();
        let changes = plan.count("change") + plan.count("later");
        for (count, words) in [
            (changes, "to change"),
            (plan.count("by hand"), "for a person to do"),
            (plan.count("BLOCKED"), "blocked"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        let next = if changes > 0 {
            format!(" `{}` does it; --details shows every value.", self.command("apply"))
        } else {
            String::new()
        };
        format!("{}.{next}", parts.join(", "))
    }
}

fn show(line: &Line, details: bool, output: Output) {
    output.line(row(line.verdict.word(), line.facts.id, &line.words));
    match &line.verdict {
        Verdict::ByHand { how } | Verdict::Blocked { remedy: how } if !how.is_empty() => {
            output.line(format!("           What to do: {how}"));
        }
        Verdict::Change { differences } if details => {
            output.line(format!("           in {}, as {}", line.facts.place, line.facts.role));
            for line in values(differences) {
                output.line(format!("           {line}"));
            }
        }
        _ => {}
    }
}

fn row(mark: &str, step: &str, words: &str) -> String {
    format!("  {} {} {words}", column(mark, 8), column(step, 22))
}

/// The differences, a line each; of many in one place only the first ones.
fn values(differences: &[Difference]) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut lines = Vec::new();
    for group in differences.chunk_by(|left, right| left.path == right.path) {
        lines.extend(group.iter().take(SHOWN).map(changed));
        if let (Some(first), more) = (group.first(), group.len().saturating_sub(SHOWN))
            && more > 0
        {
            lines.push(format!("  {}: and {more} more (--json has them all)", first.path));
        }
    }
    lines
}

fn changed(difference: &Difference) -> String {
    let Difference { path, now, wanted } = difference;
    let name = if path.is_empty() { String::new() } else { format!("{path}: ") };
    match (now, wanted) {
        (Value::Null, wanted) => format!("+ {name}{}", shown(wanted)),
        (now, Value::Null) => format!("- {name}{}", shown(now)),
        (now, wanted) => format!("~ {name}{} -> {}", shown(now), shown(wanted)),
    }
}

/// A value in a line; of a long text, such as a certificate, the beginning.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Tells of events as they happen.
struct Telling(Output);

impl Observer for Telling {
    fn saw(&mut self, step: &Facts, event: &Event) {
        match event {
            Event::Begun => {}
            Event::Unchanged { words } => self.0.line(row("ok", step.id, words)),
            Event::Changed { words } => self.0.line(row("done", step.id, words)),
            Event::Proven { words } => self.0.line(row("proven", step.id, words)),
            Event::Failed { trouble } => {
                self.0.line(row("FAILED", step.id, &trouble.what));
                if !trouble.remedy.is_empty() {
                    self.0.line(format!("           What to do: {}", trouble.remedy));
                }
            }
        }
    }
}

impl Work<'_> {
    async fn apply(&self) -> Result<Exit> {
        let output = self.output;
        let mut journal = trust::journal(self.config)?;
        let site = self.site(&journal)?;
        let report = hybridge_connect::apply(&site, self.steps, &mut journal, &mut Telling(output)).await;
        let report = report.map_err(|stopped| Failure::new(Exit::Storage, stopped.to_string()))?;
        output.line("");
        output.line(if !report.failed.is_empty() {
            format!(
                "Stopped: {} done, {} left ({}). What was done stays done; `{}` goes on from here, `{}` \
             takes it back.",
                report.changed.len(),
                report.left.len() + 1,
                report
                    .failed
                    .iter()
                    .map(|(step, _)| *step)
                    .chain(report.left.iter().copied())
                    .collect::<Vec<_>>()
                    .join(", "),
                self.command("apply"),
                self.command("undo")
            )
        } else if report.changed.is_empty() {
            "Nothing changed: all of it was set up already.".to_owned()
        } else {
            format!("{} steps done. Next: {}", report.changed.len(), self.command("verify"))
        });
        output.json(&told(&report));
        Ok(ended(&report))
    }

    async fn verify(&self) -> Result<Exit> {
        let output = self.output;
        let site = self.site(&trust::journal(self.config)?)?;
        let report = hybridge_connect::verify(&site, self.steps, &mut Telling(output)).await;
        output.line("");
        output.line(if report.failed.is_empty() {
            match self.target {
                TargetName::Graph => "Everything works. Next: hybridge check, then hybridge run".to_owned(),
                TargetName::Native => "Everything works.".to_owned(),
            }
        } else {
            format!("{} of {} steps could not be proven.", report.failed.len(), self.steps.len())
        });
        output.json(&told(&report));
        Ok(ended(&report))
    }

    /// What would be put back.
    fn undo_plan(&self) -> Result<Exit> {
        let journal = trust::journal(self.config)?;
        let mut back = Vec::new();
        for step in self.steps.iter().rev() {
            let id = step.facts().id;
            let Some(before) = journal.before(id) else { continue };
            if let Some(why) = step.stays() {
                self.output.line(row("stays", id, why));
                continue;
            }
            self.output.line(row("undo", id, &format!("back to {before}")));
            back.push(json!({ "step": id, "before": before }));
        }
        if back.is_empty() {
            self.output.line("Nothing to take back: Hybridge changed nothing.");
        }
        self.output.json(&json!({ "dry_run": true, "undo": back }));
        Ok(Exit::Done)
    }

    async fn undo(&self, force: bool) -> Result<Exit> {
        let output = self.output;
        let mut journal = trust::journal(self.config)?;
        let site = self.site(&journal)?;
        let report =
            hybridge_connect::undo(&site, self.steps, &mut journal, force, &mut Telling(output)).await;
        let report = report.map_err(|stopped| Failure::new(Exit::Storage, stopped.to_string()))?;
        output.line("");
        output.line(match (report.failed.is_empty(), report.changed.len()) {
            (true, 0) => "Nothing to take back: Hybridge changed nothing.".to_owned(),
            (true, count) => format!("{count} steps taken back."),
            (false, count) => format!("Stopped: {count} steps taken back, {} left.", report.left.len() + 1),
        });
        output.json(&told(&report));
        Ok(ended(&report))
    }
}

fn told(report: &Report) -> Value {
    let failed: Vec<Value> =
        report.failed.iter().map(|(step, trouble)| json!({ "step": step, "trouble": trouble })).collect();
    json!({
        "changed": report.changed, "unchanged": report.unchanged, "proven": report.proven, "failed": failed,
        "left": report.left,
    })
}

fn ended(report: &Report) -> Exit {
    match report.failed.first() {
        None => Exit::Done,
        Some((_, Trouble { class: Class::Transient | Class::Throttled, .. })) => Exit::Temporary,
        Some(_) => Exit::Denied,
    }
}

fn log(config: &Config, steps: &[String], output: Output) -> Result<Exit> {
    let journal = trust::journal(config)?;
    let entries: Vec<&Entry> =
        journal.entries().iter().filter(|entry| steps.is_empty() || steps.contains(&entry.step)).collect();
    for entry in &entries {
        let action = match entry.action {
            Action::Apply => "apply",
            Action::Undo => "undo",
            Action::Rotate => "rotate",
            Action::Import => "by hand",
        };
        let outcome = match entry.outcome {
            Outcome::Begun => "begun",
            Outcome::Done => "done",
            Outcome::Failed => "FAILED",
        };
        output.line(format!("{}  {}  {} {} {outcome}", local(entry.at), entry.who, action, entry.step));
        match entry.outcome {
            Outcome::Done => output.line(format!("    {} -> {}", entry.before, entry.after)),
            Outcome::Failed => output.line(format!("    {}", entry.error)),
            Outcome::Begun => {}
        }
    }
    if entries.is_empty() {
        output.line("Nothing was done yet.");
    }
    output.json(&json!({ "entries": entries }));
    Ok(Exit::Done)
}
