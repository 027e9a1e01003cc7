//! Statuses and problems as text.

use std::fmt::{self, Write as _};

use crate::api::status::{Condition, ConditionStatus, GatewayStatus, PolicyStatus, RouteStatus, Status, TenantStatus};
use crate::source::Location;
use crate::translate::{Problem, Translation};

/// Writes the status of every object, most important first.
pub(crate) fn write(translation: &Translation, out: &mut String) -> fmt::Result {
    for (object, status) in &translation.statuses {
        writeln!(out, "{object}")?;
        match &**status {
            Status::GatewayClass(status) => conditions(&status.conditions, 1, out)?,
            Status::Gateway(status) => gateway(status, out)?,
            Status::Route(status) => route(status, out)?,
            Status::Tenant(status) => tenant(status, out)?,
            Status::Policy(status) => policy(status, out)?,
        }
    }
    Ok(())
}

/// A problem as a compiler would write it.
pub(crate) fn problem(problem: &Problem, location: Option<&Location>) -> String {
    let mut line = String::new();
    if let Some(location) = location {
        let _ = write!(line, "{location}: ");
    }
    let _ = write!(line, "error: {}: ", problem.object);
    if !problem.field.is_empty() {
        let _ = write!(line, "{}: ", problem.field);
    }
    let _ = write!(line, "{}: {}", problem.reason, problem.message);
    if !problem.remedy.is_empty() {
        let _ = write!(line, "; {}", problem.remedy);
    }
    line
}

fn gateway(status: &GatewayStatus, out: &mut String) -> fmt::Result {
    conditions(&status.conditions, 1, out)?;
    for address in status.addresses.iter().filter_map(|address| address.value.as_deref()) {
        writeln!(out, "  address {address}")?;
    }
    for listener in &status.listeners {
        let kinds: Vec<_> = listener.supported_kinds.iter().map(|kind| kind.kind.as_str()).collect();
        let (routes, kinds) = (listener.attached_routes, kinds.join(", "));
        writeln!(out, "  listener {}: attachedRoutes {routes}, supportedKinds [{kinds}]", listener.name)?;
        conditions(&listener.conditions, 2, out)?;
    }
    Ok(())
}

fn tenant(status: &TenantStatus, out: &mut String) -> fmt::Result {
    conditions(&status.conditions, 1, out)?;
    let claims = &status.claims;
    writeln!(out, "  namespaces {}, routes {}, claims {}", status.namespaces, status.routes, claims.held)?;
    for contest in &claims.contests {
        let path = contest.path_prefix.as_deref().unwrap_or_default();
        writeln!(out, "  contested with Tenant {}: {}{path}", contest.tenant, contest.hostname)?;
    }
    Ok(())
}

fn route(status: &RouteStatus, out: &mut String) -> fmt::Result {
    for parent in &status.parents {
        let reference = &parent.parent_ref;
        write!(out, "  parent ")?;
        if let Some(namespace) = &reference.namespace {
            write!(out, "{namespace}/")?;
        }
        write!(out, "{}", reference.name)?;
        if let Some(section) = &reference.section_name {
            write!(out, " section {section}")?;
        }
        if let Some(port) = reference.port {
            write!(out, " port {port}")?;
        }
        writeln!(out)?;
        conditions(&parent.conditions, 2, out)?;
    }
    Ok(())
}

fn policy(status: &PolicyStatus, out: &mut String) -> fmt::Result {
    for target in &status.ancestors {
        let reference = &target.ancestor_ref;
        write!(out, "  target {} {}", reference.kind, reference.name)?;
        if let Some(section) = &reference.section_name {
            write!(out, " section {section}")?;
        }
        writeln!(out)?;
        conditions(&target.conditions, 2, out)?;
    }
    Ok(())
}

fn conditions(conditions: &[Condition], depth: usize, out: &mut String) -> fmt::Result {
    for condition in conditions {
        let status = match condition.status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        };
        write!(out, "{:indent$}{:<12} {status:<7} {}", "", condition.kind, condition.reason, indent = 2 * depth)?;
        // where all is well the message only repeats it
        if condition.status != ConditionStatus::True || condition.kind == "PartiallyInvalid" {
            write!(out, ": {}", condition.message)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
