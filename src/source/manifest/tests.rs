use super::*;
use proptest::prelude::*;

fn read_yaml(text: &str) -> Manifest {
    read(&Arc::from(Path::new("a.yaml")), text, Format::Yaml)
}

fn findings(manifest: &Manifest) -> Vec<String> {
    manifest.findings.iter().map(ToString::to_string).collect()
}

fn names(manifest: &Manifest) -> Vec<String> {
    manifest.entries.iter().map(|entry| entry.reference.to_string()).collect()
}

#[test]
fn lists_are_taken_apart() {
    let manifest = read_yaml(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n\
         - apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: B}\n---\n\
         apiVersion: v1\nkind: ConfigMapList\nmetadata: {}\nitems:\n- metadata: {name: c}\n",
    );
    assert_eq!(names(&manifest), ["ConfigMap default/a", "ConfigMap default/B", "ConfigMap default/c"]);
    let said = findings(&manifest);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("a.yaml:7:14: error: ConfigMap default/B: metadata.name: 'B' is not valid"),
        "{said:?}"
    );
}

#[test]
fn kinds_that_are_not_served_are_named() {
    let manifest = read_yaml(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\n---\napiVersion: apps/v1\nkind: Deployment\n---\n\
         apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\n---\njust text\n---\nkind: Service\n",
    );
    assert_eq!(manifest.entries.len(), 0);
    assert_eq!(
        findings(&manifest),
        [
            "a.yaml:2:1: warning: kind: Ingress (networking.k8s.io/v1) is not served yet; write a Gateway and an HTTPRoute",
            "a.yaml:5:1: note: kind: Deployment (apps/v1) means nothing to a gateway and is ignored",
            "a.yaml:7:1: error: apiVersion: HTTPRoute has no version 'v1alpha2'; write gateway.networking.k8s.io/v1",
            "a.yaml:10:1: error: is no object; write apiVersion, kind and metadata",
            "a.yaml:12:1: error: apiVersion: is required; every object needs 'apiVersion'",
        ]
    );
}

#[test]
fn an_object_without_a_name_is_refused() {
    let manifest = read_yaml("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: a-\n");
    assert_eq!(manifest.entries.len(), 0);
    assert!(findings(&manifest)[0].contains("names are not generated"), "{:?}", findings(&manifest));
}

#[test]
fn json_files_hold_one_value_after_the_other() {
    let text = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}\n{\"apiVersion\":\"v1\",\n\"kind\":\"ConfigMap\",\n\"metadata\":{\"name\":\"B\"}}\n{\"broken\":";
    let manifest = read(&Arc::from(Path::new("a.json")), text, Format::Json);
    assert_eq!(names(&manifest), ["ConfigMap default/a", "ConfigMap default/B"]);
    assert!(manifest.broken);
    let said = findings(&manifest);
    assert!(said[0].starts_with("a.json:4:13: error: ConfigMap default/B"), "{said:?}");
    assert!(said[1].starts_with("a.json:5:") && said[1].contains("not valid JSON"), "{said:?}");
}

#[test]
fn findings_of_one_file_have_a_limit() {
    let manifest = read_yaml(&"--- text\n".repeat(1500));
    assert_eq!(manifest.findings.len(), 1001);
    assert!(manifest.findings[1000].message.starts_with("500 more"));
}

const SEED: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: a\nspec:\n  rules:\n  - matches:\n    - path: {value: /a}\n    filters:\n    - type: CORS\n      cors: {maxAge: 1}\n    backendRefs:\n    - name: s\n      port: 80\n";

proptest! {
    #[test]
    fn mutated_manifests_never_panic(edits in proptest::collection::vec((0..SEED.len(), any::<u8>(), any::<bool>()), 1..6)) {
        let mut bytes = SEED.as_bytes().to_vec();
        for (at, byte, insert) in edits {
            let at = at % bytes.len();
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        let text = String::from_utf8_lossy(&bytes);
        read_yaml(&text);
        read(&Arc::from(Path::new("a.json")), &text, Format::Json);
    }
}
