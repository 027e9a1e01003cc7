//! `paifang run`: a folder of manifests, served.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::demo::Demo;
use super::{Run, statuses};
use crate::admin::{self, Admin, Page, Readiness, State as Life};
use crate::config::Config;
use crate::controller::{Edge, View};
use crate::source::folder::{self, Watching};
use crate::source::{Finding, Store};
use crate::telemetry::{AccessLog, Metrics, trace};

/// How long the last lines of the access log may take to be written.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Serves until it is told to stop, then lets requests finish.
pub(super) fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let config = settings(arguments)?;
    trace::init_logging(&config.log, std::env::var("PAIFANG_LOG").ok().as_deref())?;
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
    Ok(config)
}

async fn serve(config: Config, arguments: &Run) -> anyhow::Result<ExitCode> {
    // first of all: the system ends a process that has not asked for its signals, or, when it is the
    // first of a container, drops them
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new()?);
    let access_log = AccessLog::start(&config.access_log, metrics.access_log_dropped.clone())
        .with_context(|| format!("cannot write the access log to '{}'", config.access_log.file))?;
    let admin_socket = admin::bind(config.admin)?;
    tracing::info!(address = %admin_socket.local_addr()?, "admin server listening");
    let readiness = Readiness::new(metrics.ready.clone());

    let store = Arc::new(Store::default());
    let folder = Arc::new(first_reading(arguments, &store)?);
    let mut demo = Demo::default();
    let first = store.subscribe().borrow().clone();
    demo.follow(&first, &store).await;

    let delay = config.drain.delay;
    let edge = Edge::start(config, &store, access_log.clone(), Arc::clone(&metrics))?;
    let (stop, stopped) = watch::channel(false);
    let pages = vec![dump(&edge)];
    let admin = Arc::new(Admin { metrics: Arc::clone(&metrics), readiness: readiness.clone(), pages });
    let admin = tokio::spawn(admin::serve(admin_socket, admin, stopped));
    let reporter = tokio::spawn(report(edge.view(), Arc::clone(&folder), readiness.clone(), metrics));
    let follower = tokio::spawn(follow(demo, store));

    signals.next().await;
    tracing::info!("asked to stop: draining");
    readiness.set(Life::Draining);
    let drained = tokio::select! {
        drained = drain(edge, delay) => drained,
        () = signals.next() => {
            tracing::warn!("asked to stop again: ending at once");
            false
        }
    };
    reporter.abort();
    follower.abort();
    let _ = stop.send(true);
    // the task ends by itself; how does not matter any more
    let _ = admin.await;
    if !access_log.flush(LAST_LINES) {
        tracing::warn!("the last lines of the access log could not be written");
    }
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the folder for the first time, and watches it from then on. On a thread that ends, because
/// then the allocator gives back what the reading needed.
fn first_reading(arguments: &Run, store: &Arc<Store>) -> anyhow::Result<Watching> {
    let read = || folder::watch(&arguments.manifests, Arc::clone(store));
    let read = std::thread::scope(|scope| scope.spawn(read).join());
    Ok(read.map_err(|_| anyhow::anyhow!("reading the folder failed: this is a bug"))??)
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

/// `/config_dump`: what is served and said.
fn dump(edge: &Edge) -> Page {
    let (view, routes) = (edge.view(), Arc::clone(edge.routes()));
    let render = move || {
        let translation = Arc::clone(&view.borrow().translation);
        let statuses: serde_json::Map<_, _> = translation
            .statuses
            .iter()
            .filter_map(|(object, status)| Some((object.to_string(), serde_json::to_value(status).ok()?)))
            .collect();
        let table = routes.table().dump();
        serde_json::json!({
            "ir": translation.ir, "statuses": statuses, "problems": translation.problems, "table": table,
        })
    };
    Page { path: "/config_dump", title: "what is served, and the status of every object", render: Box::new(render) }
}

/// Keeps the demonstration backends in step with the Services that ask for them.
async fn follow(mut demo: Demo, store: Arc<Store>) {
    let mut state = store.subscribe();
    while state.changed().await.is_ok() {
        let current = state.borrow_and_update().clone();
        demo.follow(&current, &store).await;
    }
}

/// Says on the log what a cluster would show in statuses: each problem once, when it appears.
async fn report(mut view: watch::Receiver<View>, folder: Arc<Watching>, readiness: Readiness, metrics: Arc<Metrics>) {
    let mut findings = folder.findings();
    let (mut said, mut told) = (Vec::new(), Vec::new());
    loop {
        tell(&findings.borrow_and_update(), &mut told, &metrics);
        let current = view.borrow_and_update().clone();
        if current.version > 0 {
            readiness.set(Life::Ready);
            say(&current, &folder, &mut said);
        }
        let changed = tokio::select! {
            changed = view.changed() => changed,
            changed = findings.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn tell(findings: &[Finding], told: &mut Vec<Finding>, metrics: &Metrics) {
    use crate::source::Level;
    use crate::telemetry::label::Level as Label;
    for finding in findings.iter().filter(|finding| !told.contains(finding)) {
        match finding.level {
            Level::Error => tracing::error!("{finding}"),
            Level::Warning => tracing::warn!("{finding}"),
            Level::Note => tracing::info!("{finding}"),
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    metrics.findings.set(Label::Error, count(Level::Error));
    metrics.findings.set(Label::Warning, count(Level::Warning));
    if count(Level::Error) == 0 && told.iter().any(|finding| finding.level == Level::Error) {
        tracing::info!("the manifests have no errors any more");
    }
    *told = findings.to_vec();
}

fn say(view: &View, folder: &Watching, said: &mut Vec<crate::translate::Problem>) {
    for problem in view.translation.problems.iter().filter(|problem| !said.contains(problem)) {
        let location = folder.locate(&problem.object, &problem.field);
        tracing::warn!("{}", statuses::problem(problem, location.as_ref()));
    }
    if *said != view.translation.problems {
        tracing::info!(problems = view.translation.problems.len(), "problems in what is served");
        said.clone_from(&view.translation.problems);
    }
}
