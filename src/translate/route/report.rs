//! The status of a route: one entry for each parentRef that names a Gateway of ours.

use std::sync::Arc;

use super::{Judged, Lowered, Outcome, RouteKind};
use crate::api::gateway::CONTROLLER_NAME;
use crate::api::status::{Condition, RouteParentStatus, RouteStatus, Status};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::translate::attach::Refusal;
use crate::translate::field::Field;
use crate::translate::finding::Concern;
use crate::translate::reason::Reason;
use crate::translate::{Problem, status};

const LOST: &str = "requests for these never reach it; narrow the route, or leave it as it is";

/// Writes the status of a route and everything that is wrong with it.
pub(super) fn report(
    key: &ObjectKey,
    route: &dyn RouteKind,
    lowered: Lowered,
    judged: Vec<Judged<'_>>,
    outcome: &mut Outcome,
) {
    let object = ObjectRef::new(route.kind(), key.clone());
    let generation = route.metadata().generation.unwrap_or_default();
    let parents = judged.iter().map(|judged| RouteParentStatus {
        parent_ref: judged.parent.clone(),
        controller_name: CONTROLLER_NAME,
        conditions: conditions(&lowered, judged, generation),
    });
    let status = RouteStatus { parents: parents.collect() };
    outcome.status = Some(Arc::new(Status::Route(status)));
    for Judged { index, verdict, lost, .. } in judged {
        let lost = lost.map(|message| Refusal { reason: Reason::HostnameNotPermitted, message, remedy: LOST });
        let Some(refusal) = verdict.err().or(lost) else { continue };
        outcome.problems.push(Problem {
            object: object.clone(),
            field: Field::SPEC.item("parentRefs", index).to_string(),
            reason: refusal.reason.as_str(),
            message: refusal.message,
            remedy: refusal.remedy.to_owned(),
        });
    }
    outcome.problems.extend(lowered.findings.into_problems(&object));
}

fn conditions(lowered: &Lowered, judged: &Judged<'_>, generation: i64) -> Vec<Condition> {
    let mut conditions = Vec::with_capacity(2);
    let broken = lowered.findings.verdict(Concern::Accepted);
    match (&judged.verdict, broken) {
        (Err(refusal), _) => {
            let message = refusal.message.as_str();
            conditions.push(status::fails(status::ACCEPTED, refusal.reason, message.to_owned(), generation));
        }
        (Ok(_), Some((reason, message))) if lowered.refused => {
            conditions.push(status::fails(status::ACCEPTED, reason, message, generation));
        }
        (Ok(_), broken) => {
            conditions.push(status::holds(status::ACCEPTED, Reason::Accepted, "the route is accepted", generation));
            if let Some((_, message)) = broken {
                let rules: Vec<String> = lowered.dropped.iter().take(8).map(ToString::to_string).collect();
                let answer = if lowered.route.id.kind == Kind::GrpcRoute { "UNAVAILABLE" } else { "500" };
                let message = format!("Dropped Rule {}, whose requests get {answer}: {message}", rules.join(", "));
                let reason = Reason::UnsupportedValue;
                conditions.push(status::holds(status::PARTIALLY_INVALID, reason, message, generation));
            }
        }
    }
    if let Some(lost) = &judged.lost {
        conditions.push(status::fails(
            status::HOSTNAME_PERMITTED,
            Reason::HostnameNotPermitted,
            lost.clone(),
            generation,
        ));
    }
    conditions.extend(lowered.shadowed.as_ref().map(|over| status::beyond_quota(over, generation)));
    let at = conditions.len().min(1);
    conditions.insert(at, status::resolved_refs(&lowered.findings, generation));
    conditions
}
