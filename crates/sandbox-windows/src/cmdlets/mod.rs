//! The cmdlets, by where they come from.
#![allow(clippy::unnecessary_wraps, reason = "every cmdlet has the signature of the table")]

mod adfs;
mod crm;
mod iis;
mod items;
mod objects;
mod services;
mod shell;

use crate::run::call::Cmdlet;

const TABLES: &[&[Cmdlet]] = &[
    objects::CMDLETS,
    shell::CMDLETS,
    items::CMDLETS,
    services::CMDLETS,
    crm::CMDLETS,
    adfs::CMDLETS,
    iis::CMDLETS,
];

const ALIASES: &[(&str, &str)] = &[
    ("%", "ForEach-Object"),
    ("foreach", "ForEach-Object"),
    ("?", "Where-Object"),
    ("where", "Where-Object"),
    ("select", "Select-Object"),
    ("sort", "Sort-Object"),
    ("group", "Group-Object"),
    ("measure", "Measure-Object"),
    ("echo", "Write-Output"),
    ("certutil.exe", "certutil"),
    ("netsh.exe", "netsh"),
    ("gci", "Get-ChildItem"),
    ("dir", "Get-ChildItem"),
    ("Out-String", "Out-String"),
];

/// A cmdlet by its name or alias.
pub(crate) fn find(name: &str) -> Option<&'static Cmdlet> {
    let name =
        ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map_or(name, |(_, name)| name);
    TABLES.iter().flat_map(|table| table.iter()).find(|cmdlet| cmdlet.name.eq_ignore_ascii_case(name))
}

/// One row of a table of cmdlets.
macro_rules! cmdlet {
    ($name:literal, $from:ident, $parameters:literal, $run:path) => {
        crate::run::call::Cmdlet {
            name: $name,
            from: crate::run::call::From::$from,
            parameters: $parameters,
            run: $run,
        }
    };
}
use cmdlet;
