//! Where the store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// Who we are, if it asks.
    pub login: Option<Login>,
    /// TLS, if it speaks it.
    pub tls: Option<Tls>,
    /// How long a call may take.
    pub deadline: Duration,
    /// The first pause before a new connection is tried; later ones double up to a hundred times of it.
    pub pause: Duration,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A name or address, and a port; a name is resolved for each connection.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A user and a password, for `AUTH`.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user; without one, the server's default user.
    pub user: Option<String>,
    /// The password.
    pub password: String,
}

/// What TLS needs.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Whom to trust, and our own certificate if there is one.
    pub config: Arc<rustls::ClientConfig>,
    /// The name in the server's certificate.
    pub name: ServerName<'static>,
}

impl Settings {
    /// A server without login and TLS, with a deadline of 5 ms.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address, login: None, tls: None, deadline: Duration::from_millis(5), pause: Duration::from_millis(50) }
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(NoAddress)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(NoAddress)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() { Err(NoAddress) } else { Ok(Self::Tcp(host.to_owned(), port)) }
    }
}

/// What is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name or IP address and a port, or the path of a socket")]
pub struct NoAddress;

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_port_or_a_path() {
        let tcp = |host: &str, port| Ok(Address::Tcp(host.to_owned(), port));
        assert_eq!("redis.infra:6379".parse(), tcp("redis.infra", 6379));
        assert_eq!("[::1]:6379".parse(), tcp("::1", 6379));
        assert_eq!("/run/redis.sock".parse(), Ok(Address::Unix("/run/redis.sock".into())));
        for wrong in ["", "redis", "redis:", ":6379", "redis:0", "redis:70000"] {
            assert_eq!(wrong.parse::<Address>(), Err(NoAddress), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_never_written_down() {
        let login = Login { user: Some("gate".to_owned()), password: "secret".to_owned() };
        let text = format!("{:?}", Settings { login: Some(login), ..Settings::new(Address::Tcp("a".to_owned(), 1)) });
        assert!(text.contains("gate") && !text.contains("secret"), "{text}");
    }
}
