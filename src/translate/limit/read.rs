//! One limit of a policy, from what is written to what the data plane needs.

use http::{HeaderValue, StatusCode};
use ipnet::IpNet;

use super::condition::{all, when};
use super::key_set::Source;
use super::{amount, invalid, key};
use crate::api::policy::Mode;
use crate::api::policy::rate_limit::{self as written, Counting as Who, Limit as Written, Scope as Each};
use crate::ir::limit::{Amount, Counting, Denial, DenialBody, KeyPart, Scope, StoreFailure};
use crate::ir::{Limit, LimitId, LimitTarget};
use crate::translate::field::Field;
use crate::translate::finding::Findings;

/// The longest name of a limit.
const LONGEST_NAME: usize = 63;
/// The longest body, in characters.
const LONGEST_BODY: usize = 4096;
/// What a body is when nobody says.
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Reads a limit; `None` when anything in it cannot be honoured, each of which is found.
pub(super) fn limit(
    id: LimitId,
    limit: &Written,
    source: &mut Source<'_>,
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<Limit> {
    let named = named(&id.name, at, findings);
    let amount = amount(limit, at, findings);
    let scope = scope(&limit.scope, &at.name("scope"), findings);
    let parts = limit.key.iter().enumerate();
    let key = all(parts.map(|(index, part)| key::part(part, source, &at.item("key", index), findings)));
    let counting = counting(limit, at, findings);
    let conditions = limit.when.iter().enumerate();
    let when = all(conditions.map(|(index, condition)| self::when(condition, &at.item("when", index), findings)));
    let except = except(&limit.except, at, findings);
    let enforced = enforced(&limit.mode, &at.name("mode"), findings);
    let denial = denial(&limit.response, &at.name("response"), findings);
    let (amount, scope, key, counting, when) = (amount?, scope?, key?, counting?, when?);
    let fits = match amount {
        Amount::Connections(_) => fits_connections(scope, &key, &limit.when, at, findings),
        _ => true,
    };
    let (except, enforced, denial) = (except?, enforced?, denial?);
    let targets = Vec::<LimitTarget>::new();
    let sound = named && fits;
    sound.then_some(Limit { id, targets, amount, scope, key, counting, when, except, enforced, denial })
}

/// Clients read the name in fields of responses.
fn named(name: &str, at: &Field<'_>, findings: &mut Findings) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = name.len() <= LONGEST_NAME && !name.is_empty() && name.bytes().all(inner);
    let sound = is_label && !name.starts_with('-') && !name.ends_with('-');
    if !sound {
        let remedy = "write lower-case letters, digits and '-', at most 63 characters";
        invalid(findings, at, "is no name for a limit", remedy);
    }
    sound
}

fn amount(limit: &Written, at: &Field<'_>, findings: &mut Findings) -> Option<Amount> {
    match (&limit.rate, limit.concurrency, limit.connections, &limit.bandwidth) {
        (Some(rate), None, None, None) => amount::rate(rate, "requests", &at.name("rate"), findings),
        (None, Some(most), None, None) => {
            amount::count(most, &at.name("concurrency"), findings).map(Amount::Concurrency)
        }
        (None, None, Some(most), None) => {
            amount::count(most, &at.name("connections"), findings).map(Amount::Connections)
        }
        (None, None, None, Some(bytes)) => amount::bandwidth(bytes, &at.name("bandwidth"), findings),
        _ => {
            let remedy = "write one of them; give others a limit of their own";
            invalid(findings, at, "needs exactly one of rate, concurrency, connections and bandwidth", remedy);
            None
        }
    }
}

fn scope(written: &Each, at: &Field<'_>, findings: &mut Findings) -> Option<Scope> {
    Some(match written {
        Each::Gateway => Scope::Gateway,
        Each::Listener => Scope::Listener,
        Each::Tenant => Scope::Tenant,
        Each::Namespace => Scope::Namespace,
        Each::Route => Scope::Route,
        Each::Rule => Scope::Rule,
        Each::Other(value) => return unknown(value, Each::KNOWN, at, findings),
    })
}

fn counting(limit: &Written, at: &Field<'_>, findings: &mut Findings) -> Option<Counting> {
    let otherwise = match &limit.on_store_failure {
        written::StoreFailure::Local => StoreFailure::Local,
        written::StoreFailure::Allow => StoreFailure::Allow,
        written::StoreFailure::Deny => StoreFailure::Deny,
        written::StoreFailure::Other(value) => {
            return unknown(value, written::StoreFailure::KNOWN, &at.name("onStoreFailure"), findings);
        }
    };
    match &limit.counting {
        Who::PerReplica => Some(Counting::PerReplica),
        Who::Divide => Some(Counting::Divide),
        Who::Global if limit.rate.is_some() => Some(Counting::Global { otherwise }),
        Who::Global => {
            let remedy = "write Divide or PerReplica";
            invalid(findings, &at.name("counting"), "only a rate is counted Global", remedy);
            None
        }
        Who::Other(value) => unknown(value, Who::KNOWN, &at.name("counting"), findings),
    }
}

fn except(written: &[String], at: &Field<'_>, findings: &mut Findings) -> Option<Vec<IpNet>> {
    let networks = written.iter().enumerate().map(|(index, text)| {
        let network: Option<IpNet> = text.parse().ok();
        if network.is_none() {
            let message = format!("'{text}' is not a network");
            invalid(findings, &at.item("except", index), message, "write an address with the length of its prefix");
        }
        network.map(|network| network.trunc())
    });
    let mut networks = all(networks)?;
    networks.sort_unstable();
    networks.dedup();
    Some(networks)
}

fn enforced(mode: &Mode, at: &Field<'_>, findings: &mut Findings) -> Option<bool> {
    match mode {
        Mode::Enforce => Some(true),
        Mode::Shadow => Some(false),
        Mode::Other(value) => unknown(value, Mode::KNOWN, at, findings),
    }
}

fn denial(response: &written::Denial, at: &Field<'_>, findings: &mut Findings) -> Option<Denial> {
    let status = StatusCode::from_u16(response.status).ok().filter(|status| (400..600).contains(&status.as_u16()));
    if status.is_none() {
        let message = format!("{} is no status code of a denial", response.status);
        invalid(findings, &at.name("status"), message, "write 400 to 599");
    }
    let media_type = match response.content_type.as_deref().map(HeaderValue::from_str) {
        None => Some(PLAIN),
        Some(Ok(media_type)) if response.body.is_some() => Some(media_type),
        Some(Ok(_)) => {
            invalid(findings, &at.name("contentType"), "needs a body", "write the body, or remove contentType");
            None
        }
        Some(Err(_)) => {
            invalid(findings, &at.name("contentType"), "is no media type", "write one such as text/plain");
            None
        }
    };
    let short = response.body.as_ref().is_none_or(|body| body.chars().count() <= LONGEST_BODY);
    if !short {
        let message = format!("has more than {LONGEST_BODY} characters");
        invalid(findings, &at.name("body"), message, "write a shorter one");
    }
    let (status, content_type) = (status?, media_type?);
    let body = response.body.as_deref().map(|text| DenialBody { content_type, text: text.into() });
    short.then_some(Denial { status, body })
}

/// A connection is there before any request.
fn fits_connections(
    scope: Scope,
    key: &[KeyPart],
    when: &[written::condition::Condition],
    at: &Field<'_>,
    findings: &mut Findings,
) -> bool {
    let scoped = matches!(scope, Scope::Gateway | Scope::Listener | Scope::Tenant);
    if !scoped {
        let message = format!("connections are not counted by {scope:?}: a connection has no route");
        invalid(findings, &at.name("scope"), message, "write Gateway, Listener or Tenant");
    }
    let other = key.iter().position(|part| *part != KeyPart::ClientIp);
    if let Some(index) = other {
        let remedy = "connections can be told apart by ClientIP only";
        invalid(findings, &at.item("key", index), "a connection does not have that", remedy);
    }
    if !when.is_empty() {
        invalid(findings, &at.name("when"), "is about requests, not connections", "remove it");
    }
    scoped && other.is_none() && when.is_empty()
}

fn unknown<T>(value: &str, known: &[&str], at: &Field<'_>, findings: &mut Findings) -> Option<T> {
    let remedy = format!("use one of: {}", known.join(", "));
    invalid(findings, at, format!("unknown value '{value}'"), &remedy);
    None
}
