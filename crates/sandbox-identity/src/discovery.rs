//! What Entra ID publishes about itself (graph.md 1.7).

use serde_json::{Value, json};
use uuid::Uuid;

/// The v2.0 discovery document.
pub(crate) fn version_2(authority: &str, tenant: Uuid) -> Value {
    document(authority, tenant, &format!("{authority}/{tenant}/v2.0"), "oauth2/v2.0", "discovery/v2.0/keys")
}

/// The v1.0 discovery document; it names the issuer of v1.0 tokens.
pub(crate) fn version_1(authority: &str, tenant: Uuid) -> Value {
    document(authority, tenant, &format!("https://sts.windows.net/{tenant}/"), "oauth2", "discovery/keys")
}

fn document(authority: &str, tenant: Uuid, issuer: &str, oauth: &str, keys: &str) -> Value {
    let root = format!("{authority}/{tenant}");
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{root}/{oauth}/authorize"),
        "token_endpoint": format!("{root}/{oauth}/token"),
        "device_authorization_endpoint": format!("{root}/{oauth}/devicecode"),
        "jwks_uri": format!("{root}/{keys}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "tenant_region_scope": "EU",
    })
}

/// The answer of instance discovery for the authority itself.
pub(crate) fn instance(authority: &str, host: &str) -> Value {
    json!({
        "tenant_discovery_endpoint": format!("{authority}/common/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
}
