//! Requests to the API server that only the leader may make, each with a deadline.

use std::future::Future;
use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Request;
use kube::{Client, Resource};
use serde_json::Value;
use tokio::time::Instant;

use super::leadership::Leadership;
use crate::api::ObjectRef;
use crate::telemetry::label::WriteOutcome;

/// By whose name fields are written.
pub(super) const FIELD_MANAGER: &str = "paifang";

/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Somebody else wrote in between, or made an object of that name.
    #[error("somebody else changed it")]
    Conflict,
    /// There is no such object.
    #[error("it is gone")]
    Gone,
    /// The process may not.
    #[error("not permitted: {0}")]
    Forbidden(String),
    /// Another replica writes.
    #[error("another replica has the lease")]
    NotLeader,
    /// Everything else.
    #[error("{0}")]
    Failed(String),
}

impl Refused {
    /// How it is counted; what was not sent is not.
    pub(crate) const fn outcome(&self) -> Option<WriteOutcome> {
        match self {
            Self::Conflict => Some(WriteOutcome::Conflict),
            Self::Gone => Some(WriteOutcome::Gone),
            Self::Forbidden(_) => Some(WriteOutcome::Forbidden),
            Self::Failed(_) => Some(WriteOutcome::Failed),
            Self::NotLeader => None,
        }
    }
}

impl From<kube::Error> for Refused {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                404 | 410 => Self::Gone,
                409 => Self::Conflict,
                401 | 403 => Self::Forbidden(status.message),
                _ => Self::Failed(format!("{} {}", status.code, status.message)),
            },
            error => Self::Failed(error.to_string()),
        }
    }
}

/// The API server as the leader sees it.
#[derive(Clone)]
pub(crate) struct Requests {
    client: Client,
    leadership: Leadership,
}

impl Requests {
    /// Requests through a client while the lease is held.
    pub(crate) const fn new(client: Client, leadership: Leadership) -> Self {
        Self { client, leadership }
    }

    /// Reads an object.
    pub(crate) async fn get(&self, object: &ObjectRef) -> Result<Value, Refused> {
        self.send(at(object).get(&object.key.name, &kube::api::GetParams::default())).await
    }

    /// Changes the status of an object by a merge patch.
    pub(crate) async fn patch_status(&self, object: &ObjectRef, patch: &Value) -> Result<Value, Refused> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.send(at(object).patch_subresource("status", &object.key.name, &params, &Patch::Merge(patch))).await
    }

    /// Changes an object by a merge patch.
    pub(crate) async fn patch(&self, object: &ObjectRef, patch: &Value) -> Result<Value, Refused> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.send(at(object).patch(&object.key.name, &params, &Patch::Merge(patch))).await
    }

    /// Writes an object that is ours as a whole, by server-side apply.
    pub(crate) async fn apply(&self, object: &ObjectRef, body: &Value) -> Result<Value, Refused> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.send(at(object).patch(&object.key.name, &params, &Patch::Apply(body))).await
    }

    /// Makes an object.
    pub(crate) async fn create(&self, object: &ObjectRef, body: &Value) -> Result<Value, Refused> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.send(at(object).create(&params, body.to_string().into_bytes())).await
    }

    /// Deletes the object that has this uid, not another of its name.
    pub(crate) async fn delete(&self, object: &ObjectRef, uid: Option<&str>) -> Result<Value, Refused> {
        let preconditions = Preconditions { uid: uid.map(ToOwned::to_owned), ..Preconditions::default() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        self.send(at(object).delete(&object.key.name, &params)).await
    }

    /// Makes an Event in the namespace of the object it is about.
    pub(crate) async fn create_event(&self, object: &ObjectRef, body: &Value) -> Result<Value, Refused> {
        let namespace = if object.key.namespace.is_empty() { "default" } else { &*object.key.namespace };
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        self.send(Request::new(path).create(&PostParams::default(), body.to_string().into_bytes())).await
    }

    async fn send(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Refused> {
        let request = request.map_err(|error| Refused::Failed(error.to_string()))?;
        // A request must not outlive the lease, or it might still be taken when the next leader writes.
        let term = self.leadership.term().ok_or(Refused::NotLeader)?;
        within(term.until.min(Instant::now() + PATIENCE), self.client.request(request)).await
    }
}

/// Waits for an answer until a deadline.
pub(super) async fn within<T>(
    deadline: Instant,
    answer: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Refused> {
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(answer) => answer.map_err(Refused::from),
        Err(_) => Err(Refused::Failed("the API server did not answer in time".to_owned())),
    }
}

fn at(object: &ObjectRef) -> Request {
    let namespace = (!object.kind.is_cluster_scoped()).then_some(&*object.key.namespace);
    Request::new(DynamicObject::url_path(&object.kind.resource(), namespace))
}
