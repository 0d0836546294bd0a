use std::fmt::Write as _;

/// What a new configuration says.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) tenant_id: String,
    /// Without one, `hybridge connect apply` registers the application and writes it.
    pub(crate) client_id: Option<String>,
    pub(crate) certificate: String,
    /// As it stands in the file: `{ env = "…" }`.
    pub(crate) certificate_password: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) graph: Option<String>,
    pub(crate) organization_url: String,
    pub(crate) user: String,
    pub(crate) secret: AccountSecret,
    pub(crate) sign_in: SignInAnswer,
    pub(crate) authorities: Vec<String>,
    pub(crate) listen: Option<String>,
    pub(crate) notification_url: Option<String>,
    /// Exchange Online's administration, where it is not Microsoft's.
    pub(crate) exchange: Option<String>,
    /// An administrator of the organization, and her password as it stands in the file.
    pub(crate) administrator: Option<(String, String)>,
}

/// What the service account proves itself with.
#[derive(Debug, Clone)]
pub(crate) enum AccountSecret {
    /// As it stands in the file.
    Password(String),
    /// A path.
    Keytab(String),
}

/// How the deployment authenticates.
#[derive(Debug, Clone)]
pub(crate) enum SignInAnswer {
    Adfs { client_id: String },
    Windows { domain: String },
}

/// Writes a configuration with comments.
pub(crate) fn render(answers: &Answers) -> String {
    let mut text = String::from(
        "# Hybridge's configuration. Paths are relative to this file. Every setting can be overridden from the\n\
         # environment: HYBRIDGE_SYNC_PAGE_SIZE overrides page_size in [sync].\n\
         # Secrets never stand here: name where they are, as { env = \"NAME\" }, { file = \"path\" } or { prompt = \"words\" }.\n\n",
    );
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line(
        "# The Entra ID tenant that holds the Exchange Online mailboxes, and the app registration of Hybridge in it.",
    );
    line("[tenant]");
    line(&format!("id = {}", quoted(&answers.tenant_id)));
    match &answers.client_id {
        Some(client_id) => line(&format!("client_id = {}", quoted(client_id))),
        None => line("# `hybridge connect apply` registers Hybridge and writes client_id here."),
    }
    line(
        "# The certificate (PFX, or PEM with certificate and key) whose public part is registered with the app.",
    );
    line(&format!("certificate = {}", quoted(&answers.certificate)));
    match &answers.certificate_password {
        Some(password) => line(&format!("certificate_password = {password}")),
        None => line("# certificate_password = { env = \"HYBRIDGE_PFX_PASSWORD\" }"),
    }
    line(
        "# renew_certificate = false    # true: `hybridge run` renews it by itself, a third of its life before it ends",
    );
    line("# cloud = \"global\"            # or us-gov-l4, us-gov-l5, china");
    if let Some(authority) = &answers.authority {
        line("# Other addresses than Microsoft's, for the sandbox.");
        line(&format!("authority = {}", quoted(authority)));
    }
    if let Some(graph) = &answers.graph {
        line(&format!("graph = {}", quoted(graph)));
    }
    organization(answers, &mut line);
    line("");
    line("[trust]");
    line(
        "# Certificate authorities (PEM) to trust beside the machine's own: an internal AD CS, or the sandbox.",
    );
    let authorities: Vec<String> = answers.authorities.iter().map(|path| quoted(path)).collect();
    line(&format!("authorities = [{}]", authorities.join(", ")));
    line("");
    line("[store]");
    line("path = \"hybridge.db\"");
    line("");
    line("[sync]");
    line("# poll_seconds = 30            # the shortest time between two timed looks into a mailbox");
    line("# lanes_at_once = 32           # mailboxes that are worked on at the same time");
    line("# page_size = 100");
    line("");
    line("# Health, metrics and the receiver of Graph's change notifications. Without it Hybridge polls.");
    line("[console]");
    match &answers.listen {
        Some(listen) => line(&format!("listen = {}", quoted(listen))),
        None => line("# listen = \"127.0.0.1:8380\""),
    }
    match &answers.notification_url {
        Some(url) => line(&format!("notification_url = {}", quoted(url))),
        None => line("# notification_url = \"https://hybridge.example.org/graph/notifications\""),
    }
    connect(answers, &mut line);
    text
}

fn organization(answers: &Answers, line: &mut impl FnMut(&str)) {
    line("");
    line("# The Dynamics organization and Hybridge's service account in it.");
    line("[organization]");
    line(&format!("url = {}", quoted(&answers.organization_url)));
    match &answers.sign_in {
        SignInAnswer::Adfs { client_id } => {
            line(
                "# An internet-facing deployment with AD FS (\"windows\": Kerberos and NTLM, in the same domain).",
            );
            line("sign_in = \"adfs\"");
            line("# The client that was registered in AD FS with Add-AdfsClient.");
            line(&format!("adfs_client_id = {}", quoted(client_id)));
            line("# DOMAIN\\user or user@domain, as your AD FS wants it.");
        }
        SignInAnswer::Windows { domain } => {
            line(
                "# Kerberos, and NTLM where that is not possible (\"adfs\": an internet-facing deployment).",
            );
            line("sign_in = \"windows\"");
            line("# The DNS name of the Active Directory domain.");
            line(&format!("domain = {}", quoted(domain)));
            line(
                "# kdc = \"dc1.contoso.local\"      # a domain controller; any is found by the domain's name",
            );
            line("# service_principal = \"HTTP/crm.contoso.local\"      # where it is not the host of url");
            line("# DOMAIN\\user or user@domain, and its password or its keytab (Kerberos only).");
        }
    }
    line(&format!("user = {}", quoted(&answers.user)));
    match &answers.secret {
        AccountSecret::Password(password) => line(&format!("password = {password}")),
        AccountSecret::Keytab(path) => line(&format!("keytab = {}", quoted(path))),
    }
    line("# api_version = \"9.1\"");
    line(
        "# largest_request_mb = 12      # what IIS takes in one request (16 unless it was changed), less some room",
    );
    line("# calls_at_once = 32           # the most; the right number is found by measuring");
}

fn connect(answers: &Answers, line: &mut impl FnMut(&str)) {
    line("");
    line(
        "# How `hybridge connect` sets the trust up. It asks an administrator to sign in in a browser; a token that you",
    );
    line("# have already can be given instead, { env = \"HYBRIDGE_DIRECTORY_TOKEN\" } for example.");
    line("[connect]");
    line(
        "# name = \"Hybridge\"            # of the app registration, and of what is made in Exchange Online",
    );
    line(
        "# permissions = [\"Mail.Read\", \"Mail.ReadWrite\", \"Mail.Send\"]   # in the mailboxes that take part, and in no other",
    );
    line("# directory_token = { env = \"HYBRIDGE_DIRECTORY_TOKEN\" }");
    line("# exchange_token = { env = \"HYBRIDGE_EXCHANGE_TOKEN\" }");
    line(
        "# A System Administrator of the organization, for the steps that the service account may not do itself.",
    );
    if let Some((account, password)) = &answers.administrator {
        line(&format!("organization_account = {}", quoted(account)));
        line(&format!("organization_password = {password}"));
    } else {
        line("# organization_account = \"CONTOSO\\\\crm.admin\"");
        line("# organization_password = { env = \"HYBRIDGE_CONNECT_ORGANIZATION_PASSWORD\" }");
    }
    line(
        "# tasks = false                # true: register To Do's application as well; its consent is tenant-wide",
    );
    if let Some(exchange) = &answers.exchange {
        line(&format!("exchange = {}", quoted(exchange)));
    }
    line("");
    line("# What counts instead of an option of the organization: `hybridge options --all` lists them.");
    line("# [options]");
    line("# CreateQueueItemForSynchronizingMailbox = true");
    line("");
    line(
        "# What must never be tracked, whatever the organization says: docs/rules.md. `hybridge rules test` tries it on a message.",
    );
    line("# [[rules.rule]]");
    line("# name = \"Bank and lawyer\"");
    line("# then = \"never-track\"");
    line("# sender_domains = [\"bank.example\"]");
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                // Writing to a String can't fail.
                let _written = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn answers() -> Answers {
        Answers {
            tenant_id: "5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c01".into(),
            client_id: Some("5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c02".into()),
            certificate: r#"C:\certs\hy"bridge.pfx"#.into(),
            certificate_password: Some("{ file = \"pfx-password\" }".into()),
            authority: Some("https://localhost:1/".into()),
            graph: None,
            organization_url: "https://localhost:2/".into(),
            user: r"CONTOSO\svc".into(),
            secret: AccountSecret::Password("{ env = \"P\" }".into()),
            sign_in: SignInAnswer::Adfs { client_id: "5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c03".into() },
            authorities: vec!["ca.pem".into()],
            listen: Some("127.0.0.1:8380".into()),
            notification_url: None,
            exchange: None,
            administrator: None,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let answers = answers();
        let config: Config = toml::from_str(&render(&answers)).unwrap();
        assert_eq!(config.organization.user, r"CONTOSO\svc");
        assert_eq!(config.tenant.certificate.to_str(), Some(answers.certificate.as_str()));
    }

    #[test]
    fn windows_authentication_is_written_with_password_or_keytab() {
        for secret in [
            AccountSecret::Password("{ file = \"password\" }".into()),
            AccountSecret::Keytab(r"C:\keys\svc.keytab".into()),
        ] {
            let with_keytab = matches!(secret, AccountSecret::Keytab(_));
            let sign_in = SignInAnswer::Windows { domain: "contoso.local".into() };
            let answers = Answers { secret, sign_in, ..answers() };
            let config: Config = toml::from_str(&render(&answers)).unwrap();
            let organization = config.organization;
            assert_eq!(organization.sign_in, crate::config::SignInName::Windows);
            assert_eq!(organization.domain.as_deref(), Some("contoso.local"));
            assert_eq!(
                (organization.keytab.is_some(), organization.password.is_some()),
                (with_keytab, !with_keytab)
            );
            assert_eq!(organization.adfs_client_id, None);
        }
    }
}
