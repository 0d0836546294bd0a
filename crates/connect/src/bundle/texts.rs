//! The texts of a bundle for people, and its runner.

use super::Manifest;

/// The runner.
pub(super) const RUNNER: &str = include_str!("../../scripts/bundle/run.ps1");

/// The prompt for the password that the PFX files of a bundle are under.
pub(super) const SEAL: &str = "One-time password of this bundle";

/// The prompt for another secret.
pub(super) const ANY_SECRET: &str = "The secret that this step needs (docs/guides/servers.md)";

/// Text that a script's remark begins with, which names what its `Undo` takes as `before`.
pub(super) const UNDOES: &str = "# Undo takes of what was found: ";

/// For whoever runs the bundle, and for whoever has to permit it.
pub(super) fn readme(manifest: &Manifest) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "Scripts that Hybridge wants run on Windows servers\n\
         ===================================================\n\n\
         Bundle   {}\nMade     {}\nGood to  {} (Undo also later)\n\n",
        manifest.bundle, manifest.created, manifest.expires
    );
    text.push_str(HEAD);
    text.push_str("In this order:\n\n");
    let mut step = "";
    for order in &manifest.orders {
        if order.step != step {
            step = &order.step;
            let _written = writeln!(
                text,
                "  {step}: {}\n    {} as {}",
                order.title,
                if order.applies.is_empty() { "only looks;" } else { "changes;" },
                order.role
            );
        }
        let _written = write!(text, "    on {}: {}", order.server, order.script);
        let secret = order.applies.iter().find(|input| !input.secret.is_empty());
        if let Some(input) = secret {
            let _written = write!(text, ", asks for: {}", input.secret);
        }
        if !order.elsewhere.is_empty() {
            let _written = write!(text, "; before that: {}", order.elsewhere.join(", "));
        }
        text.push('\n');
    }
    text.push_str(TAIL);
    text
}

const HEAD: &str = "\
What to do, on each server that is named below
  1. Copy this folder there.
  2. Windows PowerShell 5.1, Run as administrator, in the folder:
       powershell.exe -NoProfile -File .\\run.ps1 -Mode Plan
       powershell.exe -NoProfile -File .\\run.ps1 -Mode Apply
  3. Bring results-*.json back to Hybridge, in a ZIP so that no program changes it:
       hybridge connect import results-*.json
  4. Remove the folder from the server. To be able to take the change back by
       powershell.exe -NoProfile -File .\\run.ps1 -Mode Undo
     keep it, but without the *.pfx files.

";

const TAIL: &str = "
For whoever has to permit this
  - run.ps1 and scripts\\ are all that runs. They are plain text, load nothing from elsewhere, install nothing, and start no
    program that is not part of Windows or Dynamics.
  - data\\ is what the scripts are given. It holds no secret. A *.pfx file in scripts\\ holds the private key that Dynamics
    signs with, under a one-time password that was shown once when this bundle was made and is in no file of it.
  - Secrets are typed at a prompt and stay in that one process. They are in no argument, transcript, result or event log.
  - run.ps1 runs a file only if it still has the SHA-256 that manifest.json says. That finds damage, not malice: whoever can
    change a script can change manifest.json too. For that, sign the scripts:
      Get-ChildItem -Recurse -Filter *.ps1 | Set-AuthenticodeSignature -Certificate $yours -TimestampServer $url
      powershell.exe -NoProfile -ExecutionPolicy AllSigned -File .\\run.ps1 -Mode Apply
    A signature does not count in the SHA-256. The publisher has to be in TrustedPublisher of the server.
  - results-*.json and transcript-*.txt tell what was there before and after.
";
