//! Smart matching: the same words in the subject and enough of the same addresses
//! (server-side-sync.md 2.5.2).
//!
//! The word list is kept as a fingerprint, so a match is a look-up. `hashfilterkeywords` is honoured in
//! its default meaning only (leading words that end in a colon); other patterns have no effect, and
//! neither has `hashdeltasubjectcount`.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Envelope;
use crate::{
    cell::{Cell, fold},
    rows::Row,
    schema,
    state::State,
};

/// The fingerprint of a subject's words; `None` when nothing is left of it.
pub(crate) fn subject_hash(organization: &Row, subject: &str) -> Option<String> {
    let most = limit(organization, "hashmaxcount", 20);
    let words: BTreeSet<String> = without_prefixes(subject)
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(most)
        .map(fold)
        .collect();
    (!words.is_empty()).then(|| format!("{:016x}", fingerprint(&words)))
}

/// `^[\s]*([\w]+\s?:[\s]*)+`: RE:, FW: and the like.
fn without_prefixes(subject: &str) -> &str {
    let mut rest = subject.trim_start();
    loop {
        let word = rest.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
        if word.len() == rest.len() {
            return rest;
        }
        let after = word.strip_prefix(char::is_whitespace).unwrap_or(word);
        let Some(after) = after.strip_prefix(':') else { return rest };
        rest = after.trim_start();
    }
}

/// FNV-1a; any hash that is the same in every run will do.
fn fingerprint(words: &BTreeSet<String>) -> u64 {
    words
        .iter()
        .flat_map(|word| word.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn limit(organization: &Row, column: &str, default: usize) -> usize {
    organization.integer(column).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
}

/// The latest email that a message matches.
pub(super) fn find(state: &State, envelope: &Envelope) -> Option<Uuid> {
    let organization = state.organization();
    let (emails, parties) = (schema::table("email")?, schema::table("activityparty")?);
    let hash = subject_hash(&organization, &envelope.subject)?;
    let enough = limit(&organization, "hashminaddresscount", 2);
    let most = limit(&organization, "hashmaxcount", 20);
    let addresses: BTreeSet<String> = envelope
        .from
        .iter()
        .chain(envelope.recipients())
        .take(most)
        .map(|address| fold(&address.address))
        .collect();
    state
        .store
        .find_rows(emails, "subjecthash", &Cell::text(hash))
        .filter(|(id, _)| {
            let known: BTreeSet<String> = state
                .store
                .find_rows(parties, "activityid", &Cell::Id(*id))
                .map(|(_, party)| fold(party.text("addressused")))
                .collect();
            known.intersection(&addresses).count() >= enough
        })
        .max_by_key(|(_, row)| (row.time("createdon"), row.version()))
        .map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_case_and_order_do_not_count() {
        let hash = |subject: &str| subject_hash(&Row::default(), subject);
        assert_eq!(hash("RE: AW : fwd: Offer for Ana"), hash("ana, OFFER for"));
        assert_ne!(hash("Offer for Ana"), hash("Offer for Bea"));
        assert_eq!(hash("RE: "), None);
    }
}
