//! What the refusals of a domain and of IIS mean, and what to do about each (dynamics.md 2.1; RFC 4120,
//! 7.5.9; MS-ERREF 2.3.1).

use std::fmt;

/// Windows authentication failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowsRefusal {
    pub(super) fault: WindowsFault,
    pub(super) user_name: String,
    pub(super) with_keytab: bool,
    pub(super) realm: String,
    pub(super) service: String,
    /// Who refused: a domain controller or the organization's web server.
    pub(super) server: String,
    pub(super) detail: String,
    /// Why Kerberos was not possible before, where NTLM failed at last.
    pub(super) before: Option<Box<Self>>,
}

/// The meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WindowsFault {
    /// This machine's clock and the domain's differ by more than five minutes.
    ClockSkew,
    /// No account of the domain has the service principal name.
    UnknownService,
    /// More than one account has the service principal name.
    AmbiguousService,
    /// The domain knows no such account.
    UnknownUser,
    /// The password, or the key in the keytab, is wrong.
    WrongPassword,
    /// Too many wrong passwords.
    AccountLocked,
    /// The account is disabled.
    AccountDisabled,
    /// The account's time is over.
    AccountExpired,
    /// The account is locked, disabled or expired: the domain does not say which.
    AccountRevoked,
    /// The password's time is over, or it must be changed at the next sign-in.
    PasswordExpired,
    /// The account may not sign in now, from here, or this way.
    PolicyForbids,
    /// The domain controller is not one of this domain.
    WrongRealm,
    /// No domain controller answers.
    KdcUnreachable,
    /// Account and domain share no encryption type with Hybridge, which uses AES only.
    NoCommonEncryption,
    /// The web server does not accept the ticket that the domain gave out.
    TicketRefused,
    /// NTLM was refused: by the password, or by policy. NTLM does not say which.
    NtlmRefused,
    /// Only NTLM is left, and a keytab is of no use for that.
    NtlmNeedsPassword,
    /// Anything else: the detail says more.
    Other,
}

impl WindowsFault {
    /// What an error code of Kerberos means (RFC 4120, 7.5.9). The KDC of Windows adds an NTSTATUS.
    pub(super) fn of_kerberos(code: u32, asked_for_service: bool, data: &[u8]) -> Self {
        const STATUSES: [(u32, WindowsFault); 8] = [
            (0xC000_0234, WindowsFault::AccountLocked),
            (0xC000_0072, WindowsFault::AccountDisabled),
            (0xC000_0193, WindowsFault::AccountExpired),
            (0xC000_0071, WindowsFault::PasswordExpired),
            (0xC000_0224, WindowsFault::PasswordExpired),
            (0xC000_006F, WindowsFault::PolicyForbids),
            (0xC000_0070, WindowsFault::PolicyForbids),
            (0xC000_0413, WindowsFault::PolicyForbids),
        ];
        let told = || {
            let says = |status: u32| data.windows(4).any(|bytes| bytes == status.to_le_bytes());
            STATUSES.iter().find(|(status, _)| says(*status)).map(|(_, fault)| *fault)
        };
        match code {
            6 => Self::UnknownUser,
            7 if asked_for_service => Self::UnknownService,
            7 | 68 => Self::WrongRealm,
            8 => Self::AmbiguousService,
            1 | 18 => told().unwrap_or(Self::AccountRevoked),
            12 => told().unwrap_or(Self::PolicyForbids),
            14 => Self::NoCommonEncryption,
            23 => told().unwrap_or(Self::PasswordExpired),
            24 | 31 => Self::WrongPassword,
            37 => Self::ClockSkew,
            29 => Self::KdcUnreachable,
            _ => told().unwrap_or(Self::Other),
        }
    }

    /// Whether NTLM would be refused for the same reason; trying it might even lock the account.
    pub(super) fn is_about_the_account(self) -> bool {
        matches!(
            self,
            Self::WrongPassword
                | Self::AccountLocked
                | Self::AccountDisabled
                | Self::AccountExpired
                | Self::AccountRevoked
                | Self::PasswordExpired
        )
    }
}

impl WindowsRefusal {
    /// What it means.
    pub fn fault(&self) -> WindowsFault {
        self.fault
    }

    pub(crate) fn is_transient(&self) -> bool {
        self.fault == WindowsFault::KdcUnreachable
    }

    /// What to do about it, in words for an administrator.
    pub fn remedy(&self) -> String {
        let remedy = self.own_remedy();
        match &self.before {
            Some(before) => format!("{} Or let NTLM work: {remedy}", before.own_remedy()),
            None => remedy,
        }
    }

    fn own_remedy(&self) -> String {
        let Self { user_name, realm, service, server, .. } = self;
        match self.fault {
            WindowsFault::ClockSkew => {
                "Set this machine's clock by the domain's (chrony or w32tm, with a domain controller as the time server)."
                    .to_owned()
            }
            WindowsFault::UnknownService => format!(
                "Register the name on the account that the organization's application pool runs as: setspn -S {service} \
                 DOMAIN\\account. Or name another one that exists with service_principal in [organization]."
            ),
            WindowsFault::AmbiguousService => {
                format!("Find the accounts with setspn -Q {service} and leave the name on one.")
            }
            WindowsFault::UnknownUser => {
                format!("Check user and domain in [organization]: {user_name} is looked for in {realm}.")
            }
            WindowsFault::WrongPassword if self.with_keytab => format!(
                "Export the keytab of {user_name} again: each change of the account's password makes the old one useless."
            ),
            WindowsFault::WrongPassword => {
                format!("Check the password of {user_name}. It is not tried again for 15 minutes, lest the account be locked.")
            }
            WindowsFault::AccountLocked => {
                format!("Unlock {user_name} in Active Directory, and find out who tries wrong passwords for it.")
            }
            WindowsFault::AccountDisabled => format!("Enable {user_name} in Active Directory."),
            WindowsFault::AccountExpired => format!("Set the end of the account {user_name} in Active Directory to never."),
            WindowsFault::AccountRevoked => {
                format!("Look at {user_name} in Active Directory: is it enabled, not locked and not expired?")
            }
            WindowsFault::PasswordExpired => format!(
                "Give {user_name} a new password, without \"must change password at next logon\" and with \"password never \
                 expires\"."
            ),
            WindowsFault::PolicyForbids => format!(
                "Look at the account {user_name} in Active Directory (Log On To, Logon Hours, authentication policy) and at \
                 the security log of the domain controller."
            ),
            WindowsFault::WrongRealm => {
                format!("Check domain in [organization] (the DNS name of the Active Directory domain, now {realm}) and kdc.")
            }
            WindowsFault::KdcUnreachable => format!(
                "Check name resolution and firewall between this machine and {server} (TCP port 88), or name a domain \
                 controller with kdc in [organization]."
            ),
            WindowsFault::NoCommonEncryption => format!(
                "Let {user_name} and the account that {service} belongs to use AES: tick \"This account supports Kerberos AES \
                 256 bit encryption\" and set their passwords anew."
            ),
            WindowsFault::TicketRefused => format!(
                "Check with setspn -Q {service} that the name stands on the account that the organization's application pool \
                 runs as, and nowhere else. Check also that {user_name} is an enabled user of the organization."
            ),
            WindowsFault::NtlmRefused => format!(
                "Check the password of {user_name}, and whether policy forbids NTLM (\"Network security: Restrict NTLM\" on the \
                 web server and the domain controllers, group Protected Users, Extended Protection of IIS)."
            ),
            WindowsFault::NtlmNeedsPassword => {
                "Let the web server offer Negotiate (IIS, Windows Authentication, Providers), or give a password in place of \
                 the keytab."
                    .to_owned()
            }
            WindowsFault::Other => "Look in the security log of the domain controller.".to_owned(),
        }
    }
}

impl fmt::Display for WindowsRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user_name, realm, service, server, detail, .. } = self;
        let key = if self.with_keytab { "the key in the keytab" } else { "the password" };
        match self.fault {
            WindowsFault::ClockSkew => {
                write!(formatter, "the clocks of this machine and of {server} differ too much for Kerberos")
            }
            WindowsFault::UnknownService => {
                write!(formatter, "the domain {realm} knows no service {service}")
            }
            WindowsFault::AmbiguousService => {
                write!(formatter, "more than one account of {realm} has the service principal name {service}")
            }
            WindowsFault::UnknownUser => write!(formatter, "the domain {realm} knows no account {user_name}"),
            WindowsFault::WrongPassword => write!(formatter, "{server} does not accept {key} of {user_name}"),
            WindowsFault::AccountLocked => write!(formatter, "the account {user_name} is locked"),
            WindowsFault::AccountDisabled => write!(formatter, "the account {user_name} is disabled"),
            WindowsFault::AccountExpired => write!(formatter, "the account {user_name} has expired"),
            WindowsFault::AccountRevoked => {
                write!(formatter, "the account {user_name} is locked, disabled or expired")
            }
            WindowsFault::PasswordExpired => write!(formatter, "the password of {user_name} has expired"),
            WindowsFault::PolicyForbids => {
                write!(formatter, "the domain {realm} does not let {user_name} sign in here and now")
            }
            WindowsFault::WrongRealm => {
                write!(formatter, "{server} is not responsible for the domain {realm}")
            }
            WindowsFault::KdcUnreachable => write!(formatter, "no domain controller of {realm} answers"),
            WindowsFault::NoCommonEncryption => {
                write!(formatter, "{user_name} and {service} share no AES encryption with Hybridge")
            }
            WindowsFault::TicketRefused => {
                write!(formatter, "{server} does not accept {user_name}'s ticket for {service}")
            }
            WindowsFault::NtlmRefused => write!(formatter, "{server} does not accept NTLM from {user_name}"),
            WindowsFault::NtlmNeedsPassword => {
                write!(formatter, "{server} leaves only NTLM, which a keytab is of no use for")
            }
            WindowsFault::Other => write!(formatter, "{server} refused {user_name}"),
        }?;
        if !detail.is_empty() {
            write!(formatter, " ({detail})")?;
        }
        match &self.before {
            Some(before) => write!(formatter, "; Kerberos was not possible: {before}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_kerberos_and_windows_are_told_apart() {
        let locked = [&[0x30, 0x11], &0xC000_0234_u32.to_le_bytes()[..], &[0; 8]].concat();
        for (code, tgs, data, fault) in [
            (24, false, &[][..], WindowsFault::WrongPassword),
            (18, false, &locked, WindowsFault::AccountLocked),
            (18, false, &[], WindowsFault::AccountRevoked),
            (7, true, &[], WindowsFault::UnknownService),
            (7, false, &[], WindowsFault::WrongRealm),
            (37, true, &[], WindowsFault::ClockSkew),
            (23, false, &[], WindowsFault::PasswordExpired),
            (60, false, &[], WindowsFault::Other),
        ] {
            assert_eq!(WindowsFault::of_kerberos(code, tgs, data), fault, "{code}");
        }
    }
}
