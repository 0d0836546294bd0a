//! The configuration of IIS, through the module `WebAdministration`.

use super::cmdlet;
use crate::run::{
    Run,
    call::{Call, Cmdlet},
    flow::{Ran, failed, unknown},
    value::Value,
};

pub(super) const CMDLETS: &[Cmdlet] =
    &[cmdlet!("Get-WebConfigurationProperty", Shell, "Filter! | Name! PSPath Location", get_property)];

/// What Windows authentication is like as Dynamics' setup leaves it.
fn get_property(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    if !run.modules.iter().any(|name| name.eq_ignore_ascii_case("WebAdministration")) {
        return failed(
            "System.Management.Automation.CommandNotFoundException",
            "The term 'Get-WebConfigurationProperty' is not recognized as the name of a cmdlet, function, script file, or operable program.",
        );
    }
    let filter = call.text("Filter").unwrap_or_default();
    if !filter.ends_with("authentication/windowsAuthentication") {
        return unknown(call.line, format!("the configuration section {filter}"));
    }
    let entry = |name: &str| {
        Value::known(
            "Microsoft.IIs.PowerShell.Framework.ConfigurationElement",
            [("Value", Value::text(name))],
        )
    };
    let found = match call.text("Name").unwrap_or_default().to_ascii_lowercase().as_str() {
        "enabled" => ("Value", Value::Bool(true)),
        "providers" => ("Collection", Value::array(["Negotiate", "NTLM"].map(entry).to_vec())),
        other => return unknown(call.line, format!("the property {other} of windowsAuthentication")),
    };
    Ok(vec![Value::known("Microsoft.IIs.PowerShell.Framework.ConfigurationAttribute", [found])])
}
