mod durability;
mod plans;
mod refusals;

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::contract::{model, suite};

const WRITE: SqliteMode = SqliteMode::ReadWrite { create: true };

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("hybridge.db")
}

async fn opened() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (SqliteStore::open(&path(&folder), WRITE).await.unwrap(), folder)
}

suite!(opened());

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

    #[test]
    fn it_behaves_like_the_store_in_memory(operations in model::operations()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, _folder) = opened().await;
            model::compare(&store, &operations).await;
            store.close().await;
        });
    }
}
