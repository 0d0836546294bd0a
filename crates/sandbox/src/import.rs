//! A user's own mail: `.eml` files, Maildir folders and mbox files, read one message at a time.

mod mbox;

use std::{
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

/// One message that was found, or a file that could not be read.
#[derive(Debug)]
pub struct Found {
    /// The file it stands in.
    pub path: PathBuf,
    /// Its number in the file, from 1 (an mbox holds many).
    pub number: usize,
    /// The raw message, or why it can't be had.
    pub message: io::Result<Vec<u8>>,
}

/// Walks files and folders and hands every message found to `take`.
///
/// A folder with `cur` and `new` is a Maildir; its subfolders (Maildir++, `.Archive`) are Maildirs too. Other
/// folders are searched for `.eml`, `.mbox`, files that begin as an mbox does, and Maildirs below them. A file that
/// begins with `From ` is an mbox, any other one a single message.
///
/// # Errors
/// What `take` returns; a file that can't be read is handed to it as a [`Found`] with its error.
pub fn walk<E>(path: &Path, take: &mut impl FnMut(Found) -> Result<(), E>) -> Result<(), E> {
    if path.is_dir() {
        return walk_folder(path, take);
    }
    let found = |number, message| Found { path: path.to_path_buf(), number, message };
    match starts_like_mbox(path) {
        Err(error) => take(found(1, Err(error))),
        Ok(false) => take(found(1, fs::read(path))),
        Ok(true) => match File::open(path) {
            Err(error) => take(found(1, Err(error))),
            Ok(file) => {
                for (index, message) in mbox::messages(BufReader::new(file)).enumerate() {
                    take(found(index + 1, message))?;
                }
                Ok(())
            }
        },
    }
}

fn walk_folder<E>(folder: &Path, take: &mut impl FnMut(Found) -> Result<(), E>) -> Result<(), E> {
    let maildir = folder.join("cur").is_dir() && folder.join("new").is_dir();
    let folders =
        if maildir { vec![folder.join("cur"), folder.join("new")] } else { vec![folder.to_path_buf()] };
    if maildir {
        for below in subfolders(folder) {
            walk_folder(&below, take)?;
        }
    }
    for folder in folders {
        let mut entries: Vec<PathBuf> = match fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) => {
                take(Found { path: folder.clone(), number: 1, message: Err(error) })?;
                continue;
            }
        };
        entries.sort();
        for entry in entries {
            let kind = entry.extension().map(std::ffi::OsStr::to_ascii_lowercase);
            let named = kind.is_some_and(|kind| kind == "eml" || kind == "mbox" || kind == "mbx");
            // Thunderbird and many others keep an mbox under the bare name of its folder.
            let wanted = maildir || named || entry.is_file() && starts_like_mbox(&entry).unwrap_or(false);
            if entry.is_dir() && !maildir || entry.is_file() && wanted {
                walk(&entry, take)?;
            }
        }
    }
    Ok(())
}

/// The Maildir++ folders inside a Maildir.
fn subfolders(maildir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(maildir) else { return Vec::new() };
    let mut below: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("cur").is_dir() && path.join("new").is_dir())
        .collect();
    below.sort();
    below
}

fn starts_like_mbox(path: &Path) -> io::Result<bool> {
    use io::Read;
    let mut begin = [0; 5];
    let mut read = 0;
    let mut file = File::open(path)?;
    while read < begin.len() {
        match file.read(begin.get_mut(read..).unwrap_or_default())? {
            0 => break,
            count => read += count,
        }
    }
    Ok(&begin == b"From ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(path: &Path) -> Vec<(String, usize, usize)> {
        let mut all = Vec::new();
        walk::<()>(path, &mut |found| {
            let name = found.path.file_name().unwrap().to_string_lossy().into_owned();
            all.push((name, found.number, found.message.map_or(0, |message| message.len())));
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn single_files_maildirs_and_mboxes_are_found_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.eml"), "Subject: a\n\na").unwrap();
        fs::write(at("notes.txt"), "no mail").unwrap();
        fs::write(at("b.mbox"), "From x\nSubject: b\n\nb\n\nFrom y\nSubject: c\n\n>From c\n").unwrap();
        fs::create_dir_all(at("box/cur")).unwrap();
        fs::create_dir_all(at("box/new")).unwrap();
        fs::create_dir_all(at("box/tmp")).unwrap();
        fs::write(at("box/cur/1:2,S"), "Subject: d\n\n").unwrap();
        fs::write(at("box/tmp/2"), "Subject: half-written\n\n").unwrap();
        fs::write(at("Sent"), "From x\nSubject: e\n\ne\n").unwrap();
        for place in ["cur", "new"] {
            fs::create_dir_all(at("box/.Archive.2025").join(place)).unwrap();
        }
        fs::write(at("box/.Archive.2025/new/3"), "Subject: f\n\n").unwrap();
        assert_eq!(
            collect(folder.path()),
            [
                ("Sent".into(), 1, 14),
                ("a.eml".into(), 1, 13),
                ("b.mbox".into(), 1, 14),
                ("b.mbox".into(), 2, 19),
                ("3".into(), 1, 12),
                ("1:2,S".into(), 1, 12)
            ]
        );
    }

    #[test]
    fn a_file_that_can_not_be_read_is_told_and_the_rest_goes_on() {
        let mut told = 0;
        walk::<()>(Path::new("/nowhere/at/all.eml"), &mut |found| {
            told += 1;
            assert!(found.message.is_err());
            Ok(())
        })
        .unwrap();
        assert_eq!(told, 1);
    }
}
