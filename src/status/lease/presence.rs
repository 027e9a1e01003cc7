//! Whether the holder of the lease is still there, by the endpoints of our own Service.

use super::LeaseSettings;
use crate::snapshot::Snapshot;
use crate::status::replicas;

/// Whether the holder's pod is missing or not ready while ours is ready. Endpoints that do not even show
/// this pod prove nothing about another one.
pub(super) fn is_absent(snapshot: &Snapshot, settings: &LeaseSettings, holder: &str) -> bool {
    let slices = || replicas::slices(snapshot, &settings.namespace, &settings.service);
    let ready =
        |pod: &str| slices().any(|slice| slice.endpoints.iter().flatten().any(|it| replicas::is_ready(it, pod)));
    ready(&settings.identity) && !ready(holder)
}
