use http::Method;

use crate::testing::{Answer, Scene};

const SERVICE: &str = "/XRMServices/2011/Organization.svc/web";

fn pair(key: &str, kind: &str, value: &str) -> String {
    format!(
        "<a:KeyValuePairOfstringanyType><b:key>{key}</b:key><b:value i:type=\"{kind}\">{value}</b:value></a:KeyValuePairOfstringanyType>"
    )
}

fn request(name: &str, parameters: &str) -> String {
    format!(
        "<a:Parameters>{parameters}</a:Parameters><a:RequestId i:nil=\"true\"/><a:RequestName>{name}</a:RequestName>"
    )
}

async fn execute(scene: &Scene, request: &str) -> Answer {
    let body = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:a=\"http://schemas.microsoft.com/xrm/2011/Contracts\" xmlns:b=\"http://schemas.datacontract.org/2004/07/System.Collections.Generic\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><s:Body><Execute xmlns=\"http://schemas.microsoft.com/xrm/2011/Contracts/Services\"><request>{request}</request></Execute></s:Body></s:Envelope>"
    );
    scene.send(Method::POST, SERVICE, &[], body).await
}

fn message(id: &str) -> String {
    let texts = [
        ("MessageId", id),
        ("Subject", "Hello"),
        ("From", "kim@example.org"),
        ("To", "ana@contoso.example"),
        ("Cc", ""),
        ("Bcc", ""),
    ];
    texts.iter().map(|(key, value)| pair(key, "c:string", value)).collect()
}

#[tokio::test]
async fn the_messages_are_there_when_the_web_api_lacks_them() {
    let scene = Scene::new();
    scene.user("ana", 0);
    scene.organization.set_option(|options| options.web_api_email_actions = false);
    let who = execute(&scene, &request("WhoAmI", "")).await;
    assert!(who.text.contains(&scene.organization.service_account().to_string()), "{}", who.text);
    let check = execute(&scene, &request("CheckIncomingEmail", &message("&lt;1@x&gt;"))).await;
    assert_eq!(check.status, 200);
    assert!(
        check.text.contains("<b:key>ReasonCode</b:key><b:value i:type=\"c:int\">6</b:value>"),
        "{}",
        check.text
    );

    let file = format!(
        "<a:Entities><a:Entity><a:Attributes>{}{}</a:Attributes><a:LogicalName>activitymimeattachment</a:LogicalName></a:Entity></a:Entities>",
        pair("filename", "c:string", "a.txt"),
        pair("body", "c:string", "aGVsbG8="),
    );
    let parameters = message("&lt;1@x&gt;") + &pair("Attachments", "a:EntityCollection", &file);
    let delivered = execute(&scene, &request("DeliverIncomingEmail", &parameters)).await;
    assert_eq!(delivered.status, 200, "{}", delivered.text);
    let emails = scene.organization.emails();
    assert_eq!((emails[0].message_id.as_str(), emails[0].attachments[0].bytes), ("<1@x>", 5));
    assert!(delivered.text.contains(&emails[0].id.to_string()));

    let again = execute(&scene, &request("DeliverIncomingEmail", &message("&lt;1@x&gt;"))).await;
    assert_eq!(again.status, 500);
    assert!(again.text.contains("<a:ErrorCode>-2147220937</a:ErrorCode>"), "{}", again.text);
}

#[tokio::test]
async fn many_requests_go_in_one() {
    let scene = Scene::new();
    scene.user("ana", 0);
    let one = |id: &str| {
        format!(
            "<l:OrganizationRequest>{}</l:OrganizationRequest>",
            request("DeliverIncomingEmail", &message(id))
        )
    };
    let requests = one("&lt;1@x&gt;") + &one("&lt;1@x&gt;") + &one("&lt;2@x&gt;");
    let with = |go_on: bool| {
        let settings = format!(
            "<l:ContinueOnError>{go_on}</l:ContinueOnError><l:ReturnResponses>true</l:ReturnResponses>"
        );
        request(
            "ExecuteMultiple",
            &(pair("Requests", "l:OrganizationRequestCollection", &requests)
                + &pair("Settings", "l:ExecuteMultipleSettings", &settings)),
        )
    };
    let stopped = execute(&scene, &with(false)).await;
    assert_eq!(stopped.status, 200, "{}", stopped.text);
    assert_eq!(scene.organization.emails().len(), 1);
    assert_eq!(stopped.text.matches("<l:RequestIndex>").count(), 2);
    let all = execute(&scene, &with(true)).await;
    assert_eq!(all.text.matches("<l:RequestIndex>").count(), 3);
    assert_eq!(all.text.matches("<a:ErrorCode>").count(), 2);
    assert_eq!(scene.organization.emails().len(), 2);
}

#[tokio::test]
async fn what_the_service_refuses() {
    let scene = Scene::new();
    let unknown = execute(&scene, &request("Explode", "")).await;
    assert!(unknown.status == 500 && unknown.text.contains("OrganizationServiceFault"));
    assert_eq!(scene.send(Method::POST, SERVICE, &[], "<broken").await.status, 500);
    assert_eq!(scene.send(Method::POST, SERVICE, &[("authorization", "")], "").await.status, 401);
}
