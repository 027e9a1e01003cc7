//! A cluster as what is served: its objects come from the API server, and its statuses go there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Feed, Process};
use crate::admin::{Readiness, State as Life};
use crate::config::KubernetesConfig;
use crate::controller::{Inputs, View};
use crate::limit::Basis;
use crate::source::State;
use crate::source::kubernetes::{self, Health, Kubernetes};
use crate::status::{self, LeaseSettings, Status};
use crate::telemetry::Metrics;
use crate::translate::Translation;

/// Where a pod finds its own namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Time between two looks at the status of every object.
const RECONCILE: Duration = Duration::from_mins(5);
/// Trouble that passes within this is not worth a line in the log.
const MOMENT: Duration = Duration::from_secs(2);

/// What reads from the API server and writes to it.
struct Cluster {
    source: Kubernetes,
    status: Option<Status>,
    tasks: [JoinHandle<()>; 3],
}

impl Feed for Cluster {
    async fn leave(&mut self) {
        if let Some(status) = self.status.take() {
            status.shutdown().await;
        }
    }

    async fn end(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.source.shutdown().await;
    }
}

/// Serves a cluster until a signal comes; says whether every request was answered.
pub(super) async fn serve(process: Process) -> anyhow::Result<bool> {
    let settings = &process.config.kubernetes;
    let client = kubernetes::client(settings.watch_stall_timeout)
        .await
        .context("no API server to serve; for a folder of manifests say --manifests DIR")?;
    let Inputs { store, live, limits } = process.inputs.clone();
    let metrics = Arc::clone(&process.metrics);
    let source = Kubernetes::start(
        client.clone(),
        source_settings(settings),
        Arc::clone(&store),
        Arc::clone(&live),
        Arc::clone(&metrics),
    );
    let edge = process.edge()?;
    let reporter = tokio::spawn(report(source.health(), edge.view(), process.readiness.clone()));
    let (wanted_sender, wanted) = watch::channel(Arc::default());
    let forwarder = tokio::spawn(forward(edge.view(), wanted_sender));
    let settings = status_settings(settings)?;
    let own = (settings.lease.namespace.clone(), settings.lease.service.clone());
    let counter = tokio::spawn(count_replicas(store.subscribe(), own, limits.basis, Arc::clone(&metrics)));
    let status = Some(Status::start(client, settings, live, store.subscribe(), wanted, metrics));
    Ok(process.until_stopped(edge, Cluster { source, status, tasks: [reporter, forwarder, counter] }).await)
}

fn source_settings(settings: &KubernetesConfig) -> kubernetes::Settings {
    let state_dir = Some(PathBuf::from(&settings.state_dir)).filter(|dir| !dir.as_os_str().is_empty());
    kubernetes::Settings { state_dir, start_timeout: settings.start_timeout, ..kubernetes::Settings::default() }
}

fn status_settings(settings: &KubernetesConfig) -> anyhow::Result<status::Settings> {
    let lease = LeaseSettings {
        namespace: namespace(settings)?,
        name: settings.lease.name.clone(),
        identity: pod(),
        service: settings.service.clone(),
        duration: settings.lease.duration,
        renew: settings.lease.renew,
        jitter: status::random(),
    };
    Ok(status::Settings { lease, writes_per_second: settings.status_writes_per_second, reconcile: RECONCILE })
}

/// The namespace of the process.
fn namespace(settings: &KubernetesConfig) -> anyhow::Result<String> {
    if !settings.namespace.is_empty() {
        return Ok(settings.namespace.clone());
    }
    std::env::var("POD_NAMESPACE")
        .ok()
        .filter(|namespace| !namespace.is_empty())
        .or_else(|| std::fs::read_to_string(NAMESPACE_FILE).ok())
        .map(|namespace| namespace.trim().to_owned())
        .context(
            "the namespace of this process is not known: set kubernetes.namespace in the settings, or POD_NAMESPACE",
        )
}

/// The name of the process among its replicas.
fn pod() -> String {
    let name = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME"));
    name.unwrap_or_else(|_| format!("paifang-{}", std::process::id()))
}

/// Hands every translation to whoever writes statuses.
async fn forward(mut view: watch::Receiver<View>, wanted: watch::Sender<Arc<Translation>>) {
    loop {
        let View { version, translation, .. } = view.borrow_and_update().clone();
        if version > 0 {
            wanted.send_replace(translation);
        }
        if view.changed().await.is_err() {
            return;
        }
    }
}

/// Lets limits be divided by the number of replicas that take connections.
async fn count_replicas(
    mut state: watch::Receiver<State>,
    (namespace, service): (String, String),
    basis: Arc<Basis>,
    metrics: Arc<Metrics>,
) {
    loop {
        let live = status::replicas::live(&state.borrow_and_update().snapshot, &namespace, &service).max(1);
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        metrics.limit_replicas.set(live.into());
        let before = basis.replicas.swap(live, Ordering::Relaxed);
        if before != live {
            tracing::info!(before, live, "limits are divided by another number of replicas");
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// Says how it stands with the API server: to whoever asks whether the process is ready, and in the log
/// when it has stood so for a moment.
async fn report(mut health: watch::Receiver<Health>, mut view: watch::Receiver<View>, readiness: Readiness) {
    let (mut said, mut trouble) = (None, None);
    loop {
        let now = health.borrow_and_update().trouble();
        if view.borrow_and_update().version > 0 {
            readiness.set(Life::Ready);
        }
        if now != trouble {
            readiness.remark(now.clone());
            trouble = now;
        }
        let changed = tokio::select! {
            changed = health.changed() => changed,
            changed = view.changed() => changed,
            () = tokio::time::sleep(MOMENT), if trouble != said => {
                match &trouble {
                    Some(trouble) => tracing::warn!("{trouble}"),
                    None => tracing::info!("nothing is wrong with the API server any more"),
                }
                said.clone_from(&trouble);
                Ok(())
            }
        };
        if changed.is_err() {
            return;
        }
    }
}
