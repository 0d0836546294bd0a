//! Who may come in: the IFD face with OAuth, and the AD face behind a web server that speaks Kerberos and NTLM
//! (dynamics.md 2.1, 2.4, 3.11).

use http::StatusCode;
use hybridge_sandbox_kit::{Call, Claims, Reply, TokenJudge, text_reply};
use uuid::Uuid;

use super::request::{fault_reply, set};
use crate::{
    access,
    cell::Cell,
    fault::Fault,
    odata::prefer::Prefer,
    options::{AnonymousAnswer, SignIn},
    schema,
    state::{Session, State},
};

const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign In</title></head><body>Sign in with your organizational account.</body></html>";
const DENIED: &str = "<!DOCTYPE html><html><head><title>401 - Unauthorized</title></head><body><h2>401 - Unauthorized: Access is denied due to invalid credentials.</h2></body></html>";

/// The session of a call, or the answer that keeps it out.
pub(crate) fn enter(
    state: &State,
    judge: &dyn TokenJudge,
    call: &Call,
    version: &str,
) -> Result<Session, Box<Reply>> {
    let root = state.origins.organization.as_str();
    let user = match state.options.sign_in {
        SignIn::Claims => {
            let Some(token) = call.bearer() else { return Err(Box::new(challenge(state, call))) };
            let without_slash = root.trim_end_matches('/');
            let claims =
                judge.judge(token, &[root, without_slash]).map_err(|_| Box::new(challenge(state, call)))?;
            user_of(state, &claims)
        }
        SignIn::Windows => {
            let Some(name) = call.header("x-remote-user").filter(|name| !name.is_empty()) else {
                return Err(Box::new(windows_challenge()));
            };
            user_named(state, name)
        }
    };
    let user = user.map_err(|fault| Box::new(fault_reply(&fault)))?;
    let (caller, delegate) =
        impersonated(state, call, user).map_err(|fault| Box::new(fault_reply(&fault)))?;
    Ok(Session {
        caller,
        delegate,
        base: format!("{root}api/data/{version}/"),
        prefer: Prefer::default(),
        content_ids: std::collections::BTreeMap::new(),
    })
}

/// The answer to one who has not signed in.
fn challenge(state: &State, call: &Call) -> Reply {
    let adfs = state.origins.adfs.as_str();
    let root = state.origins.organization.as_str();
    if call.header("accept").is_some_and(|accept| accept.contains("text/html")) {
        let mut reply = text_reply(StatusCode::FOUND, "text/html; charset=utf-8", PAGE);
        set(&mut reply, "location", &format!("{adfs}adfs/ls/?wa=wsignin1.0&wtrealm={root}"));
        return reply;
    }
    if state.options.anonymous == AnonymousAnswer::SignInPage {
        return text_reply(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    }
    let mut reply = text_reply(StatusCode::UNAUTHORIZED, "text/html; charset=utf-8", DENIED);
    let value = format!("Bearer authorization_uri={adfs}adfs/oauth2/authorize, resource_id={root}");
    set(&mut reply, "www-authenticate", &value);
    reply
}

/// What IIS answers one whom it does not know.
fn windows_challenge() -> Reply {
    let mut reply = text_reply(StatusCode::UNAUTHORIZED, "text/html; charset=utf-8", DENIED);
    for scheme in ["Negotiate", "NTLM"] {
        reply.headers_mut().append(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static(scheme));
    }
    reply
}

/// The enabled user with a role that a token stands for. A token without a user, as an app-only grant
/// gives, is refused: the organization finds nobody in it (dynamics.md 2.4).
fn user_of(state: &State, claims: &Claims) -> Result<Uuid, Fault> {
    let Some(name) = &claims.user_name else {
        return Err(Fault::new(
            StatusCode::UNAUTHORIZED,
            0x8004_4302,
            "The user is not authenticated: the token names no user.",
        ));
    };
    user_named(state, name)
}

/// The enabled user with a role whom a name of the domain means, in either form.
fn user_named(state: &State, name: &str) -> Result<Uuid, Fault> {
    let stranger =
        || Fault::new(StatusCode::FORBIDDEN, 0x8007_2560, "The user is not a member of the organization.");
    let users = schema::table("systemuser").ok_or_else(stranger)?;
    let found = state.store.find_rows(users, "domainname", &Cell::text(name)).next();
    let found =
        found.or_else(|| state.store.rows(users).find(|(_, row)| is_named(row.text("domainname"), name)));
    let (id, row) = found.ok_or_else(stranger)?;
    if row.boolean("isdisabled") == Some(true) {
        return Err(Fault::new(StatusCode::FORBIDDEN, 0x8004_0225, "The specified user is disabled."));
    }
    if access::roles_of(state, id).next().is_none() {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            0x8004_2f09,
            "The user has not been assigned any roles.",
        ));
    }
    Ok(id)
}

/// Whether `DOMAIN\user` and `user@domain.example` name the same account: same user, and the domain's
/// short name is the first label of the long one.
fn is_named(domain_name: &str, name: &str) -> bool {
    let parts = |name: &str| -> Option<(String, String)> {
        let (user, domain) = match name.split_once('\\') {
            Some((domain, user)) => (user, domain),
            None => name.split_once('@')?,
        };
        let label = domain.split('.').next().unwrap_or_default();
        Some((user.to_lowercase(), label.to_lowercase()))
    };
    parts(domain_name).is_some_and(|known| Some(known) == parts(name))
}

/// The user to act as (`MSCRMCallerID`), and the one who really calls.
fn impersonated(state: &State, call: &Call, user: Uuid) -> Result<(Uuid, Option<Uuid>), Fault> {
    let Some(header) = call.header("mscrmcallerid") else { return Ok((user, None)) };
    let unknown =
        || Fault::bad(0x8004_0204, format!("The user '{header}' that is to be acted for does not exist."));
    let caller: Uuid = header.trim().trim_matches(['{', '}']).parse().map_err(|_| unknown())?;
    if caller == user {
        return Ok((user, None));
    }
    if !access::holds(state, user, "prvActOnBehalfOfAnotherUser") {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            0x8004_a110,
            "The user does not have the privilege to act on behalf of another user (prvActOnBehalfOfAnotherUser).",
        ));
    }
    let users = schema::table("systemuser").ok_or_else(unknown)?;
    let row = state.store.get(users, caller).ok_or_else(unknown)?;
    if row.boolean("isdisabled") == Some(true) {
        return Err(Fault::new(StatusCode::FORBIDDEN, 0x8004_0225, "The specified user is disabled."));
    }
    Ok((caller, Some(user)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_name_are_one_account() {
        assert!(is_named("CONTOSO\\ana", "Ana@contoso.example"));
        assert!(is_named("ana@contoso.example", "CONTOSO\\ana"));
        assert!(!is_named("CONTOSO\\ana", "bea@contoso.example"));
        assert!(!is_named("CONTOSO\\ana", "ana@fabrikam.example"));
    }
}
