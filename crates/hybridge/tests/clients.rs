//! Clients that no one here wrote, run against the sandbox: whether it speaks the protocols is not for its
//! own authors to say (graph.md section 10, dynamics.md section 9).
//!
//! The scripts in `clients/` use each library as its documentation shows and report what they saw; what they
//! should have seen stands here.

#[cfg(test)]
mod support;

use serde_json::{Value, json};

use support::{Sandbox, node, python};

const GRAPH: &str = "https://graph.microsoft.com";

#[test]
fn msal_signs_in_with_a_certificate_in_both_forms_and_is_refused_with_another_key() {
    let sandbox = Sandbox::start("msal");
    let seen = python("msal_tokens.py", &sandbox);

    let modern = &seen["public_certificate"];
    assert_eq!(modern["assertion"]["alg"], "PS256");
    assert!(modern["assertion"]["x5t#S256"].is_string(), "{modern}");
    let older = &seen["thumbprint"];
    assert_eq!(older["assertion"]["alg"], "RS256");
    assert!(older["assertion"]["x5t"].is_string(), "{older}");
    for token in [modern, older] {
        assert_eq!(token["token_type"], "Bearer");
        assert_eq!(token["cached"], true, "the second request is answered from msal's cache");
        assert_claims(&token["claims"], &sandbox);
    }

    for refused in ["wrong_key", "unknown_certificate"] {
        let refusal = &seen[refused]["refusal"];
        assert_eq!(refusal["error"], "invalid_client", "{refused}: {refusal}");
        assert_eq!(refusal["error_codes"], json!([700_027]), "{refused}: {refusal}");
        assert!(text(&refusal["error_description"]).starts_with("AADSTS700027: "), "{refused}: {refusal}");
    }
}

#[test]
fn azure_identity_signs_in_with_a_certificate_and_says_why_it_is_refused() {
    let sandbox = Sandbox::start("azure-identity");
    let seen = python("azure_identity_token.py", &sandbox);

    assert_claims(&seen["token"]["claims"], &sandbox);
    assert!(seen["token"]["lifetime_seconds"].as_i64() > Some(3_000), "{seen}");
    // A tenant that does not exist fails at its discovery document already, and the library has its own words.
    assert!(text(&seen["unknown_tenant"]["refusal"]).contains("Unable to get authority"), "{seen}");
    assert!(text(&seen["unknown_application"]["refusal"]).contains("AADSTS700016"), "{seen}");
}

#[test]
fn azure_identity_signs_in_asynchronously_too() {
    let sandbox = Sandbox::start("azure-identity-async");
    let seen = python("azure_identity_async.py", &sandbox);

    assert_claims(&seen["claims"], &sandbox);
}

#[test]
fn msgraph_sdk_for_python_lists_sends_pages_a_delta_and_uploads() {
    let sandbox = Sandbox::start("msgraph-sdk");
    let seen = python("graph_sdk.py", &sandbox);

    assert_folders(&seen["folders"]);
    let pages: Vec<u64> = entries(&seen["pages"]).iter().filter_map(Value::as_u64).collect();
    assert!(pages.len() > 1, "one page only: {pages:?}");
    assert!(pages.iter().all(|entries| *entries <= 2), "{pages:?}");
    assert_eq!(seen["inbox_total"], pages.iter().sum::<u64>());
    assert_eq!(seen["inbox_total"], seen["distinct"]);
    assert_arrival(&seen, &sandbox, "A mail of msgraph-sdk", "Grüße aus Python");

    let upload = &seen["upload"];
    assert_eq!(upload["first_ranges"], json!(["0-"]));
    assert_eq!(upload["statuses"], json!([200, 200, 201]));
    assert_eq!(upload["location"], true);
    assert_eq!(upload["attachments"], json!(["large.bin"]));
    assert_eq!(upload["type"], "#microsoft.graph.fileAttachment");
    assert_eq!(upload["intact"], true);
    assert_item_not_found(&seen["refusal"]);
}

#[test]
fn microsoft_graph_client_for_javascript_lists_sends_pages_a_delta_and_uploads() {
    let sandbox = Sandbox::start("graph-client");
    let seen = node("graph_client.cjs", &sandbox);

    assert_folders(&seen["folders"]);
    assert_eq!(seen["first_page"], 2);
    assert_eq!(seen["complete"], true);
    assert!(seen["entries"].as_u64() > Some(2), "one page only: {seen}");
    assert_eq!(seen["inbox_total"], seen["entries"]);
    assert_eq!(seen["inbox_total"], seen["distinct"]);
    assert_arrival(&seen, &sandbox, "A mail of microsoft-graph-client", "Grüße aus JavaScript");

    let upload = &seen["upload"];
    let slices = json!([[0, 2_097_151], [2_097_152, 4_194_303], [4_194_304, 5_242_879]]);
    assert_eq!(upload["ranges"], slices);
    assert_eq!(upload["location"], true);
    assert_eq!(upload["attachments"][0][0], "large.bin");
    assert_eq!(upload["intact"], true);
    assert_item_not_found(&seen["refusal"]);
}

#[test]
fn dynamics_web_api_creates_queries_pages_batches_tracks_and_calls() {
    let sandbox = Sandbox::start("web-api");
    let seen = node("web_api.cjs", &sandbox);

    assert_eq!(
        seen["challenge"],
        json!({ "status": 401, "scheme": "Bearer", "resource": sandbox.text("organization") })
    );
    assert_eq!(seen["wrong_password"], json!({ "status": 400, "error": "invalid_grant" }));
    assert_eq!(seen["token"]["status"], 200);
    assert!(text(&seen["token"]["type"]).eq_ignore_ascii_case("bearer"));
    for id in ["UserId", "BusinessUnitId", "OrganizationId"] {
        assert!(seen["who_am_i"][id].is_string(), "{}", seen["who_am_i"]);
    }
    assert_records(&seen["records"]);
    assert_batches(&seen["batches"]);

    let changes = &seen["changes"];
    assert_eq!(changes["link"], true);
    assert_eq!(changes["seen"], json!([changes["created"]]), "the delta link brings what is new, no more");

    assert_email(&seen["email"], sandbox.mailboxes());
}

#[test]
fn dynamics_web_api_reads_in_batches() {
    let sandbox = Sandbox::start("web-api-reads");
    let seen = node("web_api_reads.cjs", &sandbox);

    let expected = json!({ "found": ["Kit"], "who_am_i": true, "found_by_long_query": ["Kit"] });
    assert_eq!(seen, expected);
}

fn assert_records(seen: &Value) {
    assert_eq!(
        seen["pages"],
        json!([
            ["Ada Clientsson", "Berta Clientsson"],
            ["Cleo Clientsson", "Dora Clientsson"],
            ["Eve Clientsson"],
        ])
    );
    assert_eq!(seen["found"], json!([seen["id"]]));
    assert_eq!(seen["count"], 1);
    assert_eq!(seen["fullname"], "Ada Clientsson");
    assert_eq!(seen["updates"], json!([true, false]), "an update with an old ETag is refused");
    assert_eq!(seen["unknown_column"]["status"], 400);
}

fn assert_batches(seen: &Value) {
    assert_eq!(entries(&seen["created"]).iter().filter(|id| id.is_string()).count(), 2, "{seen}");
    assert_eq!(seen["left_by_created"], 2);
    assert_eq!(seen["refused"], json!([400]), "one answer for all of a change set that failed");
    assert_eq!(seen["left_by_refused"], 0, "a change set happens as a whole or not at all");
}

fn assert_email(seen: &Value, recipients: usize) {
    assert_eq!(seen["before"]["deliver"], true, "{seen}");
    let email = &seen["email"];
    assert_eq!(email["subject"], "A mail of dynamics-web-api");
    assert_eq!(email["message_id"], "<first@clients.example>");
    assert_eq!(email["incoming"], true);
    assert_eq!((&email["state"], &email["status"]), (&json!(1), &json!(4)), "completed, received");
    assert_eq!(email["priority"], 2, "high");
    assert_eq!(email["senders"], json!(["ada@clients.example"]));
    assert_eq!(email["recipients"], recipients);
    assert_eq!(seen["files"], json!([["note.txt", "a note"]]));
    assert_eq!(seen["after"], json!({ "deliver": false, "reason": 0 }), "it is a duplicate now");
    assert_eq!(seen["refused"]["status"], 404, "an action that does not exist");
}

fn assert_claims(claims: &Value, sandbox: &Sandbox) {
    assert!(text(&claims["aud"]).starts_with(GRAPH), "{claims}");
    assert_eq!(claims["tid"], sandbox.text("tenant_id"));
    let application = if claims["appid"].is_null() { &claims["azp"] } else { &claims["appid"] };
    assert_eq!(application, sandbox.text("client_id"));
    let roles = entries(&claims["roles"]);
    for role in ["Mail.ReadWrite", "Mail.Send"] {
        assert!(roles.iter().any(|held| held == role), "{role} is missing in {claims}");
    }
}

fn assert_folders(folders: &Value) {
    let names: Vec<&str> = entries(folders).iter().map(|folder| text(&folder["name"])).collect();
    for name in ["Inbox", "Drafts", "Sent Items", "Deleted Items"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}

/// The mail that the first mailbox sent to the second one came with the delta link, and only that.
fn assert_arrival(seen: &Value, sandbox: &Sandbox, subject: &str, words: &str) {
    assert_eq!(seen["subjects_in_second_round"], json!([subject]));
    let arrived = &seen["arrived"];
    assert_eq!(arrived["from"], sandbox.address(0));
    assert_eq!(arrived["to"], json!([sandbox.address(1)]));
    assert!(text(&arrived["body"]).contains(words), "{arrived}");
    assert!(text(&arrived["message_id"]).starts_with('<'), "{arrived}");
}

fn assert_item_not_found(refusal: &Value) {
    assert_eq!(refusal["status"], 404, "{refusal}");
    assert_eq!(refusal["code"], "ErrorItemNotFound");
    assert_eq!(refusal["request_id"], true, "what support asks for first");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn entries(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
