//! Which road an attachment takes into the organization.
//!
//! Small ones travel inside `DeliverIncomingEmail`. What would make that request too large is added to
//! the email afterwards, one request each; what the organization does not take at all is left out, with
//! its reason (server-side-sync.md 2.9, dynamics.md 4.6 and 4.8).

use std::collections::BTreeSet;

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

/// Which attachments the organization takes, by its settings. One that it does not take it drops in silence
/// when it comes with an email (dynamics.md 4.6), so the reason is found here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRules {
    /// The largest attachment in bytes (`maxuploadfilesize`).
    pub largest_bytes: u64,
    /// File extensions, in small letters and without the dot (`blockedattachments`).
    blocked: BTreeSet<String>,
}

impl Default for AttachmentRules {
    /// Dynamics' own limit unless it is set (server-side-sync.md 1.3), and nothing blocked.
    fn default() -> Self {
        Self { largest_bytes: 5_120 * 1024, blocked: BTreeSet::new() }
    }
}

impl AttachmentRules {
    /// From the organization's settings: a size in bytes, and a list of extensions with `;` between.
    pub fn new(largest_bytes: u64, blocked: &str) -> Self {
        let blocked = blocked
            .split(';')
            .map(|extension| extension.trim().trim_start_matches('.').to_lowercase())
            .filter(|extension| !extension.is_empty())
            .collect();
        Self { largest_bytes, blocked }
    }

    /// Why the organization would not take a file of this name and size in bytes.
    pub fn objection(&self, name: &str, bytes: u64) -> Option<LeftOut> {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.trim().to_lowercase());
        if extension.is_some_and(|extension| self.blocked.contains(&extension)) {
            Some(LeftOut::BlockedType)
        } else {
            (bytes > self.largest_bytes).then_some(LeftOut::LargerThanAllowed)
        }
    }
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
    /// Its file extension is on the organization's list of blocked ones.
    BlockedType,
    /// Larger than the organization's maximum attachment size.
    LargerThanAllowed,
    /// Larger than one request may be.
    LargerThanARequest,
    /// A link to a cloud file.
    CloudLink,
    /// The organization refused it.
    Refused,
    /// The message was deleted before the attachment was read.
    Gone,
    /// It could not be added, however often it was tried.
    GivenUp,
}

impl LeftOut {
    /// For an administrator.
    pub fn words(self) -> &'static str {
        match self {
            Self::BlockedType => {
                "of a type that the organization blocks (System Settings, General, blocked file extensions)"
            }
            Self::LargerThanAllowed => {
                "larger than the organization's maximum attachment size (System Settings, Email)"
            }
            Self::LargerThanARequest => "larger than the CRM web server takes in one request",
            Self::CloudLink => "a link to a cloud file, which has no content of its own",
            Self::Gone => "the message was deleted before it could be read",
            Self::Refused => "refused by the organization",
            Self::GivenUp => "it could not be read or added, however often it was tried",
        }
    }
}

/// Base64 needs four characters for three bytes.
pub fn encoded_bytes(size: u64) -> u64 {
    size.div_ceil(3) * 4
}

/// The least that an attachment can have, in bytes, when Graph shows this size: Graph counts in an overhead
/// of about 4.5 % (graph.md 3.5).
fn least_bytes(shown: u64) -> u64 {
    shown / 20 * 19
}

/// The road of every attachment of one message, in order. `body_bytes` is what the delivery needs
/// without attachments, `request_bytes` the largest request body that is tried.
pub fn plan(
    attachments: &[AttachmentInfo],
    body_bytes: u64,
    request_bytes: u64,
    rules: &AttachmentRules,
) -> Vec<Road> {
    let mut room = request_bytes.saturating_sub(body_bytes);
    attachments
        .iter()
        .map(|attachment| {
            let encoded = encoded_bytes(attachment.size_bytes);
            if attachment.kind == AttachmentKind::Reference {
                Road::LeftOut(LeftOut::CloudLink)
            } else if let Some(reason) = rules.objection(&attachment.name, least_bytes(attachment.size_bytes))
            {
                Road::LeftOut(reason)
            } else if encoded > request_bytes {
                Road::LeftOut(LeftOut::LargerThanARequest)
            } else if encoded <= room && attachment.size_bytes <= rules.largest_bytes {
                room -= encoded;
                Road::Inside
            } else {
                // Where the size is in doubt too: it is known when the attachment has been read.
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
        let rules = AttachmentRules::new(32 * MIB, "");
        let files = [file(6 * MIB), file(6 * MIB), file(1000), file(10 * MIB), file(34 * MIB)];
        let roads = plan(&files, MIB, 12 * MIB, &rules);
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
        assert_eq!(plan(&[link], 0, MIB, &AttachmentRules::default()), [Road::LeftOut(LeftOut::CloudLink)]);
    }

    #[test]
    fn blocked_types_are_left_out_however_they_are_written() {
        let rules = AttachmentRules::new(MIB, "ade; .EXE;;bat");
        let blocked = |name: &str| rules.objection(name, 1) == Some(LeftOut::BlockedType);
        assert!(blocked("setup.exe") && blocked("a.b.Exe") && blocked("x.ade") && blocked("y.BAT"));
        assert!(!blocked("exe") && !blocked("a.exe.txt") && !blocked("a."));
    }

    #[test]
    fn an_attachment_that_only_graphs_overhead_makes_too_large_is_read_before_it_is_judged() {
        let rules = AttachmentRules::new(MIB, "");
        let roads = plan(&[file(MIB + 1), file(MIB / 19 * 20), file(MIB / 18 * 20)], 0, 12 * MIB, &rules);
        assert_eq!(roads, [Road::After, Road::After, Road::LeftOut(LeftOut::LargerThanAllowed)]);
        assert_eq!(rules.objection("a.pdf", MIB), None);
        assert_eq!(rules.objection("a.pdf", MIB + 1), Some(LeftOut::LargerThanAllowed));
    }
}
