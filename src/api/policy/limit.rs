//! What can be limited, written alike wherever it is limited.

use std::time::Duration;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::pattern;
use crate::api::duration;

/// Requests in a time, with a burst.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Requests that are let through in the time that `per` says, evenly spread. 1 to 1,000,000,000.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: u32,
    /// The time, in whole seconds, minutes and hours: `1s`, `1m`, `1h`, `1h30m`. From `1s` to `24h`.
    #[schemars(length(max = 18), regex(pattern = pattern::PERIOD))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')")
        .message("must be from 1s to 24h"))]
    pub per: String,
    /// Requests that may come at once after a pause. 1 to 1,000,000,000; as many as `requests` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<u32>,
}

impl Rate {
    /// The shortest time that a rate may be measured over.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// The longest.
    pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

    /// The time that `per` says, if it is one that a rate may be measured over.
    #[must_use]
    pub fn period(&self) -> Option<Duration> {
        let period = duration::parse(&self.per).ok()?;
        (period >= Self::SHORTEST && period <= Self::LONGEST).then_some(period)
    }

    /// Requests that may come at once.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_measured_over_a_second_to_a_day() {
        let rate = |per: &str| Rate { requests: 10, per: per.to_owned(), burst: None };
        assert_eq!(rate("1m30s").period(), Some(Duration::from_secs(90)));
        assert_eq!(rate("24h").period(), Some(Rate::LONGEST));
        for per in ["0s", "24h1s", "500ms", "1", ""] {
            assert_eq!(rate(per).period(), None, "{per}");
        }
        assert_eq!((rate("1s").burst(), Rate { burst: Some(3), ..rate("1s") }.burst()), (10, 3));
    }
}
