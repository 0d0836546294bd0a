//! The sandbox's control API.

use hybridge_net::{Https, Request, Response, Transport, http::Method};
use serde_json::Value;
use url::Url;

use super::Sandbox;

/// Asks a running sandbox what is true, and changes its world.
#[derive(Debug)]
pub(crate) struct Control {
    client: Https,
    root: Url,
    runtime: tokio::runtime::Runtime,
}

impl Control {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        let ca = std::fs::read(sandbox.text("ca")).unwrap();
        Self {
            client: Https::new(&[ca]).unwrap(),
            root: sandbox.text("control").parse().unwrap(),
            // With a thread of its own it notices that the sandbox has ended an idle connection.
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.send(Request::new(Method::GET, self.root.join(path).unwrap()));
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// What stands at an address anywhere on this machine.
    pub(crate) fn text(&self, url: &Url) -> String {
        let answer = self.send(Request::new(Method::GET, url.clone()));
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    /// What a browser is shown at an address anywhere on this machine, whatever the status.
    pub(crate) fn page(&self, url: &Url) -> String {
        let request = Request::new(Method::GET, url.clone());
        let answer = self.runtime.block_on(self.client.send(request)).unwrap();
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let url = self.root.join(path).unwrap();
        let answer = self.send(Request::new(Method::POST, url).body("application/json", body.to_string()));
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub(crate) fn put(&self, path: &str, body: &Value) {
        let url = self.root.join(path).unwrap();
        self.send(Request::new(Method::PUT, url).body("application/json", body.to_string()));
    }

    /// Puts a raw message into a mailbox's Inbox.
    pub(crate) fn import(&self, mailbox: &str, message: Vec<u8>) {
        let mut url = self.root.join("import").unwrap();
        url.query_pairs_mut().append_pair("mailbox", mailbox).append_pair("folder", "inbox");
        self.send(Request::new(Method::POST, url).body("message/rfc822", message));
    }

    /// Ends all faults that were asked for.
    pub(crate) fn forget_faults(&self) {
        self.send(Request::new(Method::DELETE, self.root.join("faults").unwrap()));
    }

    /// The messages in all Inboxes.
    pub(crate) fn inbox(&self) -> Vec<Value> {
        let all = self.get("mailboxes")["messages"].as_array().unwrap().clone();
        all.into_iter().filter(|message| message["folder"] == "inbox").collect()
    }

    /// All email records.
    pub(crate) fn emails(&self) -> Vec<Value> {
        self.get("emails")["emails"].as_array().unwrap().clone()
    }

    /// The ids of all incoming email records.
    pub(crate) fn incoming_ids(&self) -> Vec<uuid::Uuid> {
        let emails = self.emails();
        let incoming = emails.iter().filter(|email| email["outgoing"] == false);
        incoming.map(|email| email["id"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// The Message-Ids of all incoming email records.
    pub(crate) fn incoming_records(&self) -> Vec<String> {
        self.emails()
            .into_iter()
            .filter(|email| email["outgoing"] == false)
            .map(|email| email["message_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The address of a contact who has written before.
    pub(crate) fn known_sender(&self) -> String {
        let emails = self.emails();
        let parties = emails.iter().flat_map(|email| email["parties"].as_array().unwrap());
        let mut contacts =
            parties.filter(|party| party["role"] == 1 && party["record"]["table"] == "contact");
        contacts.next().unwrap()["address"].as_str().unwrap().to_owned()
    }

    fn send(&self, request: Request) -> Response {
        let answer = self.runtime.block_on(self.client.send(request)).unwrap();
        assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
        answer
    }
}
