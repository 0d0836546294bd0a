//! What goes wrong when people sign in through AD FS (setup.md 2.3 F4 and F5, 2.6).

use http::{HeaderValue, StatusCode, header};
use hybridge_sandbox_kit::{Call, Reply, text_reply};
use hybridge_sandbox_windows::Estate;

use crate::world::Sandbox;

const HTML: &str = "text/html; charset=utf-8";

/// What Windows logs when AD FS can't use its own key.
pub(crate) const EVENTS: [(&str, u32, &str); 3] = [
    (
        "Schannel",
        36888,
        "A fatal alert was generated and sent to the remote endpoint. This may result in termination of the connection. The TLS protocol defined fatal error code is 40.",
    ),
    (
        "Schannel",
        36874,
        "An TLS 1.2 connection request was received from a remote client application, but none of the cipher suites supported by the client application are supported by the server.",
    ),
    ("AD FS", 67, "The private key of the service communications certificate cannot be used."),
];

/// The answer of AD FS where the servers' configuration spoils it; `None` where it does not.
pub(crate) fn adfs(sandbox: &Sandbox, call: &Call) -> Option<Reply> {
    let estate = sandbox.windows();
    if estate.machines.iter().any(|machine| machine.roles.adfs && !machine.serves_sign_in()) {
        return Some(text_reply(StatusCode::OK, HTML, ""));
    }
    if call.url.path() == "/adfs/oauth2/authorize" { authorize(&estate, call) } else { None }
}

fn authorize(estate: &Estate, call: &Call) -> Option<Reply> {
    let query = |name: &str| {
        let mut pairs = call.url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let farm = estate.machines.first()?.farm();
    let id = query("client_id");
    let page = |text: String| {
        Some(text_reply(StatusCode::BAD_REQUEST, HTML, format!("<html><title>Error</title>{text}</html>")))
    };
    let Some(client) = farm.clients.iter().find(|one| one.client_id.eq_ignore_ascii_case(&id)) else {
        return page(format!(
            "MSIS9223: Received invalid OAuth authorization request. The received 'client_id' is invalid as no registered client was found with this client identifier '{id}'."
        ));
    };
    let back = query("redirect_uri");
    if !client.redirect_uris.contains(&back) {
        // To the sign-in page again, whatever is typed there.
        let mut reply = text_reply(StatusCode::FOUND, HTML, "");
        let again = format!("/adfs/oauth2/authorize?{}", call.url.query().unwrap_or_default());
        reply.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&again).ok()?);
        return Some(reply);
    }
    let known = |server: &String| farm.relying_parties.iter().any(|(_, own)| own.contains(server));
    let permitted =
        farm.permissions.iter().any(|one| one.client.eq_ignore_ascii_case(&id) && known(&one.server));
    if permitted && farm.intranet.iter().any(|provider| provider == "FormsAuthentication") {
        return None;
    }
    if permitted {
        let mut reply = text_reply(StatusCode::UNAUTHORIZED, HTML, "");
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
        return Some(reply);
    }
    page(format!(
        "MSIS9605: The client '{id}' is not allowed to access the requested resource '{}'.",
        query("resource")
    ))
}

/// The answer of the organization while it holds an old token-signing certificate of AD FS; `None` when it holds the
/// right one, or nobody shows a token.
pub(crate) fn organization(sandbox: &Sandbox, call: &Call) -> Option<Reply> {
    call.bearer()?;
    let estate = sandbox.windows();
    let first = estate.machines.first()?;
    let (generation, configured) = first.database().claims_configured;
    let is_new = first.farm().signing_generation == generation;
    // Each web server reads the configuration when IIS starts.
    let is_read = configured.is_none_or(|at| {
        estate.machines.iter().all(|one| one.service("W3SVC").is_none_or(|service| service.started > at))
    });
    if is_new && is_read {
        return None;
    }
    let text = "ID4175: The issuer of the security token was not recognized by the IssuerNameRegistry. To accept security tokens from this issuer, configure the IssuerNameRegistry to return a valid name for this issuer.";
    let mut reply =
        text_reply(StatusCode::UNAUTHORIZED, HTML, format!("<html><title>401</title>{text}</html>"));
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{text}\"");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_str(&challenge).ok()?);
    Some(reply)
}
