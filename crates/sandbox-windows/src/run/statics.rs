//! The table of .NET types: static members, constructors, and the methods of their objects.

use std::rc::Rc;

use super::{
    Run, convert,
    flow::{Ran, failed, unknown},
    methods, operators,
    value::{Names, Native, Value},
};
use crate::machine::{Bad, Certificate, Key};

const X509: &str = "System.Security.Cryptography.X509Certificates.";

/// A type's name as the table knows it.
fn known(class: &str) -> String {
    let short = convert::short(class);
    short.strip_prefix("security.cryptography.x509certificates.").map_or(short.clone(), str::to_owned)
}

impl Run<'_> {
    pub(crate) fn static_member(&mut self, line: usize, class: &str, name: &str) -> Ran {
        Ok(match (known(class).as_str(), name.to_ascii_lowercase().as_str()) {
            ("datetime", "utcnow") => Value::Date { at: self.machine.now, utc: true },
            ("datetime", "now") => Value::date(self.machine.now),
            ("datetime", "minvalue") => Value::date(jiff::Timestamp::MIN),
            ("guid", "empty") => convert::guid(&uuid::Uuid::nil()),
            ("string", "empty") => Value::text(""),
            ("int", "maxvalue") => Value::Int(i64::from(i32::MAX)),
            ("environment", "newline") => Value::text("\r\n"),
            ("environment", "machinename") => Value::text(&self.machine.name),
            ("console", "in") => Value::known("System.IO.TextReader", []),
            ("console", "out") => Value::known("System.IO.TextWriter", []),
            ("console", "error") => Value::known("System.IO.TextWriter+Error", []),
            ("console", "inputencoding" | "outputencoding") => Value::known("System.Text.Encoding", []),
            ("text.encoding", "utf8" | "ascii" | "unicode") => {
                Value::known("System.Text.Encoding", [("EncodingName", Value::text(name))])
            }
            ("globalization.cultureinfo" | "cultureinfo", "invariantculture") => {
                Value::known("System.Globalization.CultureInfo", [("Name", Value::text(""))])
            }
            (
                "x509keystorageflags"
                | "storename"
                | "storelocation"
                | "openflags"
                | "stringcomparison"
                | "stringsplitoptions"
                | "security.accesscontrol.filesystemrights"
                | "security.accesscontrol.accesscontroltype"
                | "x509contenttype"
                | "security.principal.windowsbuiltinrole"
                | "x509findtype"
                | "net.securityprotocoltype"
                | "text.normalizationform"
                | "datetimekind"
                | "keynumber"
                | "security.cryptography.keynumber",
                _,
            ) => Value::text(name),
            _ => return unknown(line, format!("[{class}]::{name}")),
        })
    }

    #[expect(clippy::too_many_lines, reason = "one table")]
    pub(crate) fn static_method(&mut self, line: usize, class: &str, name: &str, arguments: &[Value]) -> Ran {
        let text = |at: usize| arguments.get(at).map(Value::show).unwrap_or_default();
        let first = || arguments.first().cloned().unwrap_or(Value::Null);
        let lower = name.to_ascii_lowercase();
        if lower == "new" {
            return self.construct(line, class, arguments);
        }
        Ok(match (known(class).as_str(), lower.as_str()) {
            ("convert", "frombase64string") => Value::Bytes(Rc::new(methods::unbase64(&text(0))?)),
            ("convert", "tobase64string") => Value::text(methods::base64(&bytes(line, &first())?)),
            ("convert", "toint32" | "toint64") if arguments.len() == 2 => {
                let radix =
                    arguments.get(1).and_then(Value::whole).and_then(|n| u32::try_from(n).ok()).unwrap_or(10);
                match i64::from_str_radix(&text(0), radix) {
                    Ok(number) => Value::Int(number),
                    Err(_) => {
                        return failed("System.FormatException", "Could not find any recognizable digits.");
                    }
                }
            }
            ("string", "isnullorempty") => Value::Bool(text(0).is_empty()),
            ("string", "isnullorwhitespace") => Value::Bool(text(0).trim().is_empty()),
            ("string", "join") => {
                let parts = if arguments.len() == 2 {
                    arguments.get(1).map(Value::elements).unwrap_or_default()
                } else {
                    arguments.get(1..).unwrap_or_default().to_vec()
                };
                Value::text(parts.iter().map(Value::show).collect::<Vec<_>>().join(&text(0)))
            }
            ("string", "format") => {
                super::format::format(line, &text(0), arguments.get(1..).unwrap_or_default())?
            }
            ("string", "equals") => {
                let case = !text(2).to_ascii_lowercase().contains("ignorecase");
                Value::Bool(operators::equal(&Value::text(text(0)), &Value::text(text(1)), case))
            }
            ("scriptblock", "create") => {
                if self.machine.faults.constrained_language {
                    return failed(
                        "System.Management.Automation.PSInvalidOperationException",
                        "Cannot invoke method. Method invocation is supported only on core types in this language mode.",
                    );
                }
                match crate::script::read(&text(0)) {
                    Ok(block) => Value::Block(Rc::new(block)),
                    Err(error) => {
                        return unknown(
                            line,
                            format!("line {} of a script block: {}", error.line, error.what),
                        );
                    }
                }
            }
            ("guid", "newguid") => convert::guid(&uuid::Uuid::new_v4()),
            ("guid", "parse") => convert::cast(line, "guid", &first())?,
            ("datetime", "parse" | "parseexact") => convert::cast(line, "datetime", &first())?,
            ("datetime", "specifykind") => match first() {
                Value::Date { at, .. } => Value::Date { at, utc: text(1).eq_ignore_ascii_case("utc") },
                other => other,
            },
            ("timespan", "fromminutes") => Value::Span(first().number().unwrap_or(0.0) * 60.0),
            ("timespan", "fromdays") => Value::Span(first().number().unwrap_or(0.0) * 86_400.0),
            ("timespan", "fromseconds") => Value::Span(first().number().unwrap_or(0.0)),
            ("io.path", "combine") => {
                Value::text(arguments.iter().map(Value::show).collect::<Vec<_>>().join("\\"))
            }
            ("io.path", "gettempfilename") => {
                let path = format!(r"C:\Windows\Temp\tmp{}.tmp", uuid::Uuid::new_v4().simple());
                self.machine.files.insert(path.clone(), Vec::new());
                Value::text(path)
            }
            ("io.path", "gettemppath") => Value::text(r"C:\Windows\Temp\"),
            ("io.path", "getrandomfilename") => Value::text(format!("{}.tmp", uuid::Uuid::new_v4().simple())),
            ("io.file", "writeallbytes") => {
                let bytes = bytes(line, &arguments.get(1).cloned().unwrap_or(Value::Null))?;
                self.machine.files.insert(text(0), bytes);
                Value::Null
            }
            ("io.file", "writealltext") => {
                self.machine.files.insert(text(0), text(1).into_bytes());
                Value::Null
            }
            ("io.file", "readallbytes") => match self.machine.files.get(&text(0)) {
                Some(bytes) => Value::Bytes(Rc::new(bytes.clone())),
                None => {
                    return failed(
                        "System.IO.FileNotFoundException",
                        format!("Could not find file '{}'.", text(0)),
                    );
                }
            },
            ("io.file", "readalltext") => match self.machine.files.get(&text(0)) {
                Some(bytes) => Value::text(String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}')),
                None => {
                    return failed(
                        "System.IO.FileNotFoundException",
                        format!("Could not find file '{}'.", text(0)),
                    );
                }
            },
            ("bitconverter", "tostring") => {
                let bytes = bytes(line, &first())?;
                Value::text(bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join("-"))
            }
            ("io.file", "exists") => Value::Bool(self.machine.files.contains_key(&text(0))),
            ("io.file", "delete") => {
                self.machine.files.remove(&text(0));
                Value::Null
            }
            ("security.principal.windowsidentity", "getcurrent") => Value::known(
                "System.Security.Principal.WindowsIdentity",
                [("Name", Value::text(r"CONTOSO\administrator"))],
            ),
            ("math", "floor") => {
                Value::Int(Value::Double(first().number().unwrap_or(0.0).floor()).whole().unwrap_or(0))
            }
            ("math", "round") => Value::Int(first().whole().unwrap_or(0)),
            ("math", "max") => {
                if operators::order(&first(), arguments.get(1).unwrap_or(&Value::Null), true)
                    .is_some_and(std::cmp::Ordering::is_lt)
                {
                    arguments.get(1).cloned().unwrap_or(Value::Null)
                } else {
                    first()
                }
            }
            ("math", "min") => {
                if operators::order(&first(), arguments.get(1).unwrap_or(&Value::Null), true)
                    .is_some_and(std::cmp::Ordering::is_gt)
                {
                    arguments.get(1).cloned().unwrap_or(Value::Null)
                } else {
                    first()
                }
            }
            ("array", "empty") => Value::array(Vec::new()),
            ("regex" | "text.regularexpressions.regex", "escape") => Value::text(regex::escape(&text(0))),
            (
                "security.cryptography.x509certificates.rsacertificateextensions"
                | "rsacertificateextensions",
                "getrsaprivatekey",
            ) => self.rsa_key(line, &first())?,
            _ => return unknown(line, format!("[{class}]::{name}")),
        })
    }

    /// `[class]::new(...)`, or `New-Object class`.
    pub(crate) fn construct(&mut self, line: usize, class: &str, arguments: &[Value]) -> Ran {
        let text = |at: usize| arguments.get(at).map(Value::show).unwrap_or_default();
        let name = known(class);
        if self.machine.faults.constrained_language
            && !matches!(name.as_str(), "pscustomobject" | "datetime" | "guid")
        {
            return failed(
                "System.Management.Automation.PSNotSupportedException",
                "Cannot create type. Only core types are supported in this language mode.",
            );
        }
        Ok(match name.as_str() {
            "x509certificate2" => self.certificate(line, arguments)?,
            "x509store" => {
                let (store, location) = if arguments.len() == 1 {
                    (text(0), "CurrentUser".to_owned())
                } else {
                    (text(0), text(1))
                };
                Value::object(
                    &format!("{X509}X509Store"),
                    Names(vec![
                        ("Name".to_owned(), Value::text(&store)),
                        ("Location".to_owned(), Value::text(&location)),
                    ]),
                    Native::Store { location, name: store, open: false },
                )
            }
            "collections.arraylist" => Value::List(Rc::default()),
            list if list.starts_with("collections.generic.list[") => Value::List(Rc::default()),
            "microsoft.xrm.sdk.deployment.attributecollection" => Value::List(Rc::default()),
            pair if pair.starts_with("collections.generic.keyvaluepair[") => {
                let arguments = if let [only] = arguments { only.unrolled() } else { arguments.to_vec() };
                let one = |at: usize| arguments.get(at).cloned().unwrap_or(Value::Null);
                Value::known("System.Collections.Generic.KeyValuePair", [("Key", one(0)), ("Value", one(1))])
            }
            "microsoft.xrm.sdk.deployment.configurationentity" => {
                if !self.offers(super::call::From::Crm) {
                    return failed(
                        "System.Management.Automation.PSArgumentException",
                        format!(
                            "Cannot find type [{class}]: verify that the assembly containing this type is loaded."
                        ),
                    );
                }
                Value::known(
                    "Microsoft.Xrm.Sdk.Deployment.ConfigurationEntity",
                    [("LogicalName", Value::Null), ("Id", Value::Null), ("Attributes", Value::Null)],
                )
            }
            "security.accesscontrol.filesystemaccessrule" => {
                let rights = text(1);
                let at = if arguments.len() > 3 { 4 } else { 2 };
                access_rule(&text(0), &rights, &text(at), false)
            }
            "security.principal.windowsprincipal" => {
                Value::known("System.Security.Principal.WindowsPrincipal", [])
            }
            "security.principal.ntaccount" => {
                let account =
                    if arguments.len() == 2 { format!("{}\\{}", text(0), text(1)) } else { text(0) };
                identity(&account)
            }
            "security.cryptography.sha256cryptoserviceprovider" => {
                Value::known("System.Security.Cryptography.SHA256CryptoServiceProvider", [])
            }
            "securestring" => Value::Secure(Rc::new(std::cell::RefCell::new(text(0)))),
            "pscustomobject" => Value::custom(Names::default()),
            "guid" => convert::cast(line, "guid", arguments.first().unwrap_or(&Value::Null))?,
            "exception"
            | "invalidoperationexception"
            | "argumentexception"
            | "management.automation.runtimeexception" => {
                let class = if class.to_ascii_lowercase().starts_with("system.") {
                    class.to_owned()
                } else {
                    format!("System.{class}")
                };
                Value::known(
                    &class,
                    [
                        ("Message", Value::text(text(0))),
                        ("\u{0}show", Value::text(format!("{class}: {}", text(0)))),
                    ],
                )
            }
            "text.utf8encoding" => {
                Value::known("System.Text.Encoding", [("EncodingName", Value::text("UTF8"))])
            }
            "timespan" => {
                let n = |at: usize| arguments.get(at).and_then(Value::number).unwrap_or(0.0);
                Value::Span(n(0) * 3600.0 + n(1) * 60.0 + n(2))
            }
            _ => return unknown(line, format!("the type [{class}]")),
        })
    }

    fn certificate(&mut self, line: usize, arguments: &[Value]) -> Ran {
        let data = match arguments.first() {
            Some(Value::Text(path)) => match self.machine.files.get(&**path) {
                Some(bytes) => bytes.clone(),
                None => {
                    return failed(
                        "System.Security.Cryptography.CryptographicException",
                        "The system cannot find the file specified.",
                    );
                }
            },
            Some(other) => bytes(line, other)?,
            None => return unknown(line, "an X509Certificate2 of nothing"),
        };
        let read = match arguments.get(1) {
            None => Certificate::from_der(&data),
            Some(password) => {
                let password = match password {
                    Value::Secure(secret) => secret.borrow().clone(),
                    other => other.show(),
                };
                let flags = arguments.get(2).map(Value::show).unwrap_or_default().to_ascii_lowercase();
                let spec = u8::from(!self.machine.faults.cng_import);
                Certificate::from_pfx(&data, &password, spec).map(|mut certificate| {
                    if flags.contains("machinekeyset") && flags.contains("persistkeyset") {
                        if let Some(key) = &certificate.key {
                            self.machine.add_key_file(&key.path());
                        }
                    } else if let Some(key) = &mut certificate.key {
                        // Without these flags the key is gone with the object, or is the user's own.
                        "user".clone_into(&mut key.container);
                    }
                    if flags.contains("exportable")
                        && let Some(key) = &mut certificate.key
                    {
                        key.exportable = true;
                    }
                    certificate
                })
            }
        };
        match read {
            Ok(certificate) => Ok(self.certificate_object(&certificate)),
            Err(Bad::Pfx(_)) => failed(
                "System.Security.Cryptography.CryptographicException",
                "Exception calling \".ctor\" with \"3\" argument(s): \"The specified network password is not correct.\"",
            ),
            Err(error) => failed(
                "System.Security.Cryptography.CryptographicException",
                format!("Exception calling \".ctor\": \"Cannot find the requested object. {error}\""),
            ),
        }
    }

    /// The object that a certificate is for scripts.
    pub(crate) fn certificate_object(&self, certificate: &Certificate) -> Value {
        let key = match &certificate.key {
            // A CNG key cannot be had through this property, nor can a key without access to it.
            Some(key) if key.spec != 0 && !self.machine.faults.no_key_access => private_key(key),
            _ => Value::Null,
        };
        let members = [
            ("Thumbprint", Value::text(&certificate.thumbprint)),
            ("Subject", Value::text(&certificate.subject)),
            ("Issuer", Value::text(&certificate.issuer)),
            ("SerialNumber", Value::text(&certificate.serial)),
            ("NotBefore", Value::date(certificate.not_before)),
            ("NotAfter", Value::date(certificate.not_after)),
            ("RawData", Value::Bytes(Rc::new(certificate.der.clone()))),
            ("HasPrivateKey", Value::Bool(certificate.key.is_some())),
            ("PrivateKey", key),
            ("FriendlyName", Value::text("")),
            (
                "PublicKey",
                Value::known(
                    "System.Security.Cryptography.X509Certificates.PublicKey",
                    [(
                        "Key",
                        Value::known(
                            "System.Security.Cryptography.RSA",
                            [("KeySize", Value::int(certificate.key_bits))],
                        ),
                    )],
                ),
            ),
            (
                "\u{0}show",
                Value::text(format!(
                    "[Subject]\n  {}\n\n[Thumbprint]\n  {}\n",
                    certificate.subject, certificate.thumbprint
                )),
            ),
        ];
        let names = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Value::object(
            &format!("{X509}X509Certificate2"),
            Names(names),
            Native::Certificate(Box::new(certificate.clone())),
        )
    }

    fn rsa_key(&self, line: usize, value: &Value) -> Ran {
        let Value::Object(object) = value else { return unknown(line, "a private key of something else") };
        let Native::Certificate(certificate) = object.borrow().native.clone() else {
            return unknown(line, "a private key of something else");
        };
        let Some(key) = &certificate.key else { return Ok(Value::Null) };
        if self.machine.faults.no_key_access {
            return failed("System.Security.Cryptography.CryptographicException", "Keyset does not exist");
        }
        if key.spec == 0 {
            let cng = Value::known(
                "System.Security.Cryptography.CngKey",
                [
                    ("UniqueName", Value::text(&key.container)),
                    ("KeyName", Value::text(&key.container)),
                    (
                        "Provider",
                        Value::known(
                            "System.Security.Cryptography.CngProvider",
                            [("Provider", Value::text(&key.provider))],
                        ),
                    ),
                ],
            );
            return Ok(Value::known(
                "System.Security.Cryptography.RSACng",
                [("Key", cng), ("KeySize", Value::int(certificate.key_bits))],
            ));
        }
        Ok(private_key(key))
    }
}

fn private_key(key: &Key) -> Value {
    let number = if key.spec == 1 { "Exchange" } else { "Signature" };
    let info = Value::known(
        "System.Security.Cryptography.CspKeyContainerInfo",
        [
            ("KeyNumber", Value::text(number)),
            ("ProviderName", Value::text(&key.provider)),
            ("ProviderType", Value::Int(24)),
            ("UniqueKeyContainerName", Value::text(&key.container)),
            ("KeyContainerName", Value::text(&key.container)),
            ("MachineKeyStore", Value::Bool(key.container != "user")),
            ("Exportable", Value::Bool(key.exportable)),
        ],
    );
    Value::known(
        "System.Security.Cryptography.RSACryptoServiceProvider",
        [("CspKeyContainerInfo", info), ("KeySize", Value::Int(2048))],
    )
}

/// An account.
pub(crate) fn identity(account: &str) -> Value {
    Value::known(
        "System.Security.Principal.NTAccount",
        [("Value", Value::text(account)), ("\u{0}show", Value::text(account))],
    )
}

/// A file's access rule.
pub(crate) fn access_rule(account: &str, rights: &str, kind: &str, inherited: bool) -> Value {
    Value::known(
        "System.Security.AccessControl.FileSystemAccessRule",
        [
            ("IdentityReference", identity(account)),
            ("FileSystemRights", Value::text(rights)),
            ("AccessControlType", Value::text(kind)),
            ("IsInherited", Value::Bool(inherited)),
        ],
    )
}

/// The bytes that a value is.
pub(crate) fn bytes(line: usize, value: &Value) -> Ran<Vec<u8>> {
    match convert::cast(line, "byte[]", value)? {
        Value::Bytes(bytes) => Ok(bytes.to_vec()),
        _ => failed("System.ArgumentNullException", "Value cannot be null."),
    }
}
