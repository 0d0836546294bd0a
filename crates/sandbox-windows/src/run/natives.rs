//! Methods of the objects that the table of .NET types makes.

use super::{
    Run,
    flow::{Ran, failed, unknown},
    statics,
    value::{Native, Value},
};

impl Run<'_> {
    /// A method, its name in lower case, of an object of the emulator.
    pub(crate) fn native_method(&mut self, line: usize, of: &Value, name: &str, arguments: &[Value]) -> Ran {
        let Value::Object(object) = of else { return unknown(line, format!("the method {name}")) };
        let (class, native) = (object.borrow().class.clone(), object.borrow().native.clone());
        let text = |at: usize| arguments.get(at).map(Value::show).unwrap_or_default();
        let first = || arguments.first().cloned().unwrap_or(Value::Null);
        Ok(match (class.rsplit('.').next().unwrap_or_default(), name) {
            ("TextReader", "readtoend" | "readline") => Value::text(self.read_stdin()),
            ("TextWriter", "write" | "writeline") => {
                self.write_line(&text(0));
                Value::Null
            }
            ("TextWriter+Error", "write" | "writeline") => {
                self.stderr.push_str(&format!("{}\n", text(0)));
                Value::Null
            }
            (_, "dispose" | "flush") => Value::Null,
            ("Encoding", "getstring") => {
                Value::text(String::from_utf8_lossy(&statics::bytes(line, &first())?))
            }
            ("Encoding", "getbytes") => Value::Bytes(std::rc::Rc::new(text(0).into_bytes())),
            ("SHA256CryptoServiceProvider", "computehash") => {
                let hash = <sha2::Sha256 as sha2::Digest>::digest(statics::bytes(line, &first())?);
                Value::Bytes(std::rc::Rc::new(hash.to_vec()))
            }
            ("WindowsPrincipal", "isinrole") => Value::Bool(!self.machine.faults.not_elevated),
            ("NTAccount", "translate") => of.clone(),
            ("Guid", "equals") => Value::Bool(of.show().eq_ignore_ascii_case(&text(0))),
            ("ConfigurationEntity" | "X509Certificate2", "gethashcode") => Value::Int(0),
            ("X509Certificate2", "getcerthashstring") => self.member(of, "Thumbprint")?,
            ("X509Certificate2", "getrawcertdata") => self.member(of, "RawData")?,
            ("X509Certificate2", "export") if text(0).eq_ignore_ascii_case("cert") => {
                self.member(of, "RawData")?
            }
            ("X509Certificate2", "reset" | "verify") => Value::Bool(true),
            ("FileSecurity", _) => self.acl_method(line, of, name, &first())?,
            ("X509Store", _) => {
                let Native::Store { location, name: store, open } = native else {
                    return unknown(line, format!("the method {name} of {class}"));
                };
                return self.store_method(line, of, (&location, &store, open), name, &first());
            }
            _ => return unknown(line, format!("the method {name} of {class}")),
        })
    }

    fn store_method(
        &mut self,
        line: usize,
        of: &Value,
        (location, store, open): (&str, &str, bool),
        name: &str,
        argument: &Value,
    ) -> Ran {
        if !location.eq_ignore_ascii_case("LocalMachine") {
            return unknown(line, format!("a store of {location}"));
        }
        let set = |open: bool| {
            if let Value::Object(object) = of {
                object.borrow_mut().native =
                    Native::Store { location: location.to_owned(), name: store.to_owned(), open };
            }
        };
        match name {
            "open" => {
                if self.machine.faults.not_elevated && argument.show().to_ascii_lowercase().contains("write")
                {
                    return failed(
                        "System.Security.Cryptography.CryptographicException",
                        "Access is denied.",
                    );
                }
                set(true);
                let found: Vec<Value> = self
                    .machine
                    .certificates
                    .iter()
                    .filter(|one| one.store.eq_ignore_ascii_case(store))
                    .map(|one| self.certificate_object(&one.certificate))
                    .collect();
                if let Value::Object(object) = of {
                    object.borrow_mut().properties.set("Certificates", Value::array(found));
                }
            }
            "close" => set(false),
            "add" | "remove" if !open => {
                return failed(
                    "System.Security.Cryptography.CryptographicException",
                    "The X509 certificate store has not been opened.",
                );
            }
            "add" | "remove" => {
                let certificate = match argument {
                    Value::Object(object) => match &object.borrow().native {
                        Native::Certificate(certificate) => certificate.clone(),
                        _ => return unknown(line, format!("{name} of something that is no certificate")),
                    },
                    _ => return unknown(line, format!("{name} of something that is no certificate")),
                };
                let words = format!("{name} certificate {} in {store}", certificate.thumbprint);
                self.machine.changes.push(words);
                if name == "add" {
                    self.machine.install(store, *certificate);
                } else {
                    self.machine.certificates.retain(|one| {
                        !(one.store.eq_ignore_ascii_case(store)
                            && one.certificate.thumbprint == certificate.thumbprint)
                    });
                }
            }
            _ => return unknown(line, format!("the method {name} of X509Store")),
        }
        Ok(Value::Null)
    }

    fn acl_method(&mut self, line: usize, of: &Value, name: &str, rule: &Value) -> Ran {
        let mut rules = self.member(of, "Access")?.elements();
        let same = |run: &mut Self, one: &Value, members: &[&str]| -> Ran<bool> {
            for member in members {
                let (own, given) = (run.member(one, member)?.show(), run.member(rule, member)?.show());
                if !own.eq_ignore_ascii_case(&given) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let members: &[&str] = match name {
            "addaccessrule" | "setaccessrule" => &["IdentityReference", "AccessControlType"],
            "removeaccessrule" | "removeaccessrulespecific" => {
                &["IdentityReference", "FileSystemRights", "AccessControlType"]
            }
            "removeaccessruleall" | "purgeaccessrules" => &["IdentityReference"],
            "getaccessrules" => return Ok(Value::array(rules)),
            _ => return unknown(line, format!("the method {name} of an access control list")),
        };
        let before = rules.len();
        let mut kept = Vec::new();
        for one in rules.drain(..) {
            let exact = name == "addaccessrule";
            let also: &[&str] = if exact { &["FileSystemRights"] } else { &[] };
            if !(same(self, &one, members)? && same(self, &one, also)?) {
                kept.push(one);
            }
        }
        let removed = kept.len() < before;
        if name.starts_with("add") || name.starts_with("set") {
            kept.push(rule.clone());
        }
        self.set_member(of, "Access", Value::array(kept))?;
        Ok(if name.starts_with("remove") { Value::Bool(removed) } else { Value::Null })
    }
}
