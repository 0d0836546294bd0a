//! Which attachments are kept (server-side-sync.md 2.9): the organization's block list by file
//! extension and its size limit. What is refused is dropped, and the email says so in `notifications`.

use super::File;
use crate::rows::Row;

/// Whether a file's extension is on the organization's list (`blockedattachments`).
pub(crate) fn is_blocked(organization: &Row, name: &str) -> bool {
    let Some((_, extension)) = name.rsplit_once('.') else { return false };
    organization
        .text("blockedattachments")
        .split(';')
        .any(|blocked| blocked.trim().trim_start_matches('.').eq_ignore_ascii_case(extension.trim()))
}

/// Whether a file is larger than `maxuploadfilesize` bytes.
pub(crate) fn is_too_large(organization: &Row, bytes: usize) -> bool {
    organization
        .integer("maxuploadfilesize")
        .and_then(|most| usize::try_from(most).ok())
        .is_some_and(|most| bytes > most)
}

/// The files that are kept, and whether any was dropped.
pub(super) fn keep(organization: &Row, files: Vec<File>) -> (Vec<File>, bool) {
    let all = files.len();
    let kept: Vec<File> = files
        .into_iter()
        .filter(|file| !is_blocked(organization, &file.name) && !is_too_large(organization, file.bytes.len()))
        .collect();
    let dropped = kept.len() < all;
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;
    use bytes::Bytes;

    #[test]
    fn blocked_and_oversized_files_are_dropped() {
        let mut organization = Row::default();
        organization.set("blockedattachments", Cell::text("ade;exe;.bat"));
        organization.set("maxuploadfilesize", Cell::Integer(10));
        let cases = [
            ("a.txt", 10, true),
            ("a.txt", 11, false),
            ("A.EXE", 1, false),
            ("run.bat", 1, false),
            ("exe", 1, true),
        ];
        for (name, size, kept) in cases {
            let file = File {
                name: name.into(),
                content_type: String::new(),
                content_id: None,
                bytes: Bytes::from(vec![0; size]),
            };
            let (files, dropped) = keep(&organization, vec![file]);
            assert_eq!((files.len() == 1, dropped), (kept, !kept), "{name} of {size}");
        }
    }
}
