//! Applies, proves and takes back.

use hybridge_core::trouble::{Class, Trouble};
use serde::Serialize;
use serde_json::Value;

use crate::{Action, Facts, Journal, JournalError, Obstacle, Outcome, Reading, Site, Step};

/// What happened to a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Event {
    /// It is being worked on.
    Begun,
    /// There was nothing to do.
    Unchanged {
        /// The state in words.
        words: String,
    },
    /// It was applied, or taken back.
    Changed {
        /// What was changed, in words.
        words: String,
    },
    /// It was proven by using it.
    Proven {
        /// How.
        words: String,
    },
    /// It failed.
    Failed {
        /// What stands in the way.
        trouble: Trouble,
    },
}

/// Is told of every event as it happens.
pub trait Observer {
    /// Something happened to a step.
    fn saw(&mut self, step: &Facts, event: &Event);
}

/// What was done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The steps that were changed.
    pub changed: Vec<&'static str>,
    /// The steps where there was nothing to do.
    pub unchanged: Vec<&'static str>,
    /// The steps that were proven.
    pub proven: Vec<&'static str>,
    /// The steps that failed, with what stands in their way.
    pub failed: Vec<(&'static str, Trouble)>,
    /// The steps that were not reached.
    pub left: Vec<&'static str>,
}

/// The audit log can't be written: nothing more is done.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Stopped(#[from] JournalError);

struct Telling<'a> {
    report: Report,
    observer: &'a mut dyn Observer,
}

impl Telling<'_> {
    fn tell(&mut self, step: &'static Facts, event: &Event) {
        self.observer.saw(step, event);
        match event {
            Event::Begun => {}
            Event::Unchanged { .. } => self.report.unchanged.push(step.id),
            Event::Changed { .. } => self.report.changed.push(step.id),
            Event::Proven { .. } => self.report.proven.push(step.id),
            Event::Failed { trouble } => self.report.failed.push((step.id, trouble.clone())),
        }
    }
}

/// Does what is not done yet, in order, and stops at the first step that fails. What was done stays done: a second
/// `apply` goes on where this one stopped.
///
/// # Errors
/// When the journal can't be written.
pub async fn apply(
    site: &Site,
    steps: &[Box<dyn Step>],
    journal: &mut Journal,
    observer: &mut dyn Observer,
) -> Result<Report, Stopped> {
    let mut telling = Telling { report: Report::default(), observer };
    for (index, step) in steps.iter().enumerate() {
        let facts = step.facts();
        telling.tell(facts, &Event::Begun);
        let event = apply_one(site, step.as_ref(), journal).await?;
        let failed = matches!(event, Event::Failed { .. });
        telling.tell(facts, &event);
        if failed {
            telling.report.left = steps.iter().skip(index + 1).map(|step| step.facts().id).collect();
            break;
        }
    }
    Ok(telling.report)
}

async fn apply_one(site: &Site, step: &dyn Step, journal: &mut Journal) -> Result<Event, JournalError> {
    let id = step.facts().id;
    let reading = match step.probe(site).await {
        Ok(reading) if reading.is_done() => return Ok(Event::Unchanged { words: reading.words }),
        Ok(reading) => reading,
        Err(obstacle) => return Ok(Event::Failed { trouble: obstacle.trouble() }),
    };
    let values = (&reading.now, &reading.wanted);
    journal.add(site.now(), id, (Action::Apply, Outcome::Begun), values, "")?;
    let outcome = make(site, step, &reading).await;
    match outcome {
        Ok(after) => {
            journal.add(site.now(), id, (Action::Apply, Outcome::Done), (&reading.now, &after), "")?;
            Ok(Event::Changed { words: reading.words })
        }
        Err(obstacle) => {
            let trouble = obstacle.trouble();
            journal.add(site.now(), id, (Action::Apply, Outcome::Failed), values, &trouble.what)?;
            Ok(Event::Failed { trouble })
        }
    }
}

/// Applies a step and reads again what was written: directories answer before all their servers know, and another tool
/// may have written over it at the same time, so that it is worth a second try (setup.md 3.1, defect 5).
async fn make(site: &Site, step: &dyn Step, reading: &Reading) -> Result<Value, Obstacle> {
    const TRIES: u32 = 2;
    const LOOKS: u32 = 3;
    let mut reading = reading.clone();
    for _ in 0..TRIES {
        step.apply(site, &reading).await?;
        let mut pause = site.settling();
        for look in 1..=LOOKS {
            reading = step.probe(site).await?;
            if reading.is_done() {
                return Ok(reading.now);
            }
            if look < LOOKS {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
    let what = format!("{} was changed twice, but does not read as it was written", step.facts().title);
    let remedy = "Another tool may change it at the same time, or the service is slow to tell: run `hybridge connect apply` \
                  again, it goes on from here.";
    Err(Obstacle::refused(what, remedy))
}

/// Proves every step by using it; a failure does not keep the others from being tried.
pub async fn verify(site: &Site, steps: &[Box<dyn Step>], observer: &mut dyn Observer) -> Report {
    let mut telling = Telling { report: Report::default(), observer };
    for step in steps {
        let facts = step.facts();
        telling.tell(facts, &Event::Begun);
        let event = match step.verify(site).await {
            Ok(words) => Event::Proven { words },
            Err(obstacle) => Event::Failed { trouble: obstacle.trouble() },
        };
        telling.tell(facts, &event);
    }
    telling.report
}

/// Puts back what was there before Hybridge changed it, last step first, and stops at the first failure. What
/// Hybridge did not change is left alone, and so is what somebody else changed since, unless `force` says otherwise.
///
/// # Errors
/// When the journal can't be written.
pub async fn undo(
    site: &Site,
    steps: &[Box<dyn Step>],
    journal: &mut Journal,
    force: bool,
    observer: &mut dyn Observer,
) -> Result<Report, Stopped> {
    let mut telling = Telling { report: Report::default(), observer };
    for (index, step) in steps.iter().enumerate().rev() {
        let facts = step.facts();
        let Some(before) = journal.before(facts.id).cloned() else {
            telling.tell(facts, &Event::Unchanged { words: "Hybridge did not change it".to_owned() });
            continue;
        };
        if let Some(why) = step.stays() {
            telling.tell(facts, &Event::Unchanged { words: why.to_owned() });
            continue;
        }
        telling.tell(facts, &Event::Begun);
        let probed = step.probe(site).await.map(|reading| reading.now);
        if let (false, Ok(now)) = (force, &probed)
            && let Some(trouble) = changed_since(journal, facts, now, &before)
        {
            telling.tell(facts, &Event::Failed { trouble });
            telling.report.left = steps.iter().take(index).map(|step| step.facts().id).collect();
            break;
        }
        let now = probed.unwrap_or_default();
        let values = (&now, &before);
        journal.add(site.now(), facts.id, (Action::Undo, Outcome::Begun), values, "")?;
        let event = match step.undo(site, &before).await {
            Ok(()) => {
                journal.add(site.now(), facts.id, (Action::Undo, Outcome::Done), values, "")?;
                Event::Changed { words: "as it was before".to_owned() }
            }
            Err(obstacle) => {
                let trouble = obstacle.trouble();
                journal.add(site.now(), facts.id, (Action::Undo, Outcome::Failed), values, &trouble.what)?;
                Event::Failed { trouble }
            }
        };
        let failed = matches!(event, Event::Failed { .. });
        telling.tell(facts, &event);
        if failed {
            telling.report.left = steps.iter().take(index).map(|step| step.facts().id).collect();
            break;
        }
    }
    Ok(telling.report)
}

/// What somebody else changed since Hybridge did; undoing would lose it.
fn changed_since(journal: &Journal, facts: &Facts, now: &Value, before: &Value) -> Option<Trouble> {
    const SHOWN: usize = 4;
    let (after, at) = journal.after(facts.id)?;
    if now == after || now == before {
        return None;
    }
    let reading = Reading { now: after.clone(), wanted: now.clone(), words: String::new() };
    let mut told: Vec<String> = reading
        .differences()
        .iter()
        .map(|difference| format!("{} {} -> {}", difference.path, difference.now, difference.wanted))
        .collect();
    let more = told.len().saturating_sub(SHOWN);
    told.truncate(SHOWN);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    let what = format!(
        "it was changed after Hybridge did, which was at {at}: {}",
        told.iter().map(|told| told.trim()).collect::<Vec<_>>().join("; ")
    );
    let remedy = format!(
        "The same command with --step {} --force puts back what was there before Hybridge all the same.",
        facts.id
    );
    Some(Trouble::new(Class::Denied, what, remedy))
}
