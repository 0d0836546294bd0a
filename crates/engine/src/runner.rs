//! Keeps all lanes going.
//!
//! A lane that is not due is an entry in two maps, not a task (design.md, "Sizes"). A lane that fails is
//! due later; nothing else waits for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use hybridge_core::{
    eligibility::Mailbox,
    lane::LaneId,
    trouble::{Class, Trouble},
};
use hybridge_store::RunEnd;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinSet},
};

use crate::{
    engine::{Engine, RunReport, is_well},
    error::Error,
    setup::{Readiness, Setup},
};

/// How often the organization's configuration is read again.
const REFRESH: Duration = Duration::from_mins(5);
/// How soon it is tried again when it could not be read.
const REFRESH_AFTER_TROUBLE: Duration = Duration::from_secs(30);
/// Over all mailboxes, timed runs are made at about this rate: 10,000 mailboxes in five minutes, well
/// under what Graph allows (anchors.md 4.2).
const RUNS_PER_SECOND: f64 = 33.0;
/// With change notifications the timer is only the safety net, and runs this much slower.
const SLOWER_WITH_NOTIFICATIONS: u32 = 10;
/// Wake-ups that may be waiting; one more is passed over, and the timer brings what it would have hurried.
const WAKE_UPS: usize = 10_000;

/// A reason to run a lane before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something changed in its mailbox.
    Changed(LaneId),
    /// Its subscription is gone; make another and look at what was missed.
    SubscriptionRemoved(LaneId),
    /// Its subscription wants to be renewed.
    SubscriptionEnding(LaneId),
}

/// Wakes lanes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Waker(mpsc::Sender<Wake>);

impl Waker {
    /// Wakes a lane; `false` when too many wake-ups are waiting and the sender should try again later.
    pub fn wake(&self, wake: Wake) -> bool {
        self.0.try_send(wake).is_ok()
    }
}

/// Stops a runner.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Lets running lanes end and then stops. Runs stop between pages at the latest when they are dropped.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Keeps the lanes of an engine going.
#[derive(Debug)]
pub struct Runner {
    engine: Arc<Engine>,
    lanes: BTreeMap<LaneId, Arc<Mailbox>>,
    /// The queue: due instants, and for each lane its place in the queue.
    queue: BTreeSet<(Timestamp, LaneId)>,
    due: BTreeMap<LaneId, Timestamp>,
    running: BTreeMap<Id, LaneId>,
    /// Lanes that were woken while they ran: they run once more.
    again: BTreeSet<LaneId>,
    troubled: BTreeSet<LaneId>,
    refused: Option<Trouble>,
    tasks: JoinSet<Result<RunReport, hybridge_store::Error>>,
    wakes: mpsc::Receiver<Wake>,
    waker: Waker,
    stopping: watch::Receiver<bool>,
}

enum Event {
    Stop,
    Wake(Wake),
    Ended(Result<(Id, Result<RunReport, hybridge_store::Error>), JoinError>),
    Time,
}

impl Runner {
    /// A runner, what wakes its lanes, and what stops it.
    pub fn new(engine: Arc<Engine>) -> (Self, Waker, Stop) {
        let (wake, wakes) = mpsc::channel(WAKE_UPS);
        let (stop, stopping) = watch::channel(false);
        let runner = Self {
            engine,
            lanes: BTreeMap::new(),
            queue: BTreeSet::new(),
            due: BTreeMap::new(),
            running: BTreeMap::new(),
            again: BTreeSet::new(),
            troubled: BTreeSet::new(),
            refused: None,
            tasks: JoinSet::new(),
            wakes,
            waker: Waker(wake.clone()),
            stopping,
        };
        (runner, Waker(wake), Stop(stop))
    }

    /// Runs until stopped. Running lanes are let end; they commit page by page, so being dropped instead
    /// would lose nothing either.
    ///
    /// # Errors
    /// When the store fails, or the organization refuses the first reading of its configuration; one that
    /// is down is waited for.
    pub async fn run(mut self) -> Result<(), Error> {
        let mut refresh_at = match self.engine.set_up().await {
            Err(Error::Organization(trouble)) if !trouble.class.passes() => {
                return Err(Error::Organization(trouble));
            }
            setup => self.take_over(setup).await?,
        };
        // Dropped with this future, and ended with it.
        let mut watchers = JoinSet::new();
        watchers.spawn(watch_outbox(Arc::clone(&self.engine), self.waker.clone()));
        loop {
            self.start_due_lanes();
            match self.next_event(refresh_at).await {
                Event::Stop => break,
                Event::Wake(wake) => self.wake(wake).await?,
                Event::Ended(ended) => self.ended(ended).await?,
                Event::Time if self.now() >= refresh_at => {
                    let setup = self.engine.set_up().await;
                    refresh_at = self.take_over(setup).await?;
                }
                Event::Time => {}
            }
        }
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended).await?;
        }
        Ok(())
    }

    async fn next_event(&mut self, refresh_at: Timestamp) -> Event {
        let free = self.running.len() < self.engine.options.lanes_at_once;
        let next = self.queue.first().map(|(due, _)| *due).filter(|_| free && self.refused.is_none());
        let until = next.map_or(refresh_at, |due| due.min(refresh_at));
        let pause = Duration::try_from(until.duration_since(self.now())).unwrap_or(Duration::ZERO);
        tokio::select! {
            biased;
            () = async { drop(self.stopping.wait_for(|stop| *stop).await) } => Event::Stop,
            Some(ended) = self.tasks.join_next_with_id() => Event::Ended(ended),
            Some(wake) = self.wakes.recv() => Event::Wake(wake),
            () = tokio::time::sleep(pause) => Event::Time,
        }
    }

    fn start_due_lanes(&mut self) {
        if self.refused.is_some() {
            return;
        }
        let now = self.now();
        while self.running.len() < self.engine.options.lanes_at_once {
            let Some((due, lane)) = self.queue.first().copied() else { break };
            if due > now {
                break;
            }
            self.queue.remove(&(due, lane));
            self.due.remove(&lane);
            let Some(mailbox) = self.lanes.get(&lane).cloned() else { continue };
            let (engine, interval) = (Arc::clone(&self.engine), self.interval(lane));
            let task = self.tasks.spawn(async move { engine.run_lane(&mailbox, lane.kind, interval).await });
            self.running.insert(task.id(), lane);
        }
        self.engine.metrics.lanes_running.set(i64::try_from(self.running.len()).unwrap_or(i64::MAX));
    }

    async fn ended(
        &mut self,
        ended: Result<(Id, Result<RunReport, hybridge_store::Error>), JoinError>,
    ) -> Result<(), Error> {
        let (id, report) = match ended {
            Ok((id, report)) => (id, report?),
            Err(error) => {
                let id = error.id();
                (id, self.died(id, &error).await?)
            }
        };
        let Some(lane) = self.running.remove(&id) else { return Ok(()) };
        if report.trouble.is_some() {
            self.troubled.insert(lane)
        } else {
            self.troubled.remove(&lane)
        };
        self.engine.metrics.lanes_in_trouble.set(i64::try_from(self.troubled.len()).unwrap_or(i64::MAX));
        self.engine.remember_route().await?;
        let woken = self.again.remove(&lane) && report.trouble.is_none();
        let due = if woken {
            self.now()
        } else {
            report.next_due.unwrap_or_else(|| self.after(self.interval(lane)))
        };
        self.schedule(lane, due);
        Ok(())
    }

    /// A run broke one of our own rules and panicked: its lane backs off, the others go on.
    async fn died(&self, id: Id, error: &JoinError) -> Result<RunReport, Error> {
        let Some(lane) = self.running.get(&id).copied() else { return Ok(RunReport::default()) };
        let trouble = Trouble::new(
            Class::Protocol,
            "Hybridge met a state that it holds to be impossible; the log has the details",
            "Keep the log for a support case. The other mailboxes are not affected; this one is tried again.",
        );
        tracing::error!(%lane, %error, "a lane's run panicked");
        let now = self.now();
        let next_due = self.after(Duration::from_mins(5));
        let epoch = self.engine.store.begin_run(lane, now).await?;
        let end = RunEnd { at: now, trouble: Some(trouble.clone()), next_due };
        self.engine.store.end_run(lane, epoch, &end).await?;
        Ok(RunReport { trouble: Some(trouble), next_due: Some(next_due), ..RunReport::default() })
    }

    async fn wake(&mut self, wake: Wake) -> Result<(), Error> {
        let (Wake::Changed(lane) | Wake::SubscriptionRemoved(lane) | Wake::SubscriptionEnding(lane)) = wake;
        match wake {
            Wake::Changed(_) => {}
            Wake::SubscriptionRemoved(_) => self.engine.forget_subscription(lane).await?,
            Wake::SubscriptionEnding(_) => self.engine.expire_subscription(lane),
        }
        if self.running.values().any(|running| *running == lane) {
            self.again.insert(lane);
        } else if self.due.contains_key(&lane) && !self.troubled.contains(&lane) {
            // A lane in trouble keeps its pause: mail that arrives must not hurry a mailbox that is refused.
            self.schedule(lane, self.now());
        }
        Ok(())
    }

    fn schedule(&mut self, lane: LaneId, due: Timestamp) {
        if let Some(before) = self.due.insert(lane, due) {
            self.queue.remove(&(before, lane));
        }
        self.queue.insert((due, lane));
    }

    /// Takes over the organization's configuration, where it could be read; when it is read again.
    async fn take_over(&mut self, setup: Result<Setup, Error>) -> Result<Timestamp, Error> {
        match setup {
            Ok(setup) => {
                self.adopt(setup).await?;
                Ok(self.after(REFRESH))
            }
            Err(Error::Organization(trouble)) => {
                // The lanes go on with what is known; they meet the same trouble, each by itself.
                tracing::warn!(trouble = %trouble.what, "the organization's configuration can't be read now");
                if self.lanes.is_empty() {
                    let stated = format!(
                        "the organization's configuration can't be read: {}\n{}",
                        trouble.what, trouble.remedy
                    );
                    self.engine.store.put_fact(REFUSED_FACT, Some(&stated)).await?;
                }
                Ok(self.after(REFRESH_AFTER_TROUBLE))
            }
            Err(error @ Error::Store(_)) => Err(error),
        }
    }

    /// Lanes for the mailboxes that take part now.
    async fn adopt(&mut self, setup: Setup) -> Result<(), Error> {
        self.refused = match setup.readiness() {
            Readiness::Ready => None,
            Readiness::Refused(trouble) => {
                tracing::error!(trouble = %trouble.what, remedy = %trouble.remedy, "nothing runs");
                Some(trouble)
            }
        };
        let stated = self.refused.as_ref().map(|trouble| format!("{}\n{}", trouble.what, trouble.remedy));
        self.engine.store.put_fact(REFUSED_FACT, stated.as_deref()).await?;
        let lanes: BTreeMap<LaneId, Arc<Mailbox>> =
            setup.lanes().map(|(lane, mailbox)| (lane, Arc::new(mailbox.clone()))).collect();
        let gone: Vec<LaneId> = self.due.keys().filter(|lane| !lanes.contains_key(lane)).copied().collect();
        for lane in gone {
            if let Some(due) = self.due.remove(&lane) {
                self.queue.remove(&(due, lane));
            }
        }
        let stored: BTreeMap<LaneId, hybridge_store::Lane> =
            self.engine.store.lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect();
        let now = self.now();
        let new: Vec<LaneId> = lanes.keys().filter(|lane| !self.lanes.contains_key(lane)).copied().collect();
        for lane in new {
            // After a start every lane runs once, as nobody knows what was missed; one in trouble keeps its pause.
            let due =
                stored.get(&lane).filter(|lane| !is_well(&lane.health)).and_then(|lane| lane.health.next_due);
            self.schedule(lane, due.unwrap_or(now).min(self.after(Duration::from_mins(1))));
        }
        self.lanes = lanes;
        self.engine.metrics.lanes.set(i64::try_from(self.lanes.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// The time between two timed runs of a lane.
    fn interval(&self, lane: LaneId) -> Duration {
        let count = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        let paced = Duration::from_secs_f64(f64::from(count) / RUNS_PER_SECOND);
        let interval = paced.max(self.engine.options.poll);
        if self.engine.options.notification_url.is_some() && self.is_notified(lane) {
            interval * SLOWER_WITH_NOTIFICATIONS
        } else {
            interval
        }
    }

    fn is_notified(&self, lane: LaneId) -> bool {
        self.engine.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&lane)
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    fn after(&self, pause: Duration) -> Timestamp {
        let now = self.now();
        now.checked_add(pause).unwrap_or(now)
    }
}

/// Wakes the lanes that have something to send, as long as it is polled: one question for the whole organization, so that
/// a mail leaves within seconds without each mailbox being asked about.
async fn watch_outbox(engine: Arc<Engine>, waker: Waker) {
    loop {
        tokio::time::sleep(engine.options.outbox).await;
        match engine.look_over_outbox().await {
            Ok(lanes) => {
                for lane in lanes {
                    waker.wake(Wake::Changed(lane));
                }
            }
            // The lanes' own timers go on; they meet the same trouble, and tell.
            Err(error) => tracing::info!(%error, "it can't be seen now what waits to be sent"),
        }
    }
}

/// Under this key the store keeps why nothing runs, for `hybridge status`.
pub const REFUSED_FACT: &str = "refused";
