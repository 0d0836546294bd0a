//! `hybridge sandbox`: the emulated tenant and organization, and mail for them.

use std::{fs, path::Path};

use hybridge_sandbox::{
    Access, Clock, Sandbox, ServeOptions, Served, Setup,
    company::Company,
    faults::MailboxFault,
    import::{self, Found},
    serve,
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    cli::{SandboxArgs, SandboxCommand, SandboxStart, Size},
    config::{AccountSecret, Answers, SignInAnswer, render},
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    progress::counter,
    wiring::rooted,
};

/// Starts a sandbox, or imports mail into a running one.
pub(crate) async fn sandbox(args: SandboxArgs, output: Output) -> Result<Exit> {
    match args.command {
        None => start(&args.start, output).await,
        Some(SandboxCommand::Import { paths, mailbox, folder, sandbox, dry_run }) => {
            let target = Target { mailbox, folder, dry_run };
            let control = Control::of(&sandbox)?;
            put_in(&control, &paths, &target, output).await
        }
    }
}

/// What kind of world a sandbox is.
pub(crate) struct World<'a> {
    pub(crate) size: &'a Size,
    /// Whether the trust is set up.
    pub(crate) connected: bool,
    /// Where a web server does Windows authentication before the organization.
    pub(crate) windows_address: Option<Url>,
    /// How many CRM servers and AD FS servers there are.
    pub(crate) servers: (u8, u8),
    /// Dynamics' own synchronization is connected, with a certificate that ends in so many days.
    pub(crate) native: Option<u16>,
}

/// A sandbox on the wire with its company in it.
pub(crate) async fn open(
    folder: &Path,
    first_port: Option<u16>,
    world: &World<'_>,
) -> Result<(Served, Company)> {
    let size = world.size;
    let weather = size.faults.parse().map_err(|error: hybridge_sandbox::faults::WeatherError| {
        Failure::new(Exit::Configuration, error.to_string())
    })?;
    let options = ServeOptions {
        folder: folder.to_path_buf(),
        first_port,
        windows_address: world.windows_address.clone(),
    };
    let setup = Setup {
        connected: world.connected,
        servers: world.servers.0.into(),
        adfs_servers: world.servers.1.into(),
        native: world.native.map(|days| jiff::SignedDuration::from_hours(24 * i64::from(days))),
        ..Setup::new(Clock::system(), size.seed)
    };
    let served = serve(options, setup).await.map_err(|error| {
        Failure::new(Exit::Configuration, error.to_string())
            .help("Choose other ports with --port, or another --folder.")
    })?;
    let mut company = Company::found(&served.sandbox, size.mailboxes)
        .map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    company.fill(&served.sandbox, size.messages);
    let configuration = configuration(&served.access);
    let path = folder.join("hybridge.toml");
    fs::write(&path, configuration).map_err(|error| {
        Failure::new(Exit::Storage, format!("{} can't be written: {error}", path.display()))
    })?;
    let described = folder.join("access.json");
    let access = json!(served.access).to_string();
    fs::write(&described, access).map_err(|error| {
        Failure::new(Exit::Storage, format!("{} can't be written: {error}", described.display()))
    })?;
    for fault in &size.mailbox_state {
        ail(&served.sandbox, &company, fault)?;
    }
    // The services themselves are fair while the company moves in; the weather begins now.
    served.sandbox.set_weather(weather);
    Ok((served, company))
}

/// Lets something be wrong with a mailbox.
fn ail(sandbox: &Sandbox, company: &Company, fault: &MailboxFault) -> Result<()> {
    let mailboxes = company.mailboxes();
    let numbered = fault.mailbox.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let address = numbered
        .and_then(|index| mailboxes.get(index))
        .map_or(fault.mailbox.as_str(), |mailbox| mailbox.address.as_str());
    let user = sandbox.graph().find_user(address);
    user.is_some_and(|user| sandbox.graph().set_mailbox_state(user, fault.state).is_ok())
        .then_some(())
        .ok_or_else(|| {
            Failure::new(
                Exit::Configuration,
                format!("--mailbox-state: there is no mailbox {:?}", fault.mailbox),
            )
            .help(format!(
                "Name one by its address, or by its number from 1 to {}.",
                company.mailboxes().len()
            ))
        })
}

async fn start(args: &SandboxStart, output: Output) -> Result<Exit> {
    let windows_address = args.windows_address.as_ref().map(rooted);
    let servers = (args.servers, args.adfs_servers);
    let (connected, native) = (!args.unconnected, args.native);
    let world = World { size: &args.size, connected, windows_address, servers, native };
    let (served, company) = open(&args.folder, args.port, &world).await?;
    let access = &served.access;
    output.json(&described(access, &company, &args.folder));
    for line in introduction(access, &company, &args.folder) {
        output.line(line);
    }
    let _unsupported = tokio::signal::ctrl_c().await;
    served.stop().await;
    output.line("The sandbox is gone.");
    Ok(Exit::Done)
}

fn described(access: &Access, company: &Company, folder: &Path) -> Value {
    let mut value = json!(access);
    if let Some(value) = value.as_object_mut() {
        let configuration =
            folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()).join("hybridge.toml");
        value.insert("mailboxes".to_owned(), json!(company.mailboxes()));
        value.insert("configuration".to_owned(), json!(configuration));
    }
    value
}

fn introduction(access: &Access, company: &Company, folder: &Path) -> Vec<String> {
    let mut lines = vec![
        "The sandbox is up: an emulated tenant and an emulated Dynamics organization, on this machine only."
            .to_owned(),
        String::new(),
        format!("  Entra ID       {}", access.entra),
        format!("  Graph          {}v1.0/", access.graph),
        format!("  AD FS          {}", access.adfs),
        format!("  organization   {}api/data/v9.1/", access.organization),
        format!("  control API    {}", access.control),
        String::new(),
        format!(
            "  trust          {} (for example SSL_CERT_FILE, NODE_EXTRA_CA_CERTS, curl --cacert)",
            access.ca.display()
        ),
        format!(
            "  certificate    {} (password in {})",
            access.pfx.display(),
            access.pfx_password_file.display()
        ),
        format!("  configuration  {}", folder.join("hybridge.toml").display()),
        String::new(),
        "  mailboxes:".to_owned(),
    ];
    lines.extend(
        company
            .mailboxes()
            .iter()
            .take(12)
            .map(|mailbox| format!("    {:<24} {}", mailbox.name, mailbox.address)),
    );
    let more = company.mailboxes().len().saturating_sub(12);
    if more > 0 {
        lines.push(format!("    … and {more} more"));
    }
    lines.push(String::new());
    lines.push("In another terminal:".to_owned());
    lines.push(format!("  hybridge init --sandbox {}", folder.display()));
    lines.push("  hybridge check".to_owned());
    lines.push("  hybridge run".to_owned());
    lines.push(String::new());
    lines.push("Your own mail: hybridge sandbox import --mailbox <address> <files, Maildir or mbox>. Ctrl-C ends the sandbox.".to_owned());
    lines
}

/// A ready configuration, with file names relative to the sandbox's folder.
fn configuration(access: &Access) -> String {
    let rendered = render(&Answers {
        tenant_id: access.tenant_id.to_string(),
        client_id: access.client_id.map(|id| id.to_string()),
        certificate: "hybridge.pfx".to_owned(),
        certificate_password: Some("{ file = \"pfx-password\" }".to_owned()),
        authority: Some(access.entra.to_string()),
        graph: Some(access.graph.to_string()),
        organization_url: access.organization.to_string(),
        user: access.user.clone(),
        secret: AccountSecret::Password("{ file = \"service-account-password\" }".to_owned()),
        sign_in: if access.organization == access.organization_listens {
            SignInAnswer::Adfs { client_id: access.adfs_client_id.to_string() }
        } else {
            let host = access.organization.host_str().unwrap_or_default();
            let domain = host.split_once('.').map_or(host, |(_, domain)| domain);
            SignInAnswer::Windows { domain: domain.to_owned() }
        },
        authorities: vec!["ca.pem".to_owned()],
        listen: Some("127.0.0.1:8380".to_owned()),
        notification_url: Some(format!("http://127.0.0.1:8380{}", hybridge_console::NOTIFICATIONS_PATH)),
        exchange: Some(access.graph.to_string()),
        // A real domain behind a web server knows accounts of its own.
        administrator: (access.organization == access.organization_listens)
            .then(|| (access.administrator.clone(), "{ file = \"administrator-password\" }".to_owned())),
    });
    rendered + &native(access)
}

/// The domain of the servers.
fn domain(access: &Access) -> &str {
    let first = access.servers.first();
    first.and_then(|server| server.name.split_once('.')).map_or("", |(_, domain)| domain)
}

/// The section about Dynamics' own synchronization and its servers.
fn native(access: &Access) -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut text = format!(
        "\n# Dynamics' own synchronization and its servers: hybridge connect plan --target native\n[native]\n\
         organization = \"{}\"\naccount = {:?}\naccount_domain = {:?}\npassword = {{ file = \"server-password\" }}\n\
         backup = \"{today}\"\nsoak_minutes = 0\nprocess_email_from = \"{today}T00:00:00Z\"\n",
        hybridge_sandbox::organization::Organization::UNIQUE_NAME,
        access.server_account,
        domain(access),
    );
    let servers = access.servers.iter().map(|server| {
        format!(
            "\n[[native.servers]]\nname = {:?}\nduties = {:?}\naddress = {:?}\n",
            server.name,
            server.duties,
            server.address.as_str()
        )
    });
    text.extend(servers);
    // The names that the sandbox's relying party has; the App for Outlook counts as handed out.
    let (name, domain) = (hybridge_sandbox::organization::Organization::UNIQUE_NAME, domain(access));
    let own = format!("https://{name}.{domain}/");
    let identifiers = [format!("https://auth.{domain}/"), own.clone(), format!("https://dev.{domain}/")];
    text.extend([format!(
        "\n[native.adfs]\norganization = {own:?}\nidentifiers = {identifiers:?}\noutlook_app = \"{today}\"\n"
    )]);
    text
}

/// A running sandbox's control API.
struct Control {
    client: hybridge_net::Https,
    root: Url,
}

impl Control {
    fn of(folder: &Path) -> Result<Self> {
        let missing = |error: std::io::Error| {
            Failure::new(
                Exit::Configuration,
                format!("no sandbox is described in {}: {error}", folder.display()),
            )
            .help("Start one with `hybridge sandbox`, or name its folder with --sandbox.")
        };
        let described = fs::read(folder.join("access.json")).map_err(missing)?;
        let ca = fs::read(folder.join("ca.pem")).map_err(missing)?;
        let root = serde_json::from_slice::<Value>(&described)
            .ok()
            .and_then(|value| value.get("control")?.as_str()?.parse().ok())
            .ok_or_else(|| Failure::new(Exit::Configuration, "access.json does not describe a sandbox"))?;
        let client = hybridge_net::Https::new(&[ca])
            .map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
        Ok(Self { client, root })
    }

    async fn import(&self, target: &Target, message: Vec<u8>) -> Result<std::result::Result<(), String>> {
        use hybridge_net::{Request, Transport, http::Method};
        let mut url = self.root.clone();
        url.set_path("/import");
        url.query_pairs_mut().append_pair("mailbox", &target.mailbox).append_pair("folder", &target.folder);
        let request = Request::new(Method::POST, url).body("message/rfc822", message);
        let answer = self.client.send(request).await.map_err(|error| {
            Failure::new(Exit::Temporary, format!("the sandbox does not answer: {error}"))
                .help("Is it still running? `hybridge sandbox` starts it.")
        })?;
        if answer.status.is_success() {
            return Ok(Ok(()));
        }
        let detail = serde_json::from_slice::<Value>(&answer.body).ok();
        let words =
            detail.as_ref().and_then(|value| value.get("error")?.as_str()).unwrap_or("refused").to_owned();
        Ok(Err(words))
    }
}

struct Target {
    mailbox: String,
    folder: String,
    dry_run: bool,
}

async fn put_in(
    control: &Control,
    paths: &[std::path::PathBuf],
    target: &Target,
    output: Output,
) -> Result<Exit> {
    // Files are read one after the other while they are handed over: a mailbox may be larger than the memory.
    let (sender, mut found) = tokio::sync::mpsc::channel::<Found>(4);
    let paths = paths.to_vec();
    let reading = tokio::task::spawn_blocking(move || {
        paths.iter().try_for_each(|path| import::walk(path, &mut |one| sender.blocking_send(one)))
    });
    let progress = counter("messages", output);
    let (mut imported, mut troubles) = (0, Vec::new());
    while let Some(one) = found.recv().await {
        let place = format!("{} ({})", one.path.display(), one.number);
        let outcome = match one.message {
            Err(error) => Err(error.to_string()),
            Ok(_) if target.dry_run => Ok(()),
            Ok(message) => control.import(target, message).await?,
        };
        progress.inc(1);
        match outcome {
            Ok(()) => imported += 1,
            Err(words) => {
                progress.suspend(|| output.line(format!("not imported: {place}: {words}")));
                troubles.push(json!({ "file": place, "error": words }));
            }
        }
    }
    progress.finish_and_clear();
    // It ends early only when this function does, which has its own reason then.
    let _read = reading.await;
    let verb = if target.dry_run { "would be imported" } else { "imported" };
    output.line(format!("{imported} messages {verb} into {}, {} not.", target.mailbox, troubles.len()));
    output.json(&json!({ "imported": imported, "dry_run": target.dry_run, "troubles": troubles }));
    Ok(if troubles.is_empty() { Exit::Done } else { Exit::WithTroubles })
}
