//! A Paifang of three tenants, of which one has every trouble, and their clients.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;

use crate::child::Gateway;
use crate::client::DEADLINE;
use crate::read;

/// Tenant and route that have a sample of everything.
pub const TENANT: &str = "shop";
pub const ROUTE: &str = "storefront";

/// Of one round's requests for routes of [`TENANT`] these are answered with 5xx.
pub const ERROR_RATIO: f64 = 1.0 / 3.0;

/// The other tenant's route, which every round changes.
const POSTS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: posts, namespace: blog }
spec:
  parentRefs: [{ name: front, namespace: infra }]
  hostnames: [posts.example.com]
  rules: [{ filters: [{ type: RequestRedirect, requestRedirect: { hostname: HOST } }] }]
";

/// Nobody listens where the store of limits should be.
const SETTINGS: &str = "limits: { store: { address: '127.0.0.1:1' } }";

pub struct Scene {
    gateway: Gateway,
    folder: TempDir,
    tls: Arc<ClientConfig>,
}

impl Scene {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        put("manifests.yaml", read("integration/observability/scene/manifests.yaml"));
        put("certificate.yaml", read("conf/quickstart/11-certificate.yaml"));
        put("posts.yaml", POSTS.replace("HOST", "first.example.com"));
        let settings = tempfile::tempdir().unwrap();
        let config = settings.path().join("paifang.yaml");
        std::fs::write(&config, SETTINGS).unwrap();
        let gateway = Gateway::run(folder.path(), Some(&config));
        assert_eq!(gateway.get("shop.example.com", "/limited").status, 200, "one request may pass");
        Self { gateway, folder, tls: Arc::new(trusting("conf/quickstart/ca.crt")) }
    }

    pub fn admin(&self) -> SocketAddr {
        SocketAddr::new(self.gateway.address, 8081)
    }

    /// One request of every kind, and one change of what is served.
    pub fn round(&self, n: usize) {
        let requests = [
            ("shop.example.com", "/", 200),
            ("shop.example.com", "/down", 503),
            ("shop.example.com", "/empty", 503),
            ("shop.example.com", "/broken", 500),
            // limited: here, and by a store that nobody reaches
            ("shop.example.com", "/limited", 429),
            ("shop.example.com", "/limited", 429),
            ("shop.example.com", "/global", 429),
            // claimed by another tenant: enforced, and in Shadow mode
            ("blog.example.com", "/", 404),
            ("pay.example.com", "/", 200),
            ("posts.example.com", "/", 302),
            ("nobody.example.org", "/", 404),
        ];
        for (host, path, code) in requests {
            assert_eq!(self.gateway.get(host, path).status, code, "{host}{path}");
        }
        assert!(self.get_by_tls("shop.example.com").starts_with("HTTP/1.1 200"));
        let (new, file) = (self.folder.path().join("new"), self.folder.path().join("posts.yaml"));
        std::fs::write(&new, POSTS.replace("HOST", &format!("n{n}.example.com"))).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    fn get_by_tls(&self, host: &'static str) -> String {
        let mut connection = ClientConnection::new(Arc::clone(&self.tls), host.try_into().unwrap()).unwrap();
        let address = SocketAddr::new(self.gateway.address, 8443);
        let mut socket = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut stream = Stream::new(&mut connection, &mut socket);
        write!(stream, "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn trusting(authority: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(read(authority).as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth()
}
