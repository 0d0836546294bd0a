//! What the organization is told about a message before its body is read.

use hybridge_core::message::{InternetMessageId, MessageHeader, address_list};
use serde_json::json;

use crate::soap::{Request, Value};

/// A message without its content, as the email messages of Dynamics take it.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The identity.
    pub message_id: InternetMessageId,
    /// The subject.
    pub subject: String,
    /// The sender's address.
    pub from: String,
    /// The To addresses, `;` between.
    pub to: String,
    /// The Cc addresses.
    pub cc: String,
    /// The Bcc addresses.
    pub bcc: String,
    /// The thread, where it is known.
    pub thread: Thread,
}

/// What ties a message to its thread. Sent in `ExtraProperties`, the only place for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// `In-Reply-To`, may be empty.
    pub in_reply_to: String,
    /// The conversation index (base64), may be empty.
    pub conversation_index: String,
}

impl Envelope {
    /// The envelope of a message.
    pub fn of(header: &MessageHeader, message_id: InternetMessageId) -> Self {
        Self {
            message_id,
            subject: header.subject.clone(),
            from: header.from.as_ref().map(|from| from.address.to_string()).unwrap_or_default(),
            to: address_list(&header.to),
            cc: address_list(&header.cc),
            bcc: address_list(&header.bcc),
            thread: Thread {
                in_reply_to: header.in_reply_to.clone(),
                conversation_index: header.conversation_index.clone(),
            },
        }
    }

    /// About how many bytes it takes in a request, without the thread.
    pub(crate) fn bytes(&self) -> usize {
        self.message_id.as_str().len()
            + self.subject.len()
            + self.from.len()
            + self.to.len()
            + self.cc.len()
            + self.bcc.len()
    }

    /// The parameters that both messages have, by name.
    pub(crate) fn parameters(&self) -> [(&'static str, &str); 6] {
        [
            ("MessageId", self.message_id.as_str()),
            ("Subject", &self.subject),
            ("From", &self.from),
            ("To", &self.to),
            ("Cc", &self.cc),
            ("Bcc", &self.bcc),
        ]
    }

    /// The beginning of a SOAP request with these parameters.
    pub(crate) fn soap(&self, message: &'static str) -> Request {
        self.parameters()
            .into_iter()
            .fold(Request::new(message), |request, (name, value)| request.with(name, Value::text(value)))
    }
}

impl Thread {
    pub(crate) fn is_empty(&self) -> bool {
        self.in_reply_to.is_empty() && self.conversation_index.is_empty()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "@odata.type": "Microsoft.Dynamics.CRM.email",
            "inreplyto": self.in_reply_to,
            "conversationindex": self.conversation_index,
        })
    }

    pub(crate) fn soap(&self) -> Option<Value> {
        (!self.is_empty()).then(|| Value::Entity {
            name: "email",
            attributes: vec![
                ("inreplyto", Value::text(&self.in_reply_to)),
                ("conversationindex", Value::text(&self.conversation_index)),
            ],
        })
    }
}
