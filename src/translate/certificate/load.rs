//! From a Secret's bytes to a certificate chain with its key.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use ring::digest;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::api::ObjectKey;
use crate::ir::{Certificate, Hostname};

/// How many certificates a chain may have.
const MAX_CHAIN: usize = 32;

/// Why a Secret holds no usable certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidCertificate {
    #[error("it has no '{0}'")]
    Missing(&'static str),
    #[error("'tls.crt' holds no PEM block 'CERTIFICATE'")]
    NoCertificate,
    #[error("'tls.key' holds no PEM private key (PKCS#8, PKCS#1 or SEC1)")]
    NoKey,
    #[error("'{0}' is not valid PEM: {1}")]
    Pem(&'static str, pem::Error),
    #[error("'tls.crt' has more than {MAX_CHAIN} certificates")]
    ChainTooLong,
    #[error("the first certificate in 'tls.crt' is malformed: {0}")]
    Certificate(String),
    #[error("the key in 'tls.key' cannot be used: want RSA of 2048 to 8192 bits, ECDSA P-256 or P-384, or Ed25519")]
    UnsupportedKey,
    #[error("the key in 'tls.key' does not belong to the first certificate in 'tls.crt'")]
    KeyMismatch,
}

/// Reads `tls.crt` and `tls.key`. Whether the certificate has expired is not asked: that needs
/// a clock, and an expired certificate still beats none.
pub(crate) fn load(key: &ObjectKey, secret: &Secret) -> Result<Certificate, InvalidCertificate> {
    let chain = chain(entry(secret, "tls.crt").ok_or(InvalidCertificate::Missing("tls.crt"))?)?;
    let private = private_key(entry(secret, "tls.key").ok_or(InvalidCertificate::Missing("tls.key"))?)?;
    let leaf = chain.first().ok_or(InvalidCertificate::NoCertificate)?;
    let (_, parsed) =
        X509Certificate::from_der(leaf).map_err(|error| InvalidCertificate::Certificate(error.to_string()))?;
    let names = dns_names(&parsed);
    let validity = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    belongs_together(&chain, &private)?;
    Ok(Certificate {
        secret: key.clone(),
        fingerprint: fingerprint(&chain, &private),
        names,
        validity,
        chain,
        key: Arc::new(private),
    })
}

/// `data`, or `stringData` of a manifest that no API server has merged yet.
fn entry<'a>(secret: &'a Secret, name: &str) -> Option<&'a [u8]> {
    let text = secret.string_data.as_ref().and_then(|data| data.get(name)).map(String::as_bytes);
    text.or_else(|| secret.data.as_ref().and_then(|data| data.get(name)).map(|bytes| bytes.0.as_slice()))
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidCertificate> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text) {
        chain.push(certificate.map_err(|error| InvalidCertificate::Pem("tls.crt", error))?);
        if chain.len() > MAX_CHAIN {
            return Err(InvalidCertificate::ChainTooLong);
        }
    }
    if chain.is_empty() { Err(InvalidCertificate::NoCertificate) } else { Ok(chain) }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, InvalidCertificate> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => InvalidCertificate::NoKey,
        error => InvalidCertificate::Pem("tls.key", error),
    })
}

/// The subject alternative names; what is no hostname (such as a lone `*`) fits no server name
/// and is left out.
fn dns_names(leaf: &X509Certificate<'_>) -> Vec<Hostname> {
    let Ok(Some(extension)) = leaf.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Hostname::parse(name),
        _ => None,
    });
    names.collect()
}

fn belongs_together(
    chain: &[CertificateDer<'static>],
    private: &PrivateKeyDer<'static>,
) -> Result<(), InvalidCertificate> {
    let key = any_supported_type(private).map_err(|_| InvalidCertificate::UnsupportedKey)?;
    match CertifiedKey::new(chain.to_vec(), key).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(InvalidCertificate::KeyMismatch),
        Err(error) => Err(InvalidCertificate::Certificate(error.to_string())),
    }
}

fn fingerprint(chain: &[CertificateDer<'static>], private: &PrivateKeyDer<'static>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in chain.iter().map(AsRef::as_ref).chain([private.secret_der()]) {
        // Lengths keep two different splits of the same bytes apart.
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret(entries: &[(&str, &str)]) -> Secret {
        let data = entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Secret { string_data: Some(data.collect::<BTreeMap<_, _>>()), ..Secret::default() }
    }

    fn pair(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn read(entries: &[(&str, &str)]) -> Result<Certificate, InvalidCertificate> {
        load(&ObjectKey::new("ns", "cert"), &secret(entries))
    }

    #[test]
    fn a_pair_is_read_with_its_names() {
        let (chain, key) = pair(&["www.example.com", "*.example.org"]);
        let certificate = read(&[("tls.crt", &chain), ("tls.key", &key)]).unwrap();
        let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["www.example.com", "*.example.org"]);
        assert_eq!(certificate.fingerprint.len(), 64);
        assert!(certificate.validity.0 < certificate.validity.1);
    }

    #[test]
    fn the_fingerprint_follows_the_content() {
        let (chain, key) = pair(&["a.example.com"]);
        let again = read(&[("tls.crt", &chain), ("tls.key", &key)]).unwrap();
        let (other_chain, other_key) = pair(&["a.example.com"]);
        let other = read(&[("tls.crt", &other_chain), ("tls.key", &other_key)]).unwrap();
        assert_eq!(read(&[("tls.crt", &chain), ("tls.key", &key)]).unwrap().fingerprint, again.fingerprint);
        assert_ne!(again.fingerprint, other.fingerprint);
    }

    #[test]
    fn a_foreign_key_is_told_apart_from_a_broken_one() {
        let (chain, _) = pair(&["a.example.com"]);
        let (_, other) = pair(&["a.example.com"]);
        let error = read(&[("tls.crt", &chain), ("tls.key", &other)]).unwrap_err();
        assert!(matches!(error, InvalidCertificate::KeyMismatch), "{error}");
        let error = read(&[("tls.crt", &chain), ("tls.key", "no key")]).unwrap_err();
        assert!(matches!(error, InvalidCertificate::NoKey), "{error}");
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let (chain, key) = pair(&["a.example.com"]);
        for (entries, want) in [
            (vec![("tls.key", key.as_str())], "'tls.crt'"),
            (vec![("tls.crt", chain.as_str())], "'tls.key'"),
            (vec![("tls.crt", "hello"), ("tls.key", key.as_str())], "CERTIFICATE"),
            (
                vec![
                    ("tls.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                    ("tls.key", key.as_str()),
                ],
                "malformed",
            ),
            (vec![("tls.crt", "-----BEGIN CERTIFICATE-----\n!\n"), ("tls.key", key.as_str())], "tls.crt"),
        ] {
            let error = read(&entries).unwrap_err().to_string();
            assert!(error.contains(want), "{error} should mention {want}");
        }
    }
}
