//! What README files promise.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::child::{Gateway, call};
use crate::manifests::{folder, quickstart, tenants};

/// A command of a `console` block and what its document says it prints.
pub struct Example {
    pub command: String,
    pub output: String,
}

pub fn examples(readme: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            _ if !inside => {}
            Some(command) => examples.push(Example { command: command.to_owned(), output: String::new() }),
            None => {
                let example = examples.last_mut().expect("a console block begins with a command");
                example.output.push_str(line);
                example.output.push('\n');
            }
        }
    }
    examples
}

/// Runs a command as it stands; only curl's connections go to another address.
fn run(command: &str, address: IpAddr) -> String {
    let home = folder(&[(".curlrc", &format!("connect-to = \"::{address}:\"\nmax-time = 20\n"))]);
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CURL_HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(127), "the examples need curl: install it");
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn read(document: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap()
}

/// Runs the commands of a document while a folder is served.
fn try_all(document: &str, least: usize, manifests: &Path) {
    let examples = examples(&read(document));
    assert!(examples.len() >= least, "only {} examples found", examples.len());
    let gateway = Gateway::run(manifests, None);
    for Example { command, output } in examples {
        assert!(command.starts_with("curl "), "{command}: only curl's connections can be led elsewhere");
        assert_eq!(run(&command, gateway.address), output, "{command}");
    }
}

#[test]
fn every_command_of_the_readme_prints_what_the_readme_says() {
    try_all("README.md", 9, &quickstart());
}

#[test]
fn every_command_for_the_tenants_prints_what_is_said() {
    try_all("conf/README.md", 9, &tenants());
}

#[test]
fn a_check_of_the_tenants_says_what_is_quoted() {
    let (code, text, errors) = call(&["check", "conf/tenants"]);
    assert_eq!((code, &*errors), (Some(1), ""), "{text}");
    let document = read("conf/README.md");
    let (_, quoted) = document.split_once("```text\n").unwrap();
    let (quoted, _) = quoted.split_once("```").unwrap();
    for line in quoted.lines() {
        assert!(text.lines().any(|printed| printed == line), "{line:?} is not printed:\n{text}");
    }
    assert!(text.ends_with("2 things are wrong\n"), "{text}");
}

#[test]
fn one_cart_in_ten_is_the_new_one() {
    let gateway = Gateway::run(&quickstart(), None);
    let new = |_: &i32| gateway.get("shop.example.com", "/cart").body.starts_with("shop/cart-v2:");
    assert_eq!((0..100).filter(new).count(), 10);
}

#[test]
fn nothing_is_wrong_with_the_quick_start() {
    let (code, text, errors) = call(&["check", "conf/quickstart"]);
    assert_eq!((code, &*errors), (Some(0), ""), "{text}");
    assert!(text.ends_with("nothing is wrong\n"), "{text}");
    assert!(!text.contains("False") && !text.contains("warning:"), "{text}");
}

#[test]
fn the_admin_server_lists_its_pages_and_each_answers() {
    let gateway = Gateway::run(&quickstart(), None);
    let index = gateway.admin("/").body;
    let pages: Vec<_> = index.lines().filter_map(|line| line.strip_prefix('/')?.split(' ').next()).collect();
    for page in ["livez", "readyz", "metrics", "config_dump"] {
        assert!(pages.contains(&page), "{index}");
    }
    for page in pages {
        assert_eq!(gateway.admin(&format!("/{page}")).status, 200, "{page}");
    }
    let dump: serde_json::Value = serde_json::from_str(&gateway.admin("/config_dump").body).unwrap();
    assert!(dump["statuses"]["HTTPRoute shop/storefront"].is_object(), "{dump}");
}
