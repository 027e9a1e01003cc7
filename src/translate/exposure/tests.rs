use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::api::Kind;
use crate::snapshot::{AddressRange, Facts, Object, ServiceExposure, ServiceType, TrafficPolicy};
use crate::translate::testing::{class, condition, snapshot, status_of};
use crate::translate::{Translation, translate};

fn edge(name: &str, uid: &str, spec: Value) -> Value {
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
    let mut gateway = json!({"kind": "Gateway", "metadata": {"name": name, "uid": uid, "generation": 3},
        "spec": {"gatewayClassName": "paifang", "listeners": listeners}});
    for (field, value) in spec.as_object().unwrap() {
        gateway["spec"][field] = value.clone();
    }
    gateway
}

fn services(kind: ServiceType) -> Exposure {
    let bind = IpAddr::from([0, 0, 0, 0]);
    Exposure::Service(ServiceExposure { kind, traffic_policy: TrafficPolicy::Local, ports: 10_000..=10_009, bind })
}

fn world(exposure: Exposure, manifests: impl IntoIterator<Item = Value>) -> Snapshot {
    let mut world = snapshot([class()].into_iter().chain(manifests));
    world.facts = Arc::new(Facts { exposure, ..Facts::default() });
    world
}

/// What a provisioner and a load balancer would make of a translation.
fn provision(world: &mut Snapshot, translation: &Translation, give: impl Fn(&GatewayService) -> Option<IpAddr>) {
    world.services.clear();
    for (key, service) in &translation.services {
        let ports: Vec<_> = service
            .ports
            .iter()
            .map(|it| json!({"name": it.name, "port": it.port, "targetPort": it.pod_port}))
            .collect();
        let ingress: Vec<_> = give(service).into_iter().map(|ip| json!({"ip": ip})).collect();
        let owner = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "controller": true,
            "name": service.gateway.name, "uid": service.gateway_uid});
        let made = json!({"metadata": {"namespace": key.namespace, "name": key.name, "labels": service.labels,
                "ownerReferences": [owner]},
            "spec": {"type": service.kind, "ports": ports, "clusterIPs": ["10.96.0.7"]},
            "status": {"loadBalancer": {"ingress": ingress}}});
        world.put(Object::from_json(Kind::Service, &made).unwrap());
    }
}

fn programmed(translation: &Translation, gateway: &str) -> (String, String) {
    let status = status_of(translation, gateway);
    let (status, reason, _) = condition(&status["conditions"], "Programmed");
    (status.to_owned(), reason.to_owned())
}

#[test]
fn the_wildcard_address_is_no_address_to_be_reached_at() {
    let of = |address: [u8; 4]| {
        let translation = translate(&world(Exposure::Host(IpAddr::from(address)), [edge("gw", "1", json!({}))]));
        let status = status_of(&translation, "Gateway default/gw");
        let (verdict, ..) = condition(&status["conditions"], "Programmed");
        let conditions = status["conditions"].as_array().unwrap();
        let programmed = conditions.iter().find(|it| it["type"] == "Programmed").unwrap();
        let message = programmed["message"].as_str().unwrap().to_owned();
        (status["addresses"].clone(), verdict.to_owned(), message)
    };
    let (addresses, verdict, message) = of([0, 0, 0, 0]);
    assert_eq!((addresses.as_array().map_or(0, Vec::len), &*verdict), (0, "True"), "{addresses}");
    assert!(message.ends_with("on every address of their machines: which these are is not known here"), "{message}");
    let (addresses, _, message) = of([192, 0, 2, 1]);
    assert_eq!((&addresses[0]["value"], &*message), (&json!("192.0.2.1"), "1 of 1 listeners serve"));
}

fn fixed(_: &GatewayService) -> Option<IpAddr> {
    Some(IpAddr::from([10, 97, 0, 10]))
}

#[test]
fn a_gateway_gets_a_service_and_serves_where_it_records() {
    let infrastructure = json!({"infrastructure": {"labels": {"team": "a"}, "annotations": {"lb": "x"}}});
    let mut world = world(services(ServiceType::LoadBalancer), [edge("gw", "u1", infrastructure)]);
    let first = translate(&world);
    assert!(first.ir.listeners.is_empty(), "nothing listens before the port is recorded");
    assert_eq!(programmed(&first, "Gateway default/gw"), ("False".into(), "AddressNotAssigned".into()));
    assert!(first.problems.is_empty(), "waiting is nobody's mistake");
    let service = &first.services[&ObjectKey::new("default", "gw-paifang")];
    assert_eq!(service.labels["team"], "a");
    assert_eq!(service.labels[GATEWAY_NAME_LABEL], "gw");
    assert_eq!(service.annotations["lb"], "x");
    assert_eq!((service.kind, service.traffic_policy), ("LoadBalancer", "Local"));

    provision(&mut world, &first, |_| None);
    let second = translate(&world);
    assert_eq!(second.services, first.services, "what is recorded stays");
    let pod_port = service.ports[0].pod_port;
    assert_eq!(second.ir.listeners[0].sockets[0].to_string(), format!("0.0.0.0:{pod_port}"));
    assert_eq!(second.ir.listeners[0].port, 80);
    assert_eq!(programmed(&second, "Gateway default/gw").1, "AddressNotAssigned");

    provision(&mut world, &first, fixed);
    let third = translate(&world);
    assert_eq!(programmed(&third, "Gateway default/gw"), ("True".into(), "Programmed".into()));
    let addresses = status_of(&third, "Gateway default/gw")["addresses"].clone();
    assert_eq!(addresses, json!([{"type": "IPAddress", "value": "10.97.0.10"}]));
}

#[test]
fn gateways_of_one_port_never_share_a_pod_port_and_a_newcomer_moves_nobody() {
    let gateways = |names: &[&str]| names.iter().map(|name| edge(name, name, json!({}))).collect::<Vec<_>>();
    let mut many = world(services(ServiceType::ClusterIP), gateways(&["b", "c", "d", "e", "f", "g", "h", "i"]));
    let first = translate(&many);
    let pods = |translation: &Translation| {
        translation.services.iter().map(|(key, it)| (key.clone(), it.ports[0].pod_port)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(pods(&first).values().collect::<BTreeSet<_>>().len(), 8);
    provision(&mut many, &first, |_| None);
    let mut more = world(services(ServiceType::ClusterIP), gateways(&["a", "b", "c", "d", "e", "f", "g", "h", "i"]));
    more.services = many.services;
    let after = pods(&translate(&more));
    assert!(pods(&first).iter().all(|(key, port)| after[key] == *port));
    assert_eq!(after.values().collect::<BTreeSet<_>>().len(), 9);
}

#[test]
fn a_pod_port_that_two_record_stays_with_the_older() {
    let mut world = world(services(ServiceType::ClusterIP), [edge("a", "a", json!({})), edge("b", "b", json!({}))]);
    let mut first = translate(&world);
    for service in first.services.values_mut() {
        Arc::make_mut(service).ports[0].pod_port = 10_005;
    }
    provision(&mut world, &first, |_| None);
    let translation = translate(&world);
    let served: Vec<_> = translation.ir.listeners.iter().map(|it| it.gateway.to_string()).collect();
    assert_eq!(served, ["default/a"]);
    assert_ne!(translation.services[&ObjectKey::new("default", "b-paifang")].ports[0].pod_port, 10_005);
}

/// Conformance: GatewayStaticAddresses.
#[test]
fn each_address_asked_for_has_a_service_and_all_must_be_given() {
    let usable: IpAddr = "10.97.0.200".parse().unwrap();
    let give = |service: &GatewayService| service.load_balancer_ip.filter(|ip| *ip == usable);
    let run = |addresses: Value| {
        let mut world = world(services(ServiceType::LoadBalancer), [edge("gw", "u", json!({"addresses": addresses}))]);
        let first = translate(&world);
        provision(&mut world, &first, give);
        translate(&world)
    };
    let both = run(json!([{"value": "10.98.0.1"}, {"value": "10.97.0.200"}]));
    assert_eq!(both.services.len(), 2);
    assert_eq!(programmed(&both, "Gateway default/gw"), ("False".into(), "AddressNotUsable".into()));
    let one = run(json!([{"value": "10.97.0.200"}]));
    assert_eq!(programmed(&one, "Gateway default/gw"), ("True".into(), "Programmed".into()));
    let kept = one.services.keys().all(|key| both.services.contains_key(key));
    assert!(kept, "the Service of an address that stays is not replaced");
    let refused = run(json!([{"type": "test/fake", "value": "x"}, {"value": "10.97.0.200"}]));
    assert!(refused.services.is_empty(), "nothing is made for a Gateway that is not accepted");
    let status = status_of(&refused, "Gateway default/gw");
    assert_eq!(condition(&status["conditions"], "Accepted").1, "UnsupportedAddress");
}

#[test]
fn a_foreign_service_of_the_same_name_is_not_taken() {
    let foreign = json!({"kind": "Service", "metadata": {"name": "gw-paifang"}, "spec": {"ports": [{"port": 80, "targetPort": 22}]}});
    let translation = translate(&world(services(ServiceType::ClusterIP), [edge("gw", "u", json!({})), foreign]));
    assert!(translation.services.is_empty() && translation.ir.listeners.is_empty());
    assert!(translation.problems.get_min().unwrap().message.contains("was not made for this Gateway"));
    assert_eq!(programmed(&translation, "Gateway default/gw"), ("False".into(), "Invalid".into()));
}

/// Conformance: GatewayNameMaximumLength.
#[test]
fn the_longest_name_gets_a_service_and_its_conditions() {
    let name = "g".repeat(253);
    let mut world = world(services(ServiceType::LoadBalancer), [edge(&name, "u", json!({}))]);
    let first = translate(&world);
    provision(&mut world, &first, fixed);
    assert_eq!(programmed(&translate(&world), &format!("Gateway default/{name}")).0, "True");
}

#[test]
fn more_ports_than_pod_ports_are_told_so() {
    let listeners: Vec<_> =
        (1..=11).map(|port| json!({"name": format!("l{port}"), "port": port, "protocol": "HTTP"})).collect();
    let translation =
        translate(&world(services(ServiceType::ClusterIP), [edge("gw", "u", json!({"listeners": listeners}))]));
    assert_eq!(translation.services.values().next().unwrap().ports.len(), 10);
    assert_eq!(programmed(&translation, "Gateway default/gw").1, "NoResources");
}

fn pool() -> Exposure {
    let range = |first: [u8; 4], last: [u8; 4]| AddressRange { first: first.into(), last: last.into() };
    Exposure::AddressPool(vec![range([10, 0, 0, 1], [10, 0, 0, 2]), range([10, 0, 1, 9], [10, 0, 1, 9])])
}

fn addresses(translation: &Translation, gateway: &str) -> Vec<String> {
    let status = status_of(translation, gateway);
    status["addresses"].as_array().unwrap().iter().map(|it| it["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_gateway_takes_an_address_of_the_pool_until_none_is_left() {
    let asked = json!({"addresses": [{"value": "10.0.0.2"}]});
    let gateways =
        [edge("a", "a", json!({})), edge("b", "b", json!({})), edge("c", "c", json!({})), edge("z", "z", asked)];
    let translation = translate(&world(pool(), gateways));
    assert_eq!(addresses(&translation, "Gateway default/z"), ["10.0.0.2"], "who asks has it, though younger");
    let free: BTreeSet<_> =
        ["a", "b"].into_iter().flat_map(|name| addresses(&translation, &format!("Gateway default/{name}"))).collect();
    assert_eq!(free.into_iter().collect::<Vec<_>>(), ["10.0.0.1", "10.0.1.9"]);
    assert_eq!(programmed(&translation, "Gateway default/c"), ("False".into(), "AddressNotAssigned".into()));
}

#[test]
fn a_gateway_keeps_the_address_its_status_records() {
    let mut world = world(pool(), [edge("a", "a", json!({})), edge("b", "b", json!({}))]);
    let other = addresses(&translate(&world), "Gateway default/a");
    let other: IpAddr = other[0].parse().unwrap();
    let assigned = BTreeMap::from([(ObjectKey::new("default", "b"), vec![other])]);
    world.facts = Arc::new(Facts { assigned, ..(*world.facts).clone() });
    let translation = translate(&world);
    assert_eq!(addresses(&translation, "Gateway default/b"), [other.to_string()]);
    assert_ne!(addresses(&translation, "Gateway default/a"), [other.to_string()]);
}

#[test]
fn an_address_outside_the_pool_is_not_usable() {
    let asked = json!({"addresses": [{"value": "10.9.9.9"}]});
    let translation = translate(&world(pool(), [edge("a", "a", asked)]));
    assert_eq!(programmed(&translation, "Gateway default/a"), ("False".into(), "AddressNotUsable".into()));
}
