//! A Prometheus of a test, and the questions it is asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::child::Process;
use crate::client::DEADLINE;
use crate::place;

/// What looks at itself in an empty folder, every second.
const CONFIG: &str = "
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: [RULES]
scrape_configs: [{ job_name: paifang, static_configs: [{ targets: ['TARGET'] }] }]
";

/// A server, ended when it is dropped.
pub struct Prometheus {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes one target and loads rules.
    pub fn start(target: SocketAddr, rules: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = CONFIG.replace("TARGET", &target.to_string()).replace("RULES", rules.to_str().unwrap());
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        // nobody else uses this address, so the port is still free when the server takes it
        let address = TcpListener::bind((place::address(), 0)).unwrap().local_addr().unwrap();
        let mut command = program("PROMETHEUS", "prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]).current_dir(folder.path());
        command.arg(format!("--web.listen-address={address}")).stdin(Stdio::null());
        let mut process = Process::start(command);
        process.wait_for_line(&["Server is ready to receive web requests"]);
        Self { address, _process: process, _folder: folder }
    }

    /// The samples that a query has now, with their labels: those that are numbers.
    pub fn query(&self, query: &str) -> Result<Vec<(Value, f64)>, String> {
        let answer = self.get("query", &[("query", query)])?;
        let (kind, result) = (&answer["resultType"], &answer["result"]);
        let samples = match kind.as_str().unwrap() {
            "vector" => result.as_array().unwrap().iter().map(|one| (one["metric"].clone(), &one["value"])).collect(),
            "scalar" => vec![(Value::Null, result)],
            _ => return Err(format!("{kind} is nothing to draw")),
        };
        let number = |value: &Value| value[1].as_str().unwrap().parse::<f64>().unwrap();
        let numbers = samples.into_iter().map(|(labels, value)| (labels, number(value)));
        Ok(numbers.filter(|(_, value)| !value.is_nan()).collect())
    }

    /// The `data` of an answer of the API, or the error in it.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let path = format!("/api/v1/{path}?{}", parameters.join("&"));
        let mut stream = TcpStream::connect_timeout(&self.address, DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // by HTTP/1.0 the answer has no chunks
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut body: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {answer}"))?;
        match body["status"].as_str() {
            Some("success") => Ok(body["data"].take()),
            _ => Err(body["error"].to_string()),
        }
    }
}

fn escape(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// A program of Prometheus, which a variable may name.
fn program(variable: &str, name: &str) -> Command {
    let name = std::env::var(variable).unwrap_or_else(|_| name.to_owned());
    let version = Command::new(&name).arg("--version").output();
    version.unwrap_or_else(|error| panic!("{name}: {error}: these tests need Prometheus (.ci/run installs it)"));
    Command::new(name)
}

/// Calls promtool in the repository; it must be content.
#[track_caller]
pub fn promtool(arguments: &[&str]) {
    let mut command = program("PROMTOOL", "promtool");
    let Output { status, stdout, stderr } =
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(status.success(), "promtool {arguments:?}:\n{}{}", text(&stdout), text(&stderr));
}
