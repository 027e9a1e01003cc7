//! One status from what is wanted to what the API server holds.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::ObjectRef;
use crate::api::status::{Condition, Status};
use crate::source::live::{Live, Seen};
use crate::status::events::{Events, turns};
use crate::status::merge::{Now, merge};
use crate::status::queue::Done;
use crate::status::request::{Refused, Requests};
use crate::telemetry::Metrics;
use crate::telemetry::label::WriteOutcome;

/// Tries in a row when others write at the same time.
const TRIES: usize = 4;

/// What a write needs.
pub(crate) struct Attempt {
    /// The API server.
    pub(crate) requests: Requests,
    /// What it holds.
    pub(crate) live: Arc<Live>,
    /// Where it is told what turned bad.
    pub(crate) events: Events,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
}

/// A status that is ready to be sent.
pub(crate) struct Write {
    seen: Seen,
    current: Value,
    next: Value,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Written,
    Nothing,
    Conflict,
    Forbidden,
    Failed,
}

impl Outcome {
    /// What the queue makes of it.
    pub(crate) const fn done(self) -> Done {
        let (first, most) = match self {
            Self::Written => return Done::Written,
            Self::Nothing => return Done::Nothing,
            Self::Conflict => (Duration::from_millis(100), Duration::from_secs(5)),
            Self::Forbidden => (Duration::from_secs(30), Duration::from_mins(5)),
            Self::Failed => (Duration::from_millis(200), Duration::from_secs(30)),
        };
        Done::Retry { first, most }
    }
}

impl Attempt {
    /// What has to be written to an object, going by what is known of it.
    pub(crate) fn prepare(&self, object: &ObjectRef, wanted: Option<&Status>) -> Option<Write> {
        let seen = self.live.get(object)?;
        // Made for a generation that this object does not have: it was deleted and made anew.
        if wanted.is_some_and(|wanted| generation(wanted) > seen.generation) {
            return None;
        }
        let raw = seen.status.as_ref().map_or("null", |status| status.get());
        let current: Value = serde_json::from_str(raw).unwrap_or_default();
        let next = merge(object, &current, wanted, Now(Timestamp::now()))?;
        Some(Write { seen, current, next })
    }

    /// Writes it; when somebody else was faster, reads what they wrote and tries again.
    pub(crate) async fn run(&self, object: &ObjectRef, wanted: Option<&Status>, first: Write) -> Outcome {
        let mut write = first;
        for _ in 0..TRIES {
            match self.send(object, &write).await {
                Ok(()) => return Outcome::Written,
                Err(Refused::Conflict) => {}
                Err(error) => return self.failed(object, &error),
            }
            match self.requests.get(object).await {
                Ok(fresh) => self.note(object, &fresh),
                Err(error) => return self.failed(object, &error),
            }
            let Some(next) = self.prepare(object, wanted) else { return Outcome::Nothing };
            write = next;
        }
        Outcome::Conflict
    }

    async fn send(&self, object: &ObjectRef, write: &Write) -> Result<(), Refused> {
        let Write { seen, current, next } = write;
        let metadata = json!({"resourceVersion": &*seen.resource_version, "uid": &*seen.uid});
        let answer = self.requests.patch_status(object, &json!({"metadata": metadata, "status": next})).await;
        let outcome = answer.as_ref().map_or_else(Refused::outcome, |_| Some(WriteOutcome::Written));
        if let Some(outcome) = outcome {
            self.metrics.control.status_writes.inc(outcome);
        }
        self.note(object, &answer?);
        self.events.send(object, &seen.uid, turns(current, next));
        Ok(())
    }

    fn note(&self, object: &ObjectRef, answer: &Value) {
        if let Some(seen) = seen(answer) {
            self.live.note(object.clone(), seen);
        }
    }

    fn failed(&self, object: &ObjectRef, error: &Refused) -> Outcome {
        match error {
            Refused::Gone => Outcome::Nothing,
            Refused::Forbidden(_) => Outcome::Forbidden,
            Refused::Conflict => Outcome::Conflict,
            Refused::NotLeader => Outcome::Failed,
            Refused::Failed(_) => {
                tracing::warn!(%object, %error, "status not written, will be tried again");
                Outcome::Failed
            }
        }
    }
}

/// An object of the API server, as far as it is remembered.
pub(crate) fn seen(object: &Value) -> Option<Seen> {
    let metadata = object.get("metadata")?;
    let text = |field: &str| metadata.get(field).and_then(Value::as_str);
    let status = object.get("status").and_then(|status| serde_json::value::to_raw_value(status).ok());
    Some(Seen {
        uid: text("uid")?.into(),
        resource_version: text("resourceVersion")?.into(),
        generation: metadata.get("generation").and_then(Value::as_i64).unwrap_or_default(),
        status: status.map(Arc::from),
    })
}

/// The generation a status was made for.
fn generation(status: &Status) -> i64 {
    let most = |conditions: &[Condition]| conditions.iter().map(|it| it.observed_generation).max();
    let most = match status {
        Status::GatewayClass(status) => most(&status.conditions),
        Status::Gateway(status) => most(&status.conditions),
        Status::Tenant(status) => most(&status.conditions),
        Status::Route(status) => status.parents.iter().filter_map(|parent| most(&parent.conditions)).max(),
        Status::Policy(status) => status.ancestors.iter().filter_map(|target| most(&target.conditions)).max(),
    };
    most.unwrap_or_default()
}
