//! An API server in memory: objects with versions, watches, and answers that tests inject.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::Resource as _;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::source::live::Live;

/// The server. Clones are the same one.
#[derive(Clone)]
pub(super) struct Cluster(Arc<Inner>);

struct Inner {
    data: Mutex<Data>,
    /// Counts requests that were answered, for those who wait for one.
    ticks: watch::Sender<u64>,
}

#[derive(Default)]
struct Data {
    objects: BTreeMap<String, Value>,
    version: u64,
    history: Vec<(String, Value)>,
    calls: Vec<Call>,
    faults: VecDeque<(Method, &'static str, Fault)>,
    away: bool,
}

/// A request that was answered, refused or left hanging.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
}

/// What happens to one request.
pub(super) enum Fault {
    /// It is refused.
    Code(u16),
    /// It is never answered.
    Hang,
    /// Somebody else writes the object just before.
    Edit(fn(&mut Value)),
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl Cluster {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { data: Mutex::default(), ticks: watch::Sender::new(0) }))
    }

    /// A client of it.
    pub(super) fn client(&self) -> kube::Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move { Ok::<_, Infallible>(cluster.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// Puts an object there, as its owner would.
    pub(super) fn put(&self, object: &ObjectRef, mut value: Value) -> Value {
        value["metadata"]["name"] = json!(&*object.key.name);
        value["metadata"]["namespace"] = json!(&*object.key.namespace);
        self.0.data.lock().store(&path(object), value)
    }

    /// An object as it is.
    pub(super) fn get(&self, object: &ObjectRef) -> Option<Value> {
        self.at(&path(object))
    }

    /// What is at a path.
    pub(super) fn at(&self, path: &str) -> Option<Value> {
        self.0.data.lock().objects.get(path).cloned()
    }

    /// Every object below a path.
    pub(super) fn below(&self, path: &str) -> Vec<Value> {
        let data = self.0.data.lock();
        data.objects.iter().filter(|(at, _)| at.starts_with(path)).map(|(_, it)| it.clone()).collect()
    }

    /// Removes an object, as its owner would.
    pub(super) fn remove(&self, path: &str) {
        self.0.data.lock().remove(path);
        self.tick();
    }

    /// Changes an object, as its owner would.
    pub(super) fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut data = self.0.data.lock();
        let mut value = data.objects[path].clone();
        edit(&mut value);
        data.store(path, value);
        drop(data);
        self.tick();
    }

    /// Lets live know an object as it is.
    pub(super) fn show(&self, live: &Live, object: &ObjectRef) {
        live.note(object.clone(), super::writer::seen(&self.get(object).unwrap()).unwrap());
    }

    /// Injects what happens to the next request of this method whose path contains this text.
    pub(super) fn fault(&self, method: Method, path: &'static str, fault: Fault) {
        self.0.data.lock().faults.push_back((method, path, fault));
    }

    /// Answers nothing from now on, or again.
    pub(super) fn away(&self, away: bool) {
        self.0.data.lock().away = away;
    }

    /// The requests that change something, whose path contains this text.
    pub(super) fn writes(&self, path: &str) -> Vec<Call> {
        let data = self.0.data.lock();
        let writes = data.calls.iter().filter(|call| call.method != Method::GET);
        writes.filter(|call| call.path.contains(path)).cloned().collect()
    }

    /// Waits until something holds; it is looked at after each request.
    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut ticks = self.0.ticks.subscribe();
        let wait = async {
            while !holds(self) {
                ticks.changed().await.unwrap();
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(600), wait).await.expect("what was waited for came");
    }

    fn tick(&self) {
        self.0.ticks.send_modify(|ticks| *ticks += 1);
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        if query.contains("watch=true") {
            return self.watch(&path, &query);
        }
        let result = {
            let mut data = self.0.data.lock();
            let result = data.handle(&parts, &path, serde_json::from_slice(&body).unwrap_or_default());
            data.calls.push(Call { method: parts.method, path });
            result
        };
        self.tick();
        match result {
            Ok(value) => reply(200, &value),
            Err(0) => std::future::pending().await,
            Err(code) => {
                let reason =
                    [(404, "NotFound"), (409, "Conflict"), (403, "Forbidden")].into_iter().find(|it| it.0 == code);
                let reason = reason.map_or("InternalError", |it| it.1);
                reply(
                    code,
                    &json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"}),
                )
            }
        }
    }

    fn watch(&self, path: &str, query: &str) -> Answer {
        let from = query.split('&').find_map(|it| it.strip_prefix("resourceVersion="));
        let from: u64 = from.and_then(|it| it.parse().ok()).unwrap_or_default();
        let (cluster, path, ticks) = (self.clone(), format!("{path}/"), self.0.ticks.subscribe());
        let lines = futures_util::stream::unfold((0, ticks), move |(mut place, mut ticks)| {
            let (cluster, path) = (cluster.clone(), path.clone());
            async move {
                loop {
                    let next = cluster.0.data.lock().history.get(place).cloned();
                    if let Some((at, event)) = next {
                        place += 1;
                        let version = event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>();
                        if at.starts_with(&path) && version.unwrap() > from {
                            let line = Bytes::from(format!("{event}\n"));
                            return Some((Ok::<_, Infallible>(Frame::data(line)), (place, ticks)));
                        }
                    } else if ticks.changed().await.is_err() {
                        return None;
                    }
                }
            }
        });
        Response::new(StreamBody::new(Box::pin(lines)).boxed_unsync())
    }
}

impl Data {
    fn handle(&mut self, parts: &http::request::Parts, path: &str, body: Value) -> Result<Value, u16> {
        if self.away {
            return Err(0);
        }
        let hit = |(method, part, _): &(Method, &str, Fault)| *method == parts.method && path.contains(*part);
        if let Some(place) = self.faults.iter().position(hit) {
            match self.faults.remove(place).unwrap().2 {
                Fault::Code(code) => return Err(code),
                Fault::Hang => return Err(0),
                Fault::Edit(edit) => {
                    let at = path.trim_end_matches("/status");
                    let mut value = self.objects[at].clone();
                    edit(&mut value);
                    self.store(at, value);
                }
            }
        }
        let kind = parts.headers.get(http::header::CONTENT_TYPE).map_or("", |it| it.to_str().unwrap());
        match parts.method {
            Method::GET => self.read(path),
            Method::POST => self.create(path, body),
            Method::PUT => self.replace(path, body),
            Method::DELETE => self.delete(path, &body),
            _ if kind.contains("apply-patch") => Ok(self.apply(path, &body)),
            _ => self.patch(path, &body),
        }
    }

    fn read(&self, path: &str) -> Result<Value, u16> {
        if let Some(value) = self.objects.get(path) {
            return Ok(value.clone());
        }
        // a collection is asked for by its plural, an object by a name that is in no test a plural
        if !["leases"].iter().any(|plural| path.ends_with(plural)) {
            return Err(404);
        }
        let below = format!("{path}/");
        let items: Vec<_> = self.objects.iter().filter(|(at, _)| at.starts_with(&below)).map(|(_, it)| it).collect();
        Ok(json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}))
    }

    fn create(&mut self, path: &str, body: Value) -> Result<Value, u16> {
        let metadata = &body["metadata"];
        let made = || format!("{}{}", metadata["generateName"].as_str().unwrap(), self.version);
        let at = format!("{path}/{}", metadata["name"].as_str().map_or_else(made, ToOwned::to_owned));
        if self.objects.contains_key(&at) { Err(409) } else { Ok(self.store(&at, body)) }
    }

    fn replace(&mut self, path: &str, body: Value) -> Result<Value, u16> {
        self.check(path, &body)?;
        Ok(self.store(path, body))
    }

    fn patch(&mut self, path: &str, body: &Value) -> Result<Value, u16> {
        let at = path.trim_end_matches("/status");
        self.check(at, body)?;
        let mut value = self.objects[at].clone();
        if at == path {
            merge_patch(&mut value, body);
        } else {
            merge_patch(&mut value["status"], &body["status"]);
        }
        Ok(self.store(at, value))
    }

    fn apply(&mut self, path: &str, body: &Value) -> Value {
        let mut value = self.objects.get(path).cloned().unwrap_or_default();
        merge_patch(&mut value, body);
        self.store(path, value)
    }

    fn delete(&mut self, path: &str, body: &Value) -> Result<Value, u16> {
        let known = self.objects.get(path).ok_or(404_u16)?;
        let uid = body["preconditions"]["uid"].as_str();
        if uid.is_some_and(|uid| known["metadata"]["uid"] != uid) {
            return Err(409);
        }
        self.remove(path);
        Ok(json!({"kind": "Status", "status": "Success"}))
    }

    fn check(&self, path: &str, body: &Value) -> Result<(), u16> {
        let known = self.objects.get(path).ok_or(404_u16)?;
        let same =
            |field: &str| body["metadata"][field].is_null() || body["metadata"][field] == known["metadata"][field];
        if same("resourceVersion") && same("uid") { Ok(()) } else { Err(409) }
    }

    fn store(&mut self, path: &str, mut value: Value) -> Value {
        self.version += 1;
        let known = self.objects.get(path);
        let uid = known.map_or_else(|| json!(format!("uid-{}", self.version)), |it| it["metadata"]["uid"].clone());
        value["metadata"]["uid"] = uid;
        value["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        self.history.push((path.to_owned(), json!({"type": kind, "object": value})));
        self.objects.insert(path.to_owned(), value.clone());
        value
    }

    fn remove(&mut self, path: &str) {
        self.version += 1;
        let mut value = self.objects.remove(path).unwrap();
        value["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push((path.to_owned(), json!({"type": "DELETED", "object": value})));
    }
}

/// RFC 7396.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge_patch(&mut target[name], value);
        }
    }
}

fn reply(code: u16, value: &Value) -> Answer {
    Response::builder().status(code).body(Full::new(Bytes::from(value.to_string())).boxed_unsync()).unwrap()
}

/// The path of an object.
pub(super) fn path(object: &ObjectRef) -> String {
    let resource = object.kind.resource();
    let namespace = (!object.kind.is_cluster_scoped()).then_some(&*object.key.namespace);
    format!("{}/{}", kube::api::DynamicObject::url_path(&resource, namespace), object.key.name)
}

/// A reference in the namespace `default`.
pub(super) fn object(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, ObjectKey::new("default", name))
}

/// A term that lasts, and what ends it.
pub(super) fn leading() -> (watch::Sender<Option<super::leadership::Term>>, super::leadership::Leadership) {
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(3600);
    let (terms, leadership) = watch::channel(Some(super::leadership::Term { number: 1, until }));
    (terms, super::leadership::Leadership::new(leadership))
}
