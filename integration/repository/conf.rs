//! `conf/` works as it is.

use std::path::Path;

use paifang::api::{Kind, ObjectKey, ObjectRef};
use paifang::config::Config;
use paifang::snapshot::Snapshot;
use paifang::source::folder::{Loaded, load};
use paifang::source::{Change, Level};
use paifang::translate::{Problem, Translation, translate};
use serde_json::json;

use crate::files::{below, read, root};

/// What a folder of manifests means, which must have nothing wrong with its files.
fn load_well(folder: &Path) -> Translation {
    let Loaded { changes, findings, .. } = load(folder).unwrap();
    let findings: Vec<_> = findings.iter().filter(|finding| finding.level != Level::Note).collect();
    assert!(findings.is_empty(), "{findings:#?}");
    let mut snapshot = Snapshot::default();
    for change in changes {
        let Change::Put(object) = change else { panic!("a first load only adds") };
        snapshot.put(object);
    }
    let translation = translate(&snapshot);
    assert!(translation.ir.listeners.iter().any(|listener| !listener.routes.is_empty()), "nothing is served");
    translation
}

#[test]
fn every_file_of_conf_is_tried_here() {
    for path in below("conf") {
        let folders = ["conf/quickstart", "conf/tenants"];
        let known = folders.iter().any(|folder| path.starts_with(folder)) || path == Path::new("conf/paifang.yaml");
        assert!(known || path == Path::new("conf/README.md"), "{}: who loads it in a test?", path.display());
    }
}

#[test]
fn the_settings_file_says_the_defaults() {
    assert_eq!(Config::load(&root().join("conf/paifang.yaml")).unwrap(), Config::default());
}

#[test]
fn the_quick_start_loads_and_translates_without_a_word() {
    let translation = load_well(&root().join("conf/quickstart"));
    assert!(translation.problems.is_empty(), "{:#?}", translation.problems);
}

#[test]
fn two_routes_of_the_tenants_want_what_is_not_theirs() {
    let translation = load_well(&root().join("conf/tenants"));
    let said = |problem: &Problem| (problem.object.to_string(), problem.reason);
    let said: Vec<_> = translation.problems.iter().map(said).collect();
    let expected = ["promotion", "shop"].map(|name| (format!("HTTPRoute storefront/{name}"), "HostnameNotPermitted"));
    assert_eq!(said, expected);
    let status = |kind, namespace: &str, name: &str| {
        let object = ObjectRef::new(kind, ObjectKey::new(namespace, name));
        serde_json::to_value(&*translation.statuses[&object]).unwrap()
    };
    assert_eq!(status(Kind::ShareGrant, "payments", "rates")["usedBy"][0]["namespace"], "storefront");
    assert_eq!(
        status(Kind::Tenant, "", "storefront")["quotas"][0],
        json!({ "name": "routes", "used": 3, "limit": 10 })
    );
}

#[test]
fn manifests_in_documents_load() {
    for document in crate::texts::documents() {
        for (number, block) in yaml_blocks(&read(&document)).into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("block.yaml"), block).unwrap();
            let Loaded { findings, .. } = load(folder.path()).unwrap();
            let errors: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Error).collect();
            assert!(errors.is_empty(), "{}, block {}: {errors:#?}", document.display(), number + 1);
        }
    }
}

/// The YAML blocks of a document that are manifests.
fn yaml_blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.filter(|block| block.contains("apiVersion:")).map(ToOwned::to_owned).collect()
}

#[test]
fn manifests_are_found_in_documents() {
    let text = "a\n```yaml\napiVersion: v1\nkind: A\n```\nb\n```yaml\nthreads: 1\n```\n";
    assert_eq!(yaml_blocks(text), ["apiVersion: v1\nkind: A"]);
}
