//! Which road an attachment takes into the organization.
//!
//! Small ones travel inside `DeliverIncomingEmail`. What would make that request too large is added to
//! the email afterwards, one request each; what the organization does not take at all is left out, with
//! its reason (server-side-sync.md 2.9, dynamics.md 4.6 and 4.8).

use serde::{Deserialize, Serialize};

/// What is known of an attachment before its content is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentInfo {
    /// The Graph id inside its message.
    pub id: String,
    /// The file name.
    pub name: String,
    /// The media type.
    pub content_type: String,
    /// Size in bytes (Graph counts some overhead in).
    pub size_bytes: u64,
    /// The `cid` of an inline image.
    pub content_id: Option<String>,
    /// What kind of attachment it is.
    pub kind: AttachmentKind,
}

/// Graph's kinds of attachment (graph.md 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttachmentKind {
    /// A file.
    File,
    /// An Outlook item, read as an `.eml` file.
    Item,
    /// A link to a cloud file: there is no content to carry over.
    Reference,
}

/// What the organization and its web server take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest attachment in bytes (`maxuploadfilesize`).
    pub attachment_bytes: u64,
    /// The largest request body in bytes that is tried.
    pub request_bytes: u64,
}

/// Where an attachment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Road {
    /// Inside the delivery.
    Inside,
    /// Added to the record after the delivery.
    After,
    /// Left out.
    LeftOut(LeftOut),
}

/// Why an attachment is not carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// Larger than the organization's maximum attachment size.
    LargerThanAllowed,
    /// Larger than one request may be.
    LargerThanARequest,
    /// A link to a cloud file.
    CloudLink,
    /// The organization refused it (blocked extension, for example).
    Refused,
    /// The message was deleted before the attachment was read.
    Gone,
}

impl LeftOut {
    /// For an administrator.
    pub fn words(self) -> &'static str {
        match self {
            Self::LargerThanAllowed => {
                "larger than the organization's maximum attachment size (System Settings, Email)"
            }
            Self::LargerThanARequest => "larger than the CRM web server takes in one request",
            Self::CloudLink => "a link to a cloud file, which has no content of its own",
            Self::Gone => "the message was deleted before it could be read",
            Self::Refused => "refused by the organization (a blocked file extension, for example)",
        }
    }
}

/// Base64 needs four characters for three bytes.
pub fn encoded_bytes(size: u64) -> u64 {
    size.div_ceil(3) * 4
}

/// The road of every attachment of one message, in order. `body_bytes` is what the delivery needs
/// without attachments.
pub fn plan(attachments: &[AttachmentInfo], body_bytes: u64, limits: Limits) -> Vec<Road> {
    let mut room = limits.request_bytes.saturating_sub(body_bytes);
    attachments
        .iter()
        .map(|attachment| {
            let encoded = encoded_bytes(attachment.size_bytes);
            if attachment.kind == AttachmentKind::Reference {
                Road::LeftOut(LeftOut::CloudLink)
            } else if attachment.size_bytes > limits.attachment_bytes {
                Road::LeftOut(LeftOut::LargerThanAllowed)
            } else if encoded > limits.request_bytes {
                Road::LeftOut(LeftOut::LargerThanARequest)
            } else if encoded <= room {
                room -= encoded;
                Road::Inside
            } else {
                Road::After
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn file(size_bytes: u64) -> AttachmentInfo {
        AttachmentInfo {
            id: "a".into(),
            name: "a.pdf".into(),
            content_type: "application/pdf".into(),
            size_bytes,
            content_id: None,
            kind: AttachmentKind::File,
        }
    }

    #[test]
    fn what_fits_travels_inside_and_the_rest_after_it() {
        let limits = Limits { attachment_bytes: 32 * MIB, request_bytes: 12 * MIB };
        let roads =
            plan(&[file(6 * MIB), file(6 * MIB), file(1000), file(10 * MIB), file(33 * MIB)], MIB, limits);
        assert_eq!(
            roads,
            [
                Road::Inside,
                Road::After,
                Road::Inside,
                Road::LeftOut(LeftOut::LargerThanARequest),
                Road::LeftOut(LeftOut::LargerThanAllowed)
            ]
        );
    }

    #[test]
    fn a_cloud_link_has_nothing_to_carry() {
        let link = AttachmentInfo { kind: AttachmentKind::Reference, ..file(1) };
        let limits = Limits { attachment_bytes: MIB, request_bytes: MIB };
        assert_eq!(plan(&[link], 0, limits), [Road::LeftOut(LeftOut::CloudLink)]);
    }
}
