//! The command line.

mod request;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use hybridge_sandbox::faults::MailboxFault;
pub(crate) use request::{KeyName, ProofArgs, RequestArgs};
use url::Url;

/// Keeps Dynamics 365 on-premises and Exchange Online in step, over Microsoft Graph.
#[derive(Debug, Parser)]
#[command(
    name = "hybridge",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 all went well, 3 done with troubles, 4 denied, 5 temporary, 6 configuration, 7 refused for safety, 8 locked, 9 storage. Everything: docs/reference/exit-codes.md"
)]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(
        long,
        short,
        global = true,
        default_value = "hybridge.toml",
        env = "HYBRIDGE_CONFIG",
        value_name = "FILE"
    )]
    pub(crate) config: PathBuf,
    /// Print one JSON object in place of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more: -v what happens, -vv every call that is repeated.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented configuration.
    Init(Box<InitArgs>),
    /// Is this configuration right; can both sides be reached and signed in to?
    Check,
    /// Keep all mailboxes in step until stopped (Ctrl-C; a second one stops at once).
    Run,
    /// Bring mailboxes in step once.
    Sync(SyncArgs),
    /// Tell what was decided about a message or record, when and why.
    Explain {
        /// A Message-Id, a record id, an item id, or a part of a subject or sender.
        what: String,
    },
    /// How the mailboxes fare, what is wrong and what to do.
    Status {
        /// List every mailbox, not only those in trouble.
        #[arg(long)]
        all: bool,
    },
    /// The organization's options as they count: value, source, what each does and who obeys it.
    Options {
        /// Those with their default as well.
        #[arg(long)]
        all: bool,
    },
    /// The administrator's rules: list them, and try them on a message.
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Set up the trust between Exchange Online and Dynamics: see what is missing, do it, prove it, take it back.
    Connect(ConnectArgs),
    /// Look into certificate files, convert them, make one, have one issued, renew Hybridge's own.
    Certificate {
        #[command(subcommand)]
        command: CertificateCommand,
    },
    /// An emulated tenant and organization on this machine, to try things out.
    Sandbox(Box<SandboxArgs>),
    /// Show the whole thing at work on a made-up company.
    Demo(DemoArgs),
    /// Run the whole system under seeded faults and check that the promises hold.
    Simulate(SimulateArgs),
    /// Measure.
    Bench {
        #[command(subcommand)]
        what: BenchCommand,
    },
    /// Write shell completions to standard output.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// All rules, what each asks, and what is odd about them.
    List,
    /// What the rules do to a message; nothing is sent or stored.
    Test {
        /// The message: an .eml file as Outlook and other programs save it.
        message: PathBuf,
        /// The mailbox that it is read from, by address or name; its first recipient where this is left out.
        #[arg(long, short)]
        mailbox: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The tenant's id (a GUID; Entra admin centre, Overview).
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// The application (client) id of Hybridge's app registration.
    #[arg(long)]
    pub(crate) client_id: Option<String>,
    /// The certificate with its key: a PFX or PEM file. Left out, a new one is made and its public part written beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<String>,
    /// A file that holds the certificate's password.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate_password_file: Option<String>,
    /// The organization's URL.
    #[arg(long, value_name = "URL")]
    pub(crate) organization: Option<String>,
    /// The service account: DOMAIN\user or user@domain.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Windows authentication (Kerberos, NTLM) in place of AD FS: the DNS name of the Active Directory domain.
    #[arg(long, conflicts_with = "adfs_client_id")]
    pub(crate) domain: Option<String>,
    /// With --domain: a keytab of the service account in place of its password.
    #[arg(long, value_name = "FILE", requires = "domain", conflicts_with = "password_file")]
    pub(crate) keytab: Option<String>,
    /// A file that holds the service account's password.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<String>,
    /// The client id registered in AD FS.
    #[arg(long)]
    pub(crate) adfs_client_id: Option<String>,
    /// A certificate authority (PEM) to trust beside the machine's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) authority: Vec<String>,
    /// Another Entra ID than Microsoft's (the sandbox).
    #[arg(long, value_name = "URL", hide = true)]
    pub(crate) login_url: Option<String>,
    /// Another Graph than Microsoft's (the sandbox).
    #[arg(long, value_name = "URL", hide = true)]
    pub(crate) graph_url: Option<String>,
    /// Take everything from a running sandbox's folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) sandbox: Option<PathBuf>,
    /// Replace an existing file.
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would be written, write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Look into every mailbox once and end (without it, see `hybridge run`).
    #[arg(long, required = true)]
    pub(crate) once: bool,
    /// Only this mailbox: its address or name (can be given several times).
    #[arg(long)]
    pub(crate) mailbox: Vec<String>,
    /// Ask both sides and show what would be done, but do and store nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    #[command(subcommand)]
    pub(crate) verb: ConnectVerb,
    /// What is to work in the end.
    #[arg(long, global = true, value_enum, default_value_t = TargetName::Graph)]
    pub(crate) target: TargetName,
    /// Only this step (can be given several times); `connect plan` names them.
    #[arg(long, global = true, value_name = "STEP")]
    pub(crate) step: Vec<String>,
}

/// What is to work in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetName {
    /// Hybridge itself, over Microsoft Graph.
    Graph,
    /// Dynamics' own synchronization over Exchange Web Services, as long as there is one.
    Native,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct AcceptArgs {
    /// The mailbox, by address or name; the first one that takes part where none is named.
    #[arg(long, value_name = "MAILBOX")]
    pub(crate) mailbox: Option<String>,
    /// The sender's address; the mailbox's own where none is named.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum ConnectVerb {
    /// What is there and what would be changed. Changes nothing.
    Plan {
        /// Show every value that would change.
        #[arg(long)]
        details: bool,
    },
    /// Do what is missing, step by step; stops at the first failure, and goes on from there next time.
    Apply {
        /// Only show what would be done, as `connect plan` does.
        #[arg(long)]
        dry_run: bool,
    },
    /// Prove every step by using it.
    Verify,
    /// Put back what was there before Hybridge changed it, as the audit log tells.
    Undo {
        /// Only show what would be put back.
        #[arg(long)]
        dry_run: bool,
        /// Put it back although somebody else changed it since.
        #[arg(long)]
        force: bool,
    },
    /// Write a folder of scripts for the servers with reach = "bundle", to be run there by hand. Changes nothing.
    Export {
        /// The folder to write; it must not exist yet.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Write the one-time password of the PFX file into this file, in place of showing it once.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Take over what the scripts of a bundle told: the results-*.json files of the servers.
    Import {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// What an error of Dynamics, its servers, Entra ID or Exchange means, and what to do.
    Explain {
        /// The error's text, as it was read.
        text: String,
        /// The machine that it came from.
        #[arg(long, default_value = "")]
        machine: String,
    },
    /// Let one mail go the whole way: put it into a mailbox, bring it into Dynamics, find it there, remove both.
    Accept(AcceptArgs),
    /// The audit log: who changed what when, what was there before and after.
    Log,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Tell what is in a PFX, P7B, PEM or CER file and what it can be used for, and why not.
    ///
    /// The password comes from `HYBRIDGE_PFX_PASSWORD`, from --password-file, or is asked for.
    Inspect {
        /// The file.
        file: PathBuf,
        /// A host name that clients will use; may be given several times.
        #[arg(long, value_name = "NAME")]
        host: Vec<String>,
        /// Only this purpose; the exit code is 3 when the certificate is not good for it.
        #[arg(long = "for", value_enum, value_name = "PURPOSE")]
        purpose: Option<PurposeName>,
        /// A file with the password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Write a certificate file in another form; the password stays the same.
    Convert {
        /// The file.
        file: PathBuf,
        /// The form to write.
        #[arg(long, value_enum)]
        to: CertificateForm,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A file with the password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        writing: Writing,
    },
    /// Renew Hybridge's own certificate without a moment in which there is no valid one.
    ///
    /// The new one is registered beside the old one, waited for, switched to, used, and after some days the old one is removed.
    /// Interrupted anywhere it goes on when it is run again. A `hybridge run` beside it takes the new one by itself.
    Rotate(RotateArgs),
    /// Every certificate in use, what ends first at the beginning, and how far a rotation is.
    Status,
    /// Look after the certificates as `hybridge run` does: every hour, or once.
    Watch {
        /// Look once and end, for a scheduler.
        #[arg(long)]
        once: bool,
        /// Only say what ends soon; renew nothing and write no alert.
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a self-signed certificate with its key, as PFX: for Hybridge's sign-in, or to sign tokens with.
    ///
    /// Its password comes from `HYBRIDGE_PFX_PASSWORD` or --password-file; without either one is made and written
    /// beside the PFX file.
    New {
        /// The common name; a generation in it (hybridge-s2s-2026b) tells renewals apart.
        #[arg(long, default_value = "Hybridge")]
        name: String,
        /// How long it is valid.
        #[arg(long, default_value_t = 730, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// The PFX file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A file with the password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        writing: Writing,
    },
    /// Have a certificate issued by an authority that speaks ACME (Let's Encrypt, or one of the house), or renew it.
    ///
    /// A PFX file's password comes from `HYBRIDGE_PFX_PASSWORD`, from --password-file, or is asked for.
    Request(Box<RequestArgs>),
}

/// How a certificate is renewed.
#[derive(Debug, Clone, Args)]
pub(crate) struct RotateArgs {
    /// Which certificate: Hybridge's own (graph), that of its application for To Do (tasks), or the one that Dynamics signs
    /// with (native).
    #[arg(long, value_enum, default_value_t = RotateTarget::Graph)]
    pub(crate) target: RotateTarget,
    /// Go back to the old certificate.
    #[arg(long, conflicts_with_all = ["keep_days", "days", "until"])]
    pub(crate) back: bool,
    /// How many days both certificates are kept after the switch; 0 removes the old one at once.
    #[arg(long, default_value_t = 7)]
    pub(crate) keep_days: u32,
    /// How many days the new certificate is valid; 365, or what the section native of the configuration says.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=3650))]
    pub(crate) days: Option<u32>,
    /// The new certificate with its key, PFX or PEM, where it is not to be a private one that is made now (native).
    ///
    /// A PFX file's password comes from `HYBRIDGE_PFX_PASSWORD`, from --password-file, or is asked for.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["days", "back"])]
    pub(crate) certificate: Option<PathBuf>,
    /// A file with the password of --certificate.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) password_file: Option<PathBuf>,
    /// Stop when this is reached; another run goes on from there.
    #[arg(long, value_enum)]
    pub(crate) until: Option<StageName>,
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The certificates that are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RotateTarget {
    /// Hybridge's own.
    Graph,
    /// That of its application for To Do.
    Tasks,
    /// The one that Dynamics signs with.
    Native,
}

/// The stages of a rotation by the names that are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StageName {
    /// The new certificate is made.
    Issued,
    /// Entra ID trusts both.
    Trusted,
    /// It is on every server (native).
    Distributed,
    /// Everything works before the switch (native).
    Checked,
    /// It was proven: by tokens before the switch (graph), by mailboxes that Dynamics opened after it (native).
    Proven,
    /// The new one is in use.
    Switched,
    /// The services were started anew (native).
    Restarted,
}

/// How files are written.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Writing {
    /// Replace the file where it exists.
    #[arg(long)]
    pub(crate) force: bool,
    /// Only say what would be written.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The forms that a certificate file can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CertificateForm {
    /// PFX, AES: Windows Server 2019 and later, OpenSSL 3.
    Pfx,
    /// PFX, Triple DES: every Windows.
    PfxLegacy,
    /// Certificate, issuers and unencrypted private key as text.
    Pem,
    /// The certificate alone, binary: what portals take.
    Cer,
}

/// The purposes by the names that are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PurposeName {
    /// Hybridge signs in to Entra ID.
    EntraApp,
    /// Dynamics signs server-to-server tokens (`S2STokenIssuer`).
    TokenSigning,
    /// TLS of the Dynamics web site.
    WebTls,
    /// TLS and service communications of AD FS.
    AdfsService,
    /// Claims encryption of Dynamics.
    ClaimsEncryption,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SandboxCommand>,
    #[command(flatten)]
    pub(crate) start: SandboxStart,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Put your own mail (.eml, Maildir, mbox) into a mailbox of a running sandbox.
    Import {
        /// Files and folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The mailbox's address.
        #[arg(long)]
        mailbox: String,
        /// The mail folder.
        #[arg(long, default_value = "inbox")]
        folder: String,
        /// The running sandbox's folder.
        #[arg(long, default_value = "sandbox", value_name = "FOLDER")]
        sandbox: PathBuf,
        /// Only say what would be imported.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SandboxStart {
    /// The folder that certificates, passwords and the ready configuration are written to.
    #[arg(long, default_value = "sandbox", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Leave the trust to `hybridge connect`: no app registration yet, and Dynamics processes its email itself.
    #[arg(long)]
    pub(crate) unconnected: bool,
    /// Dynamics' own synchronization is connected already, with a certificate that ends in so many days.
    #[arg(long, value_name = "DAYS", num_args = 0..=1, default_missing_value = "30")]
    pub(crate) native: Option<u16>,
    /// How many CRM servers the emulated deployment has.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub(crate) servers: u8,
    /// How many servers its AD FS farm has.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub(crate) adfs_servers: u8,
    /// The first of five ports; without it free ones are chosen.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// The organization wants Windows authentication and has this address: a web server there does Kerberos and NTLM, passes
    /// requests on to the organization's port and names the user in X-Remote-User.
    #[arg(long, value_name = "URL")]
    pub(crate) windows_address: Option<Url>,
    #[command(flatten)]
    pub(crate) size: Size,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Size {
    /// How many mailboxes the made-up company has.
    #[arg(long, default_value_t = 12)]
    pub(crate) mailboxes: usize,
    /// How many messages lie in them at the beginning.
    #[arg(long, default_value_t = 600)]
    pub(crate) messages: usize,
    /// The same seed makes the same company and the same weather.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The weather: calm, breezy, stormy, or single faults such as throttle=0.05,cut-after=0.01,latency=20..200ms.
    #[arg(long, default_value = "calm")]
    pub(crate) faults: String,
    /// Something is wrong with a mailbox: its address or number, `=`, then not-enabled (no licence), out-of-scope, unavailable
    /// or quota-exceeded>. May be given several times.
    #[arg(long, value_name = "MAILBOX=STATE")]
    pub(crate) mailbox_state: Vec<MailboxFault>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End by itself instead of staying up.
    #[arg(long)]
    pub(crate) once: bool,
    /// How many messages the company's people write while you watch.
    #[arg(long, default_value_t = 60)]
    pub(crate) live: usize,
    #[command(flatten)]
    pub(crate) size: Size,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many seeds to run.
    #[arg(long, default_value_t = 200)]
    pub(crate) seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) first: u64,
    /// Replay one seed and tell what happens in it.
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    pub(crate) replay: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// The first reading of full mailboxes, and what idle ones cost.
    Incoming {
        /// How many messages.
        #[arg(long, default_value_t = 2000)]
        messages: usize,
        /// In how many mailboxes.
        #[arg(long, default_value_t = 8)]
        mailboxes: usize,
        /// How many idle mailboxes to measure the memory with; 0 leaves this out.
        #[arg(long, default_value_t = 10_000)]
        idle: usize,
    },
}
