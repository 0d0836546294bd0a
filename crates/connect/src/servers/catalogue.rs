//! What servers say when something fails, and what it means (setup.md 2.6).

use hybridge_core::trouble::{Class, Trouble};

use super::Order;

/// A text of PowerShell or Dynamics, what it means, and what to do. `{server}` is the server's name.
struct Known {
    says: &'static str,
    means: &'static str,
    remedy: &'static str,
}

const KNOWN: [Known; 6] = [
    Known {
        says: "allowImpersonationOfOrganizationSystemUser",
        means: "the account is not in the Active Directory group PrivUserGroup",
        remedy: "Add the account to the PrivUserGroup of the deployment (Active Directory Users and Computers), sign in anew, and \
                 run the same command again.",
    },
    Known {
        says: "The user Id(s) [",
        means: "the account is not in the Active Directory group PrivUserGroup",
        remedy: "Add the account to the PrivUserGroup of the deployment (Active Directory Users and Computers), sign in anew, and \
                 run the same command again.",
    },
    Known {
        says: "is not recognized as the name of a cmdlet",
        means: "a module or snap-in is missing, or this is not Windows PowerShell 5.1",
        remedy: "On a deployment server register the snap-in of the Deployment Tools; on an AD FS server install the role's \
                 management tools. Or give the duty to the server that has them, in [[native.servers]].",
    },
    Known {
        says: "Microsoft.Crm.PowerShell",
        means: "the snap-in of the Deployment Tools is not registered",
        remedy: "Give the duty deployment to a server with the Deployment Tools, or install them there (Dynamics 365 Server Setup, \
                 Deployment Tools).",
    },
    Known {
        says: "Private key not found",
        means: "Dynamics can't find the private key by the certificate's subject: two certificates of one subject, or the key is missing",
        remedy: "`hybridge connect plan --target native --step server-certificates --details` shows the certificates of that subject.",
    },
    Known {
        says: "language mode",
        means: "PowerShell is held in constrained language mode (App Control)",
        remedy: "Write reach = \"bundle\" for this server: `hybridge connect export` makes scripts that can be signed and allowed.",
    },
];

/// A failure in the words of the server, explained where it is known.
pub(crate) fn explained(server: &str, order: Order<'_>, said: &str) -> Trouble {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(known) = KNOWN.iter().find(|known| said.contains(known.says)) else {
        let what = format!("{server}: {said}");
        let remedy = format!(
            "The script was {}.ps1; `hybridge connect apply` goes on from here once it is mended.",
            order.script.name
        );
        return Trouble::new(Class::Denied, what, remedy);
    };
    Trouble::new(
        Class::Denied,
        format!("{server}: {} ({said})", known.means),
        known.remedy.replace("{server}", server),
    )
}
