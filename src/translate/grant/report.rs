//! The status of ShareGrants: whether they permit anything, and who uses them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::share;
use crate::api::policy::ShareGrant;
use crate::api::policy::status::User;
use crate::api::status::{Condition, ShareGrantStatus, Status};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::Snapshot;
use crate::translate::finding::Concern;
use crate::translate::gateway::GatewayPlan;
use crate::translate::reason::Reason;
use crate::translate::route::Sum;
use crate::translate::{Translation, status};

/// How many users a status lists.
const MOST_USERS: usize = 16;

/// Gateways that use a grant.
type Gateways<'a> = HashMap<&'a ObjectKey, BTreeSet<&'a ObjectKey>>;

/// Says how each grant stands.
pub(crate) fn report(snapshot: &Snapshot, routes: &Sum, gateways: &[GatewayPlan<'_>], out: &mut Translation) {
    let gateways = using(gateways);
    for (key, grant) in &snapshot.share_grants {
        let object = ObjectRef::new(Kind::ShareGrant, key.clone());
        let gateways = gateways.get(key);
        let count = gateways.map_or(0, BTreeSet::len) + routes.users_of(key).len();
        let first = gateways.into_iter().flatten().map(|gateway| user(Kind::Gateway, gateway));
        let then = routes.users_of(key).map(|route| user(route.kind, &route.key));
        let status = ShareGrantStatus {
            conditions: vec![accepted(snapshot, grant)],
            users: u32::try_from(count).unwrap_or(u32::MAX),
            used_by: first.chain(then).take(MOST_USERS).collect(),
        };
        out.statuses.insert(object.clone(), Arc::new(Status::ShareGrant(status)));
        // that it has ended is no fault: who still needs it is told
        out.problems.extend(share::findings(&grant.spec).into_problems(&object));
    }
}

fn using<'a>(gateways: &'a [GatewayPlan<'_>]) -> Gateways<'a> {
    let mut users = Gateways::new();
    for gateway in gateways {
        for grant in gateway.listeners.iter().flat_map(|listener| &listener.grants) {
            users.entry(grant).or_default().insert(gateway.key);
        }
    }
    users
}

fn user(kind: Kind, key: &ObjectKey) -> User {
    User {
        group: kind.group().to_owned(),
        kind: kind.as_str().to_owned(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
    }
}

fn accepted(snapshot: &Snapshot, grant: &ShareGrant) -> Condition {
    let generation = grant.metadata.generation.unwrap_or_default();
    if let Some((reason, message)) = share::findings(&grant.spec).verdict(Concern::Accepted) {
        return status::fails(status::ACCEPTED, reason, message, generation);
    }
    match (share::ended(&grant.spec, snapshot.facts.ended), &grant.spec.expires) {
        (Some(at), _) => {
            let message = format!("it ended at {at} and permits nothing");
            status::fails(status::ACCEPTED, Reason::Expired, message, generation)
        }
        (None, Some(end)) => {
            status::holds(status::ACCEPTED, Reason::Accepted, format!("it permits until {}", end.0), generation)
        }
        (None, None) => status::holds(status::ACCEPTED, Reason::Accepted, "it permits until it is deleted", generation),
    }
}
