//! The device code grant: how an administrator signs in to set the trust up. The sandbox's administrator types
//! every code in at once.

use std::collections::BTreeMap;

use http::StatusCode;
use hybridge_sandbox_kit::{Reply, json_reply};
use serde_json::json;

use crate::{
    entra::{Entra, sign},
    refusal::Refusal,
};

/// The grant type.
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The device codes that wait, and who is at the browser.
#[derive(Debug, Default)]
pub(crate) struct Operators {
    waiting: BTreeMap<String, Offer>,
    /// Whether nobody is at the browser.
    pub(crate) away: bool,
    /// Permissions that the administrator's roles do not cover, so that tokens come without them.
    pub(crate) lacking: Vec<String>,
}

#[derive(Debug, Clone)]
struct Offer {
    client_id: String,
    scope: String,
    asked: u32,
}

impl Entra {
    /// Whether somebody types device codes in, and which permissions she can't give.
    pub fn set_operator(&self, away: bool, lacking: Vec<String>) {
        let mut state = self.state();
        state.operators.away = away;
        state.operators.lacking = lacking;
    }

    pub(crate) fn offer_device_code(&self, form: &BTreeMap<String, String>) -> Reply {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let code = self.trace_id().simple().to_string();
        let user_code = code.chars().take(9).collect::<String>().to_uppercase();
        let offer = Offer { client_id: field("client_id"), scope: field("scope"), asked: 0 };
        self.state().operators.waiting.insert(code.clone(), offer);
        let page = "https://microsoft.com/devicelogin";
        json_reply(
            StatusCode::OK,
            &json!({
                "device_code": code, "user_code": user_code, "verification_uri": page, "expires_in": 900, "interval": 1,
                "message": format!("To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."),
            }),
        )
    }

    pub(crate) fn redeem_device_code(&self, code: &str) -> Result<Reply, Refusal> {
        let (tenant, _) = self.place();
        let now = self.now().as_second();
        let mut state = self.state();
        let (away, lacking) = (state.operators.away, state.operators.lacking.clone());
        let offer = state.operators.waiting.get_mut(code).ok_or_else(|| {
            Refusal::request(
                70000,
                "invalid_grant",
                "The provided value for the input parameter 'device_code' is not valid.",
            )
        })?;
        offer.asked += 1;
        if away || offer.asked < 2 {
            let text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
            return Err(Refusal::request(70016, "authorization_pending", text));
        }
        let offer = offer.clone();
        state.operators.waiting.remove(code);
        let resources: Vec<&str> =
            offer.scope.split_whitespace().filter(|scope| scope.contains("://")).collect();
        let resource = resources
            .first()
            .and_then(|scope| scope.rsplit_once('/'))
            .map(|(resource, _)| resource)
            .ok_or_else(|| Refusal::request(70011, "invalid_scope", "The scope names no resource."))?;
        let permissions: Vec<&str> = resources
            .iter()
            .filter_map(|scope| scope.strip_prefix(resource)?.strip_prefix('/'))
            .filter(|permission| !lacking.iter().any(|lacking| lacking == permission))
            .collect();
        let issuer = format!("https://sts.windows.net/{tenant}/");
        let claims = json!({
            "aud": resource, "iss": issuer, "iat": now, "nbf": now, "exp": now + 3599, "appid": offer.client_id,
            "appidacr": "0", "scp": permissions.join(" "), "tid": tenant, "ver": "1.0", "idtyp": "user",
            "oid": uuid::Uuid::from_u128(0xad), "sub": "administrator", "upn": "administrator@lindhagen.test",
            "unique_name": "administrator@lindhagen.test",
        });
        let token = sign(&claims)?;
        Ok(json_reply(
            StatusCode::OK,
            &json!({ "token_type": "Bearer", "scope": offer.scope, "expires_in": 3599, "access_token": token }),
        ))
    }
}
