//! Filling the organization from outside, as the server itself would.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::{
    fault::Fault,
    odata::write::Purpose,
    organization::Organization,
    records, schema,
    state::{Session, State},
};

/// A row that could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code of the organization's fault (`0x…`), empty when the row could not be read.
    pub code: String,
    /// Why.
    pub message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the organization refuses the row: {} {}", self.message, self.code)
    }
}

impl std::error::Error for Refused {}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code_text(), message: fault.message }
    }
}

/// A user to add. His mailbox is approved, tested and synchronised unless told otherwise by `update`.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// `DOMAIN\user` or a user principal name.
    pub domain_name: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The primary address.
    pub address: String,
    /// The track option (`usersettings.incomingemailfilteringmethod`, 0 to 4); 1 is the product's default.
    pub track_option: i32,
}

/// A user that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeededUser {
    /// The `systemuser`.
    pub user: Uuid,
    /// His `mailbox`.
    pub mailbox: Uuid,
}

/// A queue to add. Its mailbox is approved, tested and synchronised.
#[derive(Debug, Clone, Default)]
pub struct NewQueue {
    /// The name.
    pub name: String,
    /// The address.
    pub address: String,
    /// The track option (`queue.incomingemailfilteringmethod`, 0 to 4).
    pub track_option: i32,
    /// The user who owns the queue; the service account when there is none.
    pub owner: Option<Uuid>,
}

/// A queue that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeededQueue {
    /// The `queue`.
    pub queue: Uuid,
    /// Its `mailbox`.
    pub mailbox: Uuid,
}

/// The file types that an organization blocks out of the box (an excerpt of the default list).
const BLOCKED: &str = "ade;adp;app;asa;asp;bat;cer;chm;class;cmd;com;cpl;crt;csh;dll;exe;fxp;hlp;hta;htr;inf;ins;isp;jar;js;jse;ksh;lnk;mda;mdb;mde;mdt;mdw;mdz;msc;msi;msp;mst;pcd;pif;prf;prg;reg;scr;sct;shb;shs;url;vb;vbe;vbs;ws;wsc;wsf;wsh";

/// Writes the rows that every organization has.
pub(crate) fn found(state: &mut State) {
    let identity = state.identity;
    let rows = [
        ("businessunit", identity.business_unit, json!({ "name": "Contoso", "isdisabled": false })),
        (
            "organization",
            identity.organization,
            json!({
                "name": "Contoso",
                "emailconnectionchannel": 1,
                "requireapprovalforuseremail": true,
                "requireapprovalforqueueemail": true,
                "emailcorrelationenabled": true,
                "enablesmartmatching": true,
                "istrackingtokenenabled": true,
                "trackingprefix": "CRM:",
                "trackingtokenidbase": 0,
                "trackingtokeniddigits": 3,
                "nexttrackingnumber": 1,
                "maximumtrackingnumber": 999,
                "hashfilterkeywords": "^[\\s]*([\\w]+\\s?:[\\s]*)+",
                "hashdeltasubjectcount": 0,
                "hashmaxcount": 20,
                "hashminaddresscount": 2,
                "ignoreinternalemail": false,
                "maxuploadfilesize": 5_242_880,
                "blockedattachments": BLOCKED,
                "allowunresolvedpartiesonemailsend": false,
                "unresolveemailaddressifmultiplematch": false,
                "maxfolderbasedtrackingmappings": 25,
                "expirechangetrackingindays": 90,
                "languagecode": 1033,
                "orgdborgsettings": "<OrgSettings></OrgSettings>",
            }),
        ),
        ("role", identity.administrator_role, json!({ "name": "System Administrator" })),
        (
            "systemuser",
            identity.system,
            json!({ "lastname": "SYSTEM", "domainname": "", "isdisabled": true, "accessmode": 3 }),
        ),
        (
            "systemuser",
            identity.service_account,
            json!({
                "firstname": "Hybridge",
                "lastname": "Service",
                "domainname": "CONTOSO\\svc-hybridge",
                "isdisabled": false,
                "accessmode": 4,
                "incomingemaildeliverymethod": 0,
                "outgoingemaildeliverymethod": 0,
            }),
        ),
    ];
    for (table, id, row) in rows {
        // These rows fit the schema; a mistake here shows in the first test that reads one.
        insert(state, table, Some(id), &row).map(drop).unwrap_or_default();
    }
    give_role(state, identity.service_account, identity.administrator_role).unwrap_or_default();
    let session = Session::system(state);
    if let Some(users) = schema::table("systemuser") {
        records::give_mailbox(state, &session, users, identity.service_account).unwrap_or_default();
    }
}

fn insert(state: &mut State, table: &str, id: Option<Uuid>, row: &Json) -> Result<Uuid, Fault> {
    let table = schema::table(table).ok_or_else(|| Fault::no_segment(table))?;
    let mut body: Map<String, Json> =
        row.as_object().cloned().ok_or_else(|| Fault::unreadable("A row is a JSON object."))?;
    if let Some(id) = id {
        body.insert(table.key.to_owned(), Json::from(id.to_string()));
    }
    let session = Session::system(state);
    records::create(state, &session, table, &body, Purpose::System)
}

fn give_role(state: &mut State, user: Uuid, role: Uuid) -> Result<(), Fault> {
    let link = json!({ "_systemuserid_value": user, "_roleid_value": role });
    insert(state, "systemuserroles", None, &link).map(drop)
}

fn mailbox_of(state: &State, table: &str, id: Uuid) -> Result<Uuid, Fault> {
    let missing = || Fault::no_row("mailbox", id);
    let table = schema::table(table).ok_or_else(missing)?;
    let row = state.store.get(table, id).ok_or_else(missing)?;
    row.lookup("defaultmailbox").map(|mailbox| mailbox.id).ok_or_else(missing)
}

impl Organization {
    /// Writes a row as SYSTEM: every column may be given, closed states too; a lookup as
    /// `"<nav>@odata.bind": "/contacts(id)"` or `"_<lookup>_value": "id"`.
    ///
    /// # Errors
    /// When a name is unknown, a value does not fit, or the key is taken.
    pub fn insert(&self, table: &str, row: &Json) -> Result<Uuid, Refused> {
        Ok(insert(&mut self.lock(), table, None, row)?)
    }

    /// Changes a row as SYSTEM; the columns as for [`Organization::insert`], null clears.
    ///
    /// # Errors
    /// When the row is not there, a name is unknown or a value does not fit.
    pub fn update(&self, table: &str, id: Uuid, changes: &Json) -> Result<(), Refused> {
        let mut state = self.lock();
        let table = schema::table(table).ok_or_else(|| Fault::no_segment(table))?;
        let body = changes.as_object().cloned().unwrap_or_default();
        let session = Session::system(&state);
        Ok(records::update(&mut state, &session, table, id, &body, Purpose::System)?)
    }

    /// Changes the organization's own row: email channel, limits, `orgdborgsettings` and so on.
    ///
    /// # Errors
    /// When a name is unknown or a value does not fit.
    pub fn configure(&self, changes: &Json) -> Result<(), Refused> {
        let id = self.id();
        self.update("organization", id, changes)
    }

    /// Changes the mailbox record of an address, as an administrator would.
    ///
    /// # Errors
    /// When no mailbox has the address, or a value does not fit.
    pub fn configure_mailbox(&self, address: &str, changes: &Json) -> Result<(), Refused> {
        let table = schema::table("mailbox").ok_or_else(|| Fault::no_segment("mailbox"))?;
        let found = {
            let state = self.lock();
            let mut rows = state.store.rows(table);
            rows.find(|(_, row)| row.text("emailaddress").eq_ignore_ascii_case(address)).map(|(id, _)| id)
        };
        let id = found.ok_or_else(|| Fault::unreadable("No mailbox has this address."))?;
        self.update("mailbox", id, changes)
    }

    /// Deletes a row as SYSTEM.
    ///
    /// # Errors
    /// When the row is not there.
    pub fn delete(&self, table: &str, id: Uuid) -> Result<(), Refused> {
        let mut state = self.lock();
        let table = schema::table(table).ok_or_else(|| Fault::no_segment(table))?;
        Ok(state.atomically(|state| records::delete(state, table, id))?)
    }

    /// Switches change tracking of a table on or off.
    pub fn track_changes(&self, table: &str, on: bool) {
        if let Some(table) = schema::table(table) {
            let mut state = self.lock();
            if on {
                state.tracked.insert(table.name)
            } else {
                state.tracked.remove(table.name)
            };
        }
    }

    /// Adds an enabled user with a role, his settings and his mailbox.
    ///
    /// # Errors
    /// When a value does not fit.
    pub fn add_user(&self, user: &NewUser) -> Result<SeededUser, Refused> {
        let mut state = self.lock();
        let row = json!({
            "firstname": user.first_name,
            "lastname": user.last_name,
            "domainname": user.domain_name,
            "internalemailaddress": user.address,
            "incomingemaildeliverymethod": 2,
            "outgoingemaildeliverymethod": 2,
            "emailrouteraccessapproval": 1,
            "isdisabled": false,
            "accessmode": 0,
        });
        let id = state.atomically(|state| -> Result<Uuid, Fault> {
            let id = insert(state, "systemuser", None, &row)?;
            let session = Session::system(state);
            if let Some(users) = schema::table("systemuser") {
                records::give_mailbox(state, &session, users, id)?;
            }
            let settings =
                Map::from_iter([("incomingemailfilteringmethod".to_owned(), Json::from(user.track_option))]);
            if let Some(table) = schema::table("usersettings") {
                records::update(state, &session, table, id, &settings, Purpose::System)?;
            }
            give_role(state, id, state.identity.administrator_role)?;
            Ok(id)
        })?;
        Ok(SeededUser { user: id, mailbox: mailbox_of(&state, "systemuser", id)? })
    }

    /// Adds an active queue with its mailbox.
    ///
    /// # Errors
    /// When a value does not fit.
    pub fn add_queue(&self, queue: &NewQueue) -> Result<SeededQueue, Refused> {
        let mut state = self.lock();
        let owner = queue.owner.unwrap_or(state.identity.service_account);
        let row = json!({
            "name": queue.name,
            "emailaddress": queue.address,
            "incomingemaildeliverymethod": 2,
            "outgoingemaildeliverymethod": 2,
            "incomingemailfilteringmethod": queue.track_option,
            "emailrouteraccessapproval": 1,
            "_ownerid_value": owner,
        });
        let id = state.atomically(|state| -> Result<Uuid, Fault> {
            let id = insert(state, "queue", None, &row)?;
            let session = Session::system(state);
            if let Some(queues) = schema::table("queue") {
                records::give_mailbox(state, &session, queues, id)?;
            }
            Ok(id)
        })?;
        Ok(SeededQueue { queue: id, mailbox: mailbox_of(&state, "queue", id)? })
    }
}
