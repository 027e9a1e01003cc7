use serde_json::json;

use super::*;
use crate::api::{Kind, ObjectKey};

fn status(status: &str, message: &str) -> Value {
    json!({"listeners": [{"name": "a", "conditions": [
        {"type": "Programmed", "status": status, "reason": "R", "message": message},
        {"type": "Conflicted", "status": status, "reason": "R", "message": message}]}]})
}

#[test]
fn a_condition_that_turns_is_told_once() {
    let turned = turns(&status("True", ""), &status("False", "no port"));
    assert_eq!(turned.len(), 1, "Conflicted only says why");
    assert_eq!((turned[0].bad, &*turned[0].note), (true, "listener 'a': Programmed is False: no port"));
    assert!(turns(&status("False", "no port"), &status("False", "no port")).is_empty());
    assert!(turns(&status("False", "no port"), &status("False", "no address"))[0].bad);
    assert!(!turns(&status("False", "no port"), &status("True", "ok"))[0].bad);
    assert!(turns(&Value::Null, &status("True", "ok")).is_empty(), "what was well from the start is no news");
}

#[test]
fn what_is_pending_is_told_but_is_no_warning() {
    let pending = json!({"conditions": [
        {"type": "Programmed", "status": "False", "reason": "Pending", "message": "waiting for an address"}]});
    let turned = turns(&Value::Null, &pending);
    assert_eq!(turned.len(), 1);
    assert_eq!((turned[0].bad, &*turned[0].note), (false, "Programmed is False: waiting for an address"));
}

#[test]
fn conditions_of_other_controllers_are_theirs_to_tell() {
    let of = |controller: &str| {
        json!({"parents": [{"controllerName": controller, "parentRef": {"name": "gw", "namespace": "infra", "port": 80},
            "conditions": [{"type": "Accepted", "status": "False", "reason": "R", "message": "m"}]}]})
    };
    assert!(turns(&Value::Null, &of("other/one")).is_empty());
    let turned = turns(&Value::Null, &of(CONTROLLER_NAME));
    assert_eq!(turned[0].note, "parent 'infra/gw' port 80: Accepted is False: m");
}

#[test]
fn a_policy_that_is_refused_at_a_target_is_told_of_it() {
    let target =
        json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "cart", "sectionName": "pay"});
    let refused = json!({"ancestors": [{"controllerName": CONTROLLER_NAME, "ancestorRef": target,
        "conditions": [{"type": "Accepted", "status": "False", "reason": "TargetNotFound", "message": "m"}]}]});
    let turned = turns(&Value::Null, &refused);
    assert_eq!(turned[0].note, "HTTPRoute 'cart' section 'pay': Accepted is False: m");
}

#[test]
fn an_event_gets_a_name_that_the_api_server_takes() {
    let of = |gateway: &str| name(&ObjectRef::new(Kind::Gateway, ObjectKey::new("shop", gateway)));
    assert_eq!(of("gw"), "gw-", "a '.' at the end is refused");
    assert_eq!(
        of(&format!("{}.{}", "g".repeat(199), "h")),
        format!("{}-", "g".repeat(199)),
        "nor may it be before the '-'"
    );
}

#[test]
fn an_event_keeps_to_the_limits_of_the_api_server() {
    let turn = Turn { bad: true, reason: "R".to_owned(), note: "é".repeat(2000) };
    let gateway = ObjectRef::new(Kind::Gateway, ObjectKey::new("shop", "g".repeat(253)));
    let event = event(&gateway, "u", &turn, ("pod", Timestamp::UNIX_EPOCH));
    assert_eq!(event["note"].as_str().unwrap().len(), 1024);
    assert_eq!(event["metadata"]["generateName"], format!("{}-", "g".repeat(200)));
    assert_eq!(event["eventTime"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(event["regarding"]["apiVersion"], "gateway.networking.k8s.io/v1");
    let class = ObjectRef::new(Kind::GatewayClass, ObjectKey::new("", "c"));
    assert_eq!(super::event(&class, "u", &turn, ("pod", Timestamp::UNIX_EPOCH))["metadata"]["namespace"], "default");
}
