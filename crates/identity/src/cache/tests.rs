use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hybridge_net::TokioClock;
use secrecy::ExposeSecret;
use tokio::time::{advance, sleep};

use super::*;
use crate::testing;

/// A service that numbers its tokens, takes a second for each and is out of order at will.
struct Issuer {
    cache: TokenCache,
    clock: Arc<TokioClock>,
    asked: AtomicU32,
    lifetime: SignedDuration,
    broken: std::sync::atomic::AtomicBool,
    pause: Mutex<Option<Duration>>,
}

impl Issuer {
    fn new(lifetime: SignedDuration) -> Arc<Self> {
        Arc::new(Self {
            cache: TokenCache::default(),
            clock: testing::clock(),
            asked: AtomicU32::new(0),
            lifetime,
            broken: false.into(),
            pause: Mutex::default(),
        })
    }

    async fn issue(&self) -> Result<Token, Error> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.clock.now();
        sleep(Duration::from_secs(1)).await;
        if self.broken.load(Ordering::Relaxed) {
            let (status, retry_after) = (http::StatusCode::BAD_GATEWAY, *self.pause.lock().unwrap());
            let (address, detail) = (String::new(), format!("failure {number}"));
            return Err(Error::UnexpectedAnswer { address, status, detail, retry_after });
        }
        Ok(Token::bearer(format!("token {number}").into(), now, now + self.lifetime).unwrap())
    }

    async fn get(&self) -> Result<String, String> {
        let outcome = self.cache.get(self.clock.as_ref(), || self.issue()).await;
        outcome.map(|token| token.value().expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    /// As somebody is asked who has to type a code in.
    async fn get_to_its_end(&self) -> String {
        let token = self.cache.get_to_its_end(self.clock.as_ref(), || self.issue()).await.unwrap();
        token.value().expose_secret().to_owned()
    }

    fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn all_at_once(issuer: &Arc<Issuer>, callers: usize) -> Vec<Result<String, String>> {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let issuer = Arc::clone(issuer);
            tokio::spawn(async move { issuer.get().await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_share_one_request() {
    let issuer = Issuer::new(HOUR);
    let outcomes = all_at_once(&issuer, 100).await;
    assert!(outcomes.iter().all(|outcome| outcome.as_deref() == Ok("token 1")));
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_share_one_failure_and_the_next_one_tries_again() {
    let issuer = Issuer::new(HOUR);
    issuer.break_down(true);
    let outcomes = all_at_once(&issuer, 100).await;
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|text| text.ends_with("failure 1"))));
    assert_eq!(issuer.asked(), 1);

    issuer.break_down(false);
    assert_eq!(issuer.get().await.unwrap(), "token 2");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_service_asks_for_holds_for_every_caller() {
    let issuer = Issuer::new(HOUR);
    issuer.break_down(true);
    *issuer.pause.lock().unwrap() = Some(Duration::from_mins(5));
    issuer.get().await.unwrap_err();
    issuer.break_down(false);

    advance(Duration::from_secs(299)).await;
    assert!(issuer.get().await.unwrap_err().ends_with("failure 1"));
    assert_eq!(issuer.asked(), 1);
    advance(Duration::from_secs(1)).await;
    assert_eq!(issuer.get().await.unwrap(), "token 2");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_leaves_the_request_to_the_next() {
    let issuer = Issuer::new(HOUR);
    let impatient = tokio::time::timeout(Duration::from_millis(500), issuer.get()).await;
    assert!(impatient.is_err());
    assert_eq!(issuer.get().await.unwrap(), "token 2");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_five_minutes_before_its_end_while_others_go_on_with_it() {
    let issuer = Issuer::new(HOUR);
    issuer.get().await.unwrap();
    advance(Duration::from_mins(54)).await;
    assert_eq!(issuer.get().await.unwrap(), "token 1");
    advance(Duration::from_mins(1)).await;

    let outcomes = all_at_once(&issuer, 3).await;
    let texts: Vec<_> = outcomes.iter().map(|outcome| outcome.as_deref().unwrap()).collect();
    assert_eq!(texts, ["token 2", "token 1", "token 1"]);
    assert_eq!(issuer.asked(), 2);
    assert_eq!(issuer.get().await.unwrap(), "token 2");
}

#[tokio::test(start_paused = true)]
async fn an_ageing_token_outlasts_a_service_that_is_out_of_order() {
    let issuer = Issuer::new(HOUR);
    issuer.get().await.unwrap();
    issuer.break_down(true);
    advance(Duration::from_mins(56)).await;

    assert_eq!(issuer.get().await.unwrap(), "token 1");
    assert_eq!(issuer.get().await.unwrap(), "token 1");
    assert_eq!(issuer.asked(), 2, "it was not asked twice in a row");
    advance(Duration::from_secs(40)).await;
    assert_eq!(issuer.get().await.unwrap(), "token 1");
    assert_eq!(issuer.asked(), 3);

    advance(Duration::from_mins(4)).await;
    assert!(issuer.get().await.is_err(), "a token at its end is not given out");
}

#[tokio::test(start_paused = true)]
async fn a_short_lived_token_is_used_for_most_of_its_life() {
    let issuer = Issuer::new(SignedDuration::from_secs(60));
    issuer.get().await.unwrap();
    advance(Duration::from_secs(40)).await;
    assert_eq!(issuer.get().await.unwrap(), "token 1");
    assert_eq!(issuer.asked(), 1);
    advance(Duration::from_secs(10)).await;
    assert_eq!(issuer.get().await.unwrap(), "token 2");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_forgotten_but_not_its_successor() {
    let issuer = Issuer::new(HOUR);
    let first = issuer.cache.get(issuer.clock.as_ref(), || issuer.issue()).await.unwrap();
    assert!(issuer.cache.invalidate(&first));
    assert_eq!(issuer.get().await.unwrap(), "token 2");
    assert!(!issuer.cache.invalidate(&first), "a late answer about the old one changes nothing");
    assert_eq!(issuer.get().await.unwrap(), "token 2");
}

#[tokio::test(start_paused = true)]
async fn a_person_is_not_asked_again_before_the_token_has_ended() {
    let issuer = Issuer::new(SignedDuration::from_mins(60));
    assert_eq!(issuer.get_to_its_end().await, "token 1");
    advance(Duration::from_mins(58)).await;
    assert_eq!(issuer.get_to_its_end().await, "token 1");
    advance(Duration::from_mins(3)).await;
    assert_eq!(issuer.get_to_its_end().await, "token 2");
    assert_eq!(issuer.asked(), 2);
}
