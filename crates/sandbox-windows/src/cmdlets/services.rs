//! Services, and the programs that scripts start.

use jiff::Timestamp;

use super::cmdlet;
use crate::{
    machine::{Certificate, Service},
    run::{
        Run,
        call::{Call, Cmdlet},
        flow::{Failure, Ran, failed, unknown},
        operators::wildcard,
        value::Value,
    },
};

pub(super) const CMDLETS: &[Cmdlet] = &[
    cmdlet!("Get-Service", Shell, "Name", get_service),
    cmdlet!("Restart-Service", Shell, "Name | Force? PassThru?", restart_service),
    cmdlet!("Start-Service", Shell, "Name | PassThru?", start_service),
    cmdlet!("Stop-Service", Shell, "Name | Force? PassThru?", stop_service),
    cmdlet!("Get-CimInstance", Shell, "ClassName | Filter Property", get_cim_instance),
    cmdlet!("Get-WmiObject", Shell, "Class | Filter", get_cim_instance),
    cmdlet!("Get-Process", Shell, "Name | Id", get_process),
    cmdlet!("Invoke-WebRequest", Shell, "Uri! | Method UseBasicParsing? TimeoutSec", invoke_web_request),
    cmdlet!("iisreset", Shell, "| Words*", iis_reset),
    cmdlet!("certutil", Shell, "| Words*", certutil),
    cmdlet!("netsh", Shell, "| Words*", netsh),
];

fn object(run: &Run<'_>, service: &Service) -> Value {
    let id = run.machine.services.iter().position(|one| one.name == service.name).unwrap_or(0);
    let running = service.state == "Running";
    let id = if running { 1000 + 4 * i64::try_from(id).unwrap_or(0) } else { 0 };
    Value::known(
        "System.ServiceProcess.ServiceController",
        [
            ("Name", Value::text(&service.name)),
            ("ServiceName", Value::text(&service.name)),
            ("DisplayName", Value::text(&service.name)),
            ("Status", Value::text(&service.state)),
            ("State", Value::text(&service.state)),
            ("StartName", Value::text(&service.account)),
            ("StartMode", Value::text("Auto")),
            ("StartType", Value::text("Automatic")),
            ("ProcessId", Value::Int(id)),
            ("PSPath", Value::text(&service.name)),
        ],
    )
}

fn names(run: &mut Run<'_>, call: &Call) -> Ran<Vec<String>> {
    let mut wanted = Vec::new();
    for value in call.input_or("Name") {
        wanted.push(match &value {
            Value::Object(_) => run.member(&value, "Name")?.show(),
            other => other.show(),
        });
    }
    if wanted.is_empty() && call.name == "Get-Service" {
        wanted.push("*".to_owned());
    }
    let mut found = Vec::new();
    for name in wanted {
        let services = run.machine.services.iter().filter(|service| wildcard(&service.name, &name, false));
        let before = found.len();
        found.extend(services.map(|service| service.name.clone()));
        if found.len() == before && !name.contains('*') {
            let mut failure = Failure::new(
                "Microsoft.PowerShell.Commands.ServiceCommandException",
                format!("Cannot find any service with service name '{name}'."),
            );
            failure.id = format!("NoServiceFoundForGivenName,{}", call.name);
            call.complain(run, failure)?;
        }
    }
    Ok(found)
}

fn get_service(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let names = names(run, call)?;
    Ok(names
        .iter()
        .filter_map(|name| run.machine.service(name))
        .map(|service| object(run, service))
        .collect())
}

fn change(run: &mut Run<'_>, call: &Call, what: &str) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    for name in names(run, call)? {
        if run.machine.faults.not_elevated {
            let message = format!(
                "Service '{name}' cannot be {what} due to the following error: Cannot open {name} service on computer '.'."
            );
            call.complain(
                run,
                Failure::new("Microsoft.PowerShell.Commands.ServiceCommandException", message),
            )?;
            continue;
        }
        if what == "stopped" {
            run.machine.stop(&name);
        } else if what == "restarted" || run.machine.service(&name).is_some_and(|one| one.state != "Running")
        {
            run.machine.start(&name);
        }
        run.machine.changes.push(format!("service {name} {what}"));
        if call.on("PassThru") {
            out.extend(run.machine.service(&name).map(|service| object(run, service)));
        }
    }
    Ok(out)
}

fn restart_service(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    change(run, call, "restarted")
}

fn start_service(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    change(run, call, "started")
}

fn stop_service(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    change(run, call, "stopped")
}

/// `Win32_Service`, `Win32_Process` and `Win32_ComputerSystem`, with a filter of one condition.
fn get_cim_instance(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let class = call.text("ClassName").or(call.text("Class")).unwrap_or_default();
    let all: Vec<Value> = match class.to_ascii_lowercase().as_str() {
        "win32_service" => run.machine.services.iter().map(|service| object(run, service)).collect(),
        "win32_process" => {
            let running = run.machine.services.iter().filter(|service| service.state == "Running");
            let process = |service: &Service| -> Ran {
                let id = run_id(run, service);
                Ok(Value::known(
                    "Win32_Process",
                    [
                        ("ProcessId", id),
                        (
                            "Name",
                            Value::text(if is_web(service) { "svchost.exe" } else { "CrmAsyncService.exe" }),
                        ),
                        ("CreationDate", Value::date(process_of(service))),
                    ],
                ))
            };
            // A worker of the web server begins with it.
            let workers =
                run.machine.services.iter().filter(|service| is_web(service) && service.state == "Running");
            let worker = |service: &Service| {
                Ok(Value::known(
                    "Win32_Process",
                    [
                        ("ProcessId", Value::Int(9000)),
                        ("Name", Value::text("w3wp.exe")),
                        (
                            "CommandLine",
                            Value::text(
                                r#"c:\windows\system32\inetsrv\w3wp.exe -ap "CRMAppPool" -v "v4.0" -l "webengine4.dll""#,
                            ),
                        ),
                        ("CreationDate", Value::date(service.started)),
                    ],
                ))
            };
            running.map(process).chain(workers.map(worker)).collect::<Ran<Vec<Value>>>()?
        }
        "win32_computersystem" => vec![Value::known(
            "Win32_ComputerSystem",
            [
                ("Name", Value::text(&run.machine.name)),
                ("Domain", Value::text(&run.machine.domain)),
                ("PartOfDomain", Value::Bool(true)),
                ("DNSHostName", Value::text(&run.machine.name)),
            ],
        )],
        _ => return unknown(call.line, format!("the class {class}")),
    };
    let Some(filter) = call.text("Filter") else { return Ok(all) };
    let mut kept = Vec::new();
    for value in all {
        if fits(run, call.line, &value, &filter)? {
            kept.push(value);
        }
    }
    Ok(kept)
}

fn is_web(service: &Service) -> bool {
    service.name.eq_ignore_ascii_case("W3SVC")
}

/// When a service's process was started. IIS shares one with others, which goes on when IIS is started anew.
fn process_of(service: &Service) -> Timestamp {
    if is_web(service) { Timestamp::UNIX_EPOCH } else { service.started }
}

fn run_id(run: &Run<'_>, service: &Service) -> Value {
    match object(run, service) {
        Value::Object(object) => object.borrow().properties.get("ProcessId").cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

/// `Name = 'x' or Name like 'y%'`
fn fits(run: &mut Run<'_>, line: usize, value: &Value, filter: &str) -> Ran<bool> {
    let lower = filter.to_ascii_lowercase();
    if let Some(at) = lower.find(" or ") {
        let (left, right) = (filter.get(..at).unwrap_or_default(), filter.get(at + 4..).unwrap_or_default());
        return Ok(fits(run, line, value, left)? || fits(run, line, value, right)?);
    }
    let (name, rest, fuzzy) = match (lower.find(" like "), filter.split_once('=')) {
        (Some(at), _) => {
            (filter.get(..at).unwrap_or_default(), filter.get(at + 6..).unwrap_or_default(), true)
        }
        (None, Some((name, rest))) => (name, rest, false),
        _ => return unknown(line, format!("the filter {filter}")),
    };
    let own = run.member(value, name.trim())?.show();
    let wanted = rest.trim().trim_matches(['\'', '"']);
    Ok(if fuzzy {
        wildcard(&own, &wanted.replace('%', "*"), false)
    } else {
        own.eq_ignore_ascii_case(wanted)
    })
}

fn get_process(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let wanted = call.number("Id").unwrap_or(-1);
    let services: Vec<Service> = run.machine.services.clone();
    let found = services
        .iter()
        .find(|service| service.state == "Running" && run_id(run, service).whole() == Some(wanted));
    if let Some(service) = found {
        return Ok(vec![Value::known(
            "System.Diagnostics.Process",
            [("Id", Value::Int(wanted)), ("StartTime", Value::date(process_of(service)))],
        )]);
    }
    let message = format!("Cannot find a process with the process identifier {wanted}.");
    call.complain(run, Failure::new("Microsoft.PowerShell.Commands.ProcessCommandException", message))?;
    Ok(Vec::new())
}

/// What a request to a service in the cloud meets: nothing is sent.
fn invoke_web_request(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    if run.machine.faults.old_tls {
        return failed(
            "System.Net.WebException",
            "The underlying connection was closed: An unexpected error occurred on a send.",
        );
    }
    if run.machine.faults.no_way_out {
        return failed("System.Net.WebException", "Unable to connect to the remote server");
    }
    if !call.on("UseBasicParsing") {
        return failed(
            "System.NotSupportedException",
            "The response content cannot be parsed because the Internet Explorer engine is not available, or Internet Explorer's first-launch configuration is not complete.",
        );
    }
    Ok(vec![Value::known(
        "Microsoft.PowerShell.Commands.BasicHtmlWebResponseObject",
        [("StatusCode", Value::Int(200)), ("Content", Value::text(""))],
    )])
}

fn iis_reset(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    if !run.machine.roles.web {
        return unknown(call.line, "iisreset on a machine without IIS");
    }
    run.machine.start("W3SVC");
    run.machine.changes.push("iisreset".to_owned());
    run.set_variable("script:LASTEXITCODE", Value::Int(0))?;
    Ok(vec![Value::text("Internet services successfully restarted")])
}

/// `certutil -store`, `-delstore` and `-importpfx`, as `setup.md` 2.1 and C3 use them.
fn certutil(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let words: Vec<String> =
        call.texts("Words").into_iter().chain(call.rest.iter().map(Value::show)).collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let has = |word: &str| lower.iter().any(|one| one == word);
    let plain: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let done = |run: &mut Run<'_>, code: i64, text: String| -> Ran<Vec<Value>> {
        run.set_variable("script:LASTEXITCODE", Value::Int(code))?;
        Ok(text.lines().map(Value::text).collect())
    };
    let found = |run: &Run<'_>, store: &str, id: &str| -> Option<Certificate> {
        let id = id.replace(' ', "");
        let mut all = run.machine.certificates.iter().filter(|one| one.store.eq_ignore_ascii_case(store));
        all.find(|one| one.certificate.thumbprint.eq_ignore_ascii_case(&id))
            .map(|one| one.certificate.clone())
    };
    if has("-store") {
        let (Some(store), Some(id)) = (plain.first(), plain.get(1)) else {
            return unknown(call.line, "certutil -store without a store and a thumbprint");
        };
        let Some(certificate) = found(run, store, id) else {
            return done(run, -2_146_885_628, "CertUtil: -store command FAILED: 0x80092004".to_owned());
        };
        let mut text = format!(
            "{store}\n================ Certificate 0 ================\nSubject: {}\nCert Hash(sha1): {}\n",
            certificate.subject,
            certificate.thumbprint.to_ascii_lowercase()
        );
        if let Some(key) = &certificate.key {
            let kind = if key.spec == 0 { 0 } else { 24 };
            let word =
                ["XCN_AT_NONE", "AT_KEYEXCHANGE", "AT_SIGNATURE"].get(usize::from(key.spec)).unwrap_or(&"");
            text.push_str(&format!("  Unique container name: {}\n  Provider = {}\n  ProviderType = {kind}\n  KeySpec = {} -- {word}\n", key.container, key.provider, key.spec));
        }
        text.push_str("CertUtil: -store command completed successfully.");
        return done(run, 0, text);
    }
    if has("-importpfx") {
        if has("-p") {
            return unknown(call.line, "certutil -p: the password would stand in the arguments");
        }
        return unknown(call.line, "certutil -importpfx without -p, which waits for a person");
    }
    if has("-delstore") {
        let (Some(store), Some(id)) = (plain.first(), plain.get(1)) else {
            return unknown(call.line, "certutil -delstore without a store and a thumbprint");
        };
        let Some(certificate) = found(run, store, id) else {
            return done(run, -2_146_885_628, "CertUtil: -delstore command FAILED: 0x80092004".to_owned());
        };
        run.machine.certificates.retain(|one| {
            !(one.store.eq_ignore_ascii_case(store) && one.certificate.thumbprint == certificate.thumbprint)
        });
        return done(run, 0, "CertUtil: -delstore command completed successfully.".to_owned());
    }
    failed(
        "System.Management.Automation.RuntimeException",
        format!("certutil: unknown verb: {}", words.join(" ")),
    )
}

/// `netsh http show sslcert`: the listeners and the certificates that they show, as Windows Server 2019 prints them.
fn netsh(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let words: Vec<String> =
        call.texts("Words").into_iter().chain(call.rest.iter().map(Value::show)).collect();
    if !words.join(" ").eq_ignore_ascii_case("http show sslcert") {
        return unknown(call.line, format!("netsh {}", words.join(" ")));
    }
    let mut text = "\nSSL Certificate bindings:\n-------------------------\n".to_owned();
    for binding in &run.machine.bindings {
        text.push_str(&format!(
            "\n    IP:port                      : {}\n    Certificate Hash             : {}\n    Application ID               : \
             {{4dc3e181-e14b-4a21-b022-59fc669b0914}}\n    Certificate Store Name       : {}\n    Verify Client Certificate \
             Revocation : Enabled\n    Usage Check                  : Enabled\n    Revocation Freshness Time    : 0\n",
            binding.listener,
            binding.thumbprint.to_ascii_lowercase(),
            binding.store
        ));
    }
    run.set_variable("script:LASTEXITCODE", Value::Int(0))?;
    Ok(text.lines().map(Value::text).collect())
}
