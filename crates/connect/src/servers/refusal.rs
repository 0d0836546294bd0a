//! What a script failed with, explained.

use hybridge_core::trouble::{Class, Trouble};

use super::Order;
use crate::catalogue;

/// What PowerShell itself says, what it means, and what to do. `{server}` is the server's name.
const SHELL: [(&str, &str, &str); 3] = [
    (
        "Microsoft.Crm.PowerShell",
        "the snap-in of the Deployment Tools is not registered",
        "Give the duty deployment to a server with the Deployment Tools, or install them on {server} (Dynamics 365 Server Setup, \
         Deployment Tools), then run the same command again.",
    ),
    (
        "is not recognized as the name of a cmdlet",
        "a module or snap-in is missing, or this is not Windows PowerShell 5.1",
        "On a deployment server install the Deployment Tools; on an AD FS server the management tools of its role. Or give the duty to \
         the server that has them, in [[native.servers]].",
    ),
    (
        "language mode",
        "PowerShell is held in constrained language mode (App Control)",
        "Write reach = \"bundle\" for {server}: hybridge connect export --target native makes scripts that can be signed and allowed.",
    ),
];

/// A failure in the words of the server, explained where it is known.
pub(super) fn explained(server: &str, order: Order<'_>, said: &str) -> Trouble {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let (means, remedy) =
        match (SHELL.iter().find(|(words, ..)| said.contains(words)), catalogue::find(&said)) {
            (_, Some(known)) => (known.means, known.remedy(server)),
            (Some((_, means, remedy)), None) => (*means, remedy.replace("{server}", server)),
            (None, None) => {
                let remedy = format!(
                    "The script was {}.ps1. Mend it on {server} and run the same command again.",
                    order.script.name
                );
                return Trouble::new(Class::Denied, format!("{server}: {said}"), remedy);
            }
        };
    Trouble::new(Class::Denied, format!("{server}: {means} ({said})"), remedy)
}
