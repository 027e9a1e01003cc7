//! `deploy/`: what users install. Whether `install.yaml` is what the chart renders is told by
//! `deploy/render.sh --check`, where helm is.

use std::collections::BTreeSet;

use paifang::api::Kind;
use paifang::api::gateway::CONTROLLER_NAME;
use paifang::config::Config;
use serde_json::{Value, json};

use crate::files::read;

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every object of `deploy/install.yaml`.
fn manifests() -> Vec<Value> {
    serde_saphyr::from_multiple(&read("deploy/install.yaml")).unwrap()
}

/// The only object of a kind.
#[track_caller]
fn only(kind: &str) -> Value {
    let mut found: Vec<_> = manifests().into_iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

fn pod() -> Value {
    only("Deployment")["spec"]["template"].clone()
}

fn container() -> Value {
    pod()["spec"]["containers"][0].clone()
}

fn config() -> Config {
    Config::parse(only("ConfigMap")["data"]["paifang.yaml"].as_str().unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts(value: &Value) -> BTreeSet<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn rules() -> Vec<Value> {
    let roles = manifests().into_iter().filter(|object| object["kind"] == "ClusterRole" || object["kind"] == "Role");
    roles.flat_map(|role| list(&role["rules"]).to_vec()).collect()
}

#[test]
fn every_manifest_has_a_name_and_its_namespace() {
    let manifests = manifests();
    assert!(manifests.len() > 10, "{}", manifests.len());
    assert_eq!(manifests[0]["kind"], "Namespace", "the others need it");
    for object in &manifests {
        assert!(object["apiVersion"].is_string() && object["metadata"]["name"].is_string(), "{object}");
        let namespace = &object["metadata"]["namespace"];
        assert!(namespace.is_null() || *namespace == manifests[0]["metadata"]["name"], "{object}");
    }
}

#[test]
fn there_is_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(yaml("deploy/chart/Chart.yaml")["appVersion"], version);
    assert!(container()["image"].as_str().unwrap().ends_with(&format!("/paifang:{version}")));
    for document in ["README.md", "deploy/Dockerfile", "deploy/README.md"] {
        let text = read(document);
        let tags: Vec<_> =
            text.split("localhost/paifang:").skip(1).filter(|rest| rest.starts_with(char::is_numeric)).collect();
        assert!(
            !tags.is_empty() && tags.iter().all(|rest| rest.starts_with(version)),
            "{document} builds another version"
        );
    }
    assert!(read("deploy/Dockerfile").contains(&format!("image.version=\"{version}\"")));
}

#[test]
fn the_image_is_built_with_the_toolchain_of_this_repository() {
    let toolchain = read("rust-toolchain.toml");
    let minor = toolchain.split('"').nth(1).and_then(|channel| channel.rsplit_once('.')).unwrap().0;
    assert!(read("deploy/Dockerfile").contains(&format!("/rust:{minor}-")), "{minor}");
}

#[test]
fn documents_find_the_program_in_the_image() {
    // the base image has no shell, and /usr/bin in its PATH
    let (dockerfile, program) = (read("deploy/Dockerfile"), "/usr/bin/paifang");
    assert!(dockerfile.contains(&format!("/paifang {program}\n")), "{dockerfile}");
    assert!(dockerfile.contains(&format!("ENTRYPOINT [\"{program}\"]")), "{dockerfile}");
    assert!(read("integration/cluster/image.sh").contains(&format!("{program}=")), "the image of the tests is another");
}

#[test]
fn the_settings_fit_the_other_objects() {
    let (config, container) = (config(), container());
    assert_eq!(config.kubernetes.service, only("Service")["metadata"]["name"]);
    assert_eq!(config.admin.port(), container["ports"][0]["containerPort"]);
    assert!(config.admin.ip().is_unspecified() && config.bind.is_unspecified(), "a pod is reached by its own address");
    let leases = rules().into_iter().find(|rule| rule["resourceNames"].is_array()).unwrap();
    assert_eq!(texts(&leases["resourceNames"]), BTreeSet::from([&*config.kubernetes.lease.name]));
    let writable = list(&container["volumeMounts"]).iter().find(|mount| mount["readOnly"] != true).unwrap();
    assert_eq!(config.kubernetes.state_dir, writable["mountPath"]);
    let volume = list(&pod()["spec"]["volumes"]).iter().find(|it| it["name"] == writable["name"]).unwrap().clone();
    assert_eq!(volume["emptyDir"]["medium"], "Memory", "private keys go to no disk");
    assert_eq!(container["args"], json!(["run", "--config", "/etc/paifang/paifang.yaml"]));
}

#[test]
fn the_container_has_no_privilege() {
    let (pod, container) = (pod(), container());
    assert_eq!(list(&pod["spec"]["containers"]).len(), 1);
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod["spec"][shared].is_null(), "{shared}");
    }
    let want =
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(container["securityContext"], want);
    assert_eq!(only("ServiceAccount")["automountServiceAccountToken"], false);
    assert!(container["resources"]["requests"]["cpu"].is_string() && container["resources"]["limits"]["cpu"].is_null());
    let level = &only("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    assert_eq!(level, "restricted");
}

#[test]
fn a_pod_has_time_to_drain() {
    let (config, pod) = (config(), pod());
    let drain = config.drain.delay + config.drain.timeout;
    assert!(pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() >= drain.as_secs() + 5);
    assert!(config.drain.delay.as_secs() > 0, "load balancers must notice before listeners close");
    assert_eq!(only("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
}

#[test]
fn probes_and_services_lead_to_ports_and_pages_that_exist() {
    let container = container();
    let ports: Vec<_> = list(&container["ports"]).iter().map(|port| &port["name"]).collect();
    let pages = read("src/admin/answer.rs");
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["path"], path, "{probe}");
        assert!(pages.contains(&format!("\"{path}\" =>")), "{path}");
        assert!(ports.contains(&&get["port"]), "{probe}");
    }
    let service = only("Service");
    assert_eq!(service["spec"]["publishNotReadyAddresses"], false, "its endpoints are who serves");
    assert!(list(&service["spec"]["ports"]).iter().all(|port| ports.contains(&&port["targetPort"])));
}

#[test]
fn selectors_find_the_pods() {
    let labels = pod()["metadata"]["labels"].clone();
    let selectors = [
        only("Service")["spec"]["selector"].clone(),
        only("Deployment")["spec"]["selector"]["matchLabels"].clone(),
        only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"].clone(),
    ];
    for selector in selectors {
        assert!(
            !keys(&selector).is_empty() && keys(&selector).iter().all(|key| selector[key] == labels[key]),
            "{selector}"
        );
    }
}

#[test]
fn rights_are_named_one_by_one() {
    let risky = ["*", "escalate", "bind", "impersonate", "deletecollection"];
    for rule in rules() {
        for part in ["apiGroups", "resources", "verbs"] {
            assert!(texts(&rule[part]).iter().all(|word| !risky.contains(word)), "{rule}");
        }
        assert!(rule["nonResourceURLs"].is_null(), "{rule}");
    }
}

#[test]
fn every_kind_may_be_watched_and_statuses_only_patched() {
    let rules = rules();
    for kind in Kind::ALL {
        let (group, resource) = (kind.group(), kind.plural());
        let covers =
            |rule: &&Value| texts(&rule["apiGroups"]).contains(group) && texts(&rule["resources"]).contains(resource);
        let verbs: BTreeSet<_> = rules.iter().filter(covers).flat_map(|rule| texts(&rule["verbs"])).collect();
        assert!(verbs.contains("list") && verbs.contains("watch"), "{kind}: {verbs:?}");
    }
    let statuses =
        rules.iter().filter(|rule| texts(&rule["resources"]).iter().any(|resource| resource.ends_with("/status")));
    for rule in statuses {
        assert_eq!(texts(&rule["verbs"]), BTreeSet::from(["patch"]));
    }
}

#[test]
fn the_class_is_ours() {
    assert_eq!(only("GatewayClass")["spec"]["controllerName"], CONTROLLER_NAME);
}

#[test]
fn values_schema_and_table_name_the_same() {
    let schema: Value = serde_json::from_str(&read("deploy/chart/values.schema.json")).unwrap();
    let (values, readme) = (yaml("deploy/chart/values.yaml"), read("deploy/chart/README.md"));
    assert_eq!(schema["additionalProperties"], false);
    let mut known = keys(&schema["properties"]);
    assert!(known.remove("global"), "Helm gives every subchart this one");
    assert_eq!(keys(&values), known);
    for key in keys(&values) {
        assert!(readme.contains(&format!("`{key}`")) || readme.contains(&format!("`{key}.")), "README: {key}");
    }
    assert_eq!(keys(&schema["properties"]["config"]["properties"]), keys(&yaml("conf/paifang.yaml")));
}
