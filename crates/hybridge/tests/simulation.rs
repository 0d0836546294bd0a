//! The promises hold under seeds that kill, restart, throttle, cut and duplicate.
//! `hybridge simulate --seeds N` runs more; `--replay S` tells what happens in one. What is sent to Microsoft
//! Graph on the way is checked against Microsoft's published metadata, where that is at hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use hybridge_simulation::simulate;
use support::Metadata;

fn hold_for(seeds: std::ops::Range<u64>) {
    let metadata = Metadata::at_hand();
    let (mut messages, mut kills, mut checked) = (0, 0, 0);
    for seed in seeds {
        let report = simulate(seed).unwrap();
        let broken: Vec<String> = report.broken.iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "replay with `hybridge simulate --replay {seed}`: {broken:#?}");
        for sent in &report.sent {
            checked += metadata.check(sent);
        }
        messages += report.messages;
        kills += report.kills;
    }
    // A simulation in which nothing happens would pass as well.
    assert!(messages > 1000 && kills > 100, "{messages} messages, {kills} kills");
    assert!(checked > 100 || !metadata.is_known(), "only {checked} payloads were checked");
}

#[test]
fn the_promises_hold_under_the_first_hundred_seeds() {
    hold_for(1..101);
}

#[test]
fn the_promises_hold_under_the_second_hundred_seeds() {
    hold_for(101..201);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [3, 14, 15] {
        assert_eq!(simulate(seed).unwrap(), simulate(seed).unwrap(), "seed {seed}");
    }
}
