//! What an API server does to an object when it is written: metadata, defaults, validation.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

use super::validate::{Violations, check_rules, check_shape};
use super::{defaults, schema};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::Object;

/// Metadata that only a cluster gives a meaning.
const CLUSTER_METADATA: [&str; 6] =
    ["managedFields", "resourceVersion", "uid", "selfLink", "generation", "deletionTimestamp"];
/// The domain of annotations that mean something here; others, such as what kubectl remembers for
/// itself, are often longer than the object.
const OWN_DOMAIN: &str = "paifang.dev";
/// The label that every Namespace carries.
pub(super) const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// An object as it was taken in.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    /// The object.
    pub(super) object: Object,
    /// Differs when anything differs.
    pub(super) hash: u64,
    /// Differs when something differs that counts as a new generation.
    pub(super) spec_hash: u64,
}

/// The outcome for one object.
#[derive(Debug)]
pub(super) struct Admission {
    /// What it is called, if it has a name.
    pub(super) reference: Option<ObjectRef>,
    /// The object, unless it was refused.
    pub(super) admitted: Option<Admitted>,
    /// What its author should know.
    pub(super) violations: Violations,
}

/// Takes in an object of a known kind.
pub(super) fn admit(kind: Kind, api_version: &str, mut value: Value) -> Admission {
    let mut violations = Violations::default();
    prepare(kind, api_version, &mut value, &mut violations);
    let shape = schema::of(kind);
    defaults::apply(&mut value, &shape);
    let reference = reference(kind, &value);
    check_shape(&value, &shape, &mut violations);
    if violations.refused() {
        return Admission { reference, admitted: None, violations };
    }
    let object = match Object::from_json(kind, &value) {
        Ok(object) => object,
        Err(error) => {
            let field = error.path().to_string();
            violations.refuse(field, error.into_inner().to_string(), "write a value of the right type");
            return Admission { reference, admitted: None, violations };
        }
    };
    check_rules(&object, &mut violations);
    let admitted = (!violations.refused()).then(|| Admitted {
        object,
        hash: hash_of(&value),
        spec_hash: value.get("spec").map_or_else(|| hash_of_content(&value), hash_of),
    });
    Admission { reference, admitted, violations }
}

fn reference(kind: Kind, value: &Value) -> Option<ObjectRef> {
    let text = |field: &str| value.get("metadata")?.get(field)?.as_str();
    let name = text("name").filter(|name| !name.is_empty())?;
    Some(ObjectRef::new(kind, ObjectKey::new(text("namespace").unwrap_or_default(), name)))
}

fn prepare(kind: Kind, api_version: &str, value: &mut Value, violations: &mut Violations) {
    let Some(fields) = value.as_object_mut() else { return };
    fields.insert("apiVersion".to_owned(), Value::from(api_version));
    fields.insert("kind".to_owned(), Value::from(kind.as_str()));
    fields.remove("status");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        prepare_metadata(kind, metadata, violations);
    }
    match kind {
        Kind::Secret => merge_string_data(fields),
        Kind::Service => default_target_ports(fields),
        _ => {}
    }
}

fn prepare_metadata(kind: Kind, metadata: &mut Map<String, Value>, violations: &mut Violations) {
    metadata.retain(|name, value| !value.is_null() && !CLUSTER_METADATA.contains(&name.as_str()));
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| is_own(name));
    }
    if kind.is_cluster_scoped() {
        if metadata.remove("namespace").is_some() {
            let message = format!("a {kind} has no namespace, this is ignored");
            violations.warn("metadata.namespace", message, "remove it");
        }
    } else if metadata.get("namespace").is_none_or(|namespace| namespace == "") {
        metadata.insert("namespace".to_owned(), Value::from("default"));
    }
    if kind == Kind::Namespace {
        let name = metadata.get("name").cloned().unwrap_or_default();
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(NAMESPACE_LABEL.to_owned(), name);
        }
    }
    if metadata.get("name").is_none() && metadata.contains_key("generateName") {
        let remedy = "write 'name': a folder is read again and again, and names must stay";
        violations.refuse("metadata.generateName", "names are not generated here", remedy);
    }
}

/// Whether an annotation belongs to our domain or one below it.
pub(super) fn is_own(annotation: &str) -> bool {
    let Some((domain, _)) = annotation.split_once('/') else { return false };
    domain.strip_suffix(OWN_DOMAIN).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// `stringData` is written over `data`, in base64.
fn merge_string_data(fields: &mut Map<String, Value>) {
    // What is not text stays, so that validation can say so.
    let all_text = |data: &Value| data.as_object().is_some_and(|data| data.values().all(Value::is_string));
    if !fields.get("stringData").is_some_and(all_text) {
        return;
    }
    let Some(Value::Object(plain)) = fields.remove("stringData") else { return };
    let data = fields.entry("data").or_insert_with(|| json!({}));
    if data.is_null() {
        *data = json!({});
    }
    let Some(data) = data.as_object_mut() else { return };
    for (key, value) in plain {
        let bytes = ByteString(value.as_str().unwrap_or_default().as_bytes().to_vec());
        data.insert(key, serde_json::to_value(bytes).unwrap_or_default());
    }
}

/// `targetPort` is `port` unless said otherwise.
fn default_target_ports(fields: &mut Map<String, Value>) {
    let ports = fields.get_mut("spec").and_then(|spec| spec.get_mut("ports")).and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        if port.get("targetPort").is_none_or(Value::is_null)
            && let Some(number) = port.get("port").cloned()
        {
            port.insert("targetPort".to_owned(), number);
        }
    }
}

fn hash_of(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Kinds without `spec` count everything but their metadata.
fn hash_of_content(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| *name != "metadata") {
        (name, value).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(kind: Kind, value: Value) -> Object {
        let admission = admit(kind, "v1", value);
        admission.admitted.unwrap_or_else(|| panic!("{:?}", admission.violations)).object
    }

    #[test]
    fn a_namespaced_object_lives_in_default_unless_it_says_otherwise() {
        let object = admitted(Kind::ConfigMap, json!({"metadata": {"name": "a"}}));
        assert_eq!(object.reference().to_string(), "ConfigMap default/a");
        let object = admitted(Kind::ConfigMap, json!({"metadata": {"name": "a", "namespace": "shop"}}));
        assert_eq!(object.reference().to_string(), "ConfigMap shop/a");
    }

    #[test]
    fn a_cluster_scoped_object_loses_its_namespace() {
        let admission = admit(Kind::Namespace, "v1", json!({"metadata": {"name": "a", "namespace": "b"}}));
        assert_eq!(admission.reference.map(|r| r.to_string()), Some("Namespace a".to_owned()));
        assert!(admission.violations.0[0].message.contains("no namespace"));
        assert!(!admission.violations.refused());
    }

    #[test]
    fn a_namespace_carries_its_name_as_a_label() {
        let Object::Namespace(namespace) = admitted(Kind::Namespace, json!({"metadata": {"name": "a"}})) else {
            panic!("a Namespace")
        };
        assert_eq!(namespace.metadata.labels.as_ref().unwrap()[NAMESPACE_LABEL], "a");
    }

    #[test]
    fn what_only_a_cluster_needs_is_dropped() {
        let mut annotations = Map::new();
        annotations.insert("kubectl.kubernetes.io/last-applied-configuration".to_owned(), json!("{}"));
        for name in ["paifang.dev/kept", "test.paifang.dev/kept", "notpaifang.dev/a", "paifang.dev"] {
            annotations.insert(name.to_owned(), json!("yes"));
        }
        let value = json!({"metadata": {"name": "a", "managedFields": [{}], "uid": "1", "generation": 7,
            "resourceVersion": "9", "creationTimestamp": "2026-01-02T03:04:05Z", "annotations": annotations},
            "status": {"phase": "Active"}});
        let Object::Namespace(namespace) = admitted(Kind::Namespace, value) else { panic!("a Namespace") };
        let metadata = &namespace.metadata;
        assert_eq!(
            metadata.annotations.as_ref().unwrap().keys().collect::<Vec<_>>(),
            ["paifang.dev/kept", "test.paifang.dev/kept"]
        );
        assert!(metadata.managed_fields.is_none() && metadata.uid.is_none() && metadata.generation.is_none());
        assert!(metadata.creation_timestamp.is_some(), "age decides conflicts, so it is kept");
        assert!(namespace.status.is_none());
    }

    #[test]
    fn string_data_is_merged_over_data() {
        let value = json!({"metadata": {"name": "a"}, "data": {"k": "b2xk", "o": "bw=="}, "stringData": {"k": "new"}});
        let Object::Secret(secret) = admitted(Kind::Secret, value) else { panic!("a Secret") };
        let data = secret.data.as_ref().unwrap();
        assert_eq!((data["k"].0.as_slice(), data["o"].0.as_slice()), (b"new".as_slice(), b"o".as_slice()));
        assert_eq!(secret.type_.as_deref(), Some("Opaque"));
        assert!(secret.string_data.is_none());
    }

    #[test]
    fn a_secret_with_a_number_is_refused_without_showing_it() {
        let value = json!({"metadata": {"name": "a"}, "stringData": {"pin": 4711}});
        let admission = admit(Kind::Secret, "v1", value);
        assert!(admission.admitted.is_none());
        assert!(!format!("{:?}", admission.violations).contains("4711"));
    }

    #[test]
    fn service_ports_get_protocol_and_target() {
        let value = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}});
        let Object::Service(service) = admitted(Kind::Service, value) else { panic!("a Service") };
        let port = &service.spec.as_ref().unwrap().ports.as_ref().unwrap()[0];
        assert_eq!(port.protocol.as_deref(), Some("TCP"));
        assert_eq!(serde_json::to_value(&port.target_port).unwrap(), json!(80));
    }

    #[test]
    fn only_the_spec_counts_as_a_generation() {
        let one = |label: &str, port: u16| {
            let value = json!({"metadata": {"name": "a", "labels": {"l": label}}, "spec": {"ports": [{"port": port}]}});
            let admitted = admit(Kind::Service, "v1", value).admitted.unwrap();
            (admitted.hash, admitted.spec_hash)
        };
        let (a, b, c) = (one("x", 80), one("y", 80), one("x", 81));
        assert!(a.0 != b.0 && a.1 == b.1, "a label is no new generation");
        assert!(a.1 != c.1);
    }
}
