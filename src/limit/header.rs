//! What a client is told: the fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10,
//! structured fields of RFC 9651), `Retry-After` (RFC 9110 §10.2.3), and the body of a denial (RFC 9457).
//!
//! A policy says `"name";q=100;w=60`: a quota of 100 requests in a window of 60 s. The state says
//! `"name";r=50;t=30`: 50 remain, and after 30 s the quota is whole again. GCRA knows no windows, so the policy
//! is written such that all four agree: `q / w` is the rate, `r ≤ q` and `t ≤ w`.
//!
//! - A burst that is no more than the requests of a period of whole seconds: the quota as it was configured.
//! - Otherwise: the whole seconds in which a burst fills, and the requests of so many seconds.
//!
//! Where replicas divide a limit the policy is the whole one, and the state what is left at this replica, which is
//! all that one can promise.

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::clock::nanos;
use super::counting::Quota;

/// The name of the field that [`policy`] writes.
pub const POLICY: &str = "ratelimit-policy";
/// The name of the field that [`state`] writes.
pub const STATE: &str = "ratelimit";
/// The media type of [`problem`].
pub const PROBLEM: &str = "application/problem+json";

/// The largest integer of structured fields (RFC 9651 §3.3.1).
const LARGEST: u64 = 999_999_999_999_999;
const SECOND: u64 = 1_000_000_000;

/// `RateLimit-Policy`: all limits of a request; `None` if there are none. It changes with the configuration only.
pub fn policy<'l>(limits: impl IntoIterator<Item = (&'l str, Quota)>) -> Option<HeaderValue> {
    let mut list = String::new();
    for (name, quota) in limits {
        let (requests, seconds) = window(&quota);
        if !list.is_empty() {
            list.push_str(", ");
        }
        string(&mut list, name);
        let _ = write!(list, ";q={};w={}", requests.min(LARGEST), seconds.min(LARGEST));
    }
    if list.is_empty() { None } else { HeaderValue::try_from(list).ok() }
}

/// `RateLimit`: what one limit has left, and the time to its full burst.
#[must_use]
pub fn state(name: &str, remaining: u64, reset_after: Duration) -> Option<HeaderValue> {
    let mut item = String::with_capacity(name.len() + 24);
    string(&mut item, name);
    // intervals are rounded up to whole nanoseconds: their sum must not make a second more of nothing
    let reset = seconds(reset_after.saturating_sub(Duration::from_millis(1)));
    let _ = write!(item, ";r={};t={}", remaining.min(LARGEST), reset.min(LARGEST));
    HeaderValue::try_from(item).ok()
}

/// `Retry-After`: whole seconds, rounded up, at least 1; at most a year.
#[must_use]
pub fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(seconds(wait).clamp(1, 365 * 24 * 3_600))
}

/// The body of a denial by these limits with this status, in the problem type that the draft registers.
#[must_use]
pub fn problem(status: StatusCode, violated: &[&str]) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Problem<'l> {
        r#type: &'static str,
        title: &'static str,
        status: u16,
        violated_policies: &'l [&'l str],
    }
    let problem = Problem {
        r#type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
        title: "Request cannot be satisfied as assigned quota has been exceeded",
        status: status.as_u16(),
        violated_policies: violated,
    };
    // texts and numbers cannot fail to be written
    serde_json::to_string(&problem).unwrap_or_default()
}

/// Requests and seconds of a policy.
fn window(quota: &Quota) -> (u64, u64) {
    let (requests, burst) = (u64::from(quota.requests.max(1)), u64::from(quota.burst.max(1)));
    let period = nanos(quota.period).max(1);
    if burst <= requests && period.is_multiple_of(SECOND) {
        return (requests, period / SECOND);
    }
    // wide numbers, because a period may be years
    let [requests, burst, period, second] = [requests, burst, period, SECOND].map(u128::from);
    let seconds = (burst * period).div_ceil(requests * second).max(1);
    let all = seconds * second * requests / period;
    let narrow = |n| u64::try_from(n).unwrap_or(u64::MAX);
    (narrow(all.max(burst)), narrow(seconds))
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// A string of structured fields (RFC 9651 §4.1.6). What it cannot hold becomes `?`.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(if matches!(c, ' '..='~') { c } else { '?' });
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
