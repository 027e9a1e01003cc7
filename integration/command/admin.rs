//! The admin server, whatever the folder is like.

use std::fmt::Write as _;
use std::path::Path;

use crate::child::{Gateway, call};
use crate::manifests::{GATEWAY, folder, route};
use crate::redis::Redis;
use crate::{client, place};

#[test]
fn the_dump_shows_no_credential() {
    let edit = "requestHeaderModifier: { set: [{ name: Authorization, value: Bearer hunter2 }], \
                add: [{ name: x-api-key, value: hunter3 }] }";
    let filters = format!("filters: [{{ type: RequestHeaderModifier, {edit} }}], ");
    let names = ["authorization", "cookie"].map(|name| format!("{{ name: {name}, value: hunter4 }}"));
    let matches = format!("matches: [{{ headers: [{}] }}], backendRefs", names.join(", "));
    let route = route("paifang.dev/echo: \"1\"").replace("backendRefs", &(filters + &matches));
    let folder = folder(&[("gateway.yaml", GATEWAY), ("route.yaml", &route)]);
    let gateway = Gateway::run(folder.path(), None);
    let dump = gateway.admin("/config_dump").body;
    assert!(dump.contains("requestHeaders") && dump.contains("header authorization"), "{dump}");
    assert!(!dump.contains("hunter"), "{dump}");
}

/// Routes to Services that are not there, all in one file.
fn broken(count: usize) -> String {
    let (_, route) = route("a: b").split_once("---").map(|(_, route)| ((), route.to_owned())).unwrap();
    let mut text = String::new();
    for n in 0..count {
        write!(text, "---{}", route.replace("name: app, namespace", &format!("name: app-{n}, namespace"))).unwrap();
    }
    text
}

#[test]
fn thousands_of_problems_are_counted_and_not_all_said() {
    let folder = folder(&[("gateway.yaml", GATEWAY), ("broken.yaml", &broken(2000))]);
    let mut gateway = Gateway::run(folder.path(), None);
    gateway.process.wait_for_line(&["and 1900 more: see /config_dump"]);
    gateway.process.signal("TERM");
    assert_eq!(gateway.process.end(), Some(0));
    assert_eq!(gateway.process.lines_with(&["error: HTTPRoute team/app-"]), 100);
}

#[test]
fn each_of_many_problems_in_one_file_has_its_own_line() {
    let folder = folder(&[("gateway.yaml", GATEWAY), ("broken.yaml", &broken(300))]);
    let (code, text, _) = call(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    for n in 0..300 {
        let place = format!("broken.yaml:{}:", 7 + 7 * n);
        let line = text.lines().find(|line| line.contains(&format!("HTTPRoute team/app-{n}: "))).expect(&text);
        assert!(line.contains(&place), "{place} is not in: {line}");
    }
}

/// So much that even the fastest machine is not through when the first questions come.
fn large() -> String {
    let mut text = String::new();
    for n in 0..100_000 {
        let object = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: c-N, namespace: team }\ndata: { a: b }\n";
        text.push_str(&object.replace("c-N", &format!("c-{n}")));
    }
    text
}

#[test]
fn the_admin_server_answers_while_the_folder_is_read() {
    let large = large();
    let folder = folder(&[("a.yaml", &large), ("b.yaml", &large), ("c.yaml", &large), ("d.yaml", &large)]);
    let mut gateway = Gateway::start(place::address(), folder.path(), None);
    gateway.process.wait_for_line(&["admin server listening"]);
    assert_eq!(gateway.admin("/livez").status, 200);
    let ready = gateway.admin("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("not been read completely"), "{}", ready.body);
    assert_eq!(gateway.admin("/config_dump").status, 503);
    gateway.process.signal("TERM");
    assert_eq!(gateway.process.end(), Some(0), "nothing was served, so nothing is given up");
}

#[test]
fn a_request_is_explained_on_the_admin_server() {
    let folder = folder(&[("gateway.yaml", GATEWAY), ("route.yaml", &route("paifang.dev/echo: \"1\""))]);
    let gateway = Gateway::run(folder.path(), None);
    let answer = gateway.admin("/explain?method=POST&header=x-a:b&url=http://app.example.com:8080/cart%3Fx=1");
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("POST app.example.com/cart\n\nGateway team/front, listener "), "{}", answer.body);
    let answer = gateway.admin("/explain?output=json&url=http://app.example.com/");
    let explanation: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &explanation["gateways"]), (404, &serde_json::json!([])), "nobody listens on 80");
    let answer = gateway.admin("/explain?url=http://app.example.com/?a=1&b=2");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("write & in a URL as %26"), "{}", answer.body);
}

const LIMITS: &str = "
apiVersion: paifang.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: slow, namespace: team }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: app }]
  limits:
    hourly: { rate: { requests: 5, per: 1h }, scope: Route, counting: PerReplica }
    clients: { rate: { requests: 5, per: 1h }, key: [{ type: ClientIP }], scope: Route, counting: PerReplica }
    together: { rate: { requests: 5, per: 1h }, key: [{ type: Header, name: x-a }], scope: Route, counting: Global }
    flight: { concurrency: 5, scope: Route, counting: PerReplica }
";

/// The line of a limit, for a request of this client if one is named.
fn explained(gateway: &Gateway, limit: &str, more: &str) -> String {
    let text = gateway.admin(&format!("/explain?url=http://app.example.com:8080/{more}")).body;
    let line = text.lines().find(|line| line.contains(&format!("limit {limit} ")));
    line.unwrap_or_else(|| panic!("no {limit}: {text}")).to_owned()
}

fn limited(config: Option<&Path>) -> Gateway {
    let files = [("gateway.yaml", GATEWAY), ("policy.yaml", LIMITS), ("route.yaml", &route("paifang.dev/echo: \"1\""))];
    Gateway::run(folder(&files).path(), config)
}

#[test]
fn an_explanation_says_what_a_limit_has_left() {
    let gateway = limited(None);
    for _ in 0..2 {
        assert_eq!(gateway.get("app.example.com", "/").status, 200);
    }
    // places are given back when the answers are sent already
    client::until("no request in flight", || explained(&gateway, "flight", ""), |line| line.ends_with("; 5 left here"));
    // what the system takes for a connection to any address of its loopback
    let own = "&client-ip=127.0.0.1";
    // twice: nothing is taken
    for _ in 0..2 {
        assert!(explained(&gateway, "hourly", "").ends_with("; 3 left here"));
        assert!(explained(&gateway, "flight", "").ends_with("; 5 left here"));
        let line = explained(&gateway, "clients", "");
        assert!(line.ends_with("; what is left depends on the client: say its address (--client-ip)"), "{line}");
        assert!(explained(&gateway, "clients", own).ends_with("; 3 left here"));
        assert!(explained(&gateway, "clients", "&client-ip=192.0.2.7").ends_with("; 5 left here"));
        let line = explained(&gateway, "together", "");
        assert!(line.ends_with("; 3 left here; the store cannot be asked, so each replica counts its part"), "{line}");
    }
    let answer = gateway.admin("/explain?url=http://app.example.com:8080/&client-ip=here");
    assert_eq!((answer.status, answer.body.contains("'here' is no IP address")), (400, true), "{}", answer.body);
}

#[test]
fn an_explanation_asks_the_store_without_taking_from_it() {
    let mut redis = Redis::start();
    let settings = tempfile::NamedTempFile::new().unwrap();
    let store = format!("limits: {{ store: {{ address: {}, deadline: 1s }} }}\n", redis.settings().address);
    std::fs::write(settings.path(), store).unwrap();
    let gateway = limited(Some(settings.path()));
    let until = |what, end: &str| {
        client::until(what, || explained(&gateway, "together", "&header=x-a:b"), |line| line.ends_with(end));
    };
    until("the store is connected", "counted by all replicas together; 5 left");
    assert_eq!(gateway.get("app.example.com", "/").status, 200);
    for _ in 0..2 {
        assert!(explained(&gateway, "together", "&header=x-a:b").ends_with("together; 5 left"), "another key");
        assert!(explained(&gateway, "together", "").ends_with("together; 4 left"));
    }
    redis.stop();
    until("the store is gone", "; 5 left here; the store cannot be asked, so each replica counts its part");
    redis.start_again();
    until("the store is back", "counted by all replicas together; 5 left");
}
