//! How CRM gets into Exchange: the certificate on the server, the token, the door (setup.md 2.1, 2.4, 2.6).

use hybridge_sandbox_graph::EwsRefusal;
use hybridge_sandbox_windows::{Certificate, Machine, NoIssuer};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{AGENT, DYNAMICS, Failure, METADATA, Row, TOKEN_SERVICE, id, number, text, yes};
use crate::world::Sandbox;

/// Which part of CRM signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// The asynchronous service: mailboxes and their tests.
    Asynchronous,
    /// The web application: the button Test Connection of a profile.
    Web,
}

impl Face {
    fn service(self) -> &'static str {
        match self {
            Self::Asynchronous => "MSCRMAsyncService",
            Self::Web => "W3SVC",
        }
    }
}

/// Whether a machine can do the work of a face now.
pub(super) fn serves(machine: &Machine, face: Face) -> bool {
    let has = match face {
        Face::Asynchronous => machine.roles.asynchronous,
        Face::Web => machine.roles.web,
    };
    has && !machine.faults.down
        && machine.service(face.service()).is_some_and(|service| service.state == "Running")
}

/// What a server signs with, and whom its settings name.
struct Signing {
    held: Result<Certificate, NoIssuer>,
    /// What it would find if it were started now.
    fresh: Result<Certificate, NoIssuer>,
    /// Some server has a certificate with the record's subject.
    is_somewhere: bool,
    old_tls: bool,
    principal: Option<String>,
    metadata: Option<String>,
    tenant: Option<String>,
}

fn look(sandbox: &Sandbox, server: &str, face: Face) -> Option<Signing> {
    let organization = sandbox.organization().id();
    let mut estate = sandbox.windows();
    let is_somewhere = estate.machines.iter().any(|machine| {
        let account = machine.signing_account(face.service());
        account.is_some_and(|account| {
            !matches!(machine.token_issuer(&account), Err(NoIssuer::Absent | NoIssuer::NoRecord))
        })
    });
    let machine = estate.machine(server)?;
    let fresh = machine.token_issuer(&machine.signing_account(face.service())?);
    let held = machine.service(face.service())?.issuer.clone()?;
    let database = machine.database();
    let setting = |entity: &str, id: Uuid, name: &str| database.setting(entity, id, name).map(str::to_owned);
    Some(Signing {
        held,
        fresh,
        is_somewhere,
        old_tls: machine.faults.old_tls,
        principal: setting("ServerSettings", Uuid::nil(), "S2SDefaultAuthorizationServerPrincipalId"),
        metadata: setting("ServerSettings", Uuid::nil(), "S2SDefaultAuthorizationServerMetadataUrl"),
        tenant: setting("Organization", organization, "S2STenantId"),
    })
}

/// The certificate that a face of a server signs with, whether or not anybody trusts it.
fn certificate(signing: &Signing, face: Face) -> Result<Certificate, Failure> {
    let held = match (face, &signing.held, &signing.fresh) {
        // A web server that has a certificate keeps it until IIS is started anew; one that has none looks again.
        (Face::Web, Ok(old), Ok(new)) if old.thumbprint != new.thumbprint => {
            return Err(Failure::bad_request());
        }
        (Face::Web, Err(_), fresh) => fresh,
        (_, held, _) => held,
    };
    match held {
        Ok(certificate) => Ok(certificate.clone()),
        Err(NoIssuer::NoKey) => Err(Failure::private_key()),
        Err(NoIssuer::Unreadable) => Err(Failure::token(&NoIssuer::Unreadable.to_string())),
        Err(NoIssuer::Absent) if signing.is_somewhere => Err(Failure::token(&NoIssuer::Absent.to_string())),
        Err(none) => Err(Failure::authentication(&none.to_string())),
    }
}

/// Whether a face of a server gets a token for a tenant, for the profile's settings.
///
/// # Errors
/// Why not, as CRM shows it.
pub(crate) fn token(
    sandbox: &Sandbox,
    server: &str,
    face: Face,
    profile: Option<&Row>,
) -> Result<Certificate, Failure> {
    let Some(signing) = look(sandbox, server, face) else {
        return Err(Failure::new(format!("{server} has no service {}", face.service())));
    };
    let certificate = certificate(&signing, face)?;
    let now = sandbox.clock().now();
    // The token service's clock may differ by five minutes.
    let early = now.checked_add(SignedDuration::from_mins(5)).unwrap_or(now);
    if certificate.not_after <= now || certificate.not_before > early {
        return Err(Failure::authentication("the certificate is not valid now"));
    }
    if signing.old_tls {
        return Err(Failure::old_tls());
    }
    if !signing.principal.is_some_and(|id| id.eq_ignore_ascii_case(TOKEN_SERVICE)) {
        return Err(Failure::token(
            "S2SDefaultAuthorizationServerPrincipalId does not name the token service",
        ));
    }
    if !signing.metadata.is_some_and(|url| is_metadata(sandbox, &url)) {
        return Err(Failure::token("the metadata of the authorization server can't be read"));
    }
    let named = match profile {
        Some(profile) if !yes(profile, "usedefaulttenantid") => {
            Some(text(profile, "exchangeonlinetenantid").to_owned())
        }
        _ => signing.tenant,
    };
    let tenant = sandbox.app().tenant_id;
    match named.filter(|named| !named.is_empty()) {
        None => return Err(Failure::token("no tenant id: S2STenantId is not set")),
        Some(named) if named.parse() != Ok(tenant) => {
            return Err(Failure::token(&format!("AADSTS90002: Tenant '{named}' not found.")));
        }
        Some(_) => {}
    }
    is_trusted(sandbox, &certificate)?;
    Ok(certificate)
}

fn is_metadata(sandbox: &Sandbox, url: &str) -> bool {
    let own = sandbox.origins().entra.join("metadata/json/1").map(|url| url.to_string());
    let expected = sandbox.native().switches().metadata.unwrap_or_else(|| METADATA.to_owned());
    url.eq_ignore_ascii_case(&expected) || own.is_ok_and(|own| own.eq_ignore_ascii_case(url))
}

/// Whether the directory takes the certificate for Dynamics.
fn is_trusted(sandbox: &Sandbox, certificate: &Certificate) -> Result<(), Failure> {
    let now = sandbox.clock().now();
    let principal = sandbox.entra().application(DYNAMICS).filter(|one| one.principal_id.is_some());
    let Some(principal) = principal.filter(|one| one.enabled) else {
        return Err(Failure::token(&format!(
            "AADSTS700016: Application with identifier '{DYNAMICS}' was not found in the directory."
        )));
    };
    let unknown = |reason: &str| {
        Failure::token(&format!(
            "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on \
             application. [Reason - {reason}, Thumbprint of key used by client: '{}']",
            certificate.thumbprint
        ))
    };
    let known = principal.key_credentials.iter().find(|key| key.der == certificate.der);
    match known.filter(|key| key.known_from <= now) {
        None => Err(unknown("The key was not found.")),
        Some(key) if key.ends <= now || key.starts > now => Err(unknown("The key used is expired.")),
        Some(_) => Ok(()),
    }
}

/// Whether a server gets into a mailbox: profile, token, Exchange.
///
/// # Errors
/// Why not, as CRM shows it.
pub(super) fn enter(sandbox: &Sandbox, server: &str, address: &str, profile: &Row) -> Result<(), Failure> {
    // Only this kind of profile signs in from server to server.
    if number(profile, "servertype") != Some(3) {
        return Err(Failure::unauthorized());
    }
    token(sandbox, server, Face::Asynchronous, Some(profile))?;
    admitted(sandbox, address)
}

/// Whether Exchange lets Dynamics into a mailbox.
pub(super) fn admitted(sandbox: &Sandbox, address: &str) -> Result<(), Failure> {
    let refused = |refusal: EwsRefusal| match refusal {
        EwsRefusal::NotEnabledForDynamics => Failure::not_enabled(&sandbox.app().tenant_id.to_string()),
        EwsRefusal::NotPrimary => Failure::unauthorized(),
        EwsRefusal::Disabled => Failure::forbidden(Some("EWS is disabled for this user or tenant")),
        EwsRefusal::Policy => Failure::forbidden(Some("EWS is blocked by policy for this user or tenant")),
        EwsRefusal::ScreamTest => Failure::forbidden(None),
    };
    sandbox.graph().admits_ews(address, DYNAMICS, AGENT).map_err(refused)
}

/// The active profile of a mailbox.
pub(super) fn profile_of(sandbox: &Sandbox, mailbox: &Row) -> Option<(Uuid, Row)> {
    let profile = id(mailbox, "_emailserverprofile_value")?;
    sandbox.organization().row("emailserverprofile", profile).map(|row| (profile, row))
}
