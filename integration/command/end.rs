//! How the process ends: not ready first, then nothing new, then the last answer.

use std::path::Path;

use tempfile::TempDir;

use crate::child::Gateway;
use crate::client::{Client, until};
use crate::manifests::{Backend, GATEWAY, Request, folder, route};
use crate::place;

/// A gateway with one request in flight: its client waits, and so does its backend.
struct InFlight {
    gateway: Gateway,
    client: Client,
    request: Request,
    _folder: TempDir,
}

fn in_flight(settings: &str) -> InFlight {
    let address = place::address();
    let backend = Backend::listen(address);
    let annotation = format!("paifang.dev/endpoints: \"{}\"", backend.address());
    let folder = folder(&[("gateway.yaml", GATEWAY), ("route.yaml", &route(&annotation)), (".settings", settings)]);
    let settings: &Path = &folder.path().join(".settings");
    let mut gateway = Gateway::start(address, folder.path(), Some(settings));
    gateway.wait_until_ready();
    let mut client = Client::connect(gateway.http()).unwrap();
    client.send("any.example.com", "/").unwrap();
    let request = backend.request();
    InFlight { gateway, client, request, _folder: folder }
}

fn wait_until_draining(gateway: &Gateway) {
    let answer = until("draining", || gateway.admin("/readyz"), |answer| answer.status == 503);
    assert!(answer.body.contains("draining"), "{}", answer.body);
}

#[test]
fn sigterm_lets_requests_finish_and_then_ends_the_process() {
    let mut it = in_flight("");
    it.gateway.process.signal("TERM");
    wait_until_draining(&it.gateway);
    until("nothing new is taken", || Client::connect(it.gateway.http()).is_err(), |refused| *refused);
    assert!(it.gateway.process.is_running());
    it.request.answer("late");
    let answer = it.client.receive().unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "late"));
    assert_eq!(it.gateway.process.end(), Some(0), "well below the drain timeout of 30s");
}

#[test]
fn requests_are_still_taken_while_load_balancers_notice() {
    let mut it = in_flight("drain: { delay: 1s }");
    it.gateway.process.signal("INT");
    wait_until_draining(&it.gateway);
    assert!(Client::connect(it.gateway.http()).is_ok(), "the listener is open for the drain delay");
    it.request.answer("in time");
    assert_eq!(it.client.receive().unwrap().status, 200);
    assert_eq!(it.gateway.process.end(), Some(0));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut it = in_flight("");
    it.gateway.process.signal("TERM");
    wait_until_draining(&it.gateway);
    assert!(it.gateway.process.is_running());
    it.gateway.process.signal("TERM");
    assert_eq!(it.gateway.process.end(), Some(1), "not everything was answered");
    assert!(it.client.receive().is_err());
}

#[test]
fn what_is_not_answered_at_the_drain_limit_is_given_up() {
    let mut it = in_flight("drain: { timeout: 200ms }");
    it.gateway.process.signal("TERM");
    it.gateway.process.wait_for_line(&["still in flight at the drain limit"]);
    assert_eq!(it.gateway.process.end(), Some(1), "not everything was answered");
    assert!(it.client.receive().is_err());
}
