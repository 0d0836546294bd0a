use http::Method;
use serde_json::json;

use crate::{AnonymousAnswer, SignIn, testing::Scene};

#[tokio::test]
async fn an_anonymous_program_is_challenged() {
    let scene = Scene::new();
    let answer = scene.send(Method::GET, "WhoAmI", &[("authorization", "")], "").await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer authorization_uri=https://sts.example.org/adfs/oauth2/authorize, resource_id=https://contoso.crm.example.org/"
    );
    assert!(answer.text.contains("<html>") && !answer.header("req_id").is_empty());
    assert_eq!(scene.send(Method::GET, "WhoAmI", &[("authorization", "Bearer bad")], "").await.status, 401);
}

#[tokio::test]
async fn with_windows_authentication_the_web_server_in_front_names_the_user() {
    let scene = Scene::new();
    let ana = scene.user("ana", 1).user;
    scene.organization.set_option(|options| options.sign_in = SignIn::Windows);
    // A token is of no use here.
    let answer = scene.get("WhoAmI()").await;
    assert_eq!(answer.status, 401);
    let offered: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(offered, ["Negotiate", "NTLM"]);
    for (name, status) in [("CONTOSO\\ana", 200), ("ana@CONTOSO.EXAMPLE", 200), ("CONTOSO\\nobody", 403)] {
        let headers = [("authorization", ""), ("x-remote-user", name)];
        let answer = scene.send(Method::GET, "WhoAmI()", &headers, "").await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
        assert!(status != 200 || answer.json()["UserId"] == ana.to_string());
    }
    // Without claims nobody believes the header.
    scene.organization.set_option(|options| options.sign_in = SignIn::Claims);
    let headers = [("authorization", ""), ("x-remote-user", "CONTOSO\\ana")];
    assert_eq!(scene.send(Method::GET, "WhoAmI()", &headers, "").await.status, 401);
}

#[tokio::test]
async fn a_browser_is_sent_to_the_sign_in_page() {
    let scene = Scene::new();
    let headers = [("authorization", ""), ("accept", "text/html,*/*")];
    let answer = scene.send(Method::GET, "WhoAmI", &headers, "").await;
    assert_eq!(answer.status, 302);
    assert!(answer.header("location").starts_with("https://sts.example.org/adfs/ls/"));

    scene.organization.set_option(|options| options.anonymous = AnonymousAnswer::SignInPage);
    let answer = scene.send(Method::GET, "WhoAmI", &[("authorization", "")], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
}

#[tokio::test]
async fn only_an_enabled_user_with_a_role_comes_in() {
    let scene = Scene::new();
    let ana = scene.user("ana", 1).user;
    let without_role = json!({ "lastname": "New", "domainname": "CONTOSO\\new", "isdisabled": false });
    scene.insert("systemuser", without_role);
    scene.user("old", 1);
    let old = scene.user("gone", 1).user;
    scene.organization.update("systemuser", old, &json!({ "isdisabled": true })).unwrap();
    let cases = [
        ("Bearer ana@contoso.example", 200, ""),
        ("Bearer CONTOSO\\ana", 200, ""),
        ("Bearer nobody@contoso.example", 403, "0x80072560"),
        ("Bearer new@contoso.example", 403, "0x80042f09"),
        ("Bearer gone@contoso.example", 403, "0x80040225"),
        ("Bearer app", 401, "0x80044302"),
    ];
    for (token, status, code) in cases {
        let answer = scene.send(Method::GET, "WhoAmI()", &[("authorization", token)], "").await;
        assert_eq!(answer.status, status, "{token}: {}", answer.text);
        if status == 200 {
            assert_eq!(answer.json()["UserId"], ana.to_string());
        } else {
            assert_eq!(answer.code(), code, "{token}");
        }
    }
}

#[tokio::test]
async fn acting_for_another_needs_the_privilege() {
    let scene = Scene::new();
    let ana = scene.user("ana", 1).user;
    let ana_text = ana.to_string();
    let made = scene
        .send(
            Method::POST,
            "contacts",
            &[("mscrmcallerid", &ana_text), ("prefer", "return=representation")],
            json!({ "lastname": "New" }).to_string(),
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["_createdby_value"], ana_text);
    assert_eq!(made.json()["_createdonbehalfby_value"], scene.organization.service_account().to_string());
    let unknown = scene
        .send(Method::GET, "WhoAmI", &[("mscrmcallerid", "00000000-0000-0000-0000-00000000000a")], "")
        .await;
    assert_eq!(unknown.status, 400);

    let plain = scene.insert("role", json!({ "name": "Salesperson" }));
    let low = scene.insert(
        "systemuser",
        json!({ "lastname": "Low", "domainname": "CONTOSO\\low", "isdisabled": false }),
    );
    scene.insert("systemuserroles", json!({ "_systemuserid_value": low, "_roleid_value": plain }));
    let headers = [("authorization", "Bearer low@contoso.example"), ("mscrmcallerid", ana_text.as_str())];
    let refused = scene.send(Method::GET, "WhoAmI", &headers, "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "0x8004a110"));
}

#[tokio::test]
async fn versions_sizes_and_strange_paths() {
    let scene = Scene::new();
    for (path, status) in [
        ("/api/data/v9.0/WhoAmI", 200),
        ("//api/data//v9.1/WhoAmI()", 200),
        ("/api/data/v9.2/WhoAmI", 404),
        ("/api/data/v8.2/WhoAmI", 404),
        ("/main.aspx", 404),
        ("/api/data/v9.1/colours", 404),
    ] {
        assert_eq!(scene.get(path).await.status, status, "{path}");
    }
    scene.organization.set_option(|options| {
        options.serves_v92 = true;
        options.largest_request = 10;
    });
    assert_eq!(scene.get("/api/data/v9.2/WhoAmI").await.status, 200);
    let large = scene.post("contacts", json!({ "lastname": "too long" })).await;
    assert_eq!(large.status, 413);
    assert!(large.text.contains("<html>"));
}
