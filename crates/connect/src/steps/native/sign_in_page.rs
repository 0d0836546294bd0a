//! What AD FS shows to somebody who opens an app: the proof that he could sign in (setup.md F2 to F5).

use http::{Method, StatusCode, header};
use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity::parse_challenge;
use hybridge_net::{Request, Response};
use url::Url;

use super::adfs_clients::Registered;
use crate::{Obstacle, Site};

/// How often AD FS may send a browser on before its form is there.
const HOPS: usize = 4;
/// How much of an error page is told.
const TOLD: usize = 300;

async fn get(site: &Site, url: &Url) -> Result<Response, Obstacle> {
    site.web().send(Request::new(Method::GET, url.clone())).await.map_err(|error| {
        let what = format!("{} is not reached: {error}", url.origin().ascii_serialization());
        Trouble::new(Class::Transient, what, "Check name, firewall and certificate, then verify again.")
            .into()
    })
}

/// Where Dynamics sends those who come without a token.
///
/// # Errors
/// When it sends them nowhere.
pub(super) async fn authorize_endpoint(site: &Site) -> Result<Url, Obstacle> {
    let root = site.organization_admin().web_api().root();
    let address = root.join("WhoAmI").map_err(|error| Obstacle::refused(error.to_string(), ""))?;
    let answer = get(site, &address).await?;
    match parse_challenge(&answer.headers) {
        Some(challenge) => Ok(challenge.authorization_uri().clone()),
        None => Err(Obstacle::refused(
            format!(
                "Dynamics answers somebody without a token with {}, and does not say where to get one",
                answer.status
            ),
            "Run the step oauth-provider: hybridge connect apply --target native --step oauth-provider. Web servers take it up after `iisreset`.",
        )),
    }
}

/// Opens the sign-in of an app, as a browser would: AD FS has to show its form.
///
/// # Errors
/// What AD FS shows instead.
pub(super) async fn form(site: &Site, client: &Registered, resource: &str) -> Result<(), Obstacle> {
    let mut url = authorize_endpoint(site).await?;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &client.id),
        ("redirect_uri", client.redirects.first().map_or("", String::as_str)),
        ("resource", resource),
    ]);
    for _ in 0..HOPS {
        let answer = get(site, &url).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status.is_success() && text.to_lowercase().contains("name=\"username\"") {
            return Ok(());
        }
        let next = answer.header(header::LOCATION.as_str()).and_then(|next| url.join(next).ok());
        match next.filter(|next| answer.status.is_redirection() && next.origin() == url.origin()) {
            Some(next) => url = next,
            None => return Err(shown(client, answer.status, &text)),
        }
    }
    Err(Obstacle::refused(
        format!("AD FS sends the sign-in of {} in a circle", client.name),
        "An address that the app comes back to is missing: hybridge connect apply --target native --step adfs-clients",
    ))
}

fn shown(client: &Registered, status: StatusCode, page: &str) -> Obstacle {
    if status == StatusCode::UNAUTHORIZED {
        return Obstacle::refused(
            format!(
                "AD FS asks the user of {} for Windows authentication, which apps do not have",
                client.name
            ),
            "hybridge connect apply --target native --step forms-sign-in",
        );
    }
    // Without the tags of the page.
    let mut text = String::new();
    let mut inside = false;
    for character in page.chars() {
        match character {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            other if !inside => text.push(other),
            _ => {}
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let told: String = words.join(" ").chars().take(TOLD).collect();
    Obstacle::refused(
        format!("AD FS shows {} no form to sign in with: {status} {told}", client.name),
        "hybridge connect explain \"<these words>\" tells what they mean. The steps for it: hybridge connect plan --target native --step \
         adfs-clients --step adfs-permissions",
    )
}
