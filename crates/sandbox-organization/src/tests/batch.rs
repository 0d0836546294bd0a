use http::Method;

use crate::testing::{Answer, Scene};

async fn send(scene: &Scene, parts: &[String], headers: &[(&'static str, &str)]) -> Answer {
    let mut body = String::new();
    for part in parts {
        body.push_str("--b\r\n");
        body.push_str(part);
        body.push_str("\r\n");
    }
    body.push_str("--b--\r\n");
    let mut all = vec![("content-type", "multipart/mixed;boundary=b")];
    all.extend(headers);
    scene.send(Method::POST, "$batch", &all, body).await
}

fn operation(request: &str, body: &str) -> String {
    format!(
        "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n{request} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}"
    )
}

fn change_set(operations: &[(&str, &str)]) -> String {
    let mut set = "Content-Type: multipart/mixed;boundary=c\r\n\r\n".to_owned();
    for (number, (request, body)) in operations.iter().enumerate() {
        set.push_str("--c\r\nContent-ID: ");
        set.push_str(&(number + 1).to_string());
        set.push_str("\r\n");
        set.push_str(&operation(request, body));
        set.push_str("\r\n");
    }
    set + "--c--\r\n"
}

#[tokio::test]
async fn operations_are_answered_in_order() {
    let scene = Scene::new();
    let parts = [
        operation("GET /api/data/v9.1/WhoAmI()", ""),
        operation("GET https://contoso.crm.example.org/api/data/v9.1/colours", ""),
        operation("POST contacts", "{\"lastname\":\"A\"}"),
    ];
    let answer = send(&scene, &parts, &[]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("multipart/mixed; boundary=batchresponse_"));
    assert_eq!(answer.text.matches("HTTP/1.1 ").count(), 2, "the first failure ends the batch");
    let answer = send(&scene, &parts, &[("prefer", "odata.continue-on-error")]).await;
    assert_eq!(answer.text.matches("HTTP/1.1 ").count(), 3);
    assert!(answer.text.contains("HTTP/1.1 204 No Content"));
}

#[tokio::test]
async fn a_change_set_happens_as_a_whole() {
    let scene = Scene::new();
    let good =
        change_set(&[("POST contacts", "{\"lastname\":\"A\"}"), ("PATCH $1", "{\"firstname\":\"B\"}")]);
    let answer = send(&scene, &[good], &[]).await;
    assert!(
        answer.text.contains("changesetresponse_") && answer.text.contains("Content-ID: 2"),
        "{}",
        answer.text
    );
    assert_eq!(scene.get("contacts?$select=fullname").await.json()["value"][0]["fullname"], "B A");

    let bad = change_set(&[("POST contacts", "{\"lastname\":\"C\"}"), ("POST contacts", "{\"colour\":1}")]);
    let answer = send(&scene, &[bad], &[]).await;
    assert!(answer.text.contains("HTTP/1.1 400") && !answer.text.contains("changesetresponse_"));
    assert_eq!(scene.get("contacts/$count").await.text, "1");
}

#[tokio::test]
async fn a_content_id_in_a_bind_fails_as_it_does_on_premises() {
    let scene = Scene::new();
    let set = change_set(&[
        ("POST accounts", "{\"name\":\"A\"}"),
        ("POST contacts", "{\"lastname\":\"B\",\"parentcustomerid_account@odata.bind\":\"$1\"}"),
    ]);
    let answer = send(&scene, std::slice::from_ref(&set), &[]).await;
    assert!(answer.text.contains("HTTP/1.1 500") && answer.text.contains("segment '$1'"));
    scene.organization.set_option(|options| options.binds_content_ids = true);
    assert!(send(&scene, &[set], &[]).await.text.contains("changesetresponse_"));
}

#[tokio::test]
async fn what_a_batch_refuses() {
    let scene = Scene::new();
    let get_in_set = change_set(&[("GET contacts", "")]);
    assert_eq!(send(&scene, &[get_in_set], &[]).await.status, 400);
    scene.organization.set_option(|options| options.largest_batch = 2);
    let many: Vec<String> = (0..3).map(|_| operation("GET WhoAmI()", "")).collect();
    let answer = send(&scene, &many, &[]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("A maximum number of '2' operations"));
    let line_feeds = "--b\nContent-Type: application/http\n\nGET WhoAmI() HTTP/1.1\n\n--b--\n";
    let headers = [("content-type", "multipart/mixed;boundary=b")];
    assert_eq!(scene.send(Method::POST, "$batch", &headers, line_feeds).await.status, 400);
}
