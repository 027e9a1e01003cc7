//! The Lease as it was seen, with the moment it was seen by our own clock.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

use super::LeaseSettings;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but to look from time to time.
    Hold,
    /// Take or renew.
    Write,
}

/// A Lease as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) holder: String,
    lease: Lease,
    since: Instant,
}

impl Record {
    /// One that was never seen before: it holds for its whole duration from now on, whatever its
    /// renewTime says, because clocks of machines differ.
    pub(super) fn new(lease: &Lease, now: Instant) -> Self {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        Self { holder, lease: lease.clone(), since: now }
    }

    /// A later look at it: only a renewal lets its time begin anew. An event that is older than what a
    /// write has answered changes nothing.
    pub(super) fn next(self, lease: &Lease, now: Instant) -> Self {
        if version(lease).zip(version(&self.lease)).is_some_and(|(next, known)| next < known)
            && lease.metadata.uid == self.lease.metadata.uid
        {
            return self;
        }
        let same = self.lease.spec == lease.spec;
        let since = if same { self.since } else { now };
        Self { since, ..Self::new(lease, now) }
    }

    /// When it ends by our clock, unless it is renewed.
    pub(super) fn ends(&self) -> Instant {
        let seconds = self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        self.since + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    /// Whether anyone may take it.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.holder.is_empty() || now >= self.ends()
    }

    /// The Lease to write over what is known.
    pub(super) fn lease(
        known: Option<&Self>,
        settings: &LeaseSettings,
        (holder, duration): (&str, Duration),
        now: Timestamp,
    ) -> Lease {
        let mut lease = known.map(|known| known.lease.clone()).unwrap_or_default();
        let spec = lease.spec.take().unwrap_or_default();
        let stays = spec.holder_identity.as_deref() == Some(holder);
        let taken = i32::from(!stays && !holder.is_empty() && known.is_some());
        let acquired = if stays { spec.acquire_time.clone() } else { None };
        lease.metadata = ObjectMeta {
            name: Some(settings.name.clone()),
            namespace: Some(settings.namespace.clone()),
            ..lease.metadata
        };
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(whole_seconds(duration)),
            acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(spec.lease_transitions.unwrap_or_default().saturating_add(taken)),
            ..spec
        });
        lease
    }
}

/// Rounded up: others must not take the lease before its holder lets go.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)
}

fn version(lease: &Lease) -> Option<u128> {
    lease.metadata.resource_version.as_ref()?.parse().ok()
}
