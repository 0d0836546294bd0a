#[test]
fn quick() {
    for seed in 0..12 {
        let report = hybridge_simulation::simulate(seed).unwrap();
        println!("seed {seed}: kills {} broken {:?}\n  {}", report.kills, report.broken.iter().take(4).collect::<Vec<_>>(), report.story.last().unwrap());
    }
}
