use std::collections::BTreeMap;

use http::StatusCode;
use hybridge_sandbox_kit::Dice;
use serde_json::Value;

use super::world::{World, ids};
use crate::{ExpiredTokenAnswer, mailbox::ids::IdForm};

const DELTA: &str = "/v1.0/users/ada@contoso.com/mailFolders/inbox/messages/delta";

/// Follows a delta query to its end: every entry, and the link for the next round.
async fn round(world: &World, path: &str, form: IdForm, page: usize) -> (Vec<Value>, String) {
    let (mut entries, mut next) = (Vec::new(), path.to_owned());
    loop {
        let seen = match form {
            IdForm::Immutable => world.get_immutable(&next, page).await,
            IdForm::Default => world.get(&next).await,
        };
        assert_eq!(seen.status, StatusCode::OK, "{seen:#?}");
        entries.extend(seen.values().to_vec());
        match (seen.body["@odata.nextLink"].as_str(), seen.body["@odata.deltaLink"].as_str()) {
            (Some(link), None) => next = link.to_owned(),
            (None, Some(link)) => return (entries, link.to_owned()),
            _ => panic!("exactly one link: {seen:#?}"),
        }
    }
}

fn removed(entries: &[Value]) -> Vec<String> {
    let gone: Vec<Value> = entries.iter().filter(|e| e["@removed"]["reason"] == "deleted").cloned().collect();
    ids(&gone)
}

#[tokio::test(start_paused = true)]
async fn the_first_round_brings_everything_and_later_ones_what_changed() {
    let world = World::new();
    for number in 0..5 {
        world.mail_to_ada(&format!("Number {number}"));
    }
    let (all, link) = round(&world, &format!("{DELTA}?$select=subject,isRead"), IdForm::Immutable, 2).await;
    assert_eq!(all.len(), 5);
    let (none, same) = round(&world, &link, IdForm::Immutable, 2).await;
    assert_eq!((none.len(), &same), (0, &link), "a link stays good while nothing happens");

    let census = world.graph.census();
    world.graph.mark_read(world.ada, &census[0].immutable_id, true).unwrap();
    world.graph.delete_message(world.ada, &census[1].immutable_id).unwrap();
    world.mail_to_ada("Number 5");
    let (changed, last) = round(&world, &link, IdForm::Immutable, 50).await;
    assert_eq!(removed(&changed), [census[1].immutable_id.clone()]);
    let subjects: Vec<_> = changed.iter().filter_map(|entry| entry["subject"].as_str()).collect();
    assert_eq!(subjects, ["Number 0", "Number 5"]);
    assert!(changed.iter().all(|entry| entry.get("body").is_none()), "$select holds for later rounds");

    let position = world.graph.delta_position(&last).unwrap();
    let newest = world.graph.census().iter().map(|entry| entry.sequence).max().unwrap();
    assert!(position.round_complete && position.sequence == newest);
}

#[tokio::test(start_paused = true)]
async fn with_default_ids_a_move_is_a_removal_here_and_a_new_message_there() {
    let world = World::new();
    world.mail_to_ada("Order 17");
    let archive = DELTA.replace("inbox", "archive");
    let (first, inbox) = round(&world, DELTA, IdForm::Default, 0).await;
    let (_, archive) = round(&world, &archive, IdForm::Default, 0).await;
    let id = world.graph.census()[0].immutable_id.clone();

    world.graph.move_message(world.ada, &id, "archive").unwrap();

    assert_eq!(removed(&round(&world, &inbox, IdForm::Default, 0).await.0), ids(&first));
    let (there, _) = round(&world, &archive, IdForm::Default, 0).await;
    assert_eq!(there.len(), 1);
    assert_ne!(ids(&there), ids(&first));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_went_and_came_back_is_lost_with_immutable_ids_only() {
    for (loses, form, entries, gone) in
        [(true, IdForm::Immutable, 1, 1), (false, IdForm::Immutable, 1, 0), (true, IdForm::Default, 2, 1)]
    {
        let world = World::with(|options| options.delta.loses_returned_messages = loses);
        world.mail_to_ada("Order 17");
        let (_, link) = round(&world, DELTA, form, 50).await;
        let id = world.graph.census()[0].immutable_id.clone();
        world.graph.move_message(world.ada, &id, "archive").unwrap();
        world.graph.move_message(world.ada, &id, "inbox").unwrap();

        let (told, link) = round(&world, &link, form, 50).await;
        assert_eq!((told.len(), removed(&told).len()), (entries, gone));
        assert_eq!(round(&world, &link, form, 50).await.0.len(), 0, "nor is it told later");

        world.graph.mark_read(world.ada, &id, true).unwrap();
        assert_eq!(round(&world, &link, form, 50).await.0.len(), 1, "until it changes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_token_is_gone_and_says_where_to_begin_again() {
    let world = World::new();
    let (_, link) = round(&world, DELTA, IdForm::Immutable, 50).await;
    world.graph.expire_delta_tokens(world.ada);
    let gone = world.get(&link).await;
    assert_eq!((gone.status, gone.code()), (StatusCode::GONE, "syncStateNotFound"));
    let again = gone.header("location").to_owned();
    assert!(again.ends_with("$deltatoken="));
    assert_eq!(world.get(&again).await.status, StatusCode::OK);

    world.graph.change_options(|options| options.delta.expired_answer = ExpiredTokenAnswer::BadRequest);
    let refused = world.get(&link).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "SyncStateNotFound"));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_tokens_are_forgotten_first() {
    let world = World::with(|options| options.delta.tokens_per_mailbox = 2);
    let mut links = Vec::new();
    for number in 0..3 {
        links.push(round(&world, DELTA, IdForm::Immutable, 50).await.1);
        world.mail_to_ada(&format!("Number {number}"));
    }
    assert_eq!(world.get(&links[0]).await.status, StatusCode::GONE);
    assert_eq!(world.get(&links[2]).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn options_of_the_first_call_hold_and_others_are_refused() {
    let world = World::new();
    world.mail_to_ada("Old");
    tokio::time::advance(std::time::Duration::from_hours(1)).await;
    world.mail_to_ada("New");
    let path = format!(
        "{DELTA}?$filter=receivedDateTime ge 2026-03-01T08:30:00Z&$select=subject,internetMessageHeaders&changeType=created"
    );
    let (found, link) = round(&world, &path, IdForm::Immutable, 50).await;
    assert_eq!(found.len(), 1);
    assert!(found[0]["internetMessageHeaders"].is_array());
    let old = world.graph.census()[0].immutable_id.clone();
    world.graph.mark_read(world.ada, &old, true).unwrap();
    world.graph.mark_read(world.ada, found[0]["id"].as_str().unwrap(), true).unwrap();
    assert_eq!(round(&world, &link, IdForm::Immutable, 50).await.0.len(), 0, "changeType=created");
    assert_eq!(world.get(&format!("{DELTA}?$filter=isRead eq false")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get(&format!("{DELTA}?$search=x")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_disturbed_round_still_brings_every_message() {
    let world = World::with(|options| {
        options.delta.duplicate = 0.5;
        options.delta.replay = 1.0;
        options.delta.empty_page = 0.5;
    });
    for number in 0..20 {
        world.mail_to_ada(&format!("Number {number}"));
    }
    let (mut entries, link) = round(&world, DELTA, IdForm::Immutable, 3).await;
    assert!(entries.len() > 20);
    entries.sort_by_key(|entry| entry["id"].to_string());
    entries.dedup_by_key(|entry| entry["id"].to_string());
    assert_eq!(entries.len(), 20);
    assert!(!round(&world, &link, IdForm::Immutable, 3).await.0.is_empty(), "a replay");
}

#[tokio::test(start_paused = true)]
async fn folders_have_a_cursor_of_their_own() {
    let world = World::new();
    let path = "/v1.0/users/ada@contoso.com/mailFolders/delta";
    let (all, link) = round(&world, path, IdForm::Immutable, 50).await;
    assert!(all.iter().any(|folder| folder["displayName"] == "Inbox"));
    world.graph.create_folder(world.ada, "Projects").unwrap();
    let (changed, _) = round(&world, &link, IdForm::Immutable, 50).await;
    assert_eq!(changed[0]["displayName"], "Projects");
}

/// A client that keeps a copy of one folder by delta queries alone ends up with the folder.
#[tokio::test(start_paused = true)]
async fn a_copy_kept_by_delta_queries_converges() {
    for seed in 0..40 {
        for form in [IdForm::Default, IdForm::Immutable] {
            let world = World::with(|options| {
                options.delta.loses_returned_messages = false;
                options.delta.duplicate = 0.2;
                options.delta.replay = 0.3;
                options.delta.empty_page = 0.2;
            });
            let dice = Dice::seeded(seed);
            let (mut copy, mut link) = (BTreeMap::new(), DELTA.to_owned());
            for _ in 0..12 {
                for _ in 0..dice.below(6) {
                    live(&world, &dice);
                }
                let (entries, next) = round(&world, &link, form, 2).await;
                link = next;
                for entry in entries {
                    let id = entry["id"].as_str().unwrap().to_owned();
                    match entry.get("@removed") {
                        Some(_) => copy.remove(&id),
                        None => copy.insert(id, entry["isRead"].as_bool().unwrap()),
                    };
                }
                let truth: BTreeMap<String, bool> = world
                    .graph
                    .census()
                    .into_iter()
                    .filter(|entry| entry.folder == "inbox")
                    .map(|entry| match form {
                        IdForm::Default => (entry.default_id, entry.is_read),
                        IdForm::Immutable => (entry.immutable_id, entry.is_read),
                    })
                    .collect();
                assert_eq!(copy, truth, "seed {seed}, {form:?}");
            }
        }
    }
}

/// One thing that happens in a mailbox.
fn live(world: &World, dice: &Dice) {
    let census = world.graph.census();
    let Some(message) = dice.pick(&census).filter(|_| dice.chance(0.7)) else {
        world.mail_to_ada("New");
        return;
    };
    let id = &message.immutable_id;
    match dice.below(5) {
        0 => world.graph.move_message(world.ada, id, "archive"),
        1 => world.graph.move_message(world.ada, id, "inbox"),
        2 => world.graph.delete_message(world.ada, id),
        3 => world.graph.purge_message(world.ada, id),
        _ => world.graph.mark_read(world.ada, id, !message.is_read),
    }
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lagging_tenant_tells_later_but_tells() {
    let world = World::with(|options| options.delta.lag = jiff::SignedDuration::from_secs(30));
    let (_, link) = round(&world, DELTA, IdForm::Immutable, 50).await;
    world.mail_to_ada("Order 17");
    let (early, link) = round(&world, &link, IdForm::Immutable, 50).await;
    assert_eq!(early.len(), 0);
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    assert_eq!(round(&world, &link, IdForm::Immutable, 50).await.0.len(), 1);
}
