//! Whatever happens in whatever order: when it is over, the store is what the server is.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    PutRoute(u8, u8),
    SpoilRoute(u8),
    DeleteRoute(u8),
    PutGateway(u8, u8),
    DeleteGateway(u8),
    PutSecret(u8, u8),
    DeleteSecret(u8),
    CloseWatches,
    Compact,
    Stop,
    GoOn,
    Fail(Kind, u16),
    Mend(Kind),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || prop_oneof![Just(Kind::HttpRoute), Just(Kind::Gateway), Just(Kind::Secret)];
    let code = prop_oneof![Just(401u16), Just(403), Just(404), Just(410), Just(422), Just(429), Just(500), Just(504)];
    prop_oneof![
        3 => (0..4u8, 0..4u8).prop_map(|(a, b)| Step::PutRoute(a, b)),
        1 => (0..4u8).prop_map(Step::SpoilRoute),
        2 => (0..4u8).prop_map(Step::DeleteRoute),
        3 => (0..3u8, 0..3u8).prop_map(|(a, b)| Step::PutGateway(a, b)),
        1 => (0..3u8).prop_map(Step::DeleteGateway),
        3 => (0..3u8, 0..4u8).prop_map(|(a, b)| Step::PutSecret(a, b)),
        1 => (0..3u8).prop_map(Step::DeleteSecret),
        2 => Just(Step::CloseWatches),
        1 => Just(Step::Compact),
        1 => Just(Step::Stop),
        1 => Just(Step::GoOn),
        2 => (kind(), code).prop_map(|(kind, code)| Step::Fail(kind, code)),
        2 => kind().prop_map(Step::Mend),
        3 => (0..40u8).prop_map(Step::Wait),
    ]
}

fn delete(server: &Server, kind: Kind, namespace: &str, name: &str) {
    if server.objects(kind).iter().any(|object| object["metadata"]["name"] == name) {
        server.delete(kind, namespace, name);
    }
}

async fn take(server: &Server, step: &Step) {
    match step {
        Step::PutRoute(name, host) => {
            server.put(Kind::HttpRoute, route(&format!("r{name}"), &format!("{host}.example")))
        }
        Step::SpoilRoute(name) => {
            let mut spoilt = route(&format!("r{name}"), "");
            spoilt["spec"]["rules"] = json!(7);
            server.put(Kind::HttpRoute, spoilt);
        }
        Step::DeleteRoute(name) => delete(server, Kind::HttpRoute, "shop", &format!("r{name}")),
        Step::PutGateway(name, secret) => {
            server.put(Kind::Gateway, gateway(&format!("g{name}"), &format!("s{secret}")));
        }
        Step::DeleteGateway(name) => delete(server, Kind::Gateway, "edge", &format!("g{name}")),
        Step::PutSecret(name, data) => {
            server.put(Kind::Secret, secret(&format!("s{name}"), ["YQ==", "Yg==", "Yw==", "ZA=="][usize::from(*data)]));
        }
        Step::DeleteSecret(name) => delete(server, Kind::Secret, "edge", &format!("s{name}")),
        Step::CloseWatches => server.close_watches(),
        Step::Compact => server.compact(),
        Step::Stop => server.stop(),
        Step::GoOn => server.go_on(),
        Step::Fail(kind, code) => server.fail(*kind, *code),
        Step::Mend(kind) => server.mend(*kind),
        Step::Wait(seconds) => tokio::time::sleep(Duration::from_secs((*seconds).into())).await,
    }
}

/// What the store must hold of a server that is well, as JSON without what is not kept.
fn expected(server: &Server) -> BTreeMap<ObjectRef, Value> {
    let mut expected = BTreeMap::new();
    let mut add = |kind: Kind, namespace: &str, object: &Value| {
        let name = object["metadata"]["name"].as_str().unwrap();
        let mut item = Object::from_json(kind, object).unwrap();
        (item.metadata_mut().managed_fields, item.metadata_mut().resource_version) = (None, None);
        expected.insert(reference(kind, namespace, name), json_of(&item));
    };
    let gateways = server.objects(Kind::Gateway);
    let uses =
        |gateway: &Value, name: &Value| gateway["spec"]["listeners"][0]["tls"]["certificateRefs"][0]["name"] == *name;
    for secret in server.objects(Kind::Secret) {
        if gateways.iter().any(|gateway| uses(gateway, &secret["metadata"]["name"])) {
            add(Kind::Secret, "edge", &secret);
        }
    }
    gateways.iter().for_each(|gateway| add(Kind::Gateway, "edge", gateway));
    server.objects(Kind::HttpRoute).iter().for_each(|route| add(Kind::HttpRoute, "shop", route));
    expected
}

fn json_of(object: &Object) -> Value {
    let mut text = Vec::new();
    object.to_json(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn held(snapshot: &Snapshot) -> BTreeMap<ObjectRef, Value> {
    let objects = Kind::ALL.iter().flat_map(|kind| snapshot.all(*kind));
    objects.map(|object| (object.reference(), json_of(&object))).collect()
}

/// A folder with a configuration that was true once, and a server that does not answer yet.
async fn leave_behind(server: &Server) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for name in 0..3 {
        for step in [Step::PutRoute(name, 0), Step::PutGateway(name, name), Step::PutSecret(name, 0)] {
            take(server, &step).await;
        }
    }
    let bed = Bed::start(server, Settings { state_dir: Some(place.path().to_owned()), ..Settings::default() });
    bed.until(|state| state.synced).await;
    bed.source.shutdown().await;
    server.stop();
    place
}

async fn survive(steps: &[Step], paged: bool, kept: bool) {
    let server = Server::default();
    if paged {
        server.refuse_streamed_lists();
    }
    let place = if kept { Some(leave_behind(&server).await) } else { None };
    let state_dir = place.as_ref().map(|place| place.path().to_owned());
    let bed = Bed::start(&server, Settings { state_dir, ..Settings::default() });
    for step in steps {
        take(&server, step).await;
    }
    for object in server.objects(Kind::HttpRoute) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        server.put(Kind::HttpRoute, route(&name, "last.example"));
    }
    Kind::ALL.into_iter().for_each(|kind| server.mend(kind));
    server.go_on();
    let expected = expected(&server);
    bed.until(|state| state.synced && !state.restored && held(&state.snapshot) == expected).await;
    bed.until_health(|health| health.trouble().is_none() && health.malformed.is_empty()).await;
    let noted: Vec<_> = expected.keys().filter(|object| object.kind != Kind::Secret).cloned().collect();
    // a kind that was forbidden may still be what was kept on disk, which happens to be right
    while bed.live.all() != noted {
        let changed = tokio::time::timeout(Duration::from_secs(900), bed.live.changed()).await;
        assert!(changed.is_ok(), "{:?} instead of {noted:?}", bed.live.all());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_ends_as_the_server_is(steps in prop::collection::vec(step(), 1..60), paged: bool, kept: bool) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(survive(&steps, paged, kept));
    }
}
