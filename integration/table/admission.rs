//! `integration/admission`: what claims say of an object, to the translator and to the table, each for itself.
//! `integration/cluster/admission.sh` asks the API server the same.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use paifang::api::Kind;
use paifang::api::policy::Mode;
use paifang::api::policy::gateway_parameters::Claims;
use paifang::ir::Ir;
use paifang::snapshot::{Object, Snapshot};
use paifang::source::{Change, folder};
use paifang::table::{Query, Table};
use paifang::translate::{Translation, translate};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/integration/admission");

/// One object, and what is right of it.
struct Vector {
    name: String,
    kind: String,
    says: Value,
    text: String,
}

impl Vector {
    fn all() -> Vec<Self> {
        let text = std::fs::read_to_string(Path::new(FOLDER).join("vectors.yaml")).unwrap();
        let vectors = text.split("\n---\n").skip(1).map(|text| {
            let object: Value = serde_saphyr::from_str(text).unwrap();
            let (kind, metadata) = (object["kind"].as_str().unwrap().to_owned(), &object["metadata"]);
            let says = metadata["annotations"].clone();
            Self { name: metadata["name"].as_str().unwrap().to_owned(), kind, says, text: text.to_owned() }
        });
        vectors.collect()
    }

    fn says(&self, what: &str) -> &str {
        self.says[what].as_str().unwrap_or_default()
    }

    /// The object, unless it is refused whatever is claimed.
    fn object(&self) -> Option<Object> {
        let (changes, _) = folder::parse(Path::new(&self.name), &self.text);
        changes.into_iter().find_map(|change| match change {
            Change::Put(object) if object.reference().key.name.as_ref() == self.name => Some(object),
            _ => None,
        })
    }

    /// Requests of an annotation, as host and path.
    fn requests(&self, what: &str) -> Vec<(&str, &str)> {
        self.says(what).split_whitespace().map(|it| it.split_at(it.find('/').unwrap())).collect()
    }
}

fn world() -> Snapshot {
    let loaded = folder::load(&Path::new(FOLDER).join("world")).unwrap();
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    let mut snapshot = Snapshot::default();
    for change in loaded.changes {
        if let Change::Put(object) = change {
            snapshot.put(object);
        }
    }
    snapshot
}

/// The world with every Tenant in one mode.
fn all_in(mode: &Mode, mut snapshot: Snapshot) -> Snapshot {
    for (_, tenant) in snapshot.tenants.clone().iter() {
        let mut tenant = (**tenant).clone();
        tenant.spec.mode = mode.clone();
        snapshot.put(Object::Tenant(Arc::new(tenant)));
    }
    snapshot
}

/// The verdict of a status, and its messages.
fn verdict(translation: &Translation, vector: &Vector) -> (&'static str, String) {
    let mut statuses = translation.statuses.iter().filter(|(object, _)| object.key.name.as_ref() == vector.name);
    let Some((object, status)) = statuses.next() else { return ("permitted", String::new()) };
    let status = serde_json::to_value(&**status).unwrap();
    let places = status[if object.kind == Kind::Gateway { "listeners" } else { "parents" }].as_array().unwrap();
    let refusal = |place: &Value, kind: &str| {
        let mut conditions = place["conditions"].as_array().unwrap().iter();
        let found = conditions.find(|it| it["type"] == kind && it["reason"] == "HostnameNotPermitted")?;
        Some(found["message"].as_str().unwrap().to_owned())
    };
    let refused: Vec<_> = places.iter().filter_map(|place| refusal(place, "Accepted")).collect();
    let partly: Vec<_> = places.iter().filter_map(|place| refusal(place, "paifang.dev/HostnamePermitted")).collect();
    let enough = if object.kind == Kind::Gateway { 1 } else { places.len() };
    let said = match (refused.len(), partly.len()) {
        (0, 0) => "permitted",
        (refused, _) if refused >= enough => "refused",
        _ => "partly",
    };
    (said, [refused, partly].concat().join("; "))
}

fn with(mut snapshot: Snapshot, object: &Object) -> Snapshot {
    snapshot.put(object.clone());
    snapshot
}

#[test]
fn the_translator_says_what_the_vectors_say() {
    let (world, all_enforced) = (world(), all_in(&Mode::Enforce, world()));
    let mut wrong = Vec::new();
    for vector in Vector::all() {
        let name = &vector.name;
        let Some(object) = vector.object() else {
            if vector.says("verdict") != "invalid" {
                wrong.push(format!("{name} is invalid"));
            }
            continue;
        };
        let (said, message) = verdict(&translate(&with(world.clone(), &object)), &vector);
        let owner = match vector.says("by") {
            "nobody" => "nobody claims".to_owned(),
            owner => format!("is claimed by Tenant '{owner}'"),
        };
        if said != vector.says("verdict") || (said == "refused" && !message.contains(&owner)) {
            wrong.push(format!("{name}: {said} {message}"));
        }
        if !vector.says("shadow").is_empty() {
            let (said, message) = verdict(&translate(&with(all_enforced.clone(), &object)), &vector);
            let owner = format!("is claimed by Tenant '{}'", vector.says("shadow"));
            if said != "refused" || !message.contains(&owner) {
                wrong.push(format!("{name}, without Shadow: {said} {message}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What would be served if the translator had refused nothing, with everything that is claimed.
fn without_statuses(snapshot: &Snapshot) -> Ir {
    let real = translate(snapshot).ir;
    let mut lenient = all_in(&Mode::Shadow, snapshot.clone());
    for (_, parameters) in snapshot.gateway_parameters.iter() {
        let mut parameters = (**parameters).clone();
        parameters.spec.claims = Claims::Optional;
        lenient.put(Object::GatewayParameters(Arc::new(parameters)));
    }
    let mut ir = Ir::clone(&translate(&lenient).ir);
    for listener in &mut ir.listeners {
        let strict = real.listeners.iter().find(|it| (&it.gateway, &it.name) == (&listener.gateway, &listener.name));
        Arc::make_mut(listener).claims_required = strict.is_some_and(|listener| listener.claims_required);
    }
    Ir { claims: real.claims, ..ir }
}

#[test]
fn the_table_serves_what_the_vectors_say_whatever_the_status() {
    let world = world();
    let mut wrong = Vec::new();
    for vector in Vector::all() {
        let Some(object) = vector.object() else { continue };
        let table = Table::compile(&without_statuses(&with(world.clone(), &object)), None);
        let headers = match vector.kind.as_str() {
            "GRPCRoute" => {
                HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))])
            }
            _ => HeaderMap::new(),
        };
        let served = |(host, path)| {
            let query = Query { host, path, query: None, method: "POST", headers: &headers };
            let found = table.listeners.iter().map(|listener| {
                let (found, own) = (listener.find(&query), |route: String| route.ends_with(&vector.name));
                let hit = found.hit.is_some_and(|hit| own(hit.rule.id.route.to_string()));
                (hit, found.refused.is_some_and(|rule| own(rule.id.route.to_string())))
            });
            found.fold((false, false), |all, one| (all.0 | one.0, all.1 | one.1))
        };
        let (keeps, loses) = (vector.requests("keeps"), vector.requests("loses"));
        let told = |request: &(&str, &str), what| format!("{}: {}{} {what}", vector.name, request.0, request.1);
        wrong.extend(keeps.iter().filter(|it| !served(**it).0).map(|it| told(it, "is not served")));
        wrong.extend(loses.iter().filter(|it| served(**it) != (false, true)).map(|it| told(it, "is not passed over")));
        let asks = vector.kind != "Gateway" && ["refused", "partly"].contains(&vector.says("verdict"));
        if asks && keeps.is_empty() && loses.is_empty() {
            wrong.push(format!("{}: no request", vector.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A listener that is refused is not in the table.
#[test]
fn the_table_has_no_refused_listener() {
    let world = world();
    for vector in Vector::all().iter().filter(|vector| vector.kind == "Gateway") {
        let ir = translate(&with(world.clone(), &vector.object().unwrap())).ir;
        let here = ir.listeners.iter().filter(|listener| listener.gateway.name.as_ref() == vector.name);
        let foreign = vector.text.contains("admission-other");
        let written = vector.text.matches("port:").count();
        let open = if foreign { 0 } else { written - usize::from(vector.says("verdict") == "refused") };
        assert_eq!(here.count(), open, "{}", vector.name);
    }
}

#[test]
fn there_are_vectors_of_each_sort() {
    let vectors = Vector::all();
    let mut names: Vec<_> = vectors.iter().map(|vector| &vector.name).collect();
    names.dedup();
    assert_eq!(names.len(), vectors.len(), "names are told apart");
    for (what, value, least) in [
        ("verdict", "permitted", 20),
        ("verdict", "partly", 15),
        ("verdict", "refused", 30),
        ("verdict", "invalid", 3),
        ("by", "nobody", 2),
        ("shadow", "dark", 3),
        ("apiserver", "permitted", 4),
    ] {
        let count = vectors.iter().filter(|vector| vector.says(what) == value).count();
        assert!(count >= least, "{count} with {what}: {value}");
    }
}
