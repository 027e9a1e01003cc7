//! How far the watch of one kind is.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::health::Standing;
use crate::api::ObjectKey;

/// Refusals in a row before "forbidden" is believed: a server that starts refuses what it later allows.
const FORBIDDEN_STRIKES: u32 = 2;
/// Answers in a row that a kind does not exist before its objects are taken away.
const MISSING_STRIKES: u32 = 3;

/// The progress of one kind.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How it stands.
    pub(super) standing: Standing,
    listed: bool,
    listing: Option<BTreeSet<ObjectKey>>,
    strikes: u32,
    missed: Option<Instant>,
}

impl Progress {
    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.listing = Some(BTreeSet::new());
        self.forgive();
    }

    /// An object is there.
    pub(super) fn saw(&mut self, key: &ObjectKey) {
        if let Some(listing) = &mut self.listing {
            listing.insert(key.clone());
        }
    }

    /// The list is complete; returns what was in it.
    pub(super) fn complete(&mut self) -> BTreeSet<ObjectKey> {
        self.listed = true;
        self.standing = Standing::Synced;
        self.listing.take().unwrap_or_default()
    }

    /// The watch goes on.
    pub(super) fn alive(&mut self) {
        self.forgive();
        if self.listed {
            self.standing = Standing::Synced;
        }
    }

    /// The watch failed.
    pub(super) fn fail(&mut self, code: Option<u16>, message: String, now: SystemTime) {
        self.forgive();
        self.set_failing(code, message, now);
    }

    /// The API server says that we may not read the kind. Objects stay.
    pub(super) fn forbid(&mut self) {
        self.missed = None;
        self.strikes += 1;
        if self.strikes >= FORBIDDEN_STRIKES {
            self.standing = Standing::Forbidden;
        }
    }

    /// The API server says that there is no such kind. Says whether that is believed: when objects of
    /// it are held, not before it was said several times over a while.
    pub(super) fn miss(&mut self, held: bool, at: Instant, sure_after: Duration, now: SystemTime) -> bool {
        self.strikes += 1;
        let since = *self.missed.get_or_insert(at);
        let sure = self.strikes >= MISSING_STRIKES && at.duration_since(since) >= sure_after;
        if sure || !held {
            self.standing = Standing::Missing;
            self.listed = false;
            return true;
        }
        self.set_failing(Some(404), "the API server does not know the kind".to_owned(), now);
        false
    }

    /// Whether everything is known that can be known.
    pub(super) const fn settled(&self) -> bool {
        self.listed || matches!(self.standing, Standing::Missing | Standing::Forbidden)
    }

    /// Whether a complete list was delivered, and the watch was not refused since.
    pub(super) const fn synced(&self) -> bool {
        self.listed && !matches!(self.standing, Standing::Missing | Standing::Forbidden)
    }

    fn forgive(&mut self) {
        (self.strikes, self.missed) = (0, None);
    }

    fn set_failing(&mut self, code: Option<u16>, message: String, now: SystemTime) {
        let since = if let Standing::Failing { since, .. } = self.standing { since } else { now };
        self.standing = Standing::Failing { since, code, message };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[tokio::test(start_paused = true)]
    async fn objects_are_not_taken_away_for_a_single_404() {
        let sure_after = Duration::from_secs(10);
        let mut progress = Progress::default();
        progress.begin();
        progress.complete();
        for _ in 0..5 {
            assert!(!progress.miss(true, Instant::now(), sure_after, NOW));
        }
        tokio::time::advance(sure_after).await;
        assert!(progress.miss(true, Instant::now(), sure_after, NOW));
        assert!(progress.settled() && !progress.synced());
    }

    #[tokio::test(start_paused = true)]
    async fn another_error_in_between_makes_a_404_unsure_again() {
        let sure_after = Duration::from_secs(10);
        let mut progress = Progress::default();
        progress.miss(true, Instant::now(), sure_after, NOW);
        progress.miss(true, Instant::now(), sure_after, NOW);
        tokio::time::advance(sure_after).await;
        progress.fail(None, "connection refused".to_owned(), NOW);
        assert!(!progress.miss(true, Instant::now(), sure_after, NOW));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_without_objects_is_missing_at_once() {
        let mut progress = Progress::default();
        assert!(progress.miss(false, Instant::now(), Duration::from_secs(10), NOW));
        assert_eq!(progress.standing, Standing::Missing);
    }

    #[test]
    fn forbidden_is_believed_the_second_time() {
        let mut progress = Progress::default();
        progress.forbid();
        assert_eq!(progress.standing, Standing::Connecting);
        progress.forbid();
        assert_eq!(progress.standing, Standing::Forbidden);
        assert!(progress.settled() && !progress.synced());
    }

    #[test]
    fn a_failing_watch_says_since_when_and_the_last_reason() {
        let mut progress = Progress::default();
        progress.complete();
        progress.fail(None, "one".to_owned(), NOW);
        progress.fail(Some(500), "two".to_owned(), NOW + Duration::from_secs(9));
        assert_eq!(progress.standing, Standing::Failing { since: NOW, code: Some(500), message: "two".to_owned() });
        assert!(progress.settled() && progress.synced(), "what it delivered stays");
        progress.alive();
        assert_eq!(progress.standing, Standing::Synced);
    }
}
