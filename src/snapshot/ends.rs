//! When objects end on their own.
//!
//! The translator has no clock. What it must know of the time is which ends have passed, and that changes only
//! at one of them: in between, time makes no difference and no work.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Facts, Objects, Snapshot};
use crate::api::policy::ShareGrant;

/// The ends of ShareGrants.
#[derive(Debug, Clone, Default)]
pub struct Ends(BTreeSet<Timestamp>);

impl Ends {
    /// The ends of some grants.
    #[must_use]
    pub fn of(grants: &Objects<ShareGrant>) -> Self {
        Self(grants.values().filter_map(|grant| Some(grant.spec.expires.as_ref()?.0)).collect())
    }

    /// The last one that has passed.
    #[must_use]
    pub fn passed(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.range(..=now).next_back().copied()
    }

    /// The next one to come.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.range(now..).find(|end| **end > now).copied()
    }
}

impl Snapshot {
    /// The same at some moment: what ends by then has ended.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let ended = Ends::of(&self.share_grants).passed(now);
        self.facts = Arc::new(Facts { ended, ..(*self.facts).clone() });
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::ObjectKey;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_has_passed_from_its_moment_on() {
        let ends = ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"];
        let grant = |end: &str| {
            let spec = json!({"from": [], "to": [], "expires": end});
            (ObjectKey::new("a", end), Arc::new(ShareGrant::new(end, serde_json::from_value(spec).unwrap())))
        };
        let forever = json!({"from": [], "to": []});
        let forever = Arc::new(ShareGrant::new("forever", serde_json::from_value(forever).unwrap()));
        let grants = ends.into_iter().map(grant).chain([(ObjectKey::new("a", "forever"), forever)]).collect();
        let (found, [first, second]) = (Ends::of(&grants), ends.map(at));
        for (now, passed, next) in [
            ("2025-12-31T23:59:59.999Z", None, Some(first)),
            ("2026-01-01T00:00:00Z", Some(first), Some(second)),
            ("2026-06-01T00:00:00Z", Some(first), Some(second)),
            ("2027-01-01T00:00:00Z", Some(second), None),
        ] {
            assert_eq!((found.passed(at(now)), found.next(at(now))), (passed, next), "{now}");
        }
        assert_eq!(Ends::default().passed(second), None);
    }
}
