//! Keytab files, as `ktpass`, `ktutil` and `samba-tool domain exportkeytab` write them (MIT krb5
//! documentation, "Keytab file format", version 2).

use std::fmt;

use picky_krb::crypto::CipherSuite;
use zeroize::Zeroizing;

use super::WindowsUser;
use crate::Error;

const AES128: u16 = 17;
const AES256: u16 = 18;

/// The key of one account.
#[derive(Clone)]
pub struct Keytab {
    principal: String,
    version: u32,
    encryption: CipherSuite,
    key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Keytab {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Keytab")
            .field("principal", &self.principal)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

struct Entry {
    realm: String,
    name: String,
    version: u32,
    encryption: u16,
    key: Zeroizing<Vec<u8>>,
}

impl Keytab {
    /// The newest key of an account in a keytab file, AES-256 before AES-128.
    ///
    /// # Errors
    /// When it is no keytab, or has no such key of the account.
    pub fn read(file: &[u8], user: &WindowsUser) -> Result<Self, Error> {
        let unusable = |detail: String| Error::Keytab { detail };
        let entries = entries(file).ok_or_else(|| unusable("it is not a keytab of version 2".to_owned()))?;
        let own = |entry: &&Entry| {
            entry.name.eq_ignore_ascii_case(user.account()) && entry.realm.eq_ignore_ascii_case(user.realm())
        };
        if !entries.iter().any(|entry| own(&entry)) {
            let mut others: Vec<String> =
                entries.iter().map(|entry| format!("{}@{}", entry.name, entry.realm)).collect();
            others.dedup();
            return Err(unusable(format!(
                "it has no key of {}@{} (it has keys of: {})",
                user.account(),
                user.realm(),
                others.join(", ")
            )));
        }
        let usable = entries.into_iter().filter(|entry| own(&entry)).filter_map(|entry| {
            let encryption = match entry.encryption {
                AES256 if entry.key.len() == 32 => CipherSuite::Aes256CtsHmacSha196,
                AES128 if entry.key.len() == 16 => CipherSuite::Aes128CtsHmacSha196,
                _ => return None,
            };
            Some((entry, encryption))
        });
        let (entry, encryption) = usable
            .max_by_key(|(entry, _)| (entry.version, entry.encryption))
            .ok_or_else(|| unusable(format!("it has no AES key of {}", user.account())))?;
        let principal = format!("{}@{}", entry.name, entry.realm);
        Ok(Self { principal, version: entry.version, encryption, key: entry.key })
    }

    /// The account that the key belongs to, as `user@REALM`.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The key's version number, which grows with each change of the password.
    pub fn version(&self) -> u32 {
        self.version
    }

    pub(super) fn key(&self) -> (Vec<u8>, CipherSuite) {
        (self.key.to_vec(), self.encryption.clone())
    }
}

fn entries(file: &[u8]) -> Option<Vec<Entry>> {
    let mut rest = Bytes(file.strip_prefix(&[5, 2])?);
    let mut entries = Vec::new();
    while !rest.0.is_empty() {
        let length = i32::from_be_bytes(rest.take(4)?.try_into().ok()?);
        if length == 0 {
            break;
        }
        let bytes = rest.take(usize::try_from(length.unsigned_abs()).ok()?)?;
        // A negative length is a hole where an entry was removed.
        if length > 0 {
            entries.push(entry(bytes)?);
        }
    }
    Some(entries)
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    let mut rest = Bytes(bytes);
    let components = rest.number()?;
    let realm = rest.text()?;
    let name = (0..components).map(|_| rest.text()).collect::<Option<Vec<_>>>()?.join("/");
    let _name_type_and_time = rest.take(8)?;
    let short_version = u32::from(*rest.take(1)?.first()?);
    let encryption = rest.number()?;
    let length = usize::from(rest.number()?);
    let key = Zeroizing::new(rest.take(length)?.to_vec());
    let version = match rest.take(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) {
        Some(version) if version != 0 => version,
        _ => short_version,
    };
    Some(Entry { realm, name, version, encryption, key })
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.number()?);
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(name: &str, version: u8, encryption: u16, key: &[u8]) -> Vec<u8> {
        let text = |text: &[u8]| [&u16::try_from(text.len()).unwrap().to_be_bytes(), text].concat();
        let entry = [
            &1_u16.to_be_bytes()[..],
            &text(b"CONTOSO.TEST"),
            &text(name.as_bytes()),
            &[0; 8],
            &[version],
            &encryption.to_be_bytes(),
            &text(key),
        ]
        .concat();
        [&i32::try_from(entry.len()).unwrap().to_be_bytes()[..], &entry].concat()
    }

    fn user() -> WindowsUser {
        WindowsUser::new(r"CONTOSO\svc", Some("contoso.test")).unwrap()
    }

    fn file(entries: &[Vec<u8>]) -> Vec<u8> {
        [&[5, 2][..], &entries.concat()].concat()
    }

    #[test]
    fn the_newest_key_is_taken_and_the_stronger_of_two() {
        let hole = [&(-3_i32).to_be_bytes()[..], &[1, 2, 3]].concat();
        let keytab = file(&[
            written("svc", 2, AES256, &[2; 32]),
            hole,
            written("Svc", 3, AES128, &[3; 16]),
            written("svc", 3, AES256, &[4; 32]),
            written("other", 9, AES256, &[9; 32]),
            written("svc", 4, 23, &[5; 16]),
        ]);
        let keytab = Keytab::read(&keytab, &user()).unwrap();
        assert_eq!((keytab.version(), keytab.principal()), (3, "svc@CONTOSO.TEST"));
        assert_eq!(keytab.key().0, [4; 32]);
        assert!(!format!("{keytab:?}").contains("4, 4"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let told = |file: &[u8]| Keytab::read(file, &user()).unwrap_err().to_string();
        assert!(told(b"hello").contains("not a keytab"));
        assert!(told(&file(&[written("web", 1, AES256, &[1; 32])])).contains("web@CONTOSO.TEST"));
        assert!(told(&file(&[written("svc", 1, 23, &[1; 16])])).contains("no AES key"));
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = Keytab::read(&[&[5, 2], &bytes[..]].concat(), &user());
        }
    }
}
