//! References to keys of tokens, followed.
//!
//! What is referred to is another object, which changes without the policy: when it is missing or broken, the limit that
//! needs it does not hold, and the others of the policy do.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::ObjectRef;
use crate::api::policy::rate_limit::jwt::{Jwt, KeySetKind, KeySetReference};
use crate::jwt::{Expected, KeySet, set};
use crate::snapshot::{Object, Snapshot};
use crate::translate::field::Field;
use crate::translate::finding::Findings;
use crate::translate::reason::Reason;

/// Sets that were read: many limits share one, and most are as they were in the translation before.
#[derive(Debug, Default)]
pub(super) struct KeySets(BTreeMap<ObjectRef, BTreeMap<Box<str>, Read>>);

#[derive(Debug)]
struct Read {
    object: Object,
    set: Result<Arc<KeySet>, Broken>,
}

/// What is wrong, and what to do.
#[derive(Debug, Clone)]
struct Broken(String, &'static str);

/// Where references are followed.
pub(super) struct Source<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) sets: &'a mut KeySets,
    /// Of the policy.
    pub(super) namespace: &'a str,
}

impl KeySets {
    /// Forgets what nobody refers to.
    pub(super) fn retain(&mut self, is_referred: impl Fn(&ObjectRef) -> bool) {
        self.0.retain(|object, _| is_referred(object));
    }

    fn get(&mut self, snapshot: &Snapshot, source: &ObjectRef, entry: &str) -> Result<Arc<KeySet>, Broken> {
        let Some(object) = snapshot.get(source) else {
            return Err(Broken(format!("{} does not exist", named(source)), "create it, or name another"));
        };
        let sets = self.0.entry(source.clone()).or_default();
        sets.retain(|_, known| known.object.is_same(&object));
        if let Some(known) = sets.get(entry) {
            return known.set.clone();
        }
        let Some(text) = text(&object, entry) else {
            let message = format!("{} has no '{entry}'", named(source));
            return Err(Broken(message, "add it, or name another entry in 'key'"));
        };
        let set = read(text, source, entry);
        sets.insert(entry.into(), Read { object, set: set.clone() });
        set
    }
}

/// Reads which tokens count; `None` where a reference leads nowhere, or something cannot be honoured.
pub(super) fn expected(
    jwt: &Jwt,
    source: &mut Source<'_>,
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<Arc<Expected>> {
    let keys = keys(&jwt.keys, source, &at.name("keys"), findings)?;
    let mut audiences: Vec<Box<str>> = jwt.audiences.iter().map(|audience| audience.as_str().into()).collect();
    audiences.sort_unstable();
    audiences.dedup();
    Some(Arc::new(Expected { keys, issuer: jwt.issuer.as_deref().map(Into::into), audiences }))
}

fn keys(
    reference: &KeySetReference,
    source: &mut Source<'_>,
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<Arc<KeySet>> {
    let Some(object) = reference.object(source.namespace) else {
        let remedy = format!("use one of: {}", KeySetKind::KNOWN.join(", "));
        super::invalid(findings, &at.name("kind"), format!("unknown kind '{}'", reference.kind), &remedy);
        return None;
    };
    match source.sets.get(source.snapshot, &object, &reference.key) {
        Ok(set) => Some(set),
        Err(Broken(message, remedy)) => {
            findings.unresolved(Reason::InvalidKeySetRef, at, message, remedy);
            None
        }
    }
}

fn read(text: &[u8], source: &ObjectRef, entry: &str) -> Result<Arc<KeySet>, Broken> {
    let remedy = "write a JSON Web Key Set (RFC 7517) with the public keys of who signs the tokens";
    let broken = |error| Broken(format!("'{entry}' of {}: {error}", named(source)), remedy);
    let keys = set::parse(text).map_err(broken)?;
    Ok(Arc::new(KeySet { object: source.clone(), entry: entry.into(), keys }))
}

fn named(object: &ObjectRef) -> String {
    format!("{} '{}'", object.kind, object.key)
}

/// An entry; of a Secret also one of a manifest that no API server has merged yet.
fn text<'o>(object: &'o Object, entry: &str) -> Option<&'o [u8]> {
    match object {
        Object::ConfigMap(map) => {
            let text = map.data.as_ref().and_then(|data| data.get(entry)).map(String::as_bytes);
            text.or_else(|| map.binary_data.as_ref()?.get(entry).map(|bytes| bytes.0.as_slice()))
        }
        Object::Secret(secret) => {
            let text = secret.string_data.as_ref().and_then(|data| data.get(entry)).map(String::as_bytes);
            text.or_else(|| secret.data.as_ref()?.get(entry).map(|bytes| bytes.0.as_slice()))
        }
        _ => None,
    }
}
