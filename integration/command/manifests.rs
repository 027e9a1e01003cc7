//! Folders of manifests to run on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder of its own with these files.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The quick start.
pub fn quickstart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/quickstart")
}

/// Two teams with claims.
pub fn tenants() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/tenants")
}

/// A copy of the quick start, to be changed.
pub fn copy_of_quickstart() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&quickstart(), folder.path());
    folder
}

pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Changes a file as an editor does: whole, under another name first.
pub fn edit(file: &Path, change: impl Fn(&str) -> String) {
    let before = std::fs::read_to_string(file).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "the edit changes nothing");
    let temporary = file.with_extension("new");
    std::fs::write(&temporary, after).unwrap();
    std::fs::rename(temporary, file).unwrap();
}

/// The class and one Gateway with a listener on port 8080.
pub const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: paifang }
spec: { controllerName: paifang.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front, namespace: team }
spec:
  gatewayClassName: paifang
  listeners: [{ name: http, protocol: HTTP, port: 8080 }]
";

/// A route for everything and its Service, with this annotation for its backends.
pub fn route(annotation: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata:
  name: app
  namespace: team
  annotations: {{ {annotation} }}
spec: {{ ports: [{{ port: 80 }}] }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: app, namespace: team }}
spec:
  parentRefs: [{{ name: front }}]
  rules: [{{ backendRefs: [{{ name: app, port: 80 }}] }}]
"
    )
}

/// A backend that answers when the test says so.
pub struct Backend {
    listener: TcpListener,
}

impl Backend {
    pub fn listen(address: IpAddr) -> Self {
        Self { listener: TcpListener::bind((address, 0)).unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Waits for a request: it is in flight when this returns.
    pub fn request(&self) -> Request {
        let (stream, _) = self.listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        Request { stream }
    }
}

/// A request that waits for its answer.
pub struct Request {
    stream: TcpStream,
}

impl Request {
    pub fn answer(mut self, body: &str) {
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        self.stream.write_all(answer.as_bytes()).unwrap();
    }
}
