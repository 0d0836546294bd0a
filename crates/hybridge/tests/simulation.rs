//! The promises hold under seeds that kill, restart, throttle, cut and duplicate.
//! `hybridge simulate --seeds N` runs more; `--replay S` tells what happens in one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use hybridge_simulation::simulate;

fn hold_for(seeds: std::ops::Range<u64>) {
    let (mut messages, mut kills) = (0, 0);
    for seed in seeds {
        let report = simulate(seed).unwrap();
        let broken: Vec<String> = report.broken.iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "replay with `hybridge simulate --replay {seed}`: {broken:#?}");
        messages += report.messages;
        kills += report.kills;
    }
    // A simulation in which nothing happens would pass as well.
    assert!(messages > 1000 && kills > 100, "{messages} messages, {kills} kills");
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
