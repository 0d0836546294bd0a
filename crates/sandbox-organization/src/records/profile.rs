//! Email server profiles (dynamics.md 4.1, setup.md 2.4).

use crate::{
    cell::Cell,
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::write::Changes,
    rows::Row,
    schema::Table,
};

/// Exchange Online (Hybrid).
const EXCHANGE_ONLINE: i64 = 3;

pub(super) fn before_create(table: &'static Table, changes: &mut Changes) -> Outcome<()> {
    if changes.get("name").is_none() {
        return Err(Fault::bad(INVALID_ARGUMENT, "Required field 'name' is missing."));
    }
    let defaults = [
        ("usedefaulttenantid", Cell::Boolean(true)),
        ("useautodiscover", Cell::Boolean(false)),
        ("usesamesettingsforoutgoingconnections", Cell::Boolean(true)),
        ("incominguseimpersonation", Cell::Boolean(false)),
        ("outgoinguseimpersonation", Cell::Boolean(false)),
        ("timeoutmailboxconnection", Cell::Boolean(true)),
        ("moveundeliveredemails", Cell::Boolean(false)),
        ("sendemailalert", Cell::Boolean(false)),
        ("minpollingintervalinminutes", Cell::Integer(0)),
    ];
    for (column, value) in defaults {
        if !changes.mentions(column) {
            changes.set(table, column, value);
        }
    }
    complete(&Row::default(), changes)
}

pub(super) fn before_update(old: &Row, changes: &Changes) -> Outcome<()> {
    let columns = [
        "servertype",
        "usedefaulttenantid",
        "exchangeonlinetenantid",
        "useautodiscover",
        "incomingserverlocation",
    ];
    if columns.iter().any(|column| changes.mentions(column)) {
        return complete(old, changes);
    }
    Ok(())
}

/// A profile for Exchange Online says whose tenant and where the server is.
fn complete(old: &Row, changes: &Changes) -> Outcome<()> {
    let now = |column: &str| {
        if changes.mentions(column) { changes.get(column) } else { old.get(column) }
    };
    if now("servertype") != Some(&Cell::Integer(EXCHANGE_ONLINE)) {
        return Ok(());
    }
    if now("usedefaulttenantid") == Some(&Cell::Boolean(false)) && now("exchangeonlinetenantid").is_none() {
        return Err(Fault::bad(
            INVALID_ARGUMENT,
            "exchangeonlinetenantid is needed when usedefaulttenantid is false.",
        ));
    }
    if now("useautodiscover") != Some(&Cell::Boolean(true)) && now("incomingserverlocation").is_none() {
        return Err(Fault::bad(
            INVALID_ARGUMENT,
            "incomingserverlocation is needed when useautodiscover is false.",
        ));
    }
    Ok(())
}
