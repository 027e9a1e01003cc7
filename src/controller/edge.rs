//! A whole edge in one value: data plane, control loop, and the handles to both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::pass::{Pass, View};
use super::tidy;
use crate::config::Config;
use crate::proxy::server::Limits;
use crate::proxy::{Routes, Server};
use crate::snapshot::Socket;
use crate::source::live::Live;
use crate::source::{State, Store};
use crate::table::Table;
use crate::telemetry::{AccessLog, Metrics};

/// The longest rest between two passes.
const REST: Duration = Duration::from_millis(100);
/// Sockets that could not be bound are tried again after this.
const BIND_AGAIN: Duration = Duration::from_millis(250);
/// While the end of something is awaited the time is looked up this often, because a clock may be set.
const LOOK_UP: Duration = Duration::from_mins(1);

/// A running edge. Ends when dropped; [`Edge::shutdown`] lets requests finish first.
pub struct Edge {
    view: watch::Receiver<View>,
    metrics: Arc<Metrics>,
    routes: Arc<Routes>,
    stop: Option<oneshot::Sender<Stop>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What an edge serves.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The objects.
    pub store: Arc<Store>,
    /// What else an API server says of them; with a folder nothing.
    pub live: Arc<Live>,
    /// What limits work with.
    pub limits: Limits,
}

type Stop = oneshot::Sender<bool>;

impl Edge {
    /// Starts serving what the store holds.
    ///
    /// # Errors
    /// When threads or metrics cannot be set up.
    pub fn start(config: Config, inputs: Inputs, access_log: AccessLog, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let (config, routes) = (Arc::new(config), Arc::new(Routes::default()));
        let nothing = Table::on(Arc::clone(&inputs.limits.basis)).of_capacity(config.limits.capacity);
        routes.publish(Arc::new(nothing));
        let shared = (Arc::clone(&config), Arc::clone(&routes), Arc::clone(&metrics));
        let server = Server::start(shared.0, shared.1, shared.2, access_log, &inputs.limits)?;
        metrics.observe(Arc::clone(&routes) as Arc<_>, config.metrics.series_per_tenant);
        let pass = Pass::new(
            &config,
            Arc::clone(&metrics),
            Arc::clone(&routes),
            server,
            inputs.live,
            inputs.limits.store.is_none(),
        );
        let (view_sender, view) = watch::channel(View::default());
        let (stop, stopped) = oneshot::channel();
        let state = inputs.store.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            runtime.block_on(control(pass, (inputs.store, state), view_sender, stopped));
        })?;
        Ok(Self { view, metrics, routes, stop: Some(stop), thread: Some(thread) })
    }

    /// What is served and said now; the receiver sees every change.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// The metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What requests are looked up in.
    #[must_use]
    pub const fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// Waits until a version of the store is served; `false` if the edge ended before.
    pub async fn settled(&self, version: u64) -> bool {
        self.view.clone().wait_for(|view| view.version >= version).await.is_ok()
    }

    /// Where a socket is really bound.
    #[must_use]
    pub fn address(&self, socket: Socket) -> Option<SocketAddr> {
        self.view.borrow().addresses.get(&socket).copied()
    }

    /// Closes the sockets and lets requests finish, at most for the drain timeout; says whether all
    /// did.
    pub async fn shutdown(mut self) -> bool {
        let (done, drained) = oneshot::channel();
        let asked = self.stop.take().is_some_and(|stop| stop.send(done).is_ok());
        asked && drained.await.unwrap_or(false)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // dropping the sender ends the loop; its thread then ends the data plane
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the control loop panicked");
        }
    }
}

/// The loop.
async fn control(
    mut pass: Pass,
    (store, mut state): (Arc<Store>, watch::Receiver<State>),
    view: watch::Sender<View>,
    mut stop: oneshot::Receiver<Stop>,
) {
    state.mark_changed();
    let (mut untidy, mut rested) = (false, Instant::now());
    loop {
        let (again, end) = (pass.server.any_failed(), pass.until_end());
        tokio::select! {
            changed = state.changed() => match changed {
                Ok(()) => tokio::time::sleep_until(rested).await,
                // the source is gone: what was published stays
                Err(_) => match (&mut stop).await {
                    Ok(done) => return finish(pass, done).await,
                    Err(_) => return,
                },
            },
            () = tokio::time::sleep(tidy::AFTER), if untidy => {
                tidy::tidy();
                untidy = false;
                continue;
            }
            () = tokio::time::sleep(BIND_AGAIN), if again => {
                if !pass.try_sockets() {
                    continue;
                }
            }
            () = tokio::time::sleep(end.unwrap_or_default().min(LOOK_UP)), if end.is_some() => {
                if !pass.is_outlived() {
                    continue;
                }
            }
            asked = &mut stop => match asked {
                Ok(done) => return finish(pass, done).await,
                Err(_) => return,
            },
        }
        let (arrivals, began) = (store.take_arrivals(), Instant::now());
        pass.metrics.control.waiting(&arrivals);
        let current = state.borrow_and_update().clone();
        if current.synced {
            view.send_replace(pass.run(&current));
            pass.metrics.control.propagated(&arrivals);
            untidy = true;
        }
        // A lone change is taken at once. Of a burst, what comes during a pass and a rest as long is
        // taken together: it costs half a core at most.
        rested = Instant::now() + began.elapsed().min(REST);
    }
}

/// Drains, for as long as somebody waits for the outcome: who no longer does wants the end at once.
async fn finish(mut pass: Pass, mut done: Stop) {
    let drained = tokio::select! {
        drained = pass.server.drain() => drained,
        () = done.closed() => return,
    };
    // whoever asked may be gone
    let _ = done.send(drained);
}
