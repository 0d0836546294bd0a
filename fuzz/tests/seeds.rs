//! The seeds pass: what the fuzzer starts from holds the promises, with any compiler.

use std::{fs, path::Path};

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let seeds: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for seed in seeds {
        println!("{}", seed.display());
        check(&fs::read(seed).unwrap());
    }
}

#[test]
fn mime() {
    run("mime", hybridge_fuzz::mime);
}

#[test]
fn odata_graph() {
    run("odata_graph", hybridge_fuzz::odata_graph);
}

#[test]
fn odata_organization() {
    run("odata_organization", hybridge_fuzz::odata_organization);
}

#[test]
fn delta_links() {
    run("delta_links", hybridge_fuzz::delta_links);
}

#[test]
fn batch_answers() {
    run("batch_answers", hybridge_fuzz::batch_answers);
}

#[test]
fn notifications() {
    run("notifications", hybridge_fuzz::notifications);
}
