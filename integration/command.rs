//! The program as a user meets it: a child process, its folder, its settings and its messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "test code"
)]

#[path = "command/admin.rs"]
mod admin;
#[path = "command/admission.rs"]
mod admission;
#[path = "command/check.rs"]
mod check;
#[path = "command/child.rs"]
mod child;
#[path = "command/client.rs"]
mod client;
#[path = "command/crds.rs"]
mod crds;
#[path = "command/edit.rs"]
mod edit;
#[path = "command/end.rs"]
mod end;
#[path = "command/explain.rs"]
mod explain;
#[path = "command/guide.rs"]
mod guide;
#[path = "command/manifests.rs"]
mod manifests;
#[path = "command/mistake.rs"]
mod mistake;
#[path = "command/place.rs"]
mod place;
#[path = "command/readme.rs"]
mod readme;
#[path = "support/redis.rs"]
mod redis;

use child::{Process, call, paifang};

#[test]
fn the_version_is_printed() {
    let version = format!("paifang {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [["version"], ["--version"]] {
        assert_eq!(call(&arguments), (Some(0), version.clone(), String::new()));
    }
}

#[test]
fn help_shows_what_to_type_first() {
    let (code, help, _) = call(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("paifang run --manifests conf/quickstart"), "{help}");
    for command in ["run", "check", "echo", "crds", "admission", "version"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
    let (code, _, usage) = call(&[]);
    assert_eq!(code, Some(2), "a call without a command is wrong");
    assert!(usage.contains("paifang run --manifests conf/quickstart"), "{usage}");
}

#[test]
fn an_echo_backend_says_who_it_is_and_what_it_was_asked() {
    let listen = std::net::SocketAddr::new(place::address(), 0).to_string();
    let mut echo = Process::start(paifang(&["echo", "--listen", &listen, "--name", "me"]));
    let line = echo.wait_for_line(&["me listens on "]);
    let address = line.rsplit(' ').next().unwrap().parse().unwrap();
    let answer = client::get(address, "a.example.com", "/b?c").unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "me: GET a.example.com/b?c\n"));
    echo.signal("TERM");
    assert_eq!(echo.end(), Some(0));
}
