//! How the connection to the API server is, for people and for `/readyz`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use crate::api::{Kind, ObjectRef};

/// How the watch of one kind stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// It has not delivered a complete list.
    #[default]
    Connecting,
    /// It has, and goes on.
    Synced,
    /// The API server does not know the kind.
    Missing,
    /// The process may not read it.
    Forbidden,
    /// It does not work at the moment. What it delivered before stays.
    Failing {
        /// Since when.
        since: SystemTime,
        /// The status that the API server answered; nothing when it did not answer.
        code: Option<u16>,
        /// Why.
        message: String,
    },
}

/// An object that cannot be read. Its last good version stays, if there was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The object.
    pub object: ObjectRef,
    /// The field, empty for the whole of it.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// The watches.
    pub kinds: BTreeMap<Kind, Standing>,
    /// Whether everything has been delivered once.
    pub complete: bool,
    /// Objects come from disk, and were kept at this time.
    pub restored: Option<SystemTime>,
    /// Objects that cannot be read.
    pub malformed: Arc<[Malformed]>,
}

impl Health {
    /// One line on what is wrong; nothing when nothing is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let failing = self.failing();
        if let Some(kept) = self.restored {
            let server = failing.map_or_else(|| "API server has not delivered everything".to_owned(), |(text, _)| text);
            return Some(format!("{server}: serving the configuration of {}", time(kept)));
        }
        if !self.complete {
            let waiting = self.list(|standing| matches!(standing, Standing::Connecting | Standing::Failing { .. }));
            return Some(match failing {
                Some((text, message)) => format!("{text}: {message}: waiting for {waiting}"),
                None if waiting.is_empty() => "waiting for the Secrets and ConfigMaps that are referred to".to_owned(),
                None => format!("waiting for the API server's list of {waiting}"),
            });
        }
        if let Some((text, _)) = failing {
            return Some(format!("{text}: serving the last known configuration"));
        }
        let forbidden = self.list(|standing| *standing == Standing::Forbidden);
        (!forbidden.is_empty()).then(|| format!("not allowed to read {forbidden}"))
    }

    /// What fails, since when, and the first reason.
    fn failing(&self) -> Option<(String, &str)> {
        let failing = self.kinds.values().filter_map(|standing| match standing {
            Standing::Failing { since, code, message } => Some((*since, message.as_str(), *code)),
            _ => None,
        });
        let (since, message, code) = failing.min()?;
        let well = self.kinds.values().any(|standing| *standing == Standing::Synced);
        let what = if well {
            format!("watching {} fails", self.list(|standing| matches!(standing, Standing::Failing { .. })))
        } else {
            match code {
                None => "API server unreachable".to_owned(),
                Some(401) => "API server refuses our credentials".to_owned(),
                Some(code) => format!("API server answers {code}"),
            }
        };
        Some((format!("{what} since {}", time(since)), message))
    }

    fn list(&self, which: impl Fn(&Standing) -> bool) -> String {
        let mut list = String::new();
        for (kind, _) in self.kinds.iter().filter(|(_, standing)| which(standing)) {
            let comma = if list.is_empty() { "" } else { ", " };
            // Writing into a string cannot fail.
            let _ = write!(list, "{comma}{kind}");
        }
        list
    }
}

fn time(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let shown = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    shown.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn health(kinds: [Standing; 2]) -> Health {
        let kinds = [Kind::Gateway, Kind::HttpRoute].into_iter().zip(kinds).collect();
        Health { kinds, complete: true, ..Health::default() }
    }

    fn failing() -> Standing {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Standing::Failing { since, code: None, message: "connection refused".to_owned() }
    }

    fn trouble(health: &Health) -> String {
        health.trouble().unwrap_or_default()
    }

    #[test]
    fn nothing_is_said_when_all_is_well() {
        assert_eq!(health([Standing::Synced, Standing::Synced]).trouble(), None);
        assert_eq!(health([Standing::Synced, Standing::Missing]).trouble(), None);
    }

    #[test]
    fn an_outage_says_since_when_and_what_is_served() {
        let mut health = health([failing(), failing()]);
        let server = "API server unreachable since 2023-11-14T22:13:20Z";
        assert_eq!(trouble(&health), format!("{server}: serving the last known configuration"));
        health.restored = Some(SystemTime::UNIX_EPOCH);
        assert_eq!(trouble(&health), format!("{server}: serving the configuration of 1970-01-01T00:00:00Z"));
        (health.restored, health.complete) = (None, false);
        assert_eq!(trouble(&health), format!("{server}: connection refused: waiting for Gateway, HTTPRoute"));
    }

    #[test]
    fn an_api_server_that_answers_is_not_called_unreachable() {
        let trouble = |code| {
            let Standing::Failing { since, message, .. } = failing() else { unreachable!() };
            let failing = Standing::Failing { since, code, message };
            trouble(&health([failing.clone(), failing]))
        };
        let rest = "since 2023-11-14T22:13:20Z: serving the last known configuration";
        assert_eq!(trouble(Some(401)), format!("API server refuses our credentials {rest}"));
        assert_eq!(trouble(Some(503)), format!("API server answers 503 {rest}"));
        assert_eq!(trouble(None), format!("API server unreachable {rest}"));
    }

    #[test]
    fn trouble_with_one_kind_names_it() {
        let text = "watching HTTPRoute fails since 2023-11-14T22:13:20Z: serving the last known configuration";
        assert_eq!(trouble(&health([Standing::Synced, failing()])), text);
        assert_eq!(trouble(&health([Standing::Synced, Standing::Forbidden])), "not allowed to read HTTPRoute");
        let mut starting = health([Standing::Synced, Standing::Connecting]);
        starting.complete = false;
        assert_eq!(trouble(&starting), "waiting for the API server's list of HTTPRoute");
        starting.kinds.insert(Kind::HttpRoute, Standing::Synced);
        assert_eq!(trouble(&starting), "waiting for the Secrets and ConfigMaps that are referred to");
    }
}
