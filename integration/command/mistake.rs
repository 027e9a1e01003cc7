//! Mistakes that a user can make, and what the program says: what is wrong, where, what to do.

use std::net::{SocketAddr, TcpListener};

use crate::child::{Gateway, Process, call, paifang};
use crate::client::until;
use crate::manifests::{GATEWAY, folder, quickstart, route};
use crate::place;

/// A call of `run` that must fail at once; what it says.
fn refused(manifests: &str, more: &[&str]) -> String {
    let admin = SocketAddr::new(place::address(), 0).to_string();
    let (code, _, errors) = call(&[&["run", "--manifests", manifests, "--admin", &admin], more].concat());
    assert_eq!(code, Some(1), "{errors}");
    errors
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = folder(&[]);
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let words = ["there is no folder", missing, "check the path"];
    says(&refused(missing, &[]), &words);
    let (code, _, errors) = call(&["check", missing]);
    assert_eq!(code, Some(1));
    says(&errors, &words);
}

#[test]
fn a_file_in_place_of_a_folder_is_named() {
    says(&refused("README.md", &[]), &["README.md", "not a folder", "give the folder"]);
}

#[test]
fn a_folder_without_manifests_is_named() {
    let folder = folder(&[("notes.txt", "nothing")]);
    let path = folder.path().to_str().unwrap();
    says(&refused(path, &[]), &[path, "no manifests", "*.yaml"]);
}

#[test]
fn settings_are_refused_with_line_and_nearest_name() {
    let folder = folder(&[("settings", "threads: 2\nadmn: 127.0.0.1:1\ndrain:\n  timeout: soon\n")]);
    let settings = folder.path().join("settings");
    let settings = settings.to_str().unwrap();
    let errors = refused("conf/quickstart", &["--config", settings]);
    says(&errors, &[&format!("{settings}:2:1: "), "admn", "'admin'", &format!("{settings}:4:12: "), "soon"]);
    let missing = refused("conf/quickstart", &["--config", "missing.yaml"]);
    says(&missing, &["missing.yaml", "cannot be read"]);
}

#[test]
fn an_access_log_that_cannot_be_written_is_named() {
    let folder = folder(&[("settings", "accessLog: { file: /proc/none/access.log }")]);
    let settings = folder.path().join("settings");
    let errors = refused("conf/quickstart", &["--config", settings.to_str().unwrap()]);
    says(&errors, &["access log", "/proc/none/access.log"]);
}

#[test]
fn a_wrong_argument_is_named() {
    let (code, _, errors) = call(&["run", "--manifest", "conf/quickstart"]);
    assert_eq!(code, Some(2));
    says(&errors, &["--manifest", "--manifests"]);
    let (code, _, errors) = call(&["run", "--manifests", "conf/quickstart", "--admin", "8081"]);
    assert_eq!(code, Some(2));
    says(&errors, &["--admin", "8081"]);
}

#[test]
fn a_taken_admin_address_is_an_error_with_advice() {
    let taken = TcpListener::bind((place::address(), 0)).unwrap();
    let admin = taken.local_addr().unwrap().to_string();
    let (code, _, errors) = call(&["run", "--manifests", "conf/quickstart", "--admin", &admin]);
    assert_eq!(code, Some(1));
    says(&errors, &["admin address", &admin, "is taken", "--admin"]);
}

#[test]
fn a_taken_listener_port_is_a_problem_of_its_listener_until_it_is_free() {
    let address = place::address();
    let taken = TcpListener::bind((address, 8080)).unwrap();
    let folder = folder(&[("gateway.yaml", GATEWAY), ("route.yaml", &route("paifang.dev/echo: \"1\""))]);
    let mut gateway = Gateway::start(address, folder.path(), None);
    gateway.wait_until_ready();
    let line = gateway.process.wait_for_line(&["Gateway team/front", "PortUnavailable"]);
    says(&line, &["gateway.yaml:12:", &format!("{address}:8080"), "in use", "portMap"]);
    says(&gateway.admin("/config_dump").body, &["PortUnavailable"]);
    drop(taken);
    gateway.process.wait_for_line(&["listening", &format!("address={address}:8080")]);
    assert_eq!(gateway.get("any.example.com", "/").status, 200);
    until("the status", || gateway.admin("/config_dump").body, |dump| !dump.contains("PortUnavailable"));
}

/// 192.0.2.0/24 is for documentation (RFC 5737), so no machine has it.
#[test]
fn an_address_of_another_machine_is_a_problem_of_the_gateway() {
    let admin = SocketAddr::new(place::address(), 0).to_string();
    let mut command = paifang(&["run", "--bind", "192.0.2.1", "--admin", &admin, "--manifests"]);
    command.arg(quickstart());
    let mut process = Process::start(command);
    let line = process.wait_for_line(&["Gateway infra/front", "AddressNotUsable"]);
    says(&line, &["192.0.2.1", "not an address of this machine"]);
    assert!(process.is_running());
}

#[test]
fn an_admin_address_of_another_machine_is_an_error_with_advice() {
    let (code, _, errors) = call(&["run", "--manifests", "conf/quickstart", "--admin", "192.0.2.1:8081"]);
    assert_eq!(code, Some(1));
    says(&errors, &["192.0.2.1:8081", "not one of this machine's", "--admin"]);
}

#[test]
fn a_port_map_binds_other_ports_and_speaks_of_the_listeners() {
    let address = place::address();
    let folder = folder(&[
        ("gateway.yaml", &GATEWAY.replace("8080", "80")),
        ("route.yaml", &route("paifang.dev/echo: \"1\"")),
        (".settings", "portMap: { 80: 8080 }"),
    ]);
    let mut gateway = Gateway::start(address, folder.path(), Some(&folder.path().join(".settings")));
    gateway.wait_until_ready();
    gateway.process.wait_for_line(&[&format!("socket={address}:80 address={address}:8080")]);
    assert_eq!(gateway.get("any.example.com", "/").status, 200);
}
