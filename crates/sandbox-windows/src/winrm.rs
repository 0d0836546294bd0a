//! The messages of Windows Remote Management (MS-WSMV, `setup.md` 6.1): a shell, a command, its streams.
//!
//! Transport and authentication are not here: what a listener received as a SOAP text is answered with one.
//! The one command is `powershell.exe`, with a script in base64 or on the standard input.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quick_xml::{Reader, XmlVersion, escape::escape, events::Event};
use uuid::Uuid;

use crate::{Ended, Machine, powershell};

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";

/// The answer to a message: the SOAP text, and whether it is a fault, which goes with HTTP status 500.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The SOAP envelope.
    pub body: String,
    /// The envelope holds a fault.
    pub is_fault: bool,
}

/// The shells of one machine.
#[derive(Debug, Default)]
pub struct Shells {
    shells: BTreeMap<String, BTreeMap<String, Command>>,
}

#[derive(Debug, Default)]
struct Command {
    arguments: Vec<String>,
    input: Vec<u8>,
    ended: Option<Ended>,
}

/// What matters of a message.
#[derive(Debug, Default)]
struct Message {
    action: String,
    id: String,
    shell: String,
    command_id: String,
    command: String,
    arguments: Vec<String>,
    input: Vec<u8>,
    at_end: bool,
}

impl Shells {
    /// How many shells are open: what a client leaves behind.
    pub fn open(&self) -> usize {
        self.shells.len()
    }

    /// Answers one message; a script is run when its standard input ends.
    pub fn answer(&mut self, soap: &str, machine: &mut Machine) -> Answer {
        let Some(message) = read(soap) else {
            return fault(
                "",
                "s:Sender",
                "w:SchemaValidationError",
                2_150_858_817,
                "The SOAP XML cannot be read.",
            );
        };
        let verb = message.action.rsplit('/').next().unwrap_or_default().to_owned();
        if message.action == format!("{TRANSFER}/Create") {
            let id = Uuid::new_v4().to_string().to_uppercase();
            self.shells.insert(id.clone(), BTreeMap::new());
            return good(
                &message,
                &format!("{TRANSFER}/CreateResponse"),
                &format!(
                    "<x:ResourceCreated><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>{SHELL}/cmd</w:ResourceURI><w:SelectorSet><w:Selector Name=\"ShellId\">{id}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{id}</rsp:ShellId></rsp:Shell>"
                ),
            );
        }
        let Some(commands) = self.shells.get_mut(&message.shell) else {
            let text = "The request for the Windows Remote Shell failed because the shell was not found on the server.";
            return fault(&message.id, "s:Sender", "w:InvalidSelectors", 2_150_858_843, text);
        };
        if message.action == format!("{TRANSFER}/Delete") {
            self.shells.remove(&message.shell);
            return good(&message, &format!("{TRANSFER}/DeleteResponse"), "");
        }
        let response = format!("{SHELL}/{verb}Response");
        if verb == "Command" {
            let mut words = message.command.split_whitespace().map(str::to_owned);
            let name = words.next().unwrap_or_default().to_ascii_lowercase();
            let given = message.arguments.iter().flat_map(|part| part.split_whitespace().map(str::to_owned));
            let arguments: Vec<String> = words.chain(given).collect();
            let quiet = arguments.iter().any(|word| word.eq_ignore_ascii_case("-NonInteractive"));
            if name.trim_end_matches(".exe") != "powershell" || !quiet {
                let text = "The emulator runs powershell.exe -NonInteractive and nothing else.";
                return fault(&message.id, "s:Receiver", "w:InternalError", 2_150_858_817, text);
            }
            let id = Uuid::new_v4().to_string().to_uppercase();
            commands.insert(id.clone(), Command { arguments, ..Command::default() });
            let body =
                format!("<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>");
            return good(&message, &response, &body);
        }
        let id = message.command_id.clone();
        let Some(command) = commands.get_mut(&id) else {
            return fault(
                &message.id,
                "s:Sender",
                "w:InvalidParameter",
                2_150_858_752,
                "There is no such command.",
            );
        };
        match verb.as_str() {
            "Send" => {
                command.input.extend(&message.input);
                if message.at_end && command.ended.is_none() {
                    let input = String::from_utf8_lossy(&command.input);
                    let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
                    command.ended = Some(powershell(&arguments, &input, machine));
                }
                good(&message, &response, "<rsp:SendResponse/>")
            }
            "Receive" => {
                if let Some(ended) = &command.ended {
                    return good(&message, &response, &streams(&id, ended));
                }
                let text = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.";
                fault(&message.id, "s:Receiver", "w:TimedOut", 2_150_858_793, text)
            }
            "Signal" => {
                commands.remove(&id);
                good(&message, &response, "<rsp:SignalResponse/>")
            }
            _ => fault(
                &message.id,
                "s:Sender",
                "a:ActionNotSupported",
                2_150_858_817,
                "The action is not supported.",
            ),
        }
    }
}

fn streams(id: &str, ended: &Ended) -> String {
    let stream = |name: &str, text: &str| {
        let data = STANDARD.encode(text.replace('\n', "\r\n"));
        let part = format!("<rsp:Stream Name=\"{name}\" CommandId=\"{id}\">{data}</rsp:Stream>");
        let part = if data.is_empty() { String::new() } else { part };
        format!("{part}<rsp:Stream Name=\"{name}\" CommandId=\"{id}\" End=\"true\"></rsp:Stream>")
    };
    format!(
        "<rsp:ReceiveResponse>{}{}<rsp:CommandState CommandId=\"{id}\" State=\"{SHELL}/CommandState/Done\"><rsp:ExitCode>{}</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>",
        stream("stdout", &ended.stdout),
        stream("stderr", &ended.stderr),
        ended.exit
    )
}

fn envelope(action: &str, relates_to: &str, body: &str) -> String {
    format!(
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:x=\"{TRANSFER}\" xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\"><s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{}</a:MessageID><a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To><a:RelatesTo>{}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>",
        Uuid::new_v4().to_string().to_uppercase(),
        escape(relates_to)
    )
}

fn good(message: &Message, action: &str, body: &str) -> Answer {
    Answer { body: envelope(action, &message.id, body), is_fault: false }
}

fn fault(relates_to: &str, code: &str, subcode: &str, number: u32, text: &str) -> Answer {
    let body = format!(
        "<s:Fault><s:Code><s:Value>{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en-US\">{text}</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"{number}\"><f:Message>{text}</f:Message></f:WSManFault></s:Detail></s:Fault>"
    );
    let action = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault";
    Answer { body: envelope(action, relates_to, &body), is_fault: true }
}

/// Reads a message; none if it is not XML or has no action.
fn read(soap: &str) -> Option<Message> {
    let mut reader = Reader::from_str(soap);
    let mut message = Message::default();
    let (mut element, mut selector, mut text) = (String::new(), String::new(), String::new());
    loop {
        let event = reader.read_event().ok()?;
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                start.local_name().as_ref().clone_into(&mut element);
                text.clear();
                for attribute in start.attributes() {
                    let attribute = attribute.ok()?;
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned();
                    match (element.as_str(), attribute.key.local_name().as_ref()) {
                        ("Selector", "Name") => selector = value,
                        ("Stream" | "DesiredStream" | "Signal", "CommandId") => message.command_id = value,
                        ("Stream", "End") => message.at_end = value.eq_ignore_ascii_case("true"),
                        _ => {}
                    }
                }
            }
            Event::Text(part) => text.push_str(part),
            Event::GeneralRef(part) => match &**part {
                "quot" => text.push('"'),
                "amp" => text.push('&'),
                "apos" => text.push('\''),
                "lt" => text.push('<'),
                "gt" => text.push('>'),
                _ => return None,
            },
            Event::End(end) => {
                let name = end.local_name().as_ref().to_owned();
                let value = std::mem::take(&mut text).trim().to_owned();
                match name.as_str() {
                    _ if name != element => {}
                    "Action" => message.action = value,
                    "MessageID" => message.id = value,
                    "Selector" if selector == "ShellId" => message.shell = value,
                    "Command" => value.trim_matches('"').clone_into(&mut message.command),
                    "Arguments" => message.arguments.push(value),
                    "Stream" => message.input = STANDARD.decode(value).ok()?,
                    _ => {}
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    (!message.action.is_empty()).then_some(message)
}
