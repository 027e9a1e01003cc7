//! What a step found wrong, and which condition it speaks against.

use super::field::Field;
use super::problem::Problem;
use super::reason::Reason;
use crate::api::ObjectRef;

/// How many findings one condition lists.
const MAX_LISTED: usize = 8;
/// How long a condition's message grows, in bytes.
const MAX_MESSAGE: usize = 1024;

/// What a finding speaks against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// `Accepted`: something cannot be honoured at all.
    Accepted,
    /// `ResolvedRefs`: a reference leads nowhere.
    ResolvedRefs,
    /// `Programmed`: it is valid and still not served.
    Programmed,
    /// No condition; people should know all the same.
    Notice,
}

/// One thing found wrong.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    concern: Concern,
    reason: Reason,
    field: String,
    message: String,
    remedy: String,
}

/// Everything found wrong with one object, or with one part of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Speaks against `Accepted`.
    pub(crate) fn reject(&mut self, reason: Reason, at: &Field<'_>, message: impl Into<String>, remedy: &str) {
        self.add(Concern::Accepted, reason, at, (message.into(), remedy.to_owned()));
    }

    /// Speaks against `ResolvedRefs`.
    pub(crate) fn unresolved(&mut self, reason: Reason, at: &Field<'_>, message: impl Into<String>, remedy: &str) {
        self.add(Concern::ResolvedRefs, reason, at, (message.into(), remedy.to_owned()));
    }

    /// Speaks against `Programmed`.
    pub(crate) fn unprogrammed(&mut self, reason: Reason, at: &Field<'_>, message: impl Into<String>, remedy: &str) {
        self.add(Concern::Programmed, reason, at, (message.into(), remedy.to_owned()));
    }

    /// Speaks against no condition.
    pub(crate) fn notice(&mut self, reason: Reason, at: &Field<'_>, message: impl Into<String>, remedy: &str) {
        self.add(Concern::Notice, reason, at, (message.into(), remedy.to_owned()));
    }

    fn add(&mut self, concern: Concern, reason: Reason, at: &Field<'_>, (message, remedy): (String, String)) {
        let (message, remedy) = (bounded(message), bounded(remedy));
        self.0.push(Finding { concern, reason, field: at.to_string(), message, remedy });
    }

    /// Whether anything speaks against a condition.
    pub(crate) fn against(&self, concern: Concern) -> bool {
        self.0.iter().any(|finding| finding.concern == concern)
    }

    /// The reason a condition shows, and a message that lists everything that speaks against it.
    pub(crate) fn verdict(&self, concern: Concern) -> Option<(Reason, String)> {
        let mut relevant: Vec<&Finding> = self.0.iter().filter(|finding| finding.concern == concern).collect();
        relevant.sort_by_key(|finding| finding.reason);
        let reason = relevant.first()?.reason;
        let listed = relevant.iter().take(MAX_LISTED).map(|finding| format!("{}: {}", finding.field, finding.message));
        let mut message = listed.collect::<Vec<_>>().join("; ");
        if relevant.len() > MAX_LISTED {
            message.push_str(&format!("; and {} more", relevant.len() - MAX_LISTED));
        }
        Some((reason, bounded(message)))
    }

    /// Everything as problems of an object.
    pub(crate) fn into_problems<'a>(self, object: &'a ObjectRef) -> impl Iterator<Item = Problem> + use<'a> {
        self.0.into_iter().map(|finding| Problem {
            object: object.clone(),
            field: finding.field,
            reason: finding.reason.as_str(),
            message: finding.message,
            remedy: finding.remedy,
        })
    }

    /// Turns what speaks against `Accepted` against `ResolvedRefs`, and says whether anything did:
    /// a filter on one backend spoils that reference, not the rule.
    pub(crate) fn reject_reference(&mut self) -> bool {
        let rejected = self.0.iter_mut().filter(|finding| finding.concern == Concern::Accepted);
        rejected.map(|finding| finding.concern = Concern::ResolvedRefs).count() > 0
    }

    /// Turns what speaks against `Accepted` into notices: a part of an object is left out, the rest holds.
    pub(crate) fn into_notices(mut self) -> Self {
        for finding in self.0.iter_mut().filter(|finding| finding.concern == Concern::Accepted) {
            finding.concern = Concern::Notice;
        }
        self
    }

    /// Takes over what another step found.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    #[cfg(test)]
    pub(crate) fn reasons(&self) -> Vec<(Concern, Reason)> {
        self.0.iter().map(|finding| (finding.concern, finding.reason)).collect()
    }
}

/// A kind as messages name it: the core group goes without saying.
pub(crate) fn qualified(group: &str, kind: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{group}/{kind}") }
}

/// Cuts a message that quotes what people wrote to a length a status can hold.
pub(crate) fn bounded(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE - 4).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_shows_the_first_reason_and_lists_all() {
        let mut findings = Findings::default();
        findings.unresolved(Reason::BackendNotFound, &Field::SPEC.name("a"), "no Service", "");
        findings.unresolved(Reason::RefNotPermitted, &Field::SPEC.name("b"), "not allowed", "");
        findings.notice(Reason::UnsupportedValue, &Field::SPEC, "by the way", "");
        let (reason, message) = findings.verdict(Concern::ResolvedRefs).unwrap();
        assert_eq!(reason, Reason::RefNotPermitted);
        assert_eq!(message, "spec.b: not allowed; spec.a: no Service");
        assert!(findings.verdict(Concern::Accepted).is_none());
    }

    #[test]
    fn messages_stay_bounded() {
        let mut findings = Findings::default();
        for _ in 0..100 {
            findings.reject(Reason::UnsupportedValue, &Field::SPEC, "ä".repeat(300), "");
        }
        let (_, message) = findings.verdict(Concern::Accepted).unwrap();
        assert!(message.len() <= MAX_MESSAGE && message.ends_with('…'));
    }
}
