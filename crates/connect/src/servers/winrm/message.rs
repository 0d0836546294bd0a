//! The messages of a remote shell: create, command, send, receive, signal, delete (MS-WSMV 3.1.4).

use base64::{Engine, engine::general_purpose::STANDARD};
use quick_xml::{Reader, XmlVersion, escape::escape, events::Event};
use url::Url;
use uuid::Uuid;

use super::OPERATION;

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";

/// There was no output within the time of the operation: to be asked again.
pub(super) const TIMED_OUT: &str = "2150858793";
/// The account may not (`ERROR_ACCESS_DENIED`).
pub(super) const ACCESS_DENIED: &str = "5";

/// A message to a server.
#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    /// Opens a shell.
    Create,
    /// Starts `powershell.exe` in it.
    Command { shell: &'a str, arguments: &'a [String] },
    /// Gives it a part of its standard input.
    Send { shell: &'a str, command: &'a str, part: &'a [u8], last: bool },
    /// Asks for output.
    Receive { shell: &'a str, command: &'a str },
    /// Ends the command.
    Terminate { shell: &'a str, command: &'a str },
    /// Closes the shell.
    Delete { shell: &'a str },
}

impl Message<'_> {
    fn action(self) -> String {
        match self {
            Self::Create => format!("{TRANSFER}/Create"),
            Self::Delete { .. } => format!("{TRANSFER}/Delete"),
            Self::Command { .. } => format!("{SHELL}/Command"),
            Self::Send { .. } => format!("{SHELL}/Send"),
            Self::Receive { .. } => format!("{SHELL}/Receive"),
            Self::Terminate { .. } => format!("{SHELL}/Signal"),
        }
    }

    fn shell(&self) -> Option<&str> {
        match self {
            Self::Create => None,
            Self::Command { shell, .. }
            | Self::Send { shell, .. }
            | Self::Receive { shell, .. }
            | Self::Terminate { shell, .. }
            | Self::Delete { shell } => Some(shell),
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::Create => {
                "<w:OptionSet><w:Option Name=\"WINRS_NOPROFILE\">TRUE</w:Option><w:Option \
                 Name=\"WINRS_CODEPAGE\">65001</w:Option></w:OptionSet>"
            }
            // Without cmd.exe, whose command lines end after 8191 signs; the input is a pipe and not a console.
            Self::Command { .. } => {
                "<w:OptionSet><w:Option Name=\"WINRS_CONSOLEMODE_STDIN\">FALSE</w:Option><w:Option \
                 Name=\"WINRS_SKIP_CMD_SHELL\">TRUE</w:Option></w:OptionSet>"
            }
            _ => "",
        }
    }

    fn body(self) -> String {
        match self {
            Self::Create => "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout \
                             stderr</rsp:OutputStreams></rsp:Shell>"
                .to_owned(),
            Self::Command { arguments, .. } => {
                let mut line = String::new();
                for argument in arguments {
                    line = line + "<rsp:Arguments>" + &escape(argument.as_str()) + "</rsp:Arguments>";
                }
                format!("<rsp:CommandLine><rsp:Command>powershell.exe</rsp:Command>{line}</rsp:CommandLine>")
            }
            Self::Send { command, part, last, .. } => {
                let data = STANDARD.encode(part);
                let end = if last { " End=\"true\"" } else { "" };
                format!(
                    "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{}\"{end}>{data}</rsp:Stream></rsp:Send>",
                    escape(command)
                )
            }
            Self::Receive { command, .. } => format!(
                "<rsp:Receive><rsp:DesiredStream CommandId=\"{}\">stdout stderr</rsp:DesiredStream></rsp:Receive>",
                escape(command)
            ),
            Self::Terminate { command, .. } => format!(
                "<rsp:Signal CommandId=\"{}\"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>",
                escape(command)
            ),
            Self::Delete { .. } => String::new(),
        }
    }

    /// The SOAP envelope.
    pub(super) fn envelope(self, to: &Url, id: Uuid) -> String {
        let selector = self.shell().map_or_else(String::new, |shell| {
            format!(
                "<w:SelectorSet><w:Selector Name=\"ShellId\">{}</w:Selector></w:SelectorSet>",
                escape(shell)
            )
        });
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
             xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\"><s:Header><a:To>{to}</a:To>\
             <a:ReplyTo><a:Address s:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous\
             </a:Address></a:ReplyTo><a:Action s:mustUnderstand=\"true\">{action}</a:Action><a:MessageID>uuid:{id}</a:MessageID>\
             <w:ResourceURI s:mustUnderstand=\"true\">{SHELL}/cmd</w:ResourceURI>\
             <w:MaxEnvelopeSize s:mustUnderstand=\"true\">153600</w:MaxEnvelopeSize>\
             <w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/><p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
             <w:OperationTimeout>PT{OPERATION}S</w:OperationTimeout>{selector}{options}</s:Header><s:Body>{body}</s:Body>\
             </s:Envelope>",
            to = escape(to.as_str()),
            action = self.action(),
            options = self.options(),
            body = self.body(),
        )
    }
}

/// What an answer tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) shell_id: String,
    pub(super) command_id: String,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Once the command has ended.
    pub(super) exit_code: Option<i64>,
}

/// A refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// The number of the fault, where it has one.
    pub(super) code: String,
    pub(super) text: String,
}

/// Reads an answer.
pub(super) fn read(body: &[u8]) -> Result<State, Fault> {
    let text = String::from_utf8_lossy(body);
    let unreadable = || Fault { code: String::new(), text: "the answer is no SOAP message".to_owned() };
    let mut reader = Reader::from_str(&text);
    let (mut state, mut fault) = (State::default(), None::<Fault>);
    let (mut element, mut within, mut stream) = (String::new(), String::new(), String::new());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut done = false;
    let mut envelope = false;
    loop {
        let event = reader.read_event().map_err(|_| unreadable())?;
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                start.local_name().as_ref().clone_into(&mut element);
                within.clear();
                envelope |= element == "Envelope";
                for attribute in start.attributes().flatten() {
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or_default();
                    match (element.as_str(), attribute.key.local_name().as_ref()) {
                        ("Selector" | "Stream", "Name") => value.as_ref().clone_into(&mut stream),
                        ("CommandState", "State") => done = value.ends_with("/Done"),
                        ("WSManFault", "Code") => {
                            value.as_ref().clone_into(&mut fault.get_or_insert_default().code);
                        }
                        _ => {}
                    }
                }
            }
            Event::Text(part) => within.push_str(part),
            Event::GeneralRef(part) => within.push_str(match &**part {
                "quot" => "\"",
                "amp" => "&",
                "apos" => "'",
                "lt" => "<",
                "gt" => ">",
                _ => "",
            }),
            Event::End(end) => {
                let name = end.local_name().as_ref().to_owned();
                let value = std::mem::take(&mut within).trim().to_owned();
                if name != element {
                    continue;
                }
                match name.as_str() {
                    "ShellId" => state.shell_id = value,
                    "Selector" if stream == "ShellId" => state.shell_id = value,
                    "CommandId" => state.command_id = value,
                    "ExitCode" => state.exit_code = value.parse().ok(),
                    // Text of the fault itself, then of its detail: the detail says more.
                    "Text" | "Message" if !value.is_empty() => fault.get_or_insert_default().text = value,
                    "Stream" => {
                        let bytes = STANDARD.decode(value).map_err(|_| unreadable())?;
                        if stream == "stderr" { stderr.extend(bytes) } else { stdout.extend(bytes) }
                    }
                    _ => {}
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    if !envelope {
        return Err(unreadable());
    }
    state.stdout = String::from_utf8_lossy(&stdout).into_owned();
    state.stderr = String::from_utf8_lossy(&stderr).into_owned();
    if done && state.exit_code.is_none() {
        state.exit_code = Some(0);
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_with_its_shell_and_its_options() {
        let to: Url = "https://crm01.contoso.com:5986/wsman".parse().unwrap();
        let arguments = ["-EncodedCommand".to_owned(), "a<b".to_owned()];
        let text = Message::Command { shell: "S&1", arguments: &arguments }.envelope(&to, Uuid::nil());
        for part in [
            "<a:Action s:mustUnderstand=\"true\">http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command</a:Action>",
            "<w:Selector Name=\"ShellId\">S&amp;1</w:Selector>",
            "<w:Option Name=\"WINRS_SKIP_CMD_SHELL\">TRUE</w:Option>",
            "<rsp:Command>powershell.exe</rsp:Command><rsp:Arguments>-EncodedCommand</rsp:Arguments><rsp:Arguments>a&lt;b</rsp:Arguments>",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn output_comes_in_parts_and_a_fault_has_its_number() {
        let part = |text: &str| STANDARD.encode(text);
        let answer = format!(
            "<s:Envelope xmlns:s=\"x\"><s:Body><rsp:ReceiveResponse><rsp:Stream Name=\"stdout\" CommandId=\"C\">{}</rsp:Stream>\
             <rsp:Stream Name=\"stdout\" CommandId=\"C\">{}</rsp:Stream><rsp:Stream Name=\"stderr\" CommandId=\"C\">{}</rsp:Stream>\
             <rsp:Stream Name=\"stdout\" CommandId=\"C\" End=\"true\"/><rsp:CommandState CommandId=\"C\" State=\"{SHELL}/CommandState/Done\">\
             <rsp:ExitCode>1</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse></s:Body></s:Envelope>",
            part("one "),
            part("two"),
            part("bad")
        );
        let state = read(answer.as_bytes()).unwrap();
        assert_eq!(
            (state.stdout.as_str(), state.stderr.as_str(), state.exit_code),
            ("one two", "bad", Some(1))
        );
        let fault = "<s:Envelope><s:Body><s:Fault><s:Reason><s:Text>short</s:Text></s:Reason><s:Detail><f:WSManFault \
                     Code=\"2150858793\"><f:Message>long</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>";
        let fault = read(fault.as_bytes()).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.text.as_str()), (TIMED_OUT, "long"));
        assert!(read(b"<html>").is_err() && read(b"nothing").is_err());
    }
}
