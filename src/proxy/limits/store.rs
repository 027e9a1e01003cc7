//! The store of global limits as the settings describe it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::config::StoreConfig;
use crate::limit::global::{Address, Login, Settings, Tls};

/// How to reach it; `None` if there is none.
///
/// # Errors
/// A file cannot be read.
pub(in crate::proxy) fn settings(config: &StoreConfig) -> anyhow::Result<Option<Settings>> {
    let Some(address) = config.address.clone() else { return Ok(None) };
    let login = login(config)?;
    let tls = tls(config, &address)?;
    Ok(Some(Settings { login, tls, deadline: config.deadline, ..Settings::new(address) }))
}

fn login(config: &StoreConfig) -> anyhow::Result<Option<Login>> {
    if config.password_file.is_empty() {
        return Ok(None);
    }
    let password = std::fs::read_to_string(&config.password_file)
        .with_context(|| format!("limits.store.passwordFile: '{}'", config.password_file))?;
    let user = Some(config.user.clone()).filter(|user| !user.is_empty());
    Ok(Some(Login { user, password: password.trim_end_matches(['\r', '\n']).to_owned() }))
}

fn tls(config: &StoreConfig, address: &Address) -> anyhow::Result<Option<Tls>> {
    if config.ca_file.is_empty() {
        return Ok(None);
    }
    let roots =
        roots(Path::new(&config.ca_file)).with_context(|| format!("limits.store.caFile: '{}'", config.ca_file))?;
    let name = match address {
        Address::Tcp(host, _) if config.server_name.is_empty() => host.clone(),
        _ => config.server_name.clone(),
    };
    let name = ServerName::try_from(name).context("limits.store.serverName: TLS needs the server's name")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    Ok(Some(Tls { config, name }))
}

fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    anyhow::ensure!(!roots.is_empty(), "there is no certificate in it");
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path, ca_file: &str) -> StoreConfig {
        let path = |name: &str| dir.join(name).display().to_string();
        StoreConfig {
            address: "redis.infra:6379".parse().ok(),
            password_file: path("password"),
            ca_file: path(ca_file),
            ..StoreConfig::default()
        }
    }

    #[test]
    fn files_are_read_and_what_is_wrong_with_them_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca.pem", &rcgen::generate_simple_self_signed(["redis.infra".to_owned()]).unwrap().cert.pem());
        write("empty.pem", "");
        let error = settings(&config(dir.path(), "ca.pem")).unwrap_err().to_string();
        assert!(error.starts_with("limits.store.passwordFile: "), "{error}");
        write("password", "secret\n");
        let read = settings(&config(dir.path(), "ca.pem")).unwrap().unwrap();
        assert_eq!(read.login.unwrap().password, "secret");
        assert_eq!(read.tls.unwrap().name, ServerName::try_from("redis.infra").unwrap());
        let error = format!("{:#}", settings(&config(dir.path(), "empty.pem")).unwrap_err());
        assert!(error.contains("limits.store.caFile") && error.contains("no certificate"), "{error}");
        assert!(settings(&StoreConfig::default()).unwrap().is_none());
    }
}
