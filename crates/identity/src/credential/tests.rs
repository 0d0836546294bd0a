use std::{fs, path::Path, process::Command};

use secrecy::ExposeSecret;

use super::*;
use crate::{PfxError, testing};

fn password() -> SecretString {
    "correct horse".to_owned().into()
}

fn pfx_problem(outcome: Result<Credential, Error>) -> PfxError {
    match outcome {
        Err(Error::Pfx(problem)) => problem,
        other => panic!("no PFX problem: {other:?}"),
    }
}

fn same(left: &Credential, right: &Credential) -> bool {
    left.certificate() == right.certificate()
        && left.private_key_pem().expose_secret() == right.private_key_pem().expose_secret()
}

/// Runs OpenSSL in a folder. The tests need the program: without it they fail, and do not pass unseen.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the program openssl is needed: apt-get install openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with a key, its certificate, and a stranger's key.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    openssl(
        folder.path(),
        "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 30 -subj /CN=Made-by-OpenSSL",
    );
    folder
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn what_is_made_can_be_written_and_read_as_pfx_and_as_pem() {
    let made = testing::credential();
    assert_eq!(made.certificate().subject(), "CN=Hybridge");
    assert_eq!(made.certificate().issuer(), made.certificate().subject());

    let file = made.to_pfx(&password()).unwrap();
    assert!(same(&Credential::from_pfx(&file, &password()).unwrap(), made));
    let texts = Credential::from_pem(&made.certificate_pem(), &made.private_key_pem()).unwrap();
    assert!(same(&texts, made));
}

#[test]
fn every_way_a_pfx_file_can_be_wrong_has_its_own_error() {
    let file = testing::credential().to_pfx(&password()).unwrap();
    let wrong = "battery staple".to_owned().into();
    assert_eq!(pfx_problem(Credential::from_pfx(&file, &wrong)), PfxError::WrongPassword);
    let half = &file[..file.len() / 2];
    assert!(matches!(pfx_problem(Credential::from_pfx(half, &password())), PfxError::Damaged { .. }));
    let text = testing::credential().certificate_pem();
    let damaged = pfx_problem(Credential::from_pfx(text.as_bytes(), &password()));
    assert!(matches!(damaged, PfxError::Damaged { .. }));
}

#[test]
fn files_of_openssl_are_read_in_the_new_and_the_old_protection() {
    let folder = folder();
    let folder = folder.path();
    let old = "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1";
    let key = String::from_utf8(read(folder, "key.pem")).unwrap().into();
    let certificate = String::from_utf8(read(folder, "certificate.pem")).unwrap();
    let expected = Credential::from_pem(&certificate, &key).unwrap();
    for protection in ["-keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha256", old, ""] {
        openssl(
            folder,
            &format!(
                "pkcs12 -export -inkey key.pem -in certificate.pem -out file.pfx -passout pass:x {protection}"
            ),
        );
        let file = read(folder, "file.pfx");
        let credential = Credential::from_pfx(&file, &"x".to_owned().into()).unwrap();
        assert!(same(&credential, &expected), "{protection}");
        assert_eq!(credential.certificate().subject(), "CN=Made-by-OpenSSL");
        assert_eq!(pfx_problem(Credential::from_pfx(&file, &"y".to_owned().into())), PfxError::WrongPassword);
    }
}

#[test]
fn a_file_of_ours_is_read_by_openssl() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.pfx"), testing::credential().to_pfx(&password()).unwrap()).unwrap();
    fs::write(folder.path().join("password"), password().expose_secret()).unwrap();
    openssl(folder.path(), "pkcs12 -in file.pfx -passin file:password -nodes -out all.pem");
    let text = String::from_utf8(read(folder.path(), "all.pem")).unwrap();
    let credential = Credential::from_pem(&text, &text.clone().into()).unwrap();
    assert!(same(&credential, testing::credential()));
}

#[test]
fn a_file_with_its_issuers_gives_the_chain_nearest_first() {
    let folder = folder();
    let folder = folder.path();
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout leaf-key.pem -out leaf.csr -subj /CN=Leaf");
    openssl(folder, "x509 -req -in leaf.csr -CA certificate.pem -CAkey key.pem -days 10 -out leaf.pem");
    openssl(
        folder,
        "pkcs12 -export -inkey leaf-key.pem -in leaf.pem -certfile certificate.pem -out file.pfx -passout pass:x",
    );
    let credential = Credential::from_pfx(&read(folder, "file.pfx"), &"x".to_owned().into()).unwrap();
    assert_eq!(credential.certificate().subject(), "CN=Leaf");
    let issuers: Vec<_> = credential.issuers().iter().map(Certificate::subject).collect();
    assert_eq!(issuers, ["CN=Made-by-OpenSSL"]);
    let again = credential.to_pfx(&password()).unwrap();
    assert_eq!(Credential::from_pfx(&again, &password()).unwrap().issuers(), credential.issuers());
}

#[test]
fn a_file_without_key_or_with_another_kind_of_key_says_so() {
    let folder = folder();
    let folder = folder.path();
    openssl(folder, "pkcs12 -export -nokeys -in certificate.pem -out none.pfx -passout pass:x");
    let none = Credential::from_pfx(&read(folder, "none.pfx"), &"x".to_owned().into());
    assert_eq!(pfx_problem(none), PfxError::NoKey);

    openssl(
        folder,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.pem -out ec-certificate.pem \
         -days 30 -subj /CN=Curve",
    );
    openssl(folder, "pkcs12 -export -inkey ec.pem -in ec-certificate.pem -out ec.pfx -passout pass:x");
    let curve = Credential::from_pfx(&read(folder, "ec.pfx"), &"x".to_owned().into());
    assert!(matches!(curve, Err(Error::UnsupportedKey { kind }) if kind == "elliptic curve"));
}

#[test]
fn the_older_pem_form_of_a_key_is_read_and_an_encrypted_one_refused() {
    let folder = folder();
    let folder = folder.path();
    let text = |name: &str| String::from_utf8(read(folder, name)).unwrap();
    openssl(folder, "rsa -in key.pem -traditional -out old.pem");
    assert!(text("old.pem").contains("BEGIN RSA PRIVATE KEY"));
    Credential::from_pem(&text("certificate.pem"), &text("old.pem").into()).unwrap();

    openssl(folder, "pkcs8 -topk8 -in key.pem -passout pass:x -out encrypted.pem");
    let encrypted = Credential::from_pem(&text("certificate.pem"), &text("encrypted.pem").into());
    assert!(matches!(encrypted, Err(Error::KeyUnreadable { detail }) if detail == "it is encrypted"));
}

#[test]
fn a_certificate_with_a_stranger_s_key_is_refused() {
    let folder = folder();
    let key = String::from_utf8(read(folder.path(), "key.pem")).unwrap().into();
    let outcome = Credential::from_pem(&testing::credential().certificate_pem(), &key);
    assert!(matches!(outcome, Err(Error::KeyMismatch { .. })));
}

#[test]
fn a_validity_before_1970_is_refused_in_words() {
    let error = Credential::self_signed("x", Timestamp::from_second(-1).unwrap(), 1).unwrap_err();
    assert!(error.to_string().contains("1970"), "{error}");
}
