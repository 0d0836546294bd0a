//! A made-up company: Lindhagen & Berg, makers of greenhouse climate control. People, customers, past
//! conversations, and the mail that goes on. Everything hangs on the seed.

mod mail;
mod names;
mod people;

use bytes::Bytes;
use hybridge_sandbox_graph::{Body, EmailAddress, HeaderField, Mail, MailAttachment};
use hybridge_sandbox_kit::Dice;
use hybridge_sandbox_organization::Refused;
use serde::Serialize;
use serde_json::json;

use crate::world::Sandbox;
pub use mail::Kind;
use people::{Colleague, Customer, Past};

/// The company in a world.
#[derive(Debug)]
pub struct Company {
    dice: Dice,
    colleagues: Vec<Colleague>,
    customers: Vec<Customer>,
    past: Vec<Past>,
    written: u64,
}

/// A mailbox of the company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailboxInfo {
    /// Whose it is.
    pub name: String,
    /// Its address.
    pub address: String,
}

impl Company {
    /// Founds the company in a world: `mailboxes` users and queues with their customers and the emails
    /// that they have already sent from Dynamics.
    ///
    /// # Errors
    /// When the organization refuses a row, which means that the company's data breaks its rules.
    pub fn found(sandbox: &Sandbox, mailboxes: usize) -> Result<Self, Refused> {
        let dice = sandbox.dice().fork("company");
        sandbox.organization().configure(&json!({ "name": "Lindhagen & Berg" }))?;
        let colleagues = people::hire(sandbox, &dice, mailboxes)?;
        let customers = people::win_customers(sandbox, &dice, 6 + mailboxes / 2)?;
        sandbox.enable_native_mailboxes();
        let past = people::write_history(sandbox, &dice, &colleagues, &customers)?;
        Ok(Self { dice, colleagues, customers, past, written: 0 })
    }

    /// Its mailboxes.
    pub fn mailboxes(&self) -> Vec<MailboxInfo> {
        self.colleagues
            .iter()
            .map(|colleague| MailboxInfo { name: colleague.name.clone(), address: colleague.address.clone() })
            .collect()
    }

    /// Somebody writes a mail; it is delivered to its recipients. Returns how many of the company's
    /// mailboxes got it.
    pub fn write_one(&mut self, sandbox: &Sandbox) -> usize {
        let mail = self.compose();
        let recipients = mail
            .to
            .iter()
            .chain(&mail.cc)
            .chain(&mail.bcc)
            .filter(|recipient| {
                self.colleagues.iter().any(|colleague| colleague.address == recipient.address)
            })
            .count();
        sandbox.graph().deliver(mail);
        recipients
    }

    /// Writes mails until the company's mailboxes hold about this many messages.
    pub fn fill(&mut self, sandbox: &Sandbox, messages: usize) -> usize {
        let mut delivered = 0;
        while delivered < messages && !self.colleagues.is_empty() {
            delivered += self.write_one(sandbox);
        }
        delivered
    }

    /// The next mail that somebody writes.
    pub fn compose(&mut self) -> Mail {
        self.written += 1;
        let kind = mail::draw_kind(&self.dice);
        self.compose_a(kind)
    }
}
