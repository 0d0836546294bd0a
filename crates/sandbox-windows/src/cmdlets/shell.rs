//! Cmdlets of every Windows PowerShell: writing, paths, dates, modules.

use std::rc::Rc;

use super::cmdlet;
use crate::run::{
    Run,
    call::{Call, Cmdlet, From},
    convert,
    flow::{Failure, Ran, failed, unknown},
    format,
    value::Value,
};

pub(super) const CMDLETS: &[Cmdlet] = &[
    cmdlet!("Write-Output", Shell, "InputObject | NoEnumerate?", write_output),
    cmdlet!("Write-Host", Shell, "Object | ForegroundColor BackgroundColor NoNewline?", quiet),
    cmdlet!("Write-Verbose", Shell, "Message", quiet),
    cmdlet!("Write-Debug", Shell, "Message", quiet),
    cmdlet!("Write-Progress", Shell, "Activity Status | PercentComplete Completed?", quiet),
    cmdlet!("Write-Information", Shell, "MessageData", quiet),
    cmdlet!("Write-Warning", Shell, "Message!", write_warning),
    cmdlet!(
        "Write-Error",
        Shell,
        "Message | Exception ErrorId Category TargetObject ErrorRecord",
        write_error
    ),
    cmdlet!("Out-Null", Shell, "InputObject", out_null),
    cmdlet!("Out-String", Shell, "| Width InputObject", out_string),
    cmdlet!("Join-Path", Shell, "Path! ChildPath!", join_path),
    cmdlet!("Split-Path", Shell, "Path! | Leaf? Parent?", split_path),
    cmdlet!("Get-Date", Shell, "Date | Format", get_date),
    cmdlet!("Start-Sleep", Shell, "Seconds | Milliseconds", start_sleep),
    cmdlet!("Set-StrictMode", Shell, "| Version Off?", strict_mode),
    cmdlet!("Get-Command", Shell, "Name | CommandType", get_command),
    cmdlet!("Add-PSSnapin", Shell, "Name!", add_snapin),
    cmdlet!("Get-PSSnapin", Shell, "Name | Registered?", get_snapin),
    cmdlet!("Invoke-Expression", Shell, "Command", invoke_expression),
    cmdlet!("Import-Module", Shell, "Name! | Force? DisableNameChecking?", import_module),
    cmdlet!("Get-Module", Shell, "Name | ListAvailable?", get_module),
    cmdlet!("Get-Variable", Shell, "Name! | ValueOnly?", get_variable),
    cmdlet!("Set-Variable", Shell, "Name! Value | Scope", set_variable),
    cmdlet!("ConvertTo-SecureString", Shell, "String | AsPlainText? Force?", secure_string),
    cmdlet!("New-TimeSpan", Shell, "Start End | Days Hours Minutes Seconds", time_span),
    cmdlet!("hostname", Shell, "", hostname),
    cmdlet!("Read-Host", Shell, "Prompt | AsSecureString?", read_host),
    cmdlet!(
        "Start-Transcript",
        Shell,
        "Path | LiteralPath IncludeInvocationHeader? NoClobber? Force? Append?",
        start_transcript
    ),
    cmdlet!("Stop-Transcript", Shell, "", quiet),
];

fn write_output(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let value = call.get("InputObject").cloned();
    Ok(match value {
        Some(value) if call.on("NoEnumerate") => vec![value],
        Some(value) => value.unrolled(),
        None => call.input.clone().unwrap_or_default(),
    })
}

fn quiet(_: &mut Run<'_>, _: &Call) -> Ran<Vec<Value>> {
    Ok(Vec::new())
}

fn out_null(_: &mut Run<'_>, _: &Call) -> Ran<Vec<Value>> {
    Ok(Vec::new())
}

fn write_warning(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let text = call.input_or("Message").iter().map(Value::show).collect::<String>();
    run.stderr.push_str(&format!("WARNING: {text}\n"));
    Ok(Vec::new())
}

fn write_error(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let message = call.input_or("Message").first().map(Value::show).unwrap_or_default();
    let mut failure = Failure::new("Microsoft.PowerShell.Commands.WriteErrorException", message);
    if let Some(id) = call.text("ErrorId") {
        failure.id = id;
    }
    call.complain(run, failure)?;
    Ok(Vec::new())
}

fn out_string(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let values = call.input_or("InputObject");
    if values.iter().any(|value| matches!(value, Value::Object(_) | Value::Hash(_))) {
        return unknown(call.line, "Out-String of an object");
    }
    let text = values.iter().fold(String::new(), |text, value| text + &value.show() + "\r\n");
    Ok(vec![Value::text(text)])
}

fn join_path(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (path, child) = (call.text("Path").unwrap_or_default(), call.text("ChildPath").unwrap_or_default());
    let child = child.replace('/', "\\");
    Ok(vec![Value::text(format!("{}\\{}", path.trim_end_matches('\\'), child.trim_start_matches('\\')))])
}

fn split_path(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let path = call.input_or("Path").first().map(Value::show).unwrap_or_default();
    let (parent, leaf) = path.rsplit_once('\\').unwrap_or(("", path.as_str()));
    Ok(vec![Value::text(if call.on("Leaf") { leaf } else { parent })])
}

fn get_date(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let value = match call.get("Date") {
        Some(given) => convert::cast(call.line, "datetime", given)?,
        None => Value::date(run.machine.now),
    };
    match (call.text("Format"), &value) {
        (Some(style), Value::Date { at, utc }) => {
            format::date(call.line, *at, *utc, &style).map(|text| vec![Value::text(text)])
        }
        _ => Ok(vec![value]),
    }
}

fn start_sleep(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let milliseconds =
        call.number("Seconds").map_or_else(|| call.number("Milliseconds").unwrap_or(0), |s| s * 1000);
    let by = jiff::SignedDuration::from_millis(milliseconds);
    run.machine.now = run.machine.now.checked_add(by).unwrap_or(run.machine.now);
    Ok(Vec::new())
}

fn strict_mode(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    run.strict = !call.on("Off");
    Ok(Vec::new())
}

fn get_command(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    for name in call.texts("Name") {
        match super::find(&name).filter(|cmdlet| run.offers(cmdlet.from)) {
            Some(cmdlet) => out.push(Value::known(
                "System.Management.Automation.CmdletInfo",
                [("Name", Value::text(cmdlet.name)), ("CommandType", Value::text("Cmdlet"))],
            )),
            None => call.complain(
                run,
                Failure::new(
                    "System.Management.Automation.CommandNotFoundException",
                    format!("The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program."),
                ),
            )?,
        }
    }
    Ok(out)
}

const SNAPIN: &str = "Microsoft.Crm.PowerShell";

fn add_snapin(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    for name in call.texts("Name") {
        let registered = name.eq_ignore_ascii_case(SNAPIN)
            && run.machine.roles.deployment
            && !run.machine.faults.no_snapin;
        if !registered {
            let message =
                format!("The Windows PowerShell snap-in '{name}' is not installed on this computer.");
            call.complain(run, Failure::new("System.Management.Automation.PSArgumentException", message))?;
        } else if run.offers(From::Crm) {
            let message = format!(
                "Cannot add Windows PowerShell snap-in {name} because it is already added. Verify the name of the snap-in and try again."
            );
            call.complain(run, Failure::new("System.Management.Automation.PSArgumentException", message))?;
        } else {
            run.modules.push(SNAPIN.to_owned());
        }
    }
    Ok(Vec::new())
}

fn get_snapin(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let wanted = call.text("Name").unwrap_or_else(|| "*".to_owned());
    let there = if call.on("Registered") {
        run.machine.roles.deployment && !run.machine.faults.no_snapin
    } else {
        run.offers(From::Crm)
    };
    if there && crate::run::operators::wildcard(SNAPIN, &wanted, false) {
        return Ok(vec![Value::known(
            "System.Management.Automation.PSSnapInInfo",
            [("Name", Value::text(SNAPIN))],
        )]);
    }
    if call.has("Name") {
        let message = format!("No Windows PowerShell snap-ins matching the pattern '{wanted}' were found.");
        call.complain(run, Failure::new("System.Management.Automation.PSArgumentException", message))?;
    }
    Ok(Vec::new())
}

fn module_is_there(run: &Run<'_>, name: &str) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "webadministration" => run.machine.roles.web,
        "adfs" => run.machine.roles.adfs,
        "pki" | "microsoft.powershell.security" | "microsoft.powershell.utility" => true,
        _ => false,
    }
}

/// Only what published scripts do wrong: a variable that was never set (setup.md 2.6).
fn invoke_expression(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    if call.get("Command").is_none_or(|command| matches!(command, Value::Null)) {
        return failed(
            "System.Management.Automation.ParameterBindingValidationException",
            "Cannot bind argument to parameter 'Command' because it is null.",
        );
    }
    unknown(call.line, "Invoke-Expression of a text")
}

fn import_module(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    for name in call.texts("Name") {
        if module_is_there(run, &name) {
            run.modules.push(name);
        } else {
            let message = format!(
                "The specified module '{name}' was not loaded because no valid module file was found in any module directory."
            );
            call.complain(run, Failure::new("System.IO.FileNotFoundException", message))?;
        }
    }
    Ok(Vec::new())
}

fn get_module(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let loaded = |run: &Run<'_>, name: &str| run.modules.iter().any(|known| known.eq_ignore_ascii_case(name));
    let module = |name: &String| {
        Value::known("System.Management.Automation.PSModuleInfo", [("Name", Value::text(name))])
    };
    let names = call.texts("Name");
    Ok(names
        .iter()
        .filter(|name| if call.on("ListAvailable") { module_is_there(run, name) } else { loaded(run, name) })
        .map(module)
        .collect())
}

fn get_variable(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let name = call.text("Name").unwrap_or_default();
    let value = run.variable(&name)?;
    if call.on("ValueOnly") {
        return Ok(vec![value]);
    }
    Ok(vec![Value::known(
        "System.Management.Automation.PSVariable",
        [("Name", Value::text(name)), ("Value", value)],
    )])
}

fn set_variable(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let scope = call.text("Scope").map(|scope| format!("{scope}:")).unwrap_or_default();
    let name = format!("{scope}{}", call.text("Name").unwrap_or_default());
    run.set_variable(&name, call.get("Value").cloned().unwrap_or(Value::Null))?;
    Ok(Vec::new())
}

fn secure_string(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let text = call.input_or("String").first().map(Value::show).unwrap_or_default();
    if !call.on("AsPlainText") {
        return unknown(call.line, "ConvertTo-SecureString of an encrypted text");
    }
    if text.is_empty() {
        return failed(
            "System.Management.Automation.ParameterBindingException",
            "Cannot bind argument to parameter 'String' because it is an empty string.",
        );
    }
    Ok(vec![Value::Secure(Rc::new(std::cell::RefCell::new(text)))])
}

fn time_span(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    if call.has("Start") || call.has("End") {
        let now = Value::date(run.machine.now);
        let one = |name: &str| call.get(name).cloned().unwrap_or_else(|| now.clone());
        return crate::run::operators::binary(call.line, "-", &one("End"), &one("Start"))
            .map(|span| vec![span]);
    }
    let part = |name: &str, seconds: f64| call.get(name).and_then(Value::number).unwrap_or(0.0) * seconds;
    let seconds =
        part("Days", 86_400.0) + part("Hours", 3600.0) + part("Minutes", 60.0) + part("Seconds", 1.0);
    Ok(vec![Value::Span(seconds)])
}

fn hostname(run: &mut Run<'_>, _: &Call) -> Ran<Vec<Value>> {
    Ok(vec![Value::text(&run.machine.name)])
}

/// What a person would type is the next line of the standard input.
fn read_host(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let typed = run.read_line();
    Ok(vec![if call.on("AsSecureString") {
        Value::Secure(Rc::new(std::cell::RefCell::new(typed)))
    } else {
        Value::text(typed)
    }])
}

/// Only the head of the transcript: what the script writes is on the standard output.
fn start_transcript(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let path = call.text("Path").or_else(|| call.text("LiteralPath")).unwrap_or_default();
    let head = format!("Windows PowerShell transcript start\r\nMachine: {}\r\n", run.machine.name);
    run.machine.files.insert(path.clone(), head.into_bytes());
    Ok(vec![Value::text(format!("Transcript started, output file is {path}"))])
}
