use tempfile::TempDir;

use super::*;
use crate::contract::{model, suite};

async fn opened() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("hybridge.db"), SqliteMode::ReadWrite { create: true })
        .await
        .unwrap();
    (store, folder)
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
