//! `hybridge connect accept`: one mail goes the whole way, and is taken away again.

use std::{path::Path, sync::Arc, time::Duration};

use hybridge_core::{eligibility::Mailbox, ids::RecordId, lane::LaneKind, message::InternetMessageId};
use hybridge_dynamics::Dynamics;
use hybridge_engine::Silent;
use hybridge_graph::{Graph, NewMessage, UserRef};
use hybridge_net::Chance;
use serde_json::json;

use crate::{
    cli::AcceptArgs,
    commands::sync::chosen,
    config::{self, Config},
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    trust,
    wiring::{self, Sides},
};

/// How often a program that runs is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// Puts a mail into a mailbox, brings it into Dynamics and removes both.
pub(crate) async fn accept(file: &Path, args: &AcceptArgs, output: Output) -> Result<Exit> {
    let config = config::load(file)?;
    let mailbox = mailbox(&config, args).await?;
    let address = mailbox.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let from = args.from.clone().unwrap_or_else(|| address.clone());
    let plan = [
        format!("put a mail from {from} into the Inbox of {address}, through Microsoft Graph as Hybridge"),
        "let the lane of this mailbox run once (or wait for the `hybridge run` that is at work)".to_owned(),
        "find the email record in Dynamics".to_owned(),
        "delete the record as the administrator of the organization, and the mail for good".to_owned(),
    ];
    if args.dry_run {
        for step in &plan {
            output.line(format!("  would {step}"));
        }
        output.json(&json!({ "dry_run": true, "mailbox": address, "from": from, "would": plan }));
        return Ok(Exit::Done);
    }
    let administration = trust::administration(&config)?.ok_or_else(|| {
        Failure::new(Exit::Configuration, "nobody may delete the record again: the service account may not")
            .help("Name a System Administrator of the organization in [connect] organization_account and her password in organization_password.")
    })?;
    let sides = Sides::of(&config, None)?;
    let user = UserRef::new(address.as_str());
    let mark = Chance::from_system().uuid().simple().to_string();
    let domain = address.split_once('@').map_or("invalid", |(_, domain)| domain);
    let written = NewMessage {
        message_id: format!("<hybridge-acceptance-{mark}@{domain}>"),
        subject: format!("Hybridge acceptance {mark}"),
        from,
        to: address.clone(),
        text: "Hybridge put this mail here to prove that it reaches Dynamics, and removes it again."
            .to_owned(),
    };
    let trial = Trial { config: &config, dynamics: &sides.dynamics, mailbox: &mailbox };
    let item = sides.graph.put_into_inbox(&user, &written).await.map_err(|error| graph(&error))?;
    output.line(format!("  done     a mail lies in the Inbox of {address}"));
    let record = trial.promoted(&written.message_id).await;
    // Whatever came of it, nothing stays behind.
    let left = take_away(&sides.graph, &administration, (&user, item.as_str()), &record).await;
    match &record {
        Ok(Some(record)) => output.line(format!("  proven   it became the email {record} in Dynamics")),
        Ok(None) => output.line("  FAILED   it became no record"),
        Err(failure) => output.line(format!("  FAILED   {}", failure.message)),
    }
    left?;
    output.line("  done     record and mail are removed");
    let record = record?.ok_or_else(|| {
        Failure::new(Exit::WithTroubles, format!("the mail in the mailbox {address} became no record"))
            .help(format!("`hybridge explain {mark}` says why. The owner's track option may not want it: try a mailbox whose owner tracks all email, or --from with the address of a contact."))
    })?;
    output.line("\nIncoming email works, from Exchange Online to Dynamics.");
    output.json(
        &json!({ "mailbox": address, "message_id": written.message_id, "record": record, "removed": true }),
    );
    Ok(Exit::Done)
}

fn graph(error: &hybridge_odata::Error) -> Failure {
    Failure::from(hybridge_graph::trouble(error))
}

/// The mailbox that is named, or the first one that takes part.
async fn mailbox(config: &Config, args: &AcceptArgs) -> Result<Mailbox> {
    let store = wiring::open_for_trial(config).await?;
    let engine = wiring::engine(config, store, Arc::new(Silent)).await?;
    let named: Vec<String> = args.mailbox.iter().cloned().collect();
    let found = chosen(engine.survey().await?, &named)?.eligible.into_iter().next();
    found.ok_or_else(|| {
        Failure::new(Exit::Configuration, "no mailbox takes part, so that nothing can be tried")
            .help("`hybridge status --all` says why each one does not.")
    })
}

/// What a mail is tried with.
struct Trial<'a> {
    config: &'a Config,
    dynamics: &'a Dynamics,
    mailbox: &'a Mailbox,
}

impl Trial<'_> {
    /// The record that a message becomes.
    async fn promoted(&self, message_id: &str) -> Result<Option<RecordId>> {
        let poll = Duration::from_secs(self.config.sync.poll_seconds);
        match wiring::lock(self.config) {
            Ok(_only_one) => {
                let store = wiring::open(self.config).await?;
                let engine = wiring::engine(self.config, store.clone(), Arc::new(Silent)).await?;
                engine.set_up().await?;
                let report = engine.run_lane(self.mailbox, LaneKind::IncomingEmail, poll).await;
                store.close().await;
                if let Some(trouble) = report?.trouble {
                    return Err(Failure::from(trouble));
                }
                self.record(message_id).await
            }
            Err(failure) if failure.exit == Exit::Locked => {
                let mut patience = poll * 2 + Duration::from_mins(1);
                loop {
                    let found = self.record(message_id).await?;
                    if found.is_some() || patience.is_zero() {
                        return Ok(found);
                    }
                    tokio::time::sleep(LOOK).await;
                    patience = patience.saturating_sub(LOOK);
                }
            }
            Err(failure) => Err(failure),
        }
    }

    async fn record(&self, message_id: &str) -> Result<Option<RecordId>> {
        let Some(id) = InternetMessageId::new(message_id) else { return Ok(None) };
        let failed = |error: &hybridge_odata::Error| Failure::from(hybridge_dynamics::trouble(error));
        let mut found = self.dynamics.emails_by_message_id(&[id]).await.map_err(|error| failed(&error))?;
        let row = found.pop().transpose().map_err(|error| failed(&error))?.flatten();
        Ok(row.map(|row| row.id))
    }
}

/// Removes the mail and its record.
async fn take_away(
    graph_side: &Graph,
    administration: &Dynamics,
    (user, item): (&UserRef, &str),
    record: &Result<Option<RecordId>>,
) -> Result<()> {
    let mail = graph_side.purge_message(user, item).await.map_err(|error| graph(&error));
    if let Ok(Some(record)) = record {
        let gone = administration.delete_email(record.0).await;
        gone.map_err(|error| Failure::from(hybridge_dynamics::trouble(&error)))?;
    }
    mail
}
