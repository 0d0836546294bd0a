//! Rebuilds the crate when a migration is added: `sqlx::migrate!` embeds the folder, but cargo can't see that.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
