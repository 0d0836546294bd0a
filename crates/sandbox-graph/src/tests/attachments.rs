use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use serde_json::json;

use super::world::World;
use crate::{EmailAddress, Mail, MailAttachment};

const MESSAGES: &str = "/v1.0/users/ada@contoso.com/messages";

async fn draft(world: &World) -> String {
    let draft = world.post(MESSAGES, json!({"subject": "Files"})).await;
    format!("{MESSAGES}/{}/attachments", draft.text("/id"))
}

#[tokio::test(start_paused = true)]
async fn a_small_file_is_posted_read_and_deleted() {
    let world = World::new();
    let path = draft(&world).await;
    let file = json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentType": "text/plain", "contentBytes": STANDARD.encode("hello")});
    let added = world.post(&path, file).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let one = format!("{path}/{}", added.text("/id"));
    let content = world.get(&format!("{one}/$value")).await;
    assert_eq!((content.raw.as_ref(), content.header("content-type")), (&b"hello"[..], "text/plain"));
    assert_eq!(world.write(Method::DELETE, &one, &json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&path).await.values().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_file_is_uploaded_in_order_and_without_a_token() {
    let world = World::new();
    let path = draft(&world).await;
    let size = 4 * 1024 * 1024;
    let session =
        |size: usize| json!({"AttachmentItem": {"attachmentType": "file", "name": "big.bin", "size": size}});
    let create = format!("{path}/createUploadSession");
    let refused = world.post(&create, session(1000)).await;
    assert_eq!(refused.code(), "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize");
    let url = world.post(&create, session(size)).await.text("/uploadUrl").to_owned();

    let half = vec![7_u8; size / 2];
    let first = format!("bytes 0-{}/{size}", size / 2 - 1);
    let second = format!("bytes {}-{}/{size}", size / 2, size - 1);
    let put = |range: &str| vec![("content-range", range.to_owned())];
    let send = async |headers: Vec<(&'static str, String)>| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.call(Method::PUT, &url, &headers, half.clone()).await
    };
    assert_eq!(send(put(&second)).await.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let mut with_token = put(&first);
    with_token.push(("authorization", "Bearer Mail.ReadWrite".to_owned()));
    assert_eq!(send(with_token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(send(put(&first)).await.body["nextExpectedRanges"], json!([(size / 2).to_string()]));
    let done = send(put(&second)).await;
    assert_eq!((done.status, done.raw.len()), (StatusCode::CREATED, 0));
    let location = done.header("location");
    let id = location.rsplit_once("Attachments('").unwrap().1.trim_end_matches("')");
    assert_eq!(world.get(&format!("{path}/{id}?$select=name,size")).await.text("/name"), "big.bin");
    assert_eq!(send(put(&second)).await.status, StatusCode::NOT_FOUND, "the session has ended");
}

#[tokio::test(start_paused = true)]
async fn attached_messages_and_inline_images_are_told_apart() {
    let world = World::new();
    let raw = "From: carol@fabrikam.com\r\nTo: ada@contoso.com\r\nSubject: Outer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/related; boundary=y\r\n\r\n--y\r\nContent-Type: text/html\r\n\r\n<img src=\"cid:logo\">\r\n--y\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\n--y--\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: dan@fabrikam.com\r\nSubject: Inner\r\n\r\nInner text\r\n--x--\r\n";
    let id = world.graph.import_mime(world.ada, "inbox", raw, None).unwrap();
    let path = format!("{MESSAGES}/{id}/attachments");
    let list = world.get(&format!("{path}?$expand=microsoft.graph.itemattachment/item")).await;
    let image = &list.values()[0];
    assert_eq!((&image["isInline"], &image["contentId"]), (&json!(true), &json!("logo")));
    let item = &list.values()[1];
    assert_eq!(item["@odata.type"], "#microsoft.graph.itemAttachment");
    assert_eq!(item["item"]["subject"], "Inner");
    let message = world.get(&format!("{MESSAGES}/{id}?$expand=attachments($select=id,name)")).await;
    assert_eq!(
        message.body["internetMessageId"],
        json!(null),
        "an imported file without an id stays without"
    );
    assert!(message.body["attachments"][0].get("contentBytes").is_none());
    let whole = world.get(&format!("{MESSAGES}/{id}/$value")).await;
    assert_eq!(whole.raw.as_ref(), raw.as_bytes(), "what came as MIME goes out as it came");
}

#[tokio::test(start_paused = true)]
async fn a_built_message_carries_its_files_unchanged() {
    let world = World::new();
    let file = |name: &str, id: Option<&str>, content: &'static [u8]| MailAttachment {
        name: name.to_owned(),
        content_type: "text/plain".to_owned(),
        content_id: id.map(str::to_owned),
        content: content.into(),
    };
    world.graph.deliver(Mail {
        from: EmailAddress::from("carol@fabrikam.com"),
        to: vec![EmailAddress::from("ada@contoso.com")],
        attachments: vec![file("lines.txt", None, b"one\ntwo\r\nthree\n"), file("i.txt", Some("i"), b"x")],
        ..Mail::default()
    });
    let id = world.graph.census()[0].immutable_id.clone();
    let raw = world.get(&format!("{MESSAGES}/{id}/$value")).await.raw;
    let copy = world.graph.import_mime(world.bob, "inbox", raw, None).unwrap();
    let list = world.get(&format!("/v1.0/users/{}/messages/{copy}/attachments", world.bob)).await;
    let lines = list.values().iter().find(|file| file["name"] == "lines.txt").unwrap();
    assert_eq!(lines["contentBytes"], STANDARD.encode(b"one\ntwo\r\nthree\n"));
}
