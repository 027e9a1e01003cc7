//! Keys: what requests are told apart by.

use http::HeaderName;

use super::invalid;
use super::key_set::{Source, expected};
use crate::api::policy::rate_limit::key::{KeyPart as Written, KeyType};
use crate::ir::limit::KeyPart;
use crate::translate::field::Field;
use crate::translate::finding::Findings;

/// Reads one part of a key.
pub(super) fn part(
    written: &Written,
    source: &mut Source<'_>,
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<KeyPart> {
    let name = written.name.as_deref();
    if written.jwt.is_some() && written.kind != KeyType::JwtClaim {
        return refuse(&at.name("jwt"), format!("does not belong to {}", written.kind), "remove it", findings);
    }
    match (&written.kind, name) {
        (KeyType::Header, Some(name)) => token(name, at, findings).map(KeyPart::Header),
        (KeyType::Cookie, Some(name)) => token(name, at, findings).map(|_| KeyPart::Cookie(name.into())),
        (KeyType::Query, Some(name)) if !name.is_empty() => Some(KeyPart::Query(name.into())),
        (KeyType::JwtClaim, Some(name)) if !name.is_empty() => match &written.jwt {
            Some(jwt) => {
                let tokens = expected(jwt, source, &at.name("jwt"), findings)?;
                Some(KeyPart::JwtClaim { name: name.into(), tokens })
            }
            None => {
                let remedy = "say where the keys of its tokens are";
                refuse(&at.name("jwt"), "is required for JWTClaim".to_owned(), remedy, findings)
            }
        },
        (KeyType::Other(kind), _) => {
            let remedy = format!("use one of: {}", KeyType::KNOWN.join(", "));
            refuse(&at.name("type"), format!("unknown type '{kind}'"), &remedy, findings)
        }
        (kind, Some(_)) if !kind.is_named() => {
            refuse(&at.name("name"), format!("does not belong to {kind}"), "remove it", findings)
        }
        (KeyType::ClientIp, None) => Some(KeyPart::ClientIp),
        (KeyType::Method, None) => Some(KeyPart::Method),
        (KeyType::Path, None) => Some(KeyPart::Path),
        (KeyType::Tenant, None) => Some(KeyPart::Tenant),
        (KeyType::Namespace, None) => Some(KeyPart::Namespace),
        (KeyType::Route, None) => Some(KeyPart::Route),
        (kind, _) => refuse(&at.name("name"), format!("is required for {kind}"), "write the name", findings),
    }
}

/// Names of cookies are tokens as those of fields are, but their case matters.
fn token(name: &str, at: &Field<'_>, findings: &mut Findings) -> Option<HeaderName> {
    let token = HeaderName::from_bytes(name.as_bytes()).ok();
    if token.is_none() {
        let remedy = "write letters, digits and any of !#$%&'*+.^_`|~-";
        invalid(findings, &at.name("name"), format!("'{name}' is no name of a header or cookie"), remedy);
    }
    token
}

fn refuse(at: &Field<'_>, message: String, remedy: &str, findings: &mut Findings) -> Option<KeyPart> {
    invalid(findings, at, message, remedy);
    None
}
