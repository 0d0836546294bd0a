//! Certificate files that other programs made are read, and what Hybridge writes is read by them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Ended, python_with, run};

const PASSWORD: &str = "Pässwörd 1";

/// A folder for one test, with the password in a file.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("certificate-{name}"));
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("password"), PASSWORD).unwrap();
    folder
}

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(arguments.split_whitespace().map(|argument| argument.replace('~', " ")))
        .env("PASS", PASSWORD)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "openssl {arguments}: {stderr}");
    stdout.into_owned()
}

fn certificate(folder: &Path, arguments: &[&str]) -> Ended {
    let absolute: Vec<String> = arguments
        .iter()
        .map(|argument| match argument.strip_prefix("./") {
            Some(file) => folder.join(file).display().to_string(),
            None => (*argument).to_owned(),
        })
        .collect();
    let mut all = vec!["certificate"];
    all.extend(absolute.iter().map(String::as_str));
    run(Path::new("none.toml"), &all)
}

/// A wildcard certificate with its issuer, made by OpenSSL, in all the forms that it writes.
fn made_by_openssl(folder: &Path) {
    let v3 = "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:*.contoso.com,DNS:contoso.com\n";
    fs::write(folder.join("v3"), v3).unwrap();
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=Test-CA",
    );
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=contoso.com");
    openssl(
        folder,
        "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out own.pem -days 398 -extfile v3",
    );
    let export = "pkcs12 -export -inkey own.key -in own.pem -certfile ca.pem -passout env:PASS -out";
    openssl(folder, &format!("{export} modern.pfx"));
    openssl(folder, &format!("{export} legacy.pfx -legacy"));
    let keep = |provider: &str| format!("-CSP Microsoft~{}~Provider", provider.replace(' ', "~"));
    openssl(folder, &format!("{export} cng.pfx {}", keep("Software Key Storage")));
    openssl(folder, &format!("{export} enhanced.pfx -keyex {}", keep("Enhanced RSA and AES Cryptographic")));
    openssl(folder, &format!("{export} signature.pfx -keysig"));
    openssl(folder, "crl2pkcs7 -nocrl -certfile ca.pem -certfile own.pem -outform DER -out chain.p7b");
    openssl(folder, "x509 -in own.pem -outform DER -out own.cer");
}

#[test]
fn every_form_that_openssl_writes_is_read_and_judged() {
    let folder = folder("read");
    made_by_openssl(&folder);
    let thumbprint = openssl(&folder, "x509 -in own.pem -noout -fingerprint -sha1");
    let thumbprint = thumbprint.trim().rsplit('=').next().unwrap().replace(':', "");
    for (file, form, has_key) in [
        ("./modern.pfx", "PFX, protected with AES", true),
        ("./legacy.pfx", "PFX, protected with RC2 (40 bits) and Triple DES", true),
        ("./chain.p7b", "P7B, certificates only", false),
        ("./own.cer", "one certificate in binary form", false),
        ("./own.pem", "PEM text", false),
    ] {
        let told = certificate(&folder, &["inspect", file, "--password-file", "./password", "--json"]);
        assert_eq!(told.code, 0, "{file}: {told:#?}");
        let told = told.json();
        assert_eq!((told["form"].as_str(), &told["has_key"]), (Some(form), &has_key.into()), "{file}");
        assert_eq!(
            told["certificates"][0]["thumbprint"], thumbprint,
            "{file}: the own certificate comes first"
        );
        assert_eq!(told["certificates"][0]["host_names"][0], "*.contoso.com", "{file}");
    }

    let tls = |host: &str| {
        let arguments =
            ["inspect", "./modern.pfx", "--password-file", "./password", "--for", "web-tls", "--host", host];
        certificate(&folder, &arguments)
    };
    assert_eq!(tls("auth.contoso.com").code, 0);
    let two_labels = tls("crm.emea.contoso.com");
    assert_eq!(two_labels.code, 3, "{two_labels:#?}");
    assert!(two_labels.stdout.contains("it is not for crm.emea.contoso.com"), "{}", two_labels.stdout);

    let signing = |file: &str| {
        certificate(&folder, &["inspect", file, "--password-file", "./password", "--for", "token-signing"])
    };
    let enhanced = signing("./enhanced.pfx");
    assert!(enhanced.code == 0 && enhanced.stdout.contains("KeySpec 1 (AT_KEYEXCHANGE)"), "{enhanced:#?}");
    assert!(enhanced.stdout.contains("a web server's certificate"), "{}", enhanced.stdout);
    let cng = signing("./cng.pfx");
    assert!(cng.code == 3 && cng.stdout.contains("Microsoft Software Key Storage Provider"), "{cng:#?}");
    let signature = signing("./signature.pfx");
    assert!(signature.code == 3 && signature.stdout.contains("AT_SIGNATURE"), "{signature:#?}");
}

#[test]
fn mistakes_are_named_and_nothing_is_overwritten() {
    // A long path, because what is said of a file must not depend on where it lies.
    let folder = folder("mistakes-in-a-folder-whose-name-alone-takes-most-of-the-line-of-a-terminal");
    made_by_openssl(&folder);
    fs::write(folder.join("wrong"), "not it").unwrap();
    fs::write(folder.join("noise"), [0x30, 0x82, 1, 2, 3]).unwrap();
    let wrong = certificate(&folder, &["inspect", "./modern.pfx", "--password-file", "./wrong"]);
    assert!(wrong.code == 6 && wrong.stderr.contains("the password is wrong"), "{wrong:#?}");
    let unknown = certificate(&folder, &["inspect", "./modern.pfx"]);
    assert!(unknown.code == 6 && unknown.stderr.contains("HYBRIDGE_PFX_PASSWORD"), "{unknown:#?}");
    let noise = certificate(&folder, &["inspect", "./noise"]);
    assert!(noise.code == 6 && noise.stderr.contains("neither PFX, P7B, PEM"), "{noise:#?}");
    let no_key = certificate(&folder, &["convert", "./own.cer", "--to", "pfx", "--out", "./x.pfx"]);
    assert!(no_key.code == 6 && no_key.stderr.contains("no private key"), "{no_key:#?}");
    let before = fs::read(folder.join("own.cer")).unwrap();
    let exists = certificate(&folder, &["convert", "./own.pem", "--to", "cer", "--out", "./own.cer"]);
    assert!(exists.code == 6 && exists.stderr.contains("exists already"), "{exists:#?}");
    assert_eq!(fs::read(folder.join("own.cer")).unwrap(), before);
    let dry =
        certificate(&folder, &["convert", "./own.pem", "--to", "cer", "--out", "./dry.cer", "--dry-run"]);
    assert!(dry.code == 0 && !folder.join("dry.cer").exists(), "{dry:#?}");
}

#[test]
fn what_hybridge_writes_is_read_by_openssl() {
    let folder = folder("write");
    made_by_openssl(&folder);
    let convert = |from: &str, to: &str, out: &str| {
        let ended = certificate(
            &folder,
            &["convert", from, "--to", to, "--out", out, "--password-file", "./password"],
        );
        assert_eq!(ended.code, 0, "{from} to {to}: {ended:#?}");
    };
    convert("./legacy.pfx", "pfx", "./new.pfx");
    convert("./modern.pfx", "pfx-legacy", "./old.pfx");
    convert("./old.pfx", "pem", "./all.pem");
    convert("./modern.pfx", "cer", "./public.cer");
    let modulus = openssl(&folder, "rsa -in own.key -noout -modulus");
    for (file, legacy) in [("new.pfx", ""), ("old.pfx", "-legacy")] {
        openssl(&folder, &format!("pkcs12 -in {file} {legacy} -passin env:PASS -nodes -out {file}.pem"));
        assert_eq!(openssl(&folder, &format!("rsa -in {file}.pem -noout -modulus")), modulus, "{file}");
        assert_eq!(
            fs::read_to_string(folder.join(format!("{file}.pem")))
                .unwrap()
                .matches("BEGIN CERTIFICATE")
                .count(),
            2
        );
    }
    assert_eq!(openssl(&folder, "rsa -in all.pem -noout -modulus"), modulus);
    assert_eq!(fs::read(folder.join("public.cer")).unwrap(), fs::read(folder.join("own.cer")).unwrap());
    let described =
        certificate(&folder, &["inspect", "./old.pfx", "--password-file", "./password", "--json"]).json();
    assert_eq!(described["form"], "PFX, protected with Triple DES");
}

#[test]
fn pythons_cryptography_and_hybridge_read_each_others_files() {
    let folder = folder("python");
    made_by_openssl(&folder);
    let password = folder.join("password");
    let thumbprint = python_with("pfx.py", &["write".as_ref(), folder.as_os_str(), password.as_os_str()]);
    for (file, form) in [
        ("./python-modern.pfx", "PFX, protected with AES"),
        ("./python-legacy.pfx", "PFX, protected with Triple DES"),
    ] {
        let told = certificate(&folder, &["inspect", file, "--password-file", "./password", "--json"]).json();
        assert_eq!((told["form"].as_str(), &told["has_key"]), (Some(form), &true.into()), "{file}");
        assert_eq!(told["certificates"][0]["thumbprint"], thumbprint["thumbprint"], "{file}");
    }
    for (to, out) in [("pfx", "new.pfx"), ("pfx-legacy", "old.pfx")] {
        let arguments = [
            "convert",
            "./python-modern.pfx",
            "--to",
            to,
            "--out",
            &format!("./{out}"),
            "--password-file",
            "./password",
        ];
        assert_eq!(certificate(&folder, &arguments).code, 0);
        let seen =
            python_with("pfx.py", &["read".as_ref(), folder.join(out).as_os_str(), password.as_os_str()]);
        assert_eq!(seen["thumbprint"], thumbprint["thumbprint"], "{out}");
        assert_eq!((&seen["pair"], &seen["issuers"]), (&true.into(), &1.into()), "{out}");
    }
}

#[test]
fn a_new_certificate_is_good_for_signing_in_at_once() {
    let folder = folder("new");
    let made =
        certificate(&folder, &["new", "--name", "hybridge-s2s-2026b", "--days", "730", "--out", "./s2s.pfx"]);
    assert_eq!(made.code, 0, "{made:#?}");
    let password = fs::read_to_string(folder.join("s2s.password")).unwrap();
    assert!(!made.stdout.contains(&password) && !made.stderr.contains(&password), "the password is shown");
    let good = certificate(
        &folder,
        &["inspect", "./s2s.pfx", "--password-file", "./s2s.password", "--for", "entra-app"],
    );
    assert!(good.code == 0 && good.stdout.contains("CN=hybridge-s2s-2026b"), "{good:#?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for file in ["s2s.pfx", "s2s.password"] {
            let rights = fs::metadata(folder.join(file)).unwrap().permissions().mode();
            assert_eq!(rights & 0o077, 0, "{file} is open to others");
        }
    }
}
