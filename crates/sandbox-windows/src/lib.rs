//! An emulated Windows estate: machines on which Windows PowerShell 5.1 scripts really run.
//!
//! It is made for the scripts that will set up and rotate the trust of Dynamics 365 on-premises on its servers
//! (`setup.md` 2, 5 and 6), so that they are tested by execution; there are none yet. [`run()`] reads a script with the PowerShell grammar of
//! tree-sitter, walks its tree, and lets its cmdlets act on a [`Machine`]. An [`Estate`] is several machines
//! that share one configuration database. What the emulator does not know is an error that names it and its
//! line, with the exit code [`EMULATOR`]; no `catch` of a script hides it.

#![allow(clippy::format_push_string, reason = "texts are small, and writing to a string cannot fail")]

mod cmdlets;
mod machine;
mod run;
mod script;
mod winrm;

pub use machine::{
    Adfs, AdfsClient, AdfsPermission, AppPool, Bad, Binding, Certificate, CrmCertificate, CrmServer,
    Deployment, Estate, EstateSetup, Faults, Key, KeyFile, Logged, Machine, NoIssuer, Organization, Roles,
    Rule, Service, Stored,
};
pub use run::{EMULATOR, Ended, powershell, run};
pub use winrm::{Answer, Shells};
