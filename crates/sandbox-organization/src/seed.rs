//! Filling the organization from outside, as the server itself would.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::{
    access,
    cell::Cell,
    fault::Fault,
    odata::write::Purpose,
    organization::Organization,
    records,
    rows::Row,
    schema,
    state::{Session, State},
    web::roles,
};

/// What the role System Administrator is made from, in every organization.
const ADMINISTRATOR_TEMPLATE: Uuid = Uuid::from_u128(0x6270_90ff_40a3_4053_8790_584e_dc5b_e201);
/// The service account.
const SERVICE_ACCOUNT: &str = "CONTOSO\\svc-hybridge";
/// The role of the service account.
const SYNCHRONISER: &str = "Hybridge Sync";
const SOME: &[&str] = &["Create", "Read", "Write", "Append", "AppendTo", "Assign"];
const LOOK: &[&str] = &["Read", "AppendTo"];

/// What that role holds, as far as this build has it: the kinds of record, and the rights (setup.md 4.2).
const NEEDED: &[(&str, &[&str])] = &[
    ("Activity", &["Create", "Read", "Write", "Append", "AppendTo", "Assign", "Share"]),
    ("Queue", LOOK),
    ("QueueItem", SOME),
    ("Contact", &["Create", "Read", "Write", "Append", "AppendTo"]),
    ("Account", LOOK),
    ("Lead", LOOK),
    ("User", LOOK),
    ("BusinessUnit", &["Read"]),
    ("UserSettings", &["Read"]),
    ("Organization", &["Read"]),
    ("Mailbox", &["Read", "Write"]),
    ("EmailServerProfile", &["Read", "Write"]),
    ("ExchangeSyncIdMapping", &["Create", "Read", "Write", "Delete"]),
    ("TraceLog", &["Create", "Read"]),
    ("Note", &["Create", "Read", "Append"]),
    ("Role", &["Read"]),
    ("Entity", &["Read"]),
];

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
        ("roletemplate", ADMINISTRATOR_TEMPLATE, json!({ "name": "System Administrator" })),
        (
            "role",
            identity.administrator_role,
            json!({ "name": "System Administrator", "_roletemplateid_value": ADMINISTRATOR_TEMPLATE }),
        ),
        (
            "systemuser",
            identity.system,
            json!({ "lastname": "SYSTEM", "domainname": "", "isdisabled": true, "accessmode": 3 }),
        ),
        (
            "systemuser",
            identity.administrator,
            json!({
                "firstname": "CRM",
                "lastname": "Administrator",
                "domainname": "CONTOSO\\crm.admin",
                "isdisabled": false,
                "accessmode": 0,
            }),
        ),
        (
            "systemuser",
            identity.service_account,
            json!({
                "firstname": "Hybridge",
                "lastname": "Service",
                "domainname": SERVICE_ACCOUNT,
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
    let synchroniser = synchroniser_role(state);
    roles::link(state, identity.administrator, identity.administrator_role).unwrap_or_default();
    roles::link(state, identity.service_account, synchroniser).unwrap_or_default();
    let session = Session::system(state);
    if let Some(users) = schema::table("systemuser") {
        records::give_mailbox(state, &session, users, identity.service_account).unwrap_or_default();
    }
}

/// The privileges of this build, and a role with those that an external synchroniser needs.
fn synchroniser_role(state: &mut State) -> Uuid {
    let id = Uuid::new_v5(&state.identity.administrator_role, SYNCHRONISER.as_bytes());
    let Some(table) = schema::table("privilege") else { return id };
    for (name, right) in access::privileges() {
        let mut row = Row::default();
        row.set("name", Cell::text(&name));
        row.set("accessright", Cell::Integer(right));
        row.set("canbeglobal", Cell::Boolean(true));
        state.store.put(table, access::privilege_id(&name), row);
    }
    let role = json!({ "name": SYNCHRONISER, "_businessunitid_value": state.identity.business_unit });
    insert(state, "role", Some(id), &role).map(drop).unwrap_or_default();
    let grants: Vec<(Uuid, i64)> = NEEDED
        .iter()
        .flat_map(|(kind, rights)| rights.iter().map(move |right| format!("prv{right}{kind}")))
        .chain(["prvActOnBehalfOfAnotherUser", "prvSendAsUser"].map(str::to_owned))
        .map(|name| (access::privilege_id(&name), access::GLOBAL))
        .collect();
    roles::give(state, id, &grants).unwrap_or_default();
    id
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

/// The service account, or the administrator where there is none yet.
fn queue_owner(state: &State) -> Uuid {
    let service = state.identity.service_account;
    let known = schema::table("systemuser").is_some_and(|users| state.store.get(users, service).is_some());
    if known { service } else { state.identity.administrator }
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

    /// Gives the service account the role System Administrator on top of its own.
    ///
    /// # Errors
    /// When it is not there.
    pub fn trust_service_account(&self) -> Result<(), Refused> {
        let mut state = self.lock();
        let users = schema::table("systemuser").ok_or_else(|| Fault::no_segment("systemusers"))?;
        // It may have been made anew by somebody, under another id.
        let account = Cell::text(SERVICE_ACCOUNT);
        let found = state.store.find_rows(users, "domainname", &account).next().map(|(id, _)| id);
        let user = found.ok_or_else(|| Fault::no_row("systemuser", state.identity.service_account))?;
        let role = state.identity.administrator_role;
        Ok(roles::link(&mut state, user, role)?)
    }

    /// Takes the service account, its settings, its mailbox and its role away: nobody has prepared the organization.
    pub fn forget_service_account(&self) {
        let mut state = self.lock();
        let service = state.identity.service_account;
        let mailbox = mailbox_of(&state, "systemuser", service).ok();
        let held: Vec<Uuid> = access::roles_of(&state, service).map(|(role, _)| role).collect();
        for (table, id) in held.into_iter().map(|role| ("role", role)).chain([("usersettings", service)]) {
            if let Some(table) = schema::table(table) {
                records::delete(&mut state, table, id).unwrap_or_default();
            }
        }
        for (table, id) in [("systemuser", Some(service)), ("mailbox", mailbox)] {
            if let (Some(table), Some(id)) = (schema::table(table), id) {
                state.store.remove(table, id);
            }
        }
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
            roles::link(state, id, state.identity.administrator_role)?;
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
        let owner = queue.owner.unwrap_or_else(|| queue_owner(&state));
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
