use serde_json::json;

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let put = |snapshot: &mut Snapshot, kind, value: Value| snapshot.put(Object::from_json(kind, &value).unwrap());
    put(&mut snapshot, Kind::Secret, json!({"metadata": {"name": "s", "namespace": "a"}, "data": {"k": "eA=="}}));
    put(
        &mut snapshot,
        Kind::HttpRoute,
        json!({
        "metadata": {"name": "r", "namespace": "a", "uid": "u", "generation": 4,
            "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"hostnames": ["a.example"], "rules": [{"matches": [{"path": {"type": "Mauve", "value": "/"}}],
            "timeouts": {"request": "10s"}, "backendRefs": [{"name": "b", "port": 80}]}]}}),
    );
    snapshot
}

fn all(snapshot: &Snapshot) -> Vec<Object> {
    Kind::ALL.iter().flat_map(|kind| snapshot.all(*kind)).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_written_is_read_again() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("state");
    assert!(read(&folder).unwrap().is_none());
    write(&folder, &snapshot(), NOW + Duration::from_secs(7)).unwrap();
    let kept = read(&folder).unwrap().unwrap();
    assert_eq!(kept.objects, all(&snapshot()));
    assert_eq!(kept.at, NOW + Duration::from_secs(7));
}

#[test]
fn nobody_else_may_read_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("state");
    write(&folder, &snapshot(), NOW).unwrap();
    assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no draft stays");
}

#[test]
fn a_file_that_was_cut_or_changed_is_put_aside() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join(FILE);
    write(place.path(), &snapshot(), NOW).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let cut: String = good.lines().take(2).collect::<Vec<_>>().join("\n");
    let foreign = good.replace("\"HTTPRoute\"", "\"Elephant\"");
    let newer = good.replacen("\"format\":1", "\"format\":2", 1);
    for text in [cut.as_str(), &good[..good.len() / 2], "", "nonsense", &foreign, &newer] {
        fs::write(&path, text).unwrap();
        assert_eq!(read(place.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(!path.exists());
        assert_eq!(fs::read_to_string(place.path().join("snapshot.jsonl.corrupt")).unwrap(), text);
    }
    assert!(read(place.path()).unwrap().is_none());
}

#[test]
fn a_place_that_is_no_folder_is_an_error_and_nothing_else() {
    let place = tempfile::NamedTempFile::new().unwrap();
    assert!(write(place.path(), &snapshot(), NOW).is_err());
    assert!(read(place.path()).is_err());
}
