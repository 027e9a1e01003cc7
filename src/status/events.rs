//! Kubernetes Events about conditions that turn bad or good again. Best effort: what cannot be sent now
//! is dropped, since the conditions themselves say the same.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::merge::{is_ours, list};
use super::queue::Rate;
use super::request::Requests;
use crate::api::ObjectRef;
use crate::api::gateway::CONTROLLER_NAME;

/// Conditions that are worth an Event. The others only say more about one of these.
const TOLD: [&str; 3] = ["Accepted", "ResolvedRefs", "Programmed"];
/// A reason that is no trouble: what is new is on its way.
const PENDING: &str = "Pending";
/// Events that may wait to be sent.
const WAITING: usize = 256;
/// Events per second.
const PER_SECOND: usize = 10;

/// A condition that turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whether it turned bad.
    pub(crate) bad: bool,
    /// The condition's reason.
    pub(crate) reason: String,
    /// What to tell.
    pub(crate) note: String,
}

/// Where Events are handed in.
#[derive(Debug, Clone)]
pub(crate) struct Events(mpsc::Sender<(ObjectRef, Arc<str>, Turn)>);

/// Where they are sent from.
pub(crate) struct Sender {
    requests: Requests,
    identity: String,
    waiting: mpsc::Receiver<(ObjectRef, Arc<str>, Turn)>,
}

/// The two ends.
pub(crate) fn events(requests: Requests, identity: &str) -> (Events, Sender) {
    let (sender, waiting) = mpsc::channel(WAITING);
    (Events(sender), Sender { requests, identity: bounded(identity, 128), waiting })
}

impl Events {
    /// Hands in what is to be told about an object.
    pub(crate) fn send(&self, object: &ObjectRef, uid: &Arc<str>, turns: Vec<Turn>) {
        for turn in turns {
            // full: there are more important things to be written
            let _dropped = self.0.try_send((object.clone(), Arc::clone(uid), turn));
        }
    }
}

impl Sender {
    /// Sends until everyone who hands in is gone.
    pub(crate) async fn run(mut self) {
        let mut rate = Rate::per_second(PER_SECOND, Instant::now());
        while let Some((object, uid, turn)) = self.waiting.recv().await {
            super::writer::sleep(rate.ready().or_else(|| Some(Instant::now()))).await;
            rate.take(Instant::now());
            let event = event(&object, &uid, &turn, (&self.identity, Timestamp::now()));
            if let Err(error) = self.requests.create_event(&object, &event).await {
                tracing::debug!(%object, %error, "event not sent");
            }
        }
    }
}

/// The Event as the API server takes it.
fn event(object: &ObjectRef, uid: &str, turn: &Turn, (identity, now): (&str, Timestamp)) -> Value {
    let namespace = if object.key.namespace.is_empty() { "default" } else { &*object.key.namespace };
    let resource = object.kind.resource();
    let mut regarding = json!({"apiVersion": resource.api_version, "kind": resource.kind,
        "name": &*object.key.name, "uid": uid});
    if let Some(fields) = regarding.as_object_mut().filter(|_| !object.key.namespace.is_empty()) {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": namespace, "generateName": name(object)},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "reportingController": CONTROLLER_NAME,
        "reportingInstance": identity,
        "action": "Translate",
        "type": if turn.bad { "Warning" } else { "Normal" },
        "reason": bounded(&turn.reason, 128),
        "note": bounded(&turn.note, 1024),
        "regarding": regarding,
    })
}

/// The beginning of the Event's own name. The API server wants the name to be valid without what it appends, but for a last '-'.
fn name(object: &ObjectRef) -> String {
    format!("{}-", bounded(&object.key.name, 200).trim_end_matches(['.', '-']))
}

/// What turned between two statuses, in what is ours.
pub(crate) fn turns(current: &Value, next: &Value) -> Vec<Turn> {
    let was = conditions(current);
    let now = conditions(next);
    let turn = |(place, condition): &(String, &Value)| {
        let kind = text(condition, "type");
        let known = was.iter().find(|(other, known)| other == place && text(known, "type") == kind);
        let known = known.map(|(_, known)| *known);
        let was_bad = known.is_some_and(|known| text(known, "status") == "False");
        let told = |known: &Value| ["reason", "message"].iter().all(|it| text(known, it) == text(condition, it));
        let bad = text(condition, "status") == "False";
        let news = if bad { !(was_bad && known.is_some_and(told)) } else { was_bad };
        news.then(|| Turn {
            bad: bad && text(condition, "reason") != PENDING,
            reason: text(condition, "reason").to_owned(),
            note: format!("{place}{kind} is {}: {}", text(condition, "status"), text(condition, "message")),
        })
    };
    now.iter().filter(|(_, condition)| TOLD.contains(&text(condition, "type"))).filter_map(turn).collect()
}

/// Every condition of ours with the place it stands in.
fn conditions(status: &Value) -> Vec<(String, &Value)> {
    let Some(status) = status.as_object() else { return Vec::new() };
    let mut all: Vec<(String, &Value)> = list(status, "conditions").iter().map(|it| (String::new(), it)).collect();
    for listener in list(status, "listeners").iter().filter_map(Value::as_object) {
        let name = listener.get("name").and_then(Value::as_str).unwrap_or_default();
        all.extend(list(listener, "conditions").iter().map(|it| (format!("listener '{name}': "), it)));
    }
    for entry in list(status, "parents").iter().filter(|entry| is_ours(entry)) {
        let parent = entry.get("parentRef").map(parent).unwrap_or_default();
        let conditions = entry.as_object().map_or(&[][..], |entry| list(entry, "conditions"));
        all.extend(conditions.iter().map(|it| (format!("parent {parent}: "), it)));
    }
    for entry in list(status, "ancestors").iter().filter(|entry| is_ours(entry)) {
        let target = entry.get("ancestorRef").map(target).unwrap_or_default();
        let conditions = entry.as_object().map_or(&[][..], |entry| list(entry, "conditions"));
        all.extend(conditions.iter().map(|it| (format!("{target}: "), it)));
    }
    all
}

fn target(reference: &Value) -> String {
    let part = |field: &str| reference.get(field).and_then(Value::as_str);
    let section = part("sectionName").map(|section| format!(" section '{section}'")).unwrap_or_default();
    format!("{} '{}'{section}", part("kind").unwrap_or_default(), part("name").unwrap_or_default())
}

fn parent(reference: &Value) -> String {
    let part = |field: &str| reference.get(field).and_then(Value::as_str);
    let port = reference.get("port").map(|port| format!(" port {port}"));
    let section = part("sectionName").map(|section| format!(" listener '{section}'"));
    let namespace = part("namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let (section, port) = (section.unwrap_or_default(), port.unwrap_or_default());
    format!("'{namespace}{}'{section}{port}", part("name").unwrap_or_default())
}

fn text<'v>(condition: &'v Value, field: &str) -> &'v str {
    condition.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The beginning of a text, in bytes.
fn bounded(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
