use hybridge_odata::{
    Call,
    query::{Query, segment},
};
use serde::Deserialize;
use serde_json::json;

use crate::{Graph, Result, user::UserRef};

/// A mail folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailFolder {
    /// Its id.
    pub id: String,
    /// Its name in the mailbox's language.
    pub display_name: String,
    /// How many items lie in it.
    #[serde(default)]
    pub total_item_count: i64,
}

/// A mail that is put into a mailbox without being sent.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The Message-Id, in angle brackets.
    pub message_id: String,
    /// The subject.
    pub subject: String,
    /// The sender's address.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// The body, plain text.
    pub text: String,
}

impl Graph {
    /// Puts a mail into an Inbox as if it had arrived; its id. It is no draft, as the message flags of the property
    /// `PidTagMessageFlags` say so when it is made (graph.md 3.1).
    ///
    /// # Errors
    /// When the application may not write into the mailbox.
    pub async fn put_into_inbox(&self, user: &UserRef, message: &NewMessage) -> Result<String> {
        #[derive(Deserialize)]
        struct Made {
            id: String,
        }
        let party = |address: &str| json!({ "emailAddress": { "address": address } });
        let body = json!({
            "internetMessageId": message.message_id,
            "subject": message.subject,
            "from": party(&message.from),
            "sender": party(&message.from),
            "toRecipients": [party(&message.to)],
            "body": { "contentType": "text", "content": message.text },
            "singleValueExtendedProperties": [{ "id": "Integer 0x0E07", "value": "1" }],
        });
        let path = format!("{}/mailFolders/inbox/messages", user.path());
        let call = Call::post(path).header("prefer", "IdType=\"ImmutableId\"").json(&body)?;
        Ok(self.service.send(call.counted_against(user.as_str())).await?.json::<Made>("message")?.id)
    }

    /// Removes a message for good, past the deleted items.
    ///
    /// # Errors
    /// When the application may not write into the mailbox, or the message is gone.
    pub async fn purge_message(&self, user: &UserRef, id: &str) -> Result<()> {
        let path = format!("{}/messages/{}/permanentDelete", user.path(), segment(id));
        let call = Call::post(path).header("prefer", "IdType=\"ImmutableId\"");
        self.service.send(call.counted_against(user.as_str())).await.map(drop)
    }

    /// Moves a message to a folder, by its id or well-known name; with immutable ids it keeps its own.
    ///
    /// # Errors
    /// When the application may not write into the mailbox, or the message or folder is gone.
    pub async fn move_message(&self, user: &UserRef, id: &str, folder: &str) -> Result<()> {
        let path = format!("{}/messages/{}/move", user.path(), segment(id));
        let call = Call::post(path)
            .header("prefer", "IdType=\"ImmutableId\"")
            .json(&json!({ "destinationId": folder }))?;
        self.service.send(call.counted_against(user.as_str())).await.map(drop)
    }

    /// Reads a folder by id or well-known name. The cheapest proof that the app may read a mailbox.
    pub async fn folder(&self, user: &UserRef, folder: &str) -> Result<MailFolder> {
        let path = format!("{}/mailFolders/{folder}", user.path());
        let query = Query::on(path).option("$select", "id,displayName,totalItemCount").build();
        self.service.send(Call::get(query).counted_against(user.as_str())).await?.json("mail folder")
    }
}
