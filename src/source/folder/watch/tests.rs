use std::time::Duration;

use super::*;
use crate::api::{Kind, ObjectKey};

/// Generous: only a failing test waits so long.
const LIMIT: Duration = Duration::from_secs(30);

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

#[tokio::test]
async fn changes_of_the_folder_reach_the_store() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), config_map("one")).unwrap();
    let store = Arc::new(Store::default());
    let mut states = store.subscribe();
    let watching = watch(dir.path(), Arc::clone(&store)).unwrap();
    {
        let state = states.borrow_and_update();
        assert!(state.synced, "the first full list is there before watch returns");
        assert_eq!(state.snapshot.count(Kind::ConfigMap), 1);
    }
    std::fs::create_dir(dir.path().join("below")).unwrap();
    std::fs::write(dir.path().join("below/b.yaml"), config_map("two")).unwrap();
    let two = states.wait_for(|state| state.snapshot.count(Kind::ConfigMap) == 2);
    assert!(tokio::time::timeout(LIMIT, two).await.unwrap().is_ok());
    let mut findings = watching.findings();
    std::fs::write(dir.path().join("a.yaml"), "a: [").unwrap();
    let broken = findings.wait_for(|findings| !findings.is_empty());
    assert!(tokio::time::timeout(LIMIT, broken).await.unwrap().is_ok());
    let object = ObjectRef::new(Kind::ConfigMap, ObjectKey::new("default", "two"));
    assert_eq!(watching.locate(&object, "metadata.name").map(|place| place.line), Some(3));
    drop(watching);
    assert_eq!(Arc::strong_count(&store), 1, "the thread has ended");
}

#[tokio::test]
async fn a_folder_that_is_made_anew_is_watched_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("conf");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("a.yaml"), config_map("one")).unwrap();
    let store = Arc::new(Store::default());
    let mut states = store.subscribe();
    let _watching = watch(&dir, Arc::clone(&store)).unwrap();
    std::fs::rename(&dir, parent.path().join("old")).unwrap();
    std::fs::create_dir(&dir).unwrap();
    for name in ["two", "three"] {
        std::fs::write(dir.join("a.yaml"), config_map(name)).unwrap();
        let key = ObjectKey::new("default", name);
        let seen = states.wait_for(|state| state.snapshot.config_maps.contains_key(&key));
        assert!(tokio::time::timeout(LIMIT, seen).await.unwrap().is_ok(), "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let store = Arc::new(Store::default());
    assert!(matches!(watch(Path::new("/nowhere/at/all"), store), Err(FolderError::Missing(_))));
}
