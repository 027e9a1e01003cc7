//! TLS towards clients: one `ServerConfig` for each HTTPS listener, chosen by server name.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};

use super::context::Connection;
use crate::api::ObjectKey;
use crate::ir::{Certificate, Hostname, ListenerProtocol};
use crate::snapshot::Socket;
use crate::table::{Listener, Map, Table};

/// The TLS side of one generation.
#[derive(Debug, Default)]
pub(crate) struct TlsListeners(Map<Key, Arc<TlsListener>>);

/// Where, whose and which.
type Key = (Socket, ObjectKey, Arc<str>);

/// What a connection needs once its server name has chosen a listener.
pub(crate) struct TlsListener {
    /// Offers h2 and HTTP/1.1.
    pub(crate) config: Arc<ServerConfig>,
    /// The context of every connection that chose this listener.
    pub(crate) connection: Connection,
    certificates: Vec<Arc<Certificate>>,
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

impl TlsListeners {
    /// Builds the TLS side of a table. A listener whose certificates did not change keeps its
    /// configuration, so that its clients can resume their sessions.
    pub(crate) fn build(table: &Table, previous: &Self) -> Self {
        let https = table.ports.values().filter(|port| port.protocol == ListenerProtocol::Https);
        let mut built = Map::default();
        for (socket, listener) in https.flat_map(|port| port.listeners.iter().map(|listener| (port.socket, listener))) {
            let key = key(socket, listener);
            let kept = previous.0.get(&key).filter(|kept| kept.serves(listener)).cloned();
            if let Some(tls) = kept.or_else(|| TlsListener::build(socket, listener).map(Arc::new)) {
                built.insert(key, tls);
            }
        }
        Self(built)
    }

    /// The TLS side of a listener.
    pub(crate) fn get(&self, socket: Socket, listener: &Listener) -> Option<&Arc<TlsListener>> {
        self.0.get(&key(socket, listener))
    }
}

fn key(socket: Socket, listener: &Listener) -> Key {
    (socket, listener.gateway.clone(), Arc::clone(&listener.name))
}

impl TlsListener {
    fn serves(&self, listener: &Listener) -> bool {
        self.certificates == listener.certificates
    }

    fn build(socket: Socket, listener: &Listener) -> Option<Self> {
        let resolver = Certificates::new(&listener.certificates)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .ok()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::ring::Ticketer::new().ok()?;
        // resumption by ticket costs no memory here; the session cache would
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        let connection = Connection::tls(socket, listener)?;
        Some(Self { config: Arc::new(config), connection, certificates: listener.certificates.clone() })
    }
}

/// The certificates of one listener: the one that names the server best, else the first.
#[derive(Debug)]
struct Certificates(Vec<(Arc<Certificate>, Arc<CertifiedKey>)>);

impl Certificates {
    fn new(certificates: &[Arc<Certificate>]) -> Option<Self> {
        let keyed = |certificate: &Arc<Certificate>| {
            let key = rustls::crypto::ring::sign::any_supported_type(&certificate.key).ok()?;
            Some((Arc::clone(certificate), Arc::new(CertifiedKey::new(certificate.chain.clone(), key))))
        };
        let all: Vec<_> = certificates.iter().filter_map(keyed).collect();
        (!all.is_empty()).then_some(Self(all))
    }

    fn choose(&self, name: &str, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let rank = |certificate: &Certificate| {
            certificate.names.iter().filter(|pattern| pattern.covers(name)).map(specificity).max()
        };
        // an RSA certificate beside an EC one is for clients that cannot verify the other
        let usable = |key: &CertifiedKey| key.key.choose_scheme(schemes).is_some();
        let candidates = || self.0.iter().filter(|(_, key)| usable(key));
        let ranked = candidates().filter_map(|(certificate, key)| Some((rank(certificate)?, key)));
        // the first of the best: `max_by_key` would take the last
        let best = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, key)| key).or_else(|| candidates().next().map(|(_, key)| key))
    }
}

fn specificity(pattern: &Hostname) -> (bool, usize) {
    match pattern {
        Hostname::Exact(name) => (true, name.len()),
        Hostname::Wildcard(suffix) => (false, suffix.len()),
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name().unwrap_or_default(), hello.signature_schemes()).cloned()
    }
}
