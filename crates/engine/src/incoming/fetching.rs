//! Reads what is to be delivered: bodies first, then the attachments that travel inside.

use hybridge_core::{
    attachment::{AttachmentInfo, AttachmentKind, Road, plan},
    decision::AttachmentLeftOut,
    ids::ItemId,
};
use hybridge_dynamics::{AttachmentFile, Delivery};
use hybridge_graph::{Content, UserRef};
use hybridge_store::Intent;

use super::{Incoming, judging::Wanted};
use crate::error::LaneError;

/// Graph gives attachments up to this size inside JSON without trouble (graph.md 3.5); larger ones are
/// read by themselves.
const SMALL: u64 = 3 << 20;
/// Larger attachments than this are not read at all (Exchange Online's own limit).
const LARGEST: usize = 160 << 20;

/// A message that is ready to be handed over, but for the bytes of the attachments inside.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) wanted: Wanted,
    pub(super) delivery: Delivery,
    /// Attachments that travel inside the delivery.
    pub(super) inside: Vec<AttachmentInfo>,
    /// Attachments that are added to the record afterwards.
    pub(super) after: Vec<AttachmentInfo>,
    pub(super) left_out: Vec<AttachmentLeftOut>,
}

impl Parcel {
    pub(super) fn item(&self) -> &ItemId {
        &self.wanted.candidate.header.id
    }

    /// About how many bytes the delivery will take in a request.
    pub(super) fn bytes(&self) -> u64 {
        let inside =
            self.inside.iter().map(|info| hybridge_core::attachment::encoded_bytes(info.size_bytes) + 300);
        self.delivery.bytes() + if self.delivery.attachments.is_empty() { inside.sum() } else { 0 }
    }

    pub(super) fn intent(&self, at: jiff::Timestamp) -> Intent {
        Intent {
            item: self.item().clone(),
            message_id: self.wanted.candidate.message_id.clone(),
            at,
            reason: self.wanted.reason,
            draft: self.wanted.candidate.decision.clone(),
            attachments_after: self.after.iter().map(|info| info.id.clone()).collect(),
            left_out: self.left_out.clone(),
        }
    }

    /// Takes all attachments out of the delivery: they are added to the record afterwards, so that one
    /// that is refused keeps no email from being stored.
    pub(super) fn lighten(&mut self) {
        self.delivery.attachments.clear();
        let mut all = std::mem::take(&mut self.inside);
        all.append(&mut self.after);
        self.after = all;
    }
}

impl Incoming<'_> {
    /// Reads the bodies of messages and plans the roads of their attachments. A message that can't be
    /// read is concluded.
    pub(super) async fn open(
        &mut self,
        user: &UserRef,
        wanted: Vec<Wanted>,
    ) -> Result<Vec<Parcel>, LaneError> {
        let ids: Vec<ItemId> = wanted.iter().map(|wanted| wanted.candidate.header.id.clone()).collect();
        let contents =
            self.engine.graph.contents(user, &ids).await.map_err(|error| LaneError::graph(&error))?;
        let mut parcels = Vec::with_capacity(wanted.len());
        for (wanted, content) in wanted.into_iter().zip(contents) {
            match content {
                Ok(content) => parcels.push(self.pack(wanted, content)),
                Err(error) => {
                    self.set_aside_unsettled(wanted.candidate.decision, hybridge_graph::trouble(&error));
                }
            }
        }
        Ok(parcels)
    }

    fn pack(&self, mut wanted: Wanted, content: Content) -> Parcel {
        let candidate = &mut wanted.candidate;
        let submitted_by = self.mailbox.address.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut delivery = Delivery::of(
            &candidate.header,
            candidate.message_id.clone(),
            &submitted_by,
            content.body.clone(),
        );
        if delivery.envelope.thread.in_reply_to.is_empty() {
            content
                .field("In-Reply-To")
                .unwrap_or_default()
                .clone_into(&mut delivery.envelope.thread.in_reply_to);
        }
        let (mut inside, mut after, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let request_bytes = self.engine.options.request_bytes;
        let rules = self.engine.attachment_rules();
        let roads = plan(&content.attachments, delivery.bytes(), request_bytes, &rules);
        for (info, road) in content.attachments.into_iter().zip(roads) {
            match road {
                Road::Inside => inside.push(info),
                Road::After => after.push(info),
                Road::LeftOut(reason) => {
                    left_out.push(AttachmentLeftOut { name: info.name, size_bytes: info.size_bytes, reason });
                }
            }
        }
        let now = self.now();
        for missing in &left_out {
            let words = missing.reason.words();
            candidate.decision.note(now, format!("Attachment \"{}\" is left out: {words}.", missing.name));
        }
        Parcel { wanted, delivery, inside, after, left_out }
    }

    /// Reads the attachments that travel inside into the deliveries. A message whose attachment can't be
    /// read is concluded and left out of the result.
    pub(super) async fn fill(
        &mut self,
        user: &UserRef,
        parcels: Vec<Parcel>,
    ) -> Result<Vec<Parcel>, LaneError> {
        let small: Vec<(ItemId, String)> = parcels
            .iter()
            .flat_map(|parcel| {
                parcel
                    .inside
                    .iter()
                    .filter(|info| is_small(info))
                    .map(|info| (parcel.item().clone(), info.id.clone()))
            })
            .collect();
        let graph = &self.engine.graph;
        let read = graph.small_attachments(user, &small).await.map_err(|error| LaneError::graph(&error))?;
        let mut small_bytes = read.into_iter();
        let mut filled = Vec::with_capacity(parcels.len());
        for mut parcel in parcels {
            let mut failure = None;
            for info in &parcel.inside {
                let bytes = if is_small(info) {
                    // One answer for each small attachment, in the order they were asked for.
                    match small_bytes.next() {
                        Some(answer) => answer,
                        None => break,
                    }
                } else {
                    graph.attachment(user, parcel.item(), &info.id, LARGEST).await
                };
                match bytes {
                    Ok(bytes) => parcel.delivery.attachments.push(file(info, bytes)),
                    Err(error) => failure = Some(hybridge_graph::trouble(&error)),
                }
            }
            match failure {
                None => filled.push(parcel),
                Some(trouble) => self.set_aside_unsettled(parcel.wanted.candidate.decision, trouble),
            }
        }
        Ok(filled)
    }

    /// Reads one attachment by itself.
    pub(super) async fn file(
        &self,
        user: &UserRef,
        message: &ItemId,
        info: &AttachmentInfo,
    ) -> hybridge_graph::Result<AttachmentFile> {
        let bytes = self.engine.graph.attachment(user, message, &info.id, LARGEST).await?;
        Ok(file(info, bytes))
    }
}

fn is_small(info: &AttachmentInfo) -> bool {
    info.kind == AttachmentKind::File && info.size_bytes <= SMALL
}

fn file(info: &AttachmentInfo, bytes: bytes::Bytes) -> AttachmentFile {
    AttachmentFile {
        name: info.name.clone(),
        content_type: info.content_type.clone(),
        content_id: info.content_id.clone(),
        bytes,
    }
}
