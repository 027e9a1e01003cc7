//! `paifang run`: a folder of manifests or a cluster, served.

mod cluster;
mod folder;
mod pages;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::Run;
use crate::admin::{self, Admin, Readiness, State as Life};
use crate::config::Config;
use crate::controller::{Edge, Inputs, View};
use crate::proxy::server::Limits;
use crate::proxy::{QUIET, Routes};
use crate::telemetry::{AccessLog, Metrics, trace};

/// How long the last lines of the access log may take to be written.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Serves until it is told to stop, then lets requests finish.
pub(super) fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let config = settings(arguments)?;
    trace::init_logging(&config.log, QUIET, std::env::var("PAIFANG_LOG").ok().as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(config, arguments))
}

/// The settings, with what the command line says in place of what the file says.
fn settings(arguments: &Run) -> anyhow::Result<Config> {
    let mut config = match &arguments.config {
        Some(file) => Config::load(file)?,
        None => Config::default(),
    };
    config.bind = arguments.bind.unwrap_or(config.bind);
    config.admin = arguments.admin.unwrap_or(config.admin);
    config.threads = arguments.threads.unwrap_or(config.threads);
    Ok(if arguments.manifests.is_none() { config.in_cluster() } else { config })
}

/// What every way of serving works with.
struct Process {
    config: Config,
    inputs: Inputs,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    access_log: AccessLog,
    served: Arc<Served>,
    signals: Signals,
}

/// What feeds the store while the process serves.
trait Feed {
    /// The process is about to end: whoever waits to take over may do so.
    async fn leave(&mut self);
    /// The last request is answered.
    async fn end(self);
}

async fn serve(config: Config, arguments: &Run) -> anyhow::Result<ExitCode> {
    // first of all: the system ends a process that has not asked for its signals, or, when it is the
    // first of a container, drops them
    let signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new()?);
    let access_log = AccessLog::start(&config.access_log, metrics.access_log_dropped.clone())
        .with_context(|| format!("cannot write the access log to '{}'", config.access_log.file))?;
    let admin_socket = admin::bind(config.admin)?;
    tracing::info!(address = %admin_socket.local_addr()?, "admin server listening");
    let readiness = Readiness::new(metrics.ready.clone());
    let (stop, stopped) = watch::channel(false);
    let served = Arc::new(Served::new());
    let explain = pages::explain(Arc::clone(&served), config.path.clone(), Arc::clone(&metrics));
    let pages = vec![pages::dump(Arc::clone(&served)), explain];
    let admin = Arc::new(Admin { metrics: Arc::clone(&metrics), readiness: readiness.clone(), pages });
    let admin = tokio::spawn(admin::serve(admin_socket, admin, stopped));

    let inputs = Inputs { limits: Limits::new(&config.limits)?, ..Inputs::default() };
    let process = Process { config, inputs, metrics, readiness, access_log: access_log.clone(), served, signals };
    let drained = match &arguments.manifests {
        Some(manifests) => folder::serve(process, manifests.clone()).await?,
        None => cluster::serve(process).await?,
    };
    let _ = stop.send(true);
    // the task ends by itself; how does not matter any more
    let _ = admin.await;
    if !access_log.flush(LAST_LINES) {
        tracing::warn!("the last lines of the access log could not be written");
    }
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Process {
    /// Starts serving what the store holds.
    fn edge(&self) -> anyhow::Result<Edge> {
        let edge =
            Edge::start(self.config.clone(), self.inputs.clone(), self.access_log.clone(), Arc::clone(&self.metrics))?;
        // it is set here and nowhere else
        let _ = self.served.set((edge.view(), Arc::clone(edge.routes())));
        Ok(edge)
    }

    /// Serves until a signal comes, then lets requests finish; says whether all did.
    async fn until_stopped(mut self, edge: Edge, mut feed: impl Feed) -> bool {
        self.signals.next().await;
        tracing::info!("asked to stop: draining");
        self.readiness.set(Life::Draining);
        let ending = async {
            feed.leave().await;
            drain(edge, self.config.drain.delay).await
        };
        let drained = tokio::select! {
            drained = ending => drained,
            () = self.signals.next() => {
                tracing::warn!("asked to stop again: ending at once");
                false
            }
        };
        feed.end().await;
        drained
    }
}

/// Not ready first, so that whoever balances in front of us looks elsewhere; then the sockets close.
async fn drain(edge: Edge, delay: Duration) -> bool {
    tokio::time::sleep(delay).await;
    let drained = edge.shutdown().await;
    if !drained {
        tracing::warn!("requests were still in flight at the drain limit");
    }
    drained
}

/// SIGTERM and SIGINT, from when this was made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What the pages of the admin server show, once there is something.
type Served = OnceLock<(watch::Receiver<View>, Arc<Routes>)>;
