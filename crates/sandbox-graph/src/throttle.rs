//! The Outlook limits for one app on one mailbox (graph.md 7.2).

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{setup::ThrottleOptions, web::answer::Fault};

/// An app on a mailbox.
pub(crate) type MeterKey = (Uuid, Uuid);

/// What every app uses of every mailbox.
#[derive(Debug, Default)]
pub(crate) struct Meters(BTreeMap<MeterKey, Meter>);

#[derive(Debug, Default)]
struct Meter {
    running: u32,
    requests: Window<10>,
    uploaded: Window<5>,
}

impl Meters {
    /// Counts a request and lets it run, or refuses it. A refused one counts all the same.
    pub(crate) fn admit(
        &mut self,
        key: MeterKey,
        upload_bytes: u64,
        now: Timestamp,
        limits: &ThrottleOptions,
    ) -> Result<(), Fault> {
        let meter = self.0.entry(key).or_default();
        meter.requests.add(now, 1);
        if meter.requests.total() > u64::from(limits.requests_per_ten_minutes) {
            return Err(throttled("MailboxRequests", meter.requests.relief(now)));
        }
        if meter.running >= limits.concurrency {
            return Err(throttled("MailboxConcurrency", limits.concurrency_retry_after_seconds));
        }
        meter.uploaded.add(now, upload_bytes);
        if meter.uploaded.total() > limits.upload_bytes_per_five_minutes {
            return Err(throttled("MailboxUpload", meter.uploaded.relief(now)));
        }
        meter.running += 1;
        Ok(())
    }

    pub(crate) fn finish(&mut self, key: MeterKey) {
        if let Some(meter) = self.0.get_mut(&key) {
            meter.running = meter.running.saturating_sub(1);
        }
    }
}

fn throttled(limit: &str, retry_after_seconds: u64) -> Fault {
    Fault::new(
        StatusCode::TOO_MANY_REQUESTS,
        "ApplicationThrottled",
        format!("Application is over its {limit} limit."),
    )
    .with_header("retry-after", retry_after_seconds.to_string())
}

/// A sum over the last `MINUTES` minutes, kept by the minute.
#[derive(Debug)]
struct Window<const MINUTES: usize> {
    sums: [u64; MINUTES],
    minute: i64,
}

impl<const MINUTES: usize> Default for Window<MINUTES> {
    fn default() -> Self {
        Self { sums: [0; MINUTES], minute: 0 }
    }
}

impl<const MINUTES: usize> Window<MINUTES> {
    fn add(&mut self, now: Timestamp, amount: u64) {
        let minute = now.as_second().div_euclid(60);
        let passed = usize::try_from(minute - self.minute).unwrap_or(0).min(MINUTES);
        // The newest minute stands first.
        self.sums.rotate_right(passed);
        self.sums.iter_mut().take(passed).for_each(|sum| *sum = 0);
        self.minute = self.minute.max(minute);
        if let Some(newest) = self.sums.first_mut() {
            *newest += amount;
        }
    }

    fn total(&self) -> u64 {
        self.sums.iter().sum()
    }

    /// Seconds until the oldest minute that counts falls out of the window.
    fn relief(&self, now: Timestamp) -> u64 {
        let oldest = self.sums.iter().rposition(|sum| *sum > 0).unwrap_or(0);
        let left = MINUTES.saturating_sub(oldest).saturating_mul(60);
        let into_minute = u64::try_from(now.as_second().rem_euclid(60)).unwrap_or(0);
        u64::try_from(left).unwrap_or(60).saturating_sub(into_minute).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_fifth_request_at_once_is_refused_until_one_ends() {
        let (mut meters, key) = (Meters::default(), (Uuid::nil(), Uuid::nil()));
        let limits = ThrottleOptions::default();
        for _ in 0..4 {
            meters.admit(key, 0, at(0), &limits).unwrap();
        }
        let fault = meters.admit(key, 0, at(0), &limits).unwrap_err();
        assert_eq!(fault.code, "ApplicationThrottled");
        meters.finish(key);
        assert!(meters.admit(key, 0, at(0), &limits).is_ok());
    }

    #[test]
    fn requests_are_counted_for_ten_minutes() {
        let (mut meters, key) = (Meters::default(), (Uuid::nil(), Uuid::nil()));
        let limits = ThrottleOptions { requests_per_ten_minutes: 2, ..ThrottleOptions::default() };
        for second in [0, 30] {
            meters.admit(key, 0, at(second), &limits).unwrap();
            meters.finish(key);
        }
        let fault = meters.admit(key, 0, at(60), &limits).unwrap_err();
        assert_eq!(fault.headers, [("retry-after", "540".to_owned())]);
        assert!(meters.admit(key, 0, at(700), &limits).is_ok());
    }
}
