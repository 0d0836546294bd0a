//! The rules of incoming email as tables: a scene, a message, the verdict.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Envelope, Reason, Thread, check_incoming};
use crate::{
    EmailFacts,
    testing::{DELIVER, Scene, delivery},
};

fn envelope(id: &str, from: &str, to: &str) -> Envelope {
    Envelope::new(id, "Hello there", [from, to, "", ""])
}

fn verdict(scene: &Scene, envelope: &Envelope) -> (bool, Reason) {
    let verdict = check_incoming(&scene.organization.lock(), envelope);
    (verdict.deliver, verdict.reason)
}

async fn deliver(scene: &Scene, changes: Json) -> EmailFacts {
    let answer = scene.post(DELIVER, delivery(changes)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let id: Uuid = answer.json()["activityid"].as_str().unwrap().parse().unwrap();
    scene.organization.emails().into_iter().find(|email| email.id == id).unwrap()
}

/// A sent email with a token, from `ana` to `kim`.
fn sent(scene: &Scene, message_id: &str, regarding: Option<Uuid>) -> Uuid {
    let mut row = json!({
        "subject": "Offer", "messageid": message_id, "directioncode": true, "statuscode": 3,
        "trackingtoken": "CRM:0001042",
        "email_activity_parties": [
            { "addressused": "ana@contoso.example", "participationtypemask": 1 },
            { "addressused": "kim@example.org", "participationtypemask": 2 },
        ],
    });
    if let Some(contact) = regarding {
        row["regardingobjectid_contact_email@odata.bind"] = json!(format!("/contacts({contact})"));
    }
    scene.insert("email", row)
}

#[tokio::test]
async fn each_track_option_has_its_reason() {
    let cases = [
        (0, "stranger@example.org", (true, Reason::AcceptAll)),
        (1, "kim@example.org", (false, Reason::NoCorrelationMatch)),
        (2, "kim@example.org", (true, Reason::SenderMatch)),
        (2, "stranger@example.org", (false, Reason::NoCorrelationMatch)),
        (2, "bea@contoso.example", (false, Reason::NoCorrelationMatch)),
        (3, "bea@contoso.example", (true, Reason::SenderMatch)),
        (4, "kim@example.org", (false, Reason::NoCorrelationMatch)),
    ];
    for (option, from, expected) in cases {
        let scene = Scene::new();
        scene.user("ana", option);
        scene.user("bea", 4);
        scene.contact("kim@example.org");
        let found = verdict(&scene, &envelope("<1@x>", from, "ana@contoso.example"));
        assert_eq!(found, expected, "option {option}, from {from}");
    }
}

#[tokio::test]
async fn all_recipients_are_asked_and_the_most_generous_wins() {
    let scene = Scene::new();
    scene.user("ana", 4);
    scene.queue("sales", 0, None);
    let both = envelope("<1@x>", "x@example.org", "ana@contoso.example;Sales <sales@contoso.example>");
    assert_eq!(verdict(&scene, &both), (true, Reason::AcceptAll));
    let only_ana = envelope("<1@x>", "x@example.org", "ana@contoso.example");
    assert_eq!(verdict(&scene, &only_ana), (false, Reason::NoCorrelationMatch));
    scene.settings(&[("SSSForceFilteringMethodForUserMailboxes", "0")]);
    assert_eq!(verdict(&scene, &only_ana), (true, Reason::AcceptAll));
    // The setting looks at the mailbox that is read; without knowing it, it changes nothing.
    scene.settings(&[("UseFilteringMethodOfSyncingMailboxOnlyForCorrelation", "true")]);
    assert_eq!(verdict(&scene, &both), (true, Reason::AcceptAll));
    let mut read_by_ana = both;
    read_by_ana.submitted_by = envelope("", "ana@contoso.example", "").from;
    assert_eq!(verdict(&scene, &read_by_ana), (false, Reason::NoCorrelationMatch));
}

#[tokio::test]
async fn senders_recipients_and_duplicates() {
    let scene = Scene::new();
    scene.user("ana", 0);
    let gone = scene.user("gone", 0).user;
    scene.organization.update("systemuser", gone, &json!({ "isdisabled": true })).unwrap();
    sent(&scene, "<sent@x>", None);
    deliver(&scene, json!({ "MessageId": "<known@x>" })).await;
    let cases = [
        ("<1@x>", "", "ana@contoso.example", (false, Reason::InvalidSender)),
        ("<1@x>", "not an address", "ana@contoso.example", (false, Reason::InvalidSender)),
        ("<1@x>", "a@b", "nobody@example.org", (false, Reason::NoRecipientMatch)),
        ("<1@x>", "a@b", "", (false, Reason::NoRecipientMatch)),
        ("<1@x>", "a@b", "gone@contoso.example", (false, Reason::NoRecipientMatch)),
        ("<KNOWN@x>", "", "ana@contoso.example", (false, Reason::Duplicate)),
        // A sent email with the id is another record.
        ("<sent@x>", "a@b", "ana@contoso.example", (true, Reason::AcceptAll)),
    ];
    for (id, from, to, expected) in cases {
        assert_eq!(verdict(&scene, &envelope(id, from, to)), expected, "{id} {from} {to}");
    }
}

#[tokio::test]
async fn internal_mail() {
    // (from, to, sent copy known, settings, rejected)
    type Case<'a> = (&'a str, &'a str, bool, &'a [(&'a str, &'a str)], bool);
    let cases: &[Case<'_>] = &[
        ("bea", "ana", false, &[], false),
        ("bea", "ana", true, &[], true),
        ("bea", "ana", false, &[("IgnoreInternalEmailDetectionEnhancement", "false")], true),
        ("bea", "sales", false, &[("IgnoreInternalEmailDetectionEnhancement", "false")], false),
        ("bea", "sales", true, &[("DoNotIgnoreInternalEmailToQueues", "false")], true),
        ("sales", "ana", true, &[], false),
        ("sales", "ana", false, &[("IgnoreInternalEmailFromQueues", "true")], true),
    ];
    for (from, to, known, settings, rejected) in cases {
        let scene = Scene::new();
        scene.user("ana", 0);
        scene.user("bea", 0);
        scene.queue("sales", 0, None);
        scene.configure(json!({ "ignoreinternalemail": true }));
        scene.settings(settings);
        if *known {
            sent(&scene, "<1@x>", None);
        }
        let address = |name: &str| format!("{name}@contoso.example");
        let found = verdict(&scene, &envelope("<1@x>", &address(from), &address(to)));
        assert_eq!(found.1 == Reason::InternalEmailReject, *rejected, "{from} {to} {known} {settings:?}");
    }
    let scene = Scene::new();
    scene.user("ana", 0);
    scene.user("bea", 0);
    sent(&scene, "<1@x>", None);
    let both = envelope("<1@x>", "bea@contoso.example", "ana@contoso.example");
    assert_eq!(verdict(&scene, &both), (true, Reason::AcceptAll), "two activities, as the default is");
}

#[tokio::test]
async fn correlation_goes_by_method_in_order() {
    let index = STANDARD.encode([9; 27]);
    let extra = json!({ "inreplyto": "<sent@x>", "conversationindex": index });
    let scene = Scene::new();
    scene.user("ana", 1);
    let kim = scene.contact("kim@example.org");
    let parent = sent(&scene, "<sent@x>", Some(kim));

    let reply =
        deliver(&scene, json!({ "MessageId": "<r1@x>", "Subject": "x", "ExtraProperties": extra })).await;
    assert_eq!((reply.correlation_method, reply.parent), (3, Some(parent)));
    assert_eq!(reply.regarding.unwrap().id, kim, "the regarding is inherited");

    let by_token = deliver(&scene, json!({ "MessageId": "<r2@x>", "Subject": "y CRM:0001042" })).await;
    assert_eq!((by_token.correlation_method, by_token.parent), (4, None));

    let same_thread = json!({ "conversationindex": STANDARD.encode([9; 40]) });
    let by_index =
        deliver(&scene, json!({ "MessageId": "<r3@x>", "Subject": "z", "ExtraProperties": same_thread }))
            .await;
    assert_eq!((by_index.correlation_method, by_index.parent), (5, Some(reply.id)));

    let smart = deliver(&scene, json!({ "MessageId": "<r4@x>", "Subject": "RE: offer" })).await;
    assert_eq!((smart.correlation_method, smart.parent), (6, None));

    let none = deliver(&scene, json!({ "MessageId": "<r5@x>", "Subject": "Something else" })).await;
    assert_eq!(none.correlation_method, 0);
}

#[tokio::test]
async fn each_correlation_method_has_its_switch() {
    let scene = Scene::new();
    scene.user("ana", 1);
    sent(&scene, "<sent@x>", None);
    let mut reply =
        Envelope::new("<r@x>", "RE: Offer CRM:0001042", ["kim@example.org", "ana@contoso.example", "", ""]);
    reply.thread = Thread { in_reply_to: "<sent@x>".into(), conversation_index: String::new() };
    let accepted = |scene: &Scene| verdict(scene, &reply).0;
    assert!(accepted(&scene));
    scene.configure(json!({ "istrackingtokenenabled": false, "enablesmartmatching": false }));
    assert!(accepted(&scene), "by In-Reply-To");
    scene.settings(&[("IgnoreConversationIndexAndInReplyToForCorrelation", "true")]);
    assert!(!accepted(&scene));
    scene.settings(&[]);
    scene.configure(json!({ "emailcorrelationenabled": false }));
    assert!(!accepted(&scene));
    scene.configure(json!({ "istrackingtokenenabled": true }));
    assert!(accepted(&scene), "by token");
}

#[tokio::test]
async fn parties_are_resolved_or_kept_as_addresses() {
    let scene = Scene::new();
    let ana = scene.user("ana", 0).user;
    let old = scene.contact("kim@example.org");
    let lead = scene.insert("lead", json!({ "lastname": "Kim", "emailaddress2": "KIM@example.org" }));
    let email = deliver(
        &scene,
        json!({ "To": "ana@contoso.example;kim@example.org", "Cc": "Who <who@example.org>" }),
    )
    .await;
    let of = |role: i64| {
        let parties = email.parties.iter().filter(move |party| party.role == role);
        parties.map(|party| party.record.as_ref().map(|record| record.id)).collect::<Vec<_>>()
    };
    assert_eq!(of(1), [Some(old)], "one sender: a contact comes before a lead");
    let mut to = of(2);
    to.sort();
    let mut expected = [Some(ana), Some(old), Some(lead)];
    expected.sort();
    assert_eq!(to, expected, "all that a recipient is");
    assert_eq!(of(3), [None]);

    scene.configure(json!({ "unresolveemailaddressifmultiplematch": true }));
    let email =
        deliver(&scene, json!({ "MessageId": "<2@x>", "To": "kim@example.org;ana@contoso.example" })).await;
    assert_eq!(email.parties.iter().filter(|party| party.role == 2 && party.record.is_none()).count(), 1);

    scene.organization.update("contact", old, &json!({ "statecode": 1, "statuscode": 2 })).unwrap();
    let email = deliver(&scene, json!({ "MessageId": "<3@x>" })).await;
    let sender = email.parties.iter().find(|party| party.role == 1).unwrap();
    assert_eq!(sender.record.as_ref().unwrap().id, lead, "the first active record");
}

#[tokio::test]
async fn who_owns_the_email() {
    let scene = Scene::new();
    let ana = scene.user("ana", 0).user;
    let bea = scene.user("bea", 0).user;
    scene.queue("sales", 0, Some(bea));
    let to_both = "ana@contoso.example;bea@contoso.example";
    let first = deliver(&scene, json!({ "MessageId": "<1@x>", "Subject": "One", "To": to_both })).await;
    assert_eq!(first.owner, Some(ana), "the first candidate");
    let queue = deliver(
        &scene,
        json!({ "MessageId": "<2@x>", "Subject": "Two", "To": "x@y.z", "Cc": "sales@contoso.example" }),
    )
    .await;
    assert_eq!(queue.owner, Some(bea), "the queue's owner, as To yields nobody");
    scene.insert(
        "contact",
        json!({ "lastname": "Kim", "emailaddress1": "kim@example.org", "_ownerid_value": bea }),
    );
    let of_sender = deliver(&scene, json!({ "MessageId": "<3@x>", "Subject": "Three", "To": to_both })).await;
    assert_eq!(of_sender.owner, Some(bea), "who owns the sender's record");
    let reply = json!({ "inreplyto": "<1@x>" });
    let correlated = deliver(
        &scene,
        json!({ "MessageId": "<4@x>", "Subject": "Four", "To": to_both, "ExtraProperties": reply }),
    )
    .await;
    assert_eq!(correlated.owner, Some(ana), "who owns the earlier email comes first");
}

#[tokio::test]
async fn accepting_queues_get_an_item() {
    let scene = Scene::new();
    let sales = scene.queue("sales", 0, None).queue;
    scene.queue("replies", 1, None);
    let to = "sales@contoso.example;replies@contoso.example";
    let email = deliver(&scene, json!({ "To": to })).await;
    let items = scene.organization.queue_items();
    assert_eq!(items.len(), 1, "the queue for replies does not accept it");
    assert_eq!((items[0].queue, items[0].object.as_ref().unwrap().id), (Some(sales), email.id));
    scene.settings(&[("CreateQueueItemsForAcceptingQueueRecipients", "false")]);
    deliver(&scene, json!({ "MessageId": "<2@x>", "To": to })).await;
    assert_eq!(scene.organization.queue_items().len(), 1);
    scene.settings(&[
        ("CreateQueueItemsForAcceptingQueueRecipients", "false"),
        ("CreateQueueItemForSynchronizingMailbox", "true"),
    ]);
    deliver(
        &scene,
        json!({ "MessageId": "<3@x>", "To": "list@example.org", "SubmittedBy": "sales@contoso.example" }),
    )
    .await;
    assert_eq!(scene.organization.queue_items().len(), 2, "the queue whose mailbox is read");
}

#[tokio::test]
async fn what_is_too_much_is_cut_and_said() {
    let scene = Scene::new();
    scene.user("ana", 0);
    scene.configure(json!({ "maxuploadfilesize": 4 }));
    scene.organization.set_option(|options| options.longest_body = 10);
    let file = |name: &str, body: &str| json!({ "filename": name, "mimetype": "x/y", "body": body });
    let files = json!([file("ok.txt", "YWI="), file("big.txt", "aGVsbG8="), file("run.exe", "YQ==")]);
    let email =
        deliver(&scene, json!({ "Attachments": files, "Body": "short", "Subject": "é".repeat(300) })).await;
    assert_eq!((email.attachments.len(), email.notifications), (1, 1));
    assert_eq!(email.subject.chars().count(), 200);
    let long = deliver(&scene, json!({ "MessageId": "<2@x>", "Body": "ü".repeat(20) })).await;
    assert_eq!((long.notifications, long.body_bytes), (2, 20));
}

#[tokio::test]
async fn a_contact_is_made_for_a_stranger_when_wanted() {
    let scene = Scene::new();
    let ana = scene.user("ana", 0).user;
    let strangers =
        |scene: &Scene| scene.organization.census().rows.get("contact").copied().unwrap_or_default();
    deliver(&scene, json!({ "MessageId": "<1@x>" })).await;
    assert_eq!(strangers(&scene), 0);
    scene.organization.update("usersettings", ana, &json!({ "autocreatecontactonpromote": 1 })).unwrap();
    scene.settings(&[("AutoCreateContactOnPromote", "false")]);
    deliver(&scene, json!({ "MessageId": "<2@x>" })).await;
    assert_eq!(strangers(&scene), 0, "the organization's master switch");
    scene.settings(&[]);
    let email = deliver(&scene, json!({ "MessageId": "<3@x>", "From": "Kim Doe <kim@example.org>" })).await;
    assert_eq!(strangers(&scene), 1);
    assert_eq!(email.parties[0].record.as_ref().unwrap().table, "contact");
    deliver(&scene, json!({ "MessageId": "<4@x>", "From": "Kim Doe <kim@example.org>" })).await;
    assert_eq!(strangers(&scene), 1, "the second message finds the contact");
}

#[tokio::test]
async fn promotion_completes_the_clients_own_email() {
    let scene = Scene::new();
    scene.user("ana", 4);
    let draft = scene.insert(
        "email",
        json!({ "subject": "draft", "messageid": "<m1@example.org>", "directioncode": false }),
    );
    let path = format!("emails({draft})/Microsoft.Dynamics.CRM.DeliverPromoteEmail");
    let promoted = scene.post(&path, delivery(json!({}))).await;
    assert_eq!(promoted.status, 200, "{}", promoted.text);
    let emails = scene.organization.emails();
    assert_eq!((emails.len(), emails[0].id, emails[0].status), (1, draft, 4));
    let known = scene.get("CheckPromoteEmail(MessageId='<m1@example.org>')").await;
    assert_eq!(
        (known.json()["ShouldPromote"].clone(), known.json()["ReasonCode"].clone()),
        (json!(false), json!(0))
    );
    let new = scene.get("CheckPromoteEmail(MessageId='<m2@example.org>',Subject='x')").await;
    assert_eq!(new.json()["ShouldPromote"], true);
}

#[tokio::test]
async fn extra_properties_and_attachments_can_be_refused() {
    let scene = Scene::new();
    scene.user("ana", 0);
    scene.organization.set_option(|options| {
        options.extra_properties = crate::ExtraProperties::Refused;
        options.takes_attachments = false;
        options.attachments_on_closed = false;
    });
    let extra = scene.post(DELIVER, delivery(json!({ "ExtraProperties": { "inreplyto": "<x>" } }))).await;
    assert_eq!(extra.status, 400);
    let file = json!([{ "filename": "a", "mimetype": "x/y", "body": "YQ==" }]);
    assert_eq!(scene.post(DELIVER, delivery(json!({ "Attachments": file }))).await.status, 400);
    let email = deliver(&scene, json!({})).await;
    let attachment = json!({ "filename": "a", "body": "YQ==", "objectid_activitypointer@odata.bind": format!("/emails({})", email.id) });
    let refused = scene.post("activitymimeattachments", attachment).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "0x80043500"));
}
