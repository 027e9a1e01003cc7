//! The threads that serve requests: each with a runtime and an upstream pool of its own.
//!
//! A connection stays on its thread from accept to close, and so do the backend connections it uses:
//! no task is stolen, no wake-up crosses threads, no pool is shared.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use pingora::proxy::HttpProxy;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::Proxy;
use super::turns::Turns;

/// One serving thread.
pub(crate) struct Worker {
    /// Runs tasks on the thread.
    pub(crate) handle: Handle,
    /// Its engine, with its connections to backends.
    pub(crate) proxy: Arc<HttpProxy<Proxy>>,
    /// Who may make it busy for long.
    pub(crate) turns: Arc<Turns>,
    /// Who was denied; a line of its own, so that denials turn no handshake away.
    pub(crate) denied: Arc<Turns>,
    connections: AtomicUsize,
}

/// A connection counted on its worker; ends when dropped.
pub(crate) struct Seat(Arc<Worker>);

impl Seat {
    /// The worker.
    pub(crate) const fn worker(&self) -> &Arc<Worker> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All serving threads. They end when this is dropped.
pub(crate) struct Workers {
    all: Box<[Arc<Worker>]>,
    threads: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Workers {
    /// Starts the threads; `engine` makes the engine of each. So many of one tenant may wait for their turn.
    pub(crate) fn start(count: usize, waiting: usize, engine: impl Fn() -> HttpProxy<Proxy>) -> io::Result<Self> {
        let (mut all, mut threads) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for n in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let entered = handle.enter();
            let proxy = Arc::new(engine());
            drop(entered);
            let (stop, stopped) = oneshot::channel();
            let thread = std::thread::Builder::new().name(format!("proxy-{n}")).spawn(move || {
                // ends when asked, or when whoever could ask is gone
                let _ = runtime.block_on(stopped);
            })?;
            let (turns, denied, connections) = (Turns::new(waiting), Turns::new(waiting), AtomicUsize::new(0));
            all.push(Arc::new(Worker { handle, proxy, turns, denied, connections }));
            threads.push((stop, thread));
        }
        Ok(Self { all: all.into(), threads })
    }

    /// The worker with the fewest connections, and a place on it.
    pub(crate) fn seat(&self) -> Option<Seat> {
        let worker = self.all.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed))?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some(Seat(Arc::clone(worker)))
    }

    /// A thread to accept connections on.
    pub(crate) fn first(&self) -> Option<&Handle> {
        self.all.first().map(|worker| &worker.handle)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let (stops, threads): (Vec<_>, Vec<_>) = self.threads.drain(..).unzip();
        drop(stops);
        for thread in threads {
            // the last owner may be a task of the thread itself, which cannot wait for its own end
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a serving thread panicked");
            }
        }
    }
}
