//! What is kept beside the lanes: binding, mailboxes, facts, subscriptions.

use super::samples::{at, installation, lane, mailbox, subscription};
use crate::{Error, Store};

pub(crate) async fn a_store_is_bound_once_and_for_good(store: &dyn Store) {
    assert_eq!(store.installation().await.unwrap(), None);
    store.bind(&installation(1, 1)).await.unwrap();
    store.bind(&installation(1, 1)).await.unwrap();
    for other in [installation(2, 1), installation(1, 2)] {
        let refused = store.bind(&other).await.unwrap_err();
        assert!(
            matches!(refused, Error::OtherInstallation { bound, asked } if bound == installation(1, 1) && asked == other)
        );
    }
    assert_eq!(store.installation().await.unwrap(), Some(installation(1, 1)));
}

pub(crate) async fn mailboxes_are_replaced_and_listed_by_name(store: &dyn Store) {
    let epoch = store.begin_run(lane(3), at(0)).await.unwrap();
    let listed = [mailbox(3, "Cleo"), mailbox(2, "Anna"), mailbox(1, "Bert"), mailbox(4, "Anna")];
    store.put_mailboxes(&listed).await.unwrap();
    let by_name = [mailbox(2, "Anna"), mailbox(4, "Anna"), mailbox(1, "Bert"), mailbox(3, "Cleo")];
    assert_eq!(store.mailboxes().await.unwrap(), by_name);

    store.put_mailboxes(&[mailbox(1, "Bertha")]).await.unwrap();
    assert_eq!(store.mailboxes().await.unwrap(), [mailbox(1, "Bertha")]);
    assert_eq!(store.lane(lane(3)).await.unwrap().unwrap().epoch, epoch, "its lane is kept");

    store.put_mailboxes(&[]).await.unwrap();
    assert_eq!(store.mailboxes().await.unwrap(), []);
}

pub(crate) async fn facts_are_remembered_replaced_and_forgotten(store: &dyn Store) {
    assert_eq!(store.fact("route").await.unwrap(), None);
    store.put_fact("route", Some("web-api")).await.unwrap();
    store.put_fact("Route", Some("")).await.unwrap();
    store.put_fact("route", Some("soap")).await.unwrap();
    assert_eq!(store.fact("route").await.unwrap().as_deref(), Some("soap"));
    assert_eq!(store.fact("Route").await.unwrap().as_deref(), Some(""));
    store.put_fact("route", None).await.unwrap();
    store.put_fact("never known", None).await.unwrap();
    assert_eq!(store.fact("route").await.unwrap(), None);
}

pub(crate) async fn a_lane_has_one_subscription(store: &dyn Store) {
    store.put_subscription(&subscription("b", 1)).await.unwrap();
    store.put_subscription(&subscription("a", 2)).await.unwrap();
    store.put_subscription(&subscription("c", 1)).await.unwrap();
    assert_eq!(store.subscriptions().await.unwrap(), [subscription("c", 1), subscription("a", 2)]);
    assert_eq!(store.subscription("b").await.unwrap(), None);
    assert_eq!(store.subscription("c").await.unwrap(), Some(subscription("c", 1)));
    assert_eq!(store.lanes().await.unwrap(), [], "a subscription is no run");

    store.remove_subscription("c").await.unwrap();
    store.remove_subscription("never known").await.unwrap();
    assert_eq!(store.subscriptions().await.unwrap(), [subscription("a", 2)]);
}

pub(crate) async fn a_subscription_id_belongs_to_one_lane(store: &dyn Store) {
    store.put_subscription(&subscription("a", 1)).await.unwrap();
    store.put_subscription(&subscription("a", 2)).await.unwrap();
    assert_eq!(store.subscriptions().await.unwrap(), [subscription("a", 2)]);
}
