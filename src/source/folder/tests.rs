use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::api::{Kind, ObjectKey};
use crate::snapshot::{Object, Snapshot};

/// A folder in a temporary place, rescanned by hand with a clock of its own.
struct Bench {
    dir: tempfile::TempDir,
    folder: Folder,
    now: Instant,
    snapshot: Snapshot,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(dir.path(), name, text);
        }
        let folder = Folder::open(dir.path()).unwrap();
        let mut bench = Self { dir, folder, now: Instant::now(), snapshot: Snapshot::default() };
        bench.rescan();
        bench
    }

    fn write(&self, name: &str, text: &str) {
        write(self.dir.path(), name, text);
    }

    fn rescan(&mut self) -> Diff {
        let diff = self.folder.rescan(self.now);
        for change in &diff.changes {
            match change.clone() {
                Change::Put(object) => self.snapshot.put(object),
                Change::Remove(object) => assert!(self.snapshot.remove(&object), "only what was there is removed"),
            }
        }
        diff
    }

    /// Changes of the last rescan, as text.
    fn changes(&mut self) -> Vec<String> {
        let name = |change: &Change| match change {
            Change::Put(object) => format!("+{}", object.reference()),
            Change::Remove(object) => format!("-{object}"),
        };
        self.rescan().changes.iter().map(name).collect()
    }

    fn service_port(&self, name: &str) -> Option<i32> {
        let service = self.snapshot.services.get(&ObjectKey::new("shop", name))?;
        Some(service.spec.as_ref()?.ports.as_ref()?[0].port)
    }

    fn generation(&self, name: &str) -> Option<i64> {
        self.snapshot.services.get(&ObjectKey::new("shop", name))?.metadata.generation
    }

    fn findings(&self) -> Vec<String> {
        let root = format!("{}/", self.dir.path().display());
        self.folder.findings().iter().map(|finding| finding.to_string().replace(&root, "")).collect()
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: shop\nspec:\n  ports:\n  - port: {port}\n"
    )
}

#[test]
fn a_folder_that_cannot_be_a_source_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(matches!(load(&missing), Err(FolderError::Missing(path)) if path == missing));
    write(dir.path(), "README.md", "x");
    assert!(matches!(load(&dir.path().join("README.md")), Err(FolderError::NotAFolder(_))));
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(error, FolderError::Empty(_)));
    assert!(error.to_string().contains("*.yaml, *.yml and *.json"), "{error}");
}

#[test]
fn every_manifest_below_the_folder_is_read_once() {
    let loaded = {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "b/deep/two.yml", &service("two", 2));
        write(dir.path(), "a.yaml", &format!("{}---\n{}", service("one", 1), service("three", 3)));
        write(
            dir.path(),
            "c.json",
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"four","namespace":"shop"},"spec":{"ports":[{"port":4}]}}"#,
        );
        write(dir.path(), ".hidden.yaml", &service("hidden", 9));
        write(dir.path(), ".git/five.yaml", &service("five", 5));
        write(dir.path(), "notes.txt", "not a manifest");
        symlink(dir.path().join("b"), dir.path().join("link-to-b")).unwrap();
        symlink(dir.path(), dir.path().join("b/loop")).unwrap();
        load(dir.path()).unwrap()
    };
    let mut names: Vec<_> = loaded
        .changes
        .iter()
        .map(|change| match change {
            Change::Put(object) => object.reference().to_string(),
            Change::Remove(_) => panic!("nothing is removed from an empty store"),
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["Namespace shop", "Service shop/four", "Service shop/one", "Service shop/three", "Service shop/two"]
    );
    assert_eq!(loaded.findings, []);
}

#[test]
fn implied_namespaces_carry_the_automatic_label_and_yield_to_written_ones() {
    let mut bench = Bench::new(&[("a.yaml", &service("one", 1))]);
    let label = |bench: &Bench, label: &str| {
        let namespace = bench.snapshot.namespaces.get(&ObjectKey::new("", "shop")).unwrap();
        namespace.metadata.labels.as_ref().unwrap().get(label).cloned()
    };
    assert_eq!(label(&bench, "kubernetes.io/metadata.name").as_deref(), Some("shop"));
    bench.write("ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {team: a}\n");
    assert_eq!(bench.changes(), ["+Namespace shop"]);
    assert_eq!(label(&bench, "team").as_deref(), Some("a"));
    assert_eq!(label(&bench, "kubernetes.io/metadata.name").as_deref(), Some("shop"));
    fs::remove_file(bench.dir.path().join("a.yaml")).unwrap();
    fs::remove_file(bench.dir.path().join("ns.yaml")).unwrap();
    bench.write("b.yaml", &service("two", 1));
    assert_eq!(bench.changes(), ["-Service shop/one", "+Namespace shop", "+Service shop/two"]);
    assert_eq!(label(&bench, "team"), None);
}

#[test]
fn only_the_difference_is_applied_and_generations_count_spec_changes() {
    let two = |port| format!("{}---\n{}", service("one", 1), service("two", port));
    let mut bench = Bench::new(&[("a.yaml", &two(2))]);
    assert_eq!(bench.generation("two"), Some(1));
    assert_eq!(bench.changes(), Vec::<String>::new(), "nothing changed");
    bench.write("a.yaml", &two(3));
    assert_eq!(bench.changes(), ["+Service shop/two"]);
    assert_eq!((bench.generation("one"), bench.generation("two")), (Some(1), Some(2)));
    bench.write("a.yaml", &two(3).replace("name: two\n", "name: two\n  labels: {a: b}\n"));
    assert_eq!(bench.changes(), ["+Service shop/two"]);
    assert_eq!(bench.generation("two"), Some(2), "a label is no new generation");
}

#[test]
fn removed_files_and_documents_take_their_objects_along() {
    let mut bench = Bench::new(&[("a.yaml", &service("one", 1)), ("b.yaml", &service("two", 2))]);
    fs::remove_file(bench.dir.path().join("b.yaml")).unwrap();
    assert_eq!(bench.changes(), ["-Service shop/two"]);
    bench.write("a.yaml", "# everything is commented out\n");
    assert_eq!(bench.changes(), ["-Namespace shop", "-Service shop/one"]);
}

#[test]
fn a_half_written_file_keeps_its_last_good_objects() {
    let mut bench = Bench::new(&[("a.yaml", &format!("{}---\n{}", service("one", 1), service("two", 2)))]);
    bench.write("a.yaml", &format!("{}---\napiVersion: v1\nkind: \"Serv", service("one", 7)));
    let diff = bench.rescan();
    assert!(diff.changes.is_empty() && diff.findings_changed);
    assert_eq!(bench.service_port("one"), Some(1));
    let findings = bench.findings();
    assert!(findings[0].starts_with("a.yaml:11:") && findings[0].contains("error: not valid YAML"), "{findings:?}");
    bench.write("a.yaml", &format!("{}---\n{}", service("one", 7), service("two", 2)));
    assert_eq!(bench.changes(), ["+Service shop/one"]);
    assert_eq!(bench.findings(), Vec::<String>::new());
}

#[test]
fn a_broken_document_of_a_new_file_leaves_the_others_alone() {
    let bench = Bench::new(&[("a.yaml", &format!("{}---\nkind: [\n---\n{}", service("one", 1), service("two", 2)))]);
    assert_eq!((bench.service_port("one"), bench.service_port("two")), (Some(1), Some(2)));
    assert_eq!(bench.findings().len(), 1);
}

#[test]
fn an_emptied_file_is_given_time_to_be_written() {
    let mut bench = Bench::new(&[("a.yaml", &service("one", 1)), ("b.yaml", &service("two", 2))]);
    bench.write("a.yaml", "");
    let diff = bench.rescan();
    assert!(diff.changes.is_empty());
    assert_eq!(diff.again, Some(GRACE));
    bench.now += GRACE / 2;
    assert_eq!(bench.rescan().again, Some(GRACE / 2));
    bench.write("a.yaml", &service("one", 5));
    assert_eq!(bench.changes(), ["+Service shop/one"]);
    bench.write("a.yaml", "");
    assert_eq!(bench.changes(), Vec::<String>::new());
    bench.now += GRACE;
    assert_eq!(bench.changes(), ["-Service shop/one"], "after that it is meant");
}

#[test]
fn a_refused_object_keeps_its_last_good_version() {
    let mut bench = Bench::new(&[("a.yaml", &format!("{}---\n{}", service("one", 1), service("two", 2)))]);
    bench.write("a.yaml", &format!("{}---\n{}", service("one", 0), service("two", 3)));
    assert_eq!(bench.changes(), ["+Service shop/two"]);
    assert_eq!(bench.service_port("one"), Some(1));
    assert_eq!(
        bench.findings(),
        ["a.yaml:8:5: error: Service shop/one: spec.ports[0].port: 0 is out of range; write a number from 1 to 65535"]
    );
    bench.write("a.yaml", &format!("{}---\n{}", service("one", 4), service("two", 3)));
    assert_eq!(bench.changes(), ["+Service shop/one"]);
    assert_eq!(bench.generation("one"), Some(2));
}

#[test]
fn a_refused_object_that_was_never_good_is_not_served() {
    let bench = Bench::new(&[("a.yaml", &service("one", 0))]);
    assert_eq!(bench.service_port("one"), None);
    assert_eq!(bench.snapshot.count(Kind::Namespace), 0);
}

#[test]
fn the_first_of_two_objects_with_one_name_wins() {
    let mut bench =
        Bench::new(&[("a.yaml", &service("one", 1)), ("b.yaml", &format!("# two\n---\n{}", service("one", 2)))]);
    assert_eq!(bench.service_port("one"), Some(1));
    let findings = bench.findings();
    assert!(findings[0].starts_with("b.yaml:3:1: error: Service shop/one: is already written in "), "{findings:?}");
    assert!(findings[0].contains("a.yaml:1, which is the one that counts"), "{findings:?}");
    fs::remove_file(bench.dir.path().join("a.yaml")).unwrap();
    assert_eq!(bench.changes(), ["+Service shop/one"]);
    assert_eq!((bench.service_port("one"), bench.generation("one")), (Some(2), Some(2)));
    assert_eq!(bench.findings(), Vec::<String>::new());
}

#[test]
fn a_config_map_volume_is_followed_through_its_swap() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "..2026_1/a.yaml", &service("one", 1));
    write(dir.path(), "..2026_2/a.yaml", &service("one", 2));
    symlink("..2026_1", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    let mut folder = Folder::open(dir.path()).unwrap();
    assert_eq!(folder.rescan(Instant::now()).changes.len(), 2);
    symlink("..2026_2", dir.path().join("..data_tmp")).unwrap();
    fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    let changes = folder.rescan(Instant::now()).changes;
    let [Change::Put(Object::Service(service))] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(service.metadata.generation, Some(2));
}

#[test]
fn an_atomic_rename_is_one_change() {
    let mut bench = Bench::new(&[("a.yaml", &service("one", 1))]);
    bench.write(".a.yaml.tmp", &service("one", 2));
    fs::rename(bench.dir.path().join(".a.yaml.tmp"), bench.dir.path().join("a.yaml")).unwrap();
    assert_eq!(bench.changes(), ["+Service shop/one"]);
}

#[test]
fn a_deleted_folder_keeps_serving_and_a_new_one_counts() {
    let mut bench = Bench::new(&[("a.yaml", &service("one", 1))]);
    let root = bench.dir.path().to_owned();
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(bench.changes(), Vec::<String>::new());
    assert!(bench.findings()[0].contains("the folder cannot be read"), "{:?}", bench.findings());
    fs::create_dir(&root).unwrap();
    assert_eq!(bench.rescan().again, Some(GRACE), "an empty folder is being filled");
    assert_eq!(bench.service_port("one"), Some(1));
    bench.write("b.yaml", &service("two", 2));
    assert_eq!(bench.changes(), ["-Service shop/one", "+Service shop/two"]);
    fs::remove_file(root.join("b.yaml")).unwrap();
    assert_eq!(bench.changes(), Vec::<String>::new());
    bench.now += GRACE;
    assert_eq!(bench.changes(), ["-Namespace shop", "-Service shop/two"]);
}

#[test]
fn a_file_that_is_no_text_keeps_what_it_held() {
    let mut bench = Bench::new(&[("a.yaml", &service("one", 1))]);
    fs::write(bench.dir.path().join("a.yaml"), b"a: b\nc: \xff\xfe\n").unwrap();
    assert_eq!(bench.changes(), Vec::<String>::new());
    assert_eq!(bench.findings(), ["a.yaml:2:1: error: the file is not UTF-8 text; save it as UTF-8"]);
}

#[test]
fn a_file_of_any_size_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join("big.yaml")).unwrap();
    file.set_len(MAX_FILE_SIZE + 1).unwrap();
    let loaded = load(dir.path()).unwrap();
    assert!(loaded.findings[0].message.contains("at most 33554432 are read"), "{:?}", loaded.findings);
}

#[test]
fn fields_are_located_in_the_file_as_it_is() {
    let text = format!(
        "# shop\n---\n{}---\napiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {{name: two, namespace: shop}}\n  spec:\n    ports:\n    - port: 2\n",
        service("one", 1)
    );
    let bench = Bench::new(&[("a.yaml", &text)]);
    assert_eq!(bench.findings(), Vec::<String>::new());
    let locate = |name: &str, field: &str| {
        let object = ObjectRef::new(Kind::Service, ObjectKey::new("shop", name));
        bench.folder.locate(&object, field).map(|place| (place.line, place.column))
    };
    assert_eq!(locate("one", "spec.ports[0].port"), Some((10, 5)));
    assert_eq!(locate("one", "spec.ports[0].name"), Some((10, 5)));
    assert_eq!(locate("two", "spec.ports[0].port"), Some((18, 7)));
    assert_eq!(locate("two", ""), Some((15, 3)));
    assert_eq!(locate("three", "spec"), None);
    // many at once, in any order, are answered in theirs
    let names = ["two", "one", "three", "two"].map(|name| ObjectRef::new(Kind::Service, ObjectKey::new("shop", name)));
    let fields: Vec<_> = names.iter().zip(["", "spec.ports[0].port", "spec", "spec.ports[0].port"]).collect();
    let lines: Vec<_> = bench.folder.locate_all(&fields).into_iter().map(|place| place.map(|it| it.line)).collect();
    assert_eq!(lines, [Some(15), Some(10), None, Some(18)]);
}

#[test]
fn an_annotated_service_gets_its_endpoints_and_loses_them_with_it() {
    let text = service("one", 80).replace(
        "  namespace: shop\n",
        "  namespace: shop\n  annotations:\n    paifang.dev/endpoints: '127.0.0.1:9001'\n",
    );
    let mut bench = Bench::new(&[("a.yaml", &text), ("b.yaml", &service("two", 2))]);
    assert_eq!(bench.snapshot.endpoint_slices.len(), 1);
    bench.write("a.yaml", &text.replace("127.0.0.1:9001", "nowhere"));
    assert_eq!(bench.changes(), Vec::<String>::new(), "the last good addresses stay");
    let findings = bench.findings();
    assert!(findings[0].starts_with("a.yaml:7:5: error: Service shop/one: metadata.annotations"), "{findings:?}");
    bench.write("a.yaml", &service("one", 80));
    assert_eq!(bench.changes(), ["-EndpointSlice shop/one-ipv4-9001", "+Service shop/one"]);
}
