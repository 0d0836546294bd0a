use bytes::Bytes;
use hybridge_core::{ids::RecordId, trouble::Class};
use hybridge_odata::{Call, Error, query::Query};
use serde::Deserialize;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{Dynamics, Result};

/// A file that is carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentFile {
    /// The file name.
    pub name: String,
    /// The media type.
    pub content_type: String,
    /// The `cid` of an inline image.
    pub content_id: Option<String>,
    /// The content.
    pub bytes: Bytes,
}

/// An attachment that an email record has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredAttachment {
    /// The file name.
    #[serde(rename = "filename", default)]
    pub name: Option<String>,
    /// Its size in bytes.
    #[serde(rename = "filesize", default)]
    pub size_bytes: Option<u64>,
}

impl Dynamics {
    /// The attachments of an email record.
    pub async fn attachments_of(&self, email: RecordId) -> Result<Vec<StoredAttachment>> {
        let query = Query::on("activitymimeattachments")
            .option("$select", "filename,filesize")
            .option("$filter", &format!("_objectid_value eq {email}"))
            .build();
        self.web_api.send(Call::get(query)).await?.page("list of attachments")?.entries("attachment")
    }

    /// Adds an attachment to an email record (dynamics.md 4.8). `key` tells the email's attachments apart: what was
    /// added with the same one before, by a call whose answer was lost for example, is not added again.
    pub async fn add_attachment(&self, email: RecordId, key: &str, file: &AttachmentFile) -> Result<()> {
        let mut body = file.json();
        let row = body
            .as_object_mut()
            .ok_or(Error::Unwritable { what: "attachment", detail: "not an object".into() })?;
        row.remove("@odata.type");
        row.insert("objecttypecode".to_owned(), Json::from("email"));
        row.insert(
            "objectid_activitypointer@odata.bind".to_owned(),
            Json::from(format!("/activitypointers({email})")),
        );
        let id = Uuid::new_v5(&email.0, key.as_bytes());
        row.insert("activitymimeattachmentid".to_owned(), Json::from(id.to_string()));
        match self.web_api.send(Call::post("activitymimeattachments").json(&body)?).await {
            Err(error) if crate::trouble(&error).class == Class::Exists => Ok(()),
            other => other.map(drop),
        }
    }
}
