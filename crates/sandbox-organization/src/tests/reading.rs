use http::Method;
use serde_json::json;

use crate::testing::{DELIVER, Scene, delivery};

#[tokio::test]
async fn a_set_is_read_page_by_page() {
    let scene = Scene::new();
    for number in 0..7 {
        scene.insert(
            "contact",
            json!({ "lastname": format!("N{}", number % 3), "emailaddress1": format!("c{number}@x.y") }),
        );
    }
    for query in ["$select=lastname", "$select=lastname&$orderby=lastname desc", "$count=true"] {
        let mut seen = Vec::new();
        let mut next = format!("contacts?{query}");
        loop {
            let page = scene.prefer(&next, "odata.maxpagesize=3").await;
            assert_eq!(
                (page.status, page.header("preference-applied")),
                (200, "odata.maxpagesize=3"),
                "{}",
                page.text
            );
            let page = page.json();
            seen.extend(
                page["value"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["contactid"].as_str().unwrap().to_owned()),
            );
            match page["@odata.nextLink"].as_str() {
                Some(link) => next = link.to_owned(),
                None => break,
            }
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((count, seen.len()), (7, 7), "{query}");
    }
    let top = scene.get("contacts?$top=2&$orderby=emailaddress1 desc").await.json();
    assert_eq!(
        (top["value"][0]["emailaddress1"].clone(), top["value"].as_array().unwrap().len()),
        (json!("c6@x.y"), 2)
    );
    assert!(top.get("@odata.nextLink").is_none());
    assert_eq!(scene.get("contacts/$count").await.text, "7");
}

#[tokio::test]
async fn what_is_refused_in_a_query() {
    let scene = Scene::new();
    for query in ["$skip=5", "$select=colour", "$filter=colour eq 1", "$top=x", "$skiptoken=x"] {
        assert_eq!(scene.get(&format!("contacts?{query}")).await.status, 400, "{query}");
    }
    let key = scene.get("contacts(emailaddress1='a@b')").await;
    assert_eq!((key.status, key.code().as_str()), (400, "0x80060890"));
    let missing = scene.get("contacts(00000000-0000-0000-0000-000000000001)").await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "0x80040217"));
    assert!(missing.json()["error"]["innererror"]["stacktrace"].is_string());
}

#[tokio::test]
async fn lookups_are_annotated_and_expanded() {
    let scene = Scene::new();
    let ana = scene.user("ana", 0);
    scene.post(DELIVER, delivery(json!({}))).await;
    let mailbox = scene
        .prefer(
            &format!(
                "mailboxes({})?$select=emailaddress,_regardingobjectid_value,incomingemaildeliverymethod",
                ana.mailbox
            ),
            "odata.include-annotations=\"*\"",
        )
        .await;
    let row = mailbox.json();
    assert_eq!(row["_regardingobjectid_value"], ana.user.to_string());
    assert_eq!(row["_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname"], "systemuser");
    assert_eq!(
        row["_regardingobjectid_value@Microsoft.Dynamics.CRM.associatednavigationproperty"],
        "regardingobjectid"
    );
    assert_eq!(row["_regardingobjectid_value@OData.Community.Display.V1.FormattedValue"], "ana User");
    assert_eq!(mailbox.header("etag"), row["@odata.etag"]);

    let list = scene.get("emails?$select=subject&$expand=ownerid($select=fullname),email_activity_parties($select=addressused;$filter=participationtypemask eq 1)").await.json();
    let email = &list["value"][0];
    assert_eq!(email["ownerid"]["fullname"], "ana User");
    assert_eq!(email["email_activity_parties"], json!([]), "on a set a collection is a link to follow");
    let followed = scene.get(email["email_activity_parties@odata.nextLink"].as_str().unwrap()).await.json();
    assert_eq!(followed["value"][0]["addressused"], "kim@example.org");
    let id = email["activityid"].as_str().unwrap();
    let single = scene
        .get(&format!("emails({id})?$select=subject&$expand=email_activity_parties($select=addressused)"))
        .await;
    assert_eq!(single.json()["email_activity_parties"].as_array().unwrap().len(), 2);
    assert_eq!(scene.get(&format!("emails({id})/subject")).await.json()["value"], "Hello");
    assert_eq!(scene.get(&format!("emails({id})/category")).await.status, 204);
    assert_eq!(scene.get(&format!("emails({id})/subject/$value")).await.text, "Hello");
    assert_eq!(
        scene.get(&format!("activitypointers({id})?$select=subject,activitytypecode")).await.json()["activitytypecode"],
        "email"
    );
    assert!(
        !scene.get(&format!("emails({id})")).await.text.contains("messageiddupcheck"),
        "not valid for read"
    );
}

#[tokio::test]
async fn an_unchanged_row_is_not_sent_again() {
    let scene = Scene::new();
    let contact = scene.contact("a@b.c");
    let path = format!("contacts({contact})");
    let etag = scene.get(&path).await.header("etag").to_owned();
    let unchanged = scene.send(Method::GET, &path, &[("if-none-match", &etag)], "").await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    assert_eq!(scene.send(Method::GET, &path, &[("if-none-match", "null")], "").await.status, 200);
}

#[tokio::test]
async fn the_organization_describes_itself() {
    let scene = Scene::new();
    let document = scene.get("").await.json();
    assert!(document["value"].as_array().unwrap().iter().any(|set| set["name"] == "usersettingscollection"));
    assert!(scene.get("$metadata").await.text.contains("<EntityType Name=\"email\">"));
    let definition =
        scene.get("EntityDefinitions(LogicalName='email')?$select=EntitySetName,ObjectTypeCode").await.json();
    assert_eq!(
        (definition["EntitySetName"].clone(), definition["ObjectTypeCode"].clone()),
        (json!("emails"), json!(4202))
    );
    let tracked =
        scene.get("EntityDefinitions?$select=LogicalName&$filter=ChangeTrackingEnabled eq true").await.json();
    assert_eq!(tracked["value"].as_array().unwrap().len(), 4);
    let organization =
        scene.get("organizations?$select=name,emailconnectionchannel,maxuploadfilesize").await.json();
    assert_eq!(organization["value"][0]["emailconnectionchannel"], 1);
    assert!(scene.get("RetrieveVersion()").await.json()["Version"].as_str().unwrap().starts_with("9.1."));
    let detail = scene.get("RetrieveCurrentOrganization(AccessType=@a)?@a=Microsoft.Dynamics.CRM.EndpointAccessType'Default'").await;
    assert_eq!(detail.status, 200, "{}", detail.text);
}
