//! Tokens that were verified already: a client sends the same one many times, and a signature costs more than all else that
//! is done for a request.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};

use super::Claims;

/// Tokens that are kept at least, of those that came last; twice as many at most.
const KEPT: usize = 512;
/// Parts with a lock of their own, so that threads seldom meet.
const PARTS: usize = 8;

/// Verified tokens of one [`super::Expected`]. Nothing that was refused is in it: whoever sends such tokens writes another
/// one each time.
#[derive(Debug, Default)]
pub struct Cache([Mutex<Part>; PARTS]);

/// Which token, as nobody can make another of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

type Known = HashMap<Digest, Arc<Claims>, RandomState>;

/// When the young are many, they become the old, and the old are forgotten.
#[derive(Debug, Default)]
struct Part {
    young: Known,
    old: Known,
}

impl Digest {
    /// Of a token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, token).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl Cache {
    /// The claims of a token that was verified before. Whether they still count is not asked.
    #[must_use]
    pub fn get(&self, token: &Digest) -> Option<Arc<Claims>> {
        let mut part = self.part(token)?.lock();
        if let Some(claims) = part.young.get(token) {
            return Some(Arc::clone(claims));
        }
        let claims = part.old.remove(token)?;
        part.put(*token, &claims);
        Some(claims)
    }

    /// Keeps a token that was verified.
    pub fn put(&self, token: Digest, claims: &Arc<Claims>) {
        if let Some(part) = self.part(&token) {
            part.lock().put(token, claims);
        }
    }

    fn part(&self, token: &Digest) -> Option<&Mutex<Part>> {
        self.0.get(usize::from(*token.0.first()?) % PARTS)
    }
}

impl Part {
    fn put(&mut self, token: Digest, claims: &Arc<Claims>) {
        if self.young.len() >= KEPT / PARTS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, Arc::clone(claims));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::testing::{Signer, expected};
    use crate::jwt::token;

    #[test]
    fn what_is_asked_for_stays_and_all_is_bounded() {
        let signer = Signer::ed25519("a");
        let token = signer.token(&serde_json::json!({"sub": "me"}));
        let claims = Arc::new(token::verify(token.as_bytes(), &expected(&[&signer]), 0).unwrap());
        let (cache, wanted) = (Cache::default(), Digest::of(token.as_bytes()));
        assert!(cache.get(&wanted).is_none());
        cache.put(wanted, &claims);
        for other in 0..10_000_u32 {
            cache.put(Digest::of(&other.to_be_bytes()), &claims);
            assert!(cache.get(&wanted).is_some(), "{other}");
        }
        let held: usize = cache.0.iter().map(|part| part.lock()).map(|part| part.young.len() + part.old.len()).sum();
        assert!((KEPT..=2 * KEPT).contains(&held), "{held}");
        assert!(cache.get(&Digest::of(&0_u32.to_be_bytes())).is_none(), "long ago");
    }
}
