use jiff::Timestamp;
use serde::Serialize;

/// How urgent a renewal is (setup.md 5.5): a third, a sixth and a twelfth of the whole life, and three days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// There is time.
    None,
    /// Less than a third of the life is left.
    Due,
    /// Less than a sixth.
    Soon,
    /// Less than a twelfth, or three days.
    Now,
    /// It is over.
    Over,
}

/// How urgent it is to renew a certificate.
pub fn urgency(from: Timestamp, until: Timestamp, now: Timestamp) -> Urgency {
    const FLOOR: i64 = 3 * 86_400;
    let life = until.as_second() - from.as_second();
    let left = until.as_second() - now.as_second();
    match left {
        left if left <= 0 => Urgency::Over,
        left if left * 12 < life || left < FLOOR => Urgency::Now,
        left if left * 6 < life => Urgency::Soon,
        left if left * 3 < life => Urgency::Due,
        _ => Urgency::None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn the_thresholds_are_those_of_the_specification() {
        // setup.md 5.5: 398 days warn at 132, 66 and 33; 47 days at 15, 7 and 3.
        let from = Timestamp::UNIX_EPOCH;
        let day = |days: i64| from + SignedDuration::from_hours(24 * days);
        let at = |life: i64, left: i64| urgency(from, day(life), day(life - left));
        assert_eq!([at(398, 133), at(398, 132)], [Urgency::None, Urgency::Due]);
        assert_eq!([at(398, 67), at(398, 66), at(398, 33)], [Urgency::Due, Urgency::Soon, Urgency::Now]);
        assert_eq!(
            [at(47, 16), at(47, 15), at(47, 7), at(47, 3)],
            [Urgency::None, Urgency::Due, Urgency::Soon, Urgency::Now]
        );
        assert_eq!([at(20, 2), at(20, 0)], [Urgency::Now, Urgency::Over]);
    }
}
