//! Tokens of requests, as limits by a claim ask for them: each is verified once for a request, and only if a limit asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use http::HeaderMap;
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::jwt::cache::Digest;
use crate::jwt::{Cache, Claims, Expected, Rejected, bearer, token};
use crate::limit::Clock;
use crate::table::Map;

/// Who says which tokens count. Limits that expect the same share it, and what it has verified.
#[derive(Debug)]
pub struct Verifier {
    expected: Arc<Expected>,
    verified: Cache,
    /// What became of the requests of its namespace.
    pub outcomes: Arc<Outcomes>,
    clock: Clock,
}

/// How many requests had which sort of token.
#[derive(Debug)]
pub struct Outcomes {
    /// Where the keys lie.
    pub namespace: Arc<str>,
    verified: AtomicU64,
    rejected: [AtomicU64; Rejected::ALL.len()],
}

/// All verifiers of a process. Only the compiler looks here.
#[derive(Debug, Default)]
pub(super) struct Verifiers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    verifiers: Map<Arc<Expected>, Weak<Verifier>>,
    /// Other keys do not make a sum fall.
    outcomes: Map<Arc<str>, Weak<Outcomes>>,
}

/// What is known of the token of one request.
#[derive(Debug, Default)]
pub struct Tokens<'r> {
    verifiers: &'r [Arc<Verifier>],
    /// What each of them says, once it was asked.
    claims: SmallVec<[OnceLock<Option<Arc<Claims>>>; 1]>,
}

impl<'r> Tokens<'r> {
    /// Nothing yet; these may be asked.
    #[must_use]
    pub fn of(verifiers: &'r [Arc<Verifier>]) -> Self {
        Self { verifiers, claims: verifiers.iter().map(|_| OnceLock::new()).collect() }
    }

    /// The claims of the request's token, if it counts.
    pub(super) fn claims(&self, verifier: &Arc<Verifier>, headers: &HeaderMap) -> Option<&Claims> {
        let same = || self.verifiers.iter().position(|known| known.expected == verifier.expected);
        let place = self.verifiers.iter().position(|known| Arc::ptr_eq(known, verifier)).or_else(same)?;
        self.claims.get(place)?.get_or_init(|| verifier.claims(headers)).as_deref()
    }
}

impl Verifier {
    fn claims(&self, headers: &HeaderMap) -> Option<Arc<Claims>> {
        let found = self.verify(headers);
        self.outcomes.count(found.as_ref().err().copied());
        found.ok()
    }

    fn verify(&self, headers: &HeaderMap) -> Result<Arc<Claims>, Rejected> {
        let (token, now) = (bearer::bearer(headers)?, self.clock.unix());
        let digest = Digest::of(token);
        if let Some(claims) = self.verified.get(&digest) {
            return claims.check(now).map(|()| claims);
        }
        let claims = Arc::new(token::verify(token, &self.expected, now)?);
        self.verified.put(digest, &claims);
        Ok(claims)
    }
}

impl Outcomes {
    fn new(namespace: &Arc<str>) -> Self {
        Self { namespace: Arc::clone(namespace), verified: AtomicU64::new(0), rejected: Default::default() }
    }

    fn count(&self, rejected: Option<Rejected>) {
        let counter = rejected.map_or(Some(&self.verified), |rejected| self.rejected.get(rejected as usize));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every outcome by name, and how often it was.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let rejected = Rejected::ALL.iter().map(|rejected| rejected.as_str()).zip(&self.rejected);
        let all = std::iter::once(("verified", &self.verified)).chain(rejected);
        all.map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

impl Verifiers {
    /// Who verifies what is expected: the same as ever, as long as somebody needs it.
    pub(super) fn of(&self, expected: &Arc<Expected>, clock: &Clock) -> Arc<Verifier> {
        let known = &mut *self.0.lock();
        if let Some(verifier) = known.verifiers.get(expected).and_then(Weak::upgrade) {
            return verifier;
        }
        let namespace = &expected.keys.object.key.namespace;
        let outcomes = known.outcomes.get(namespace).and_then(Weak::upgrade);
        let outcomes = outcomes.unwrap_or_else(|| Arc::new(Outcomes::new(namespace)));
        known.outcomes.insert(Arc::clone(namespace), Arc::downgrade(&outcomes));
        let (verified, clock) = (Cache::default(), clock.clone());
        let verifier = Arc::new(Verifier { expected: Arc::clone(expected), verified, outcomes, clock });
        known.verifiers.insert(Arc::clone(expected), Arc::downgrade(&verifier));
        verifier
    }

    /// Forgets those that nobody needs any more.
    pub(super) fn sweep(&self) {
        let known = &mut *self.0.lock();
        known.verifiers.retain(|_, verifier| verifier.strong_count() > 0);
        known.outcomes.retain(|_, outcomes| outcomes.strong_count() > 0);
    }
}
