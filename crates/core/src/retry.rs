//! When something that failed is tried again.

use std::time::Duration;

/// A message that the organization refuses to store is tried this often before it counts as failed
/// (server-side-sync.md 2.10).
pub const ITEM_ATTEMPTS: u32 = 5;

/// The pause before the next attempt at a lane that failed `failures` times in a row: 5 seconds,
/// doubled each time, 15 minutes at the most. There is no last attempt: a lane never switches itself
/// off (server-side-sync.md section 6, complaint 2).
pub fn lane_pause(failures: u32) -> Duration {
    doubled(Duration::from_secs(5), failures, Duration::from_mins(15))
}

/// The pause before the next attempt at one message that failed `failures` times: 30 seconds, doubled
/// each time, an hour at the most.
pub fn item_pause(failures: u32) -> Duration {
    doubled(Duration::from_secs(30), failures, Duration::from_hours(1))
}

fn doubled(first: Duration, failures: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    first.checked_mul(factor).map_or(longest, |pause| pause.min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_growing() {
        let seconds = |failures| lane_pause(failures).as_secs();
        assert_eq!([seconds(0), seconds(1), seconds(2), seconds(3), seconds(8)], [5, 5, 10, 20, 640]);
        assert_eq!([seconds(9), seconds(40), seconds(u32::MAX)], [900, 900, 900]);
        assert_eq!(item_pause(1), Duration::from_secs(30));
        assert_eq!(item_pause(100), Duration::from_hours(1));
    }
}
