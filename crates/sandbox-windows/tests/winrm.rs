//! Windows Remote Management, message by message.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hybridge_sandbox_windows::{Estate, Shells};

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

fn message(action: &str, shell: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{SHELL}"><env:Header><a:Action env:mustUnderstand="true">{action}</a:Action><a:MessageID>uuid:1</a:MessageID><w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet></env:Header><env:Body>{body}</env:Body></env:Envelope>"#
    )
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start} in {text}")) + start.len();
    text[from..].split(end).next().unwrap()
}

#[test]
fn a_script_goes_in_through_a_shell_and_its_streams_come_out() {
    let mut estate = Estate::new("2026-11-23T12:00:00Z".parse().unwrap());
    let machine = estate.machine("CRM01").unwrap();
    let mut shells = Shells::default();
    let transfer = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
    let made = shells.answer(&message(&format!("{transfer}/Create"), "", "<rsp:Shell/>"), machine);
    let shell = between(&made.body, "<rsp:ShellId>", "<").to_owned();
    assert_eq!(between(&made.body, "<a:RelatesTo>", "<"), "uuid:1");

    let line = "<rsp:CommandLine><rsp:Command>powershell.exe</rsp:Command><rsp:Arguments>-NonInteractive -Command -</rsp:Arguments></rsp:CommandLine>";
    let started = shells.answer(&message(&format!("{SHELL}/Command"), &shell, line), machine);
    let command = between(&started.body, "<rsp:CommandId>", "<").to_owned();
    let receive = message(
        &format!("{SHELL}/Receive"),
        &shell,
        &format!(
            r#"<rsp:Receive><rsp:DesiredStream CommandId="{command}">stdout stderr</rsp:DesiredStream></rsp:Receive>"#
        ),
    );
    let early = shells.answer(&receive, machine);
    assert!(early.is_fault && early.body.contains("2150858793"), "{}", early.body);

    for (script, end) in [("'on ' + ", "false"), ("$env:COMPUTERNAME\nWrite-Warning 'w'; exit 3", "true")] {
        let data = STANDARD.encode(script);
        let body = format!(
            r#"<rsp:Send><rsp:Stream Name="stdin" CommandId="{command}" End="{end}">{data}</rsp:Stream></rsp:Send>"#
        );
        assert!(!shells.answer(&message(&format!("{SHELL}/Send"), &shell, &body), machine).is_fault);
    }
    let received = shells.answer(&receive, machine).body;
    let stdout = between(&received, &format!("Name=\"stdout\" CommandId=\"{command}\">"), "<");
    assert_eq!(STANDARD.decode(stdout).unwrap(), b"on CRM01\r\n");
    let stderr = between(&received, &format!("Name=\"stderr\" CommandId=\"{command}\">"), "<");
    assert_eq!(STANDARD.decode(stderr).unwrap(), b"WARNING: w\r\n");
    assert_eq!(between(&received, "<rsp:ExitCode>", "<"), "3");

    let signal = format!(
        r#"<rsp:Signal CommandId="{command}"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>"#
    );
    assert!(!shells.answer(&message(&format!("{SHELL}/Signal"), &shell, &signal), machine).is_fault);
    assert_eq!(shells.open(), 1);
    assert!(!shells.answer(&message(&format!("{transfer}/Delete"), &shell, ""), machine).is_fault);
    assert_eq!(shells.open(), 0);
    let gone = shells.answer(&receive, machine);
    assert!(gone.is_fault && gone.body.contains("2150858843"), "{}", gone.body);
    assert!(shells.answer("no xml <", machine).is_fault);
}
