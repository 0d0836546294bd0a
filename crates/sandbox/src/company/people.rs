//! Who is there: colleagues with their mailboxes, customers with their records, and what they wrote to
//! each other before.

use hybridge_sandbox_graph::{MailboxState, NewUser};
use hybridge_sandbox_kit::Dice;
use hybridge_sandbox_organization::{NewQueue, NewUser as NewSystemUser, Refused};
use serde_json::json;
use uuid::Uuid;

use super::names::{COMPANIES, FIRST, LAST, TOPICS};
use crate::world::{Sandbox, TENANT_DOMAIN};

/// A user or queue of the company.
#[derive(Debug, Clone)]
pub(super) struct Colleague {
    pub(super) name: String,
    pub(super) address: String,
    /// The `systemuser` or `queue`.
    pub(super) record: Uuid,
    pub(super) is_queue: bool,
}

/// A contact of a customer.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    pub(super) name: String,
    pub(super) address: String,
}

/// An email that was sent from Dynamics before Hybridge came.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) message_id: String,
    pub(super) subject: String,
    pub(super) colleague: usize,
    pub(super) customer: usize,
}

const QUEUES: &[&str] = &["Sales", "Support", "Projects", "Accounts"];

/// The track options that users have chosen, in turn (server-side-sync.md 2.3): mostly "answers to
/// Dynamics email" and "from leads, contacts and accounts".
const USER_OPTIONS: &[i32] = &[1, 2, 1, 2, 0, 1, 3, 2];

pub(super) fn hire(sandbox: &Sandbox, dice: &Dice, mailboxes: usize) -> Result<Vec<Colleague>, Refused> {
    (0..mailboxes).map(|index| hire_one(sandbox, dice, index)).collect()
}

fn hire_one(sandbox: &Sandbox, dice: &Dice, index: usize) -> Result<Colleague, Refused> {
    let organization = sandbox.organization();
    // Every sixth mailbox is a queue's, as long as there are names for queues.
    let queue = (index % 6 == 5).then(|| QUEUES.get(index / 6)).flatten();
    if let Some(name) = queue {
        let address = format!("{}@{TENANT_DOMAIN}", name.to_lowercase());
        let made = organization.add_queue(&NewQueue {
            name: (*name).to_owned(),
            address: address.clone(),
            track_option: 0,
            owner: None,
        })?;
        add_mailbox(sandbox, name, &address);
        return Ok(Colleague { name: (*name).to_owned(), address, record: made.queue, is_queue: true });
    }
    let (first, last) = pick_name(dice);
    let name = format!("{first} {last}");
    let address = format!("{}.{}{}@{TENANT_DOMAIN}", ascii(first), ascii(last), index + 1);
    let option = USER_OPTIONS.get(index % USER_OPTIONS.len()).copied().unwrap_or(1);
    let made = organization.add_user(&NewSystemUser {
        domain_name: format!("CONTOSO\\{}{}", ascii(last), index + 1),
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        address: address.clone(),
        track_option: option,
    })?;
    add_mailbox(sandbox, &name, &address);
    Ok(Colleague { name, address, record: made.user, is_queue: false })
}

fn add_mailbox(sandbox: &Sandbox, name: &str, address: &str) {
    sandbox.graph().add_user(NewUser {
        id: None,
        display_name: name.to_owned(),
        user_principal_name: address.to_owned(),
        addresses: vec![address.to_owned()],
        mailbox: MailboxState::Normal,
    });
}

pub(super) fn win_customers(sandbox: &Sandbox, dice: &Dice, count: usize) -> Result<Vec<Customer>, Refused> {
    let organization = sandbox.organization();
    let mut customers = Vec::with_capacity(count);
    for index in 0..count {
        let company = COMPANIES.get(index % COMPANIES.len()).copied().unwrap_or("Alpine Orchids");
        let domain = format!("{}.example.com", ascii(company));
        let (first, last) = pick_name(dice);
        let address = format!("{}.{}{index}@{domain}", ascii(first), ascii(last));
        if index % 7 == 6 {
            organization.insert(
                "lead",
                &json!({ "subject": "Met at the fair", "firstname": first, "lastname": last, "companyname": company, "emailaddress1": address }),
            )?;
        } else {
            let account = organization.insert(
                "account",
                &json!({ "name": format!("{company} {}", index / COMPANIES.len() + 1) }),
            )?;
            organization.insert(
                "contact",
                &json!({
                    "firstname": first, "lastname": last, "emailaddress1": address,
                    "parentcustomerid_account@odata.bind": format!("/accounts({account})"),
                }),
            )?;
        }
        customers.push(Customer { name: format!("{first} {last}"), address });
    }
    Ok(customers)
}

/// Emails that were sent from Dynamics, two for each colleague: what answers can correlate with.
pub(super) fn write_history(
    sandbox: &Sandbox,
    dice: &Dice,
    colleagues: &[Colleague],
    customers: &[Customer],
) -> Result<Vec<Past>, Refused> {
    let organization = sandbox.organization();
    let mut past = Vec::new();
    let users = colleagues.iter().enumerate().filter(|(_, colleague)| !colleague.is_queue);
    for (index, colleague) in users.flat_map(|user| [user, user]) {
        let customer_index = dice.below(customers.len());
        let Some(customer) = customers.get(customer_index) else { break };
        let token = format!("CRM:{:07}", 1000 + past.len());
        let subject = format!("{} {token}", dice.pick(TOPICS).copied().unwrap_or("Offer"));
        let message_id = format!("<{}@{TENANT_DOMAIN}>", dice.uuid().simple());
        let email = organization.insert(
            "email",
            &json!({
                "subject": subject, "messageid": message_id, "trackingtoken": token, "directioncode": true,
                "description": "<p>Sent from Dynamics.</p>",
                "email_activity_parties": [
                    { "participationtypemask": 1, "partyid_systemuser@odata.bind": format!("/systemusers({})", colleague.record) },
                    { "participationtypemask": 2, "addressused": customer.address },
                ],
            }),
        )?;
        organization.update("email", email, &json!({ "statecode": 1, "statuscode": 3 }))?;
        past.push(Past { message_id, subject, colleague: index, customer: customer_index });
    }
    Ok(past)
}

fn pick_name(dice: &Dice) -> (&'static str, &'static str) {
    (dice.pick(FIRST).copied().unwrap_or("Anna"), dice.pick(LAST).copied().unwrap_or("Berg"))
}

/// A name as it stands in an address.
pub(super) fn ascii(name: &str) -> String {
    let mut text = String::new();
    for letter in name.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => text.push(letter),
            'ä' => text.push_str("ae"),
            'ö' | 'ø' => text.push_str("oe"),
            'ü' => text.push_str("ue"),
            'ß' => text.push_str("ss"),
            'ë' | 'é' => text.push('e'),
            _ => {}
        }
    }
    text
}
