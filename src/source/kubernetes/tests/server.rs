//! An API server in this process: objects, lists, watches, and everything that goes wrong with them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::api::Kind;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Piece = Result<Frame<Bytes>, Failure>;
type Pieces = Pin<Box<dyn Stream<Item = Piece> + Send>>;
type Answer = Response<StreamBody<Pieces>>;

/// The API server. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    version: u64,
    objects: BTreeMap<(String, String, String), Value>,
    log: Vec<(u64, String, Value)>,
    watches: Vec<Watch>,
    faults: BTreeMap<String, u16>,
    requests: Vec<String>,
    oldest: u64,
    paged_only: bool,
    down: bool,
}

struct Watch {
    plural: String,
    metadata: bool,
    sender: mpsc::UnboundedSender<Piece>,
}

impl Server {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let answer = move |request: Request<Body>| std::future::ready(server.0.lock().answer(&request));
        Client::new(tower::service_fn(answer), "default")
    }

    /// Writes an object.
    pub(super) fn put(&self, kind: Kind, mut object: Value) {
        let mut world = self.0.lock();
        world.version += 1;
        object["metadata"]["resourceVersion"] = json!(world.version.to_string());
        object["metadata"]["managedFields"] = json!([{"manager": "test"}]);
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let key = (kind.plural().to_owned(), text("namespace"), text("name"));
        let known = world.objects.insert(key, object.clone()).is_some();
        world.tell(kind.plural(), if known { "MODIFIED" } else { "ADDED" }, object);
    }

    /// Deletes an object.
    pub(super) fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        let mut world = self.0.lock();
        world.version += 1;
        let key = (kind.plural().to_owned(), namespace.to_owned(), name.to_owned());
        let mut object = world.objects.remove(&key).unwrap();
        object["metadata"]["resourceVersion"] = json!(world.version.to_string());
        world.tell(kind.plural(), "DELETED", object);
    }

    /// Answers every request for a kind with an error, and ends its watches.
    pub(super) fn fail(&self, kind: Kind, code: u16) {
        let mut world = self.0.lock();
        world.faults.insert(kind.plural().to_owned(), code);
        world.watches.retain(|watch| watch.plural != kind.plural());
    }

    /// Answers requests for a kind again.
    pub(super) fn mend(&self, kind: Kind) {
        self.0.lock().faults.remove(kind.plural());
    }

    /// Answers nothing any more.
    pub(super) fn stop(&self) {
        let mut world = self.0.lock();
        world.down = true;
        world.watches.clear();
    }

    /// Answers again.
    pub(super) fn go_on(&self) {
        self.0.lock().down = false;
    }

    /// Ends every watch.
    pub(super) fn close_watches(&self) {
        self.0.lock().watches.clear();
    }

    /// Forgets what happened until now: a watch cannot go on from there.
    pub(super) fn compact(&self) {
        let mut world = self.0.lock();
        world.version += 1;
        world.oldest = world.version;
    }

    /// Lists in pages only.
    pub(super) fn refuse_streamed_lists(&self) {
        self.0.lock().paged_only = true;
    }

    /// The objects of a kind as they are now.
    pub(super) fn objects(&self, kind: Kind) -> Vec<Value> {
        self.0.lock().of(kind.plural(), false)
    }

    /// Requests that contain a text.
    pub(super) fn requests(&self, text: &str) -> usize {
        self.0.lock().requests.iter().filter(|request| request.contains(text)).count()
    }
}

impl World {
    fn answer(&mut self, request: &Request<Body>) -> Result<Answer, Failure> {
        self.requests.push(request.uri().to_string());
        if self.down {
            return Err("connection refused".into());
        }
        let parts: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        let rest = if parts[0] == "api" { &parts[2..] } else { &parts[3..] };
        let query = request.uri().query().unwrap_or_default();
        let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let accept = request.headers().get(http::header::ACCEPT).and_then(|value| value.to_str().ok());
        let metadata = accept.is_some_and(|accept| accept.contains("PartialObjectMetadata"));
        let plural = if rest[0] == "namespaces" && rest.len() > 1 { rest[2] } else { rest[0] };
        if let Some(code) = self.faults.get(plural) {
            return Ok(refuse(*code));
        }
        if rest.len() > 1 {
            return Ok(self.get(plural, rest[1], rest[3]));
        }
        if !query.contains_key("watch") {
            return Ok(self.list(plural, metadata, &query));
        }
        Ok(self.watch(plural, metadata, &query))
    }

    fn get(&self, plural: &str, namespace: &str, name: &str) -> Answer {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.objects.get(&key).map_or_else(|| refuse(404), |object| whole(200, object))
    }

    fn of(&self, plural: &str, metadata: bool) -> Vec<Value> {
        let found = self.objects.iter().filter(|((found, ..), _)| found == plural);
        found.map(|(_, object)| shown(object, metadata)).collect()
    }

    fn list(&self, plural: &str, metadata: bool, query: &BTreeMap<&str, &str>) -> Answer {
        let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
        let (from, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
        let all = self.of(plural, metadata);
        let next = (from.saturating_add(limit) < all.len()).then(|| (from + limit).to_string());
        let items: Vec<_> = all.into_iter().skip(from).take(limit).collect();
        whole(
            200,
            &json!({"apiVersion": "v1", "kind": "List", "items": items,
            "metadata": {"resourceVersion": self.version.to_string(), "continue": next.unwrap_or_default()}}),
        )
    }

    fn watch(&mut self, plural: &str, metadata: bool, query: &BTreeMap<&str, &str>) -> Answer {
        let (sender, receiver) = mpsc::unbounded_channel();
        let send = |event: Value| sender.send(line(&event)).unwrap();
        if query.contains_key("sendInitialEvents") {
            if self.paged_only {
                return refuse(422);
            }
            for object in self.of(plural, metadata) {
                send(json!({"type": "ADDED", "object": object}));
            }
            send(json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Any", "metadata": {
                "resourceVersion": self.version.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}}}}));
        } else {
            let from: u64 = query["resourceVersion"].parse().unwrap();
            if from < self.oldest {
                send(json!({"type": "ERROR", "object": status(410)}));
                return respond(200, receiver);
            }
            for (version, log_plural, event) in &self.log {
                if *version > from && log_plural == plural {
                    let object = shown(&event["object"], metadata);
                    send(json!({"type": event["type"], "object": object}));
                }
            }
        }
        self.watches.push(Watch { plural: plural.to_owned(), metadata, sender });
        respond(200, receiver)
    }

    fn tell(&mut self, plural: &str, what: &str, object: Value) {
        for watch in self.watches.iter().filter(|watch| watch.plural == plural) {
            // The client may have gone.
            let _ = watch.sender.send(line(&json!({"type": what, "object": shown(&object, watch.metadata)})));
        }
        self.log.push((self.version, plural.to_owned(), json!({"type": what, "object": object})));
    }
}

fn shown(object: &Value, metadata: bool) -> Value {
    if metadata { json!({"metadata": object["metadata"]}) } else { object.clone() }
}

fn line(value: &Value) -> Piece {
    Ok(Frame::data(Bytes::from(format!("{value}\n"))))
}

fn status(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": "Test", "message": format!("answered with {code}")})
}

fn refuse(code: u16) -> Answer {
    whole(code, &status(code))
}

fn whole(code: u16, value: &Value) -> Answer {
    let (sender, receiver) = mpsc::unbounded_channel();
    sender.send(line(value)).unwrap();
    respond(code, receiver)
}

fn respond(code: u16, receiver: mpsc::UnboundedReceiver<Piece>) -> Answer {
    let pieces =
        stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|piece| (piece, receiver)) });
    Response::builder().status(code).body(StreamBody::new(Box::pin(pieces) as Pieces)).unwrap()
}
