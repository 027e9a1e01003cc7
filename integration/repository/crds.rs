//! `crds/`: made from the types, readable by an API server, and shown by example.

use std::collections::BTreeSet;

use expect_test::expect_file;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use paifang::api::{Kind, policy};
use paifang::source::folder::{Loaded, load};
use paifang::source::{Change, Level};
use serde_json::Value;

use crate::files::{below, read, root};
use crate::schema::{self, Findings};

/// What stands above each file.
const HEAD: &str = "# Made from src/api/policy: UPDATE_EXPECT=1 cargo test --test repository writes it. See README.md beside it.\n---\n";

/// Every CRD with the path of its file.
fn files() -> Vec<(String, CustomResourceDefinition)> {
    let file = |crd: &CustomResourceDefinition| format!("crds/{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
    policy::crds().into_iter().map(|crd| (file(&crd), crd)).collect()
}

/// Kind and schema of every CRD.
pub fn schemas() -> Vec<(Kind, JSONSchemaProps)> {
    Kind::ALL.into_iter().filter_map(|kind| Some((kind, policy::schema(kind)?))).collect()
}

/// Every schema in one, with the path to it: `spec.limits.*.key[].type`.
pub fn parts<'s>(schema: &'s JSONSchemaProps, path: &str, out: &mut Vec<(String, &'s JSONSchemaProps)>) {
    out.push((path.to_owned(), schema));
    for (name, property) in schema.properties.iter().flatten() {
        let dot = if path.is_empty() { "" } else { "." };
        parts(property, &format!("{path}{dot}{name}"), out);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        parts(item, &format!("{path}[]"), out);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        parts(value, &format!("{path}.*"), out);
    }
}

#[test]
fn the_crds_are_those_of_the_types() {
    for (file, crd) in files() {
        let text = serde_saphyr::to_string(&crd).unwrap();
        expect_file![root().join(&file)].assert_eq(&format!("{HEAD}{text}"));
        let again: CustomResourceDefinition = serde_saphyr::from_str(&read(&file)).unwrap();
        assert_eq!(again, crd, "{file}");
    }
    let there = below("crds").into_iter().filter(|path| path.parent() == Some("crds".as_ref()));
    let there: BTreeSet<_> = there.map(|path| path.to_str().unwrap().to_owned()).collect();
    let mut known: BTreeSet<_> = files().into_iter().map(|(file, _)| file).collect();
    known.insert("crds/README.md".to_owned());
    assert_eq!(there, known);
}

#[test]
fn a_crd_says_what_the_program_asks_for() {
    for (kind, (_, crd)) in schemas().into_iter().map(|(kind, _)| kind).zip(files()) {
        let (names, versions) = (&crd.spec.names, &crd.spec.versions);
        assert_eq!((&*crd.spec.group, &*names.kind, &*names.plural), (kind.group(), kind.as_str(), kind.plural()));
        assert_eq!(crd.metadata.name, Some(format!("{}.{}", kind.plural(), kind.group())));
        assert_eq!(crd.spec.scope == "Cluster", kind.is_cluster_scoped(), "{kind}");
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0].name, kind.version());
        assert_eq!(names.categories.as_deref(), Some(["paifang".to_owned()].as_slice()));
        assert_eq!(names.short_names.as_ref().map(Vec::len), Some(1));
        let has_status = versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap().properties.as_ref();
        let has_status = has_status.unwrap().contains_key("status");
        assert_eq!(versions[0].subresources.is_some(), has_status, "{kind}: a status is written apart from the spec");
        assert!(read("crds/README.md").contains(&format!("`{}`", names.short_names.as_ref().unwrap()[0])), "{kind}");
    }
}

/// What an API server demands of a schema, and what we do: a cluster bounds the cost of rules by the
/// limits of what they walk over.
#[test]
fn schemas_are_structural_and_bounded() {
    for (kind, schema) in schemas() {
        let mut all = Vec::new();
        parts(&schema, "", &mut all);
        for (path, part) in all {
            let at = format!("{kind} {path}");
            assert!(part.type_.is_some() || part.x_kubernetes_int_or_string == Some(true), "{at} has no type");
            assert!(part.nullable.is_none() && part.any_of.is_none() && part.one_of.is_none(), "{at}");
            let format = part.format.as_deref();
            assert!(matches!(format, None | Some("int32" | "int64" | "date-time")), "{at}: {format:?}");
            if part.type_.as_deref() == Some("array") {
                assert!(part.max_items.is_some(), "{at} has no limit");
                assert!(part.x_kubernetes_list_type.is_some(), "{at}");
            }
            if part.additional_properties.is_some() {
                assert!(part.max_properties.is_some(), "{at} has no limit");
            }
            let is_open_text = part.type_.as_deref() == Some("string") && part.enum_.is_none() && format.is_none();
            let is_root = ["apiVersion", "kind"].contains(&&*path);
            assert!(!is_open_text || part.max_length.is_some() || is_root, "{at} has no limit");
            for rule in part.x_kubernetes_validations.iter().flatten() {
                assert!(rule.message.is_some(), "{at}: {}", rule.rule);
            }
        }
    }
}

/// The objects of `crds/examples`, as they are written.
fn examples() -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    for path in below("crds/examples") {
        let text = read(&path);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        objects.extend(documents.into_iter().map(|object| (path.display().to_string(), object)));
    }
    objects
}

#[test]
fn every_field_is_in_an_example_and_every_example_fits_its_schema() {
    for (kind, schema) in schemas() {
        let mut findings = Findings::default();
        let of_kind = |object: &Value| object["kind"] == kind.as_str();
        for (file, object) in examples().into_iter().filter(|(_, object)| of_kind(object)) {
            schema::check(&schema, &object, &format!("{file}: {kind} "), schema::ROOT, &mut findings);
        }
        let mut all = Vec::new();
        parts(&schema.properties.as_ref().unwrap()["spec"], ".spec", &mut all);
        for (path, _) in all {
            assert!(findings.seen.contains(&path), "no example has {kind} {path}");
        }
        assert_eq!(findings.errors, Vec::<String>::new());
    }
}

#[test]
fn every_example_is_taken_by_the_folder_source() {
    let Loaded { findings, changes, .. } = load(&root().join("crds/examples")).unwrap();
    let errors: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let ours = |change: &&Change| matches!(change, Change::Put(object) if object.kind().group() == policy::GROUP);
    let examples = examples();
    let written = examples.iter().filter(|(_, it)| it["apiVersion"].as_str().unwrap().starts_with(policy::GROUP));
    assert_eq!(changes.iter().filter(ours).count(), written.count(), "beside what they refer to");
}

#[test]
fn the_folder_source_refuses_what_the_rules_of_the_crds_refuse() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&read("integration/crds/refused.yaml")).unwrap();
    let mut said = Vec::new();
    for object in &documents {
        let annotation = |name: &str| object["metadata"]["annotations"][name].as_str().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.json"), object.to_string()).unwrap();
        let Loaded { findings, .. } = load(folder.path()).unwrap();
        let errors: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Error).collect();
        let fields: Vec<_> = errors.iter().map(|finding| finding.field.clone()).collect();
        assert_eq!(fields, [annotation("field")], "{object}\n{errors:#?}");
        said.push(annotation("says"));
    }
    for (kind, schema) in schemas() {
        let mut all = Vec::new();
        parts(&schema, "", &mut all);
        for (path, part) in all {
            for rule in part.x_kubernetes_validations.iter().flatten() {
                let message = rule.message.as_deref().unwrap();
                assert!(said.iter().any(|said| message.contains(said)), "nothing tries {kind} {path}: {message}");
            }
        }
    }
}
