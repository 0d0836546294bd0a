//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use hybridge_sandbox::faults::MailboxFault;
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
    /// Look into certificate files, convert them, make one, have one issued.
    Certificate {
        #[command(subcommand)]
        command: CertificateCommand,
    },
    /// An emulated tenant and organization on this machine, to try things out.
    Sandbox(SandboxArgs),
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

/// How a certificate is asked for.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The authority's ACME directory; Let's Encrypt's when left out.
    #[arg(long, value_name = "URL")]
    pub(crate) directory: Option<Url>,
    /// Let's Encrypt's staging: to try things out, trusted by nobody.
    #[arg(long, conflicts_with = "directory")]
    pub(crate) staging: bool,
    /// A host name that the certificate is for; may be given several times. A wildcard (*.contoso.com) needs --dns01-hook.
    #[arg(long, value_name = "NAME", required = true)]
    pub(crate) host: Vec<String>,
    /// A mail address that the authority may write to; may be given several times.
    #[arg(long, value_name = "MAIL")]
    pub(crate) contact: Vec<String>,
    /// Agree to the authority's terms; needed once, to make the account.
    #[arg(long)]
    pub(crate) accept_terms: bool,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
    /// The file with the account's private key; made where there is none.
    #[arg(long, value_name = "FILE", default_value = "acme-account.json")]
    pub(crate) account: PathBuf,
    /// The file to write: PEM with the key, or PFX when its name ends in .pfx.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// A file with the PFX file's password.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Renew the file: replace it when fewer days are left or a name is missing, else do nothing.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) renew_before: Option<u32>,
    /// A certificate authority (PEM) that the ACME server's own certificate comes from, beside the machine's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// The kind of key to make. Dynamics and AD FS take RSA only.
    #[arg(long, value_enum, default_value_t = KeyName::Rsa2048)]
    pub(crate) key: KeyName,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

/// How it is proven that the names are ours: one of the three.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ProofArgs {
    /// Prove the names over HTTP; Hybridge answers by itself on this address, such as 0.0.0.0:80.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http01: Option<SocketAddr>,
    /// Prove the names over HTTP; a web server answers that has this folder as its root.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) http01_folder: Option<PathBuf>,
    /// Prove the names with DNS records; this program is called with `present` and `cleanup`, and has the record's name
    /// and value in `HYBRIDGE_ACME_NAME` and `HYBRIDGE_ACME_VALUE`.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) dns01_hook: Option<PathBuf>,
}

/// The kinds of keys by the names that are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyName {
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// Elliptic curve NIST P-256.
    P256,
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
    /// The first of five ports; without it free ones are chosen.
    #[arg(long)]
    pub(crate) port: Option<u16>,
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
