//! Rates that all replicas count together, in Redis or Valkey.
//!
//! - All limits of a request are one call of one script, so they admit it together or not at all, in one round trip.
//! - The script takes the time from the server: replicas need no clocks that agree. Debts are kept in microseconds,
//!   and a key expires when it is out of debt. If the server's clock is set back, a debt is never longer
//!   than a full one.
//! - A [`Store`] has one connection. What is asked while a round trip is under way goes out together in the next.
//! - No answer takes longer than the deadline, except for the timer's granularity of a millisecond. While there is no
//!   connection, or the server is late, it is [`Unavailable`] at once, and the caller decides what that means.
//! - What the server may have taken for a call that was given up is not taken back.
//!
//! The client is our own, because what makes it useful here is what general ones do otherwise: the `redis` crate's
//! connection manager lets commands wait for a new connection, where we want to know at once that there is none,
//! and sends each command as it comes, where we want to send in batches. The part of the protocol (RESP2) that one
//! command needs is small.
//!
//! Supported are one server, and whatever stands behind one address; not Redis Cluster, where the keys of one
//! call would have to be in one slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::gcra::{Allowed, Denied, Params};
use super::rate::Mode;
pub use key::key;
use script::Purpose;
pub use settings::{Address, Login, NoAddress, Settings, Tls};
use worker::Job;

#[cfg(test)]
mod fake;
mod key;
mod resp;
mod script;
mod settings;
mod stream;
mod worker;

/// Calls that may wait for a round trip; more are refused.
const QUEUE: usize = 4_096;

/// A connection to a server, to be shared by the requests of one worker.
#[derive(Debug, Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    health: Arc<Health>,
    deadline: Duration,
}

/// What one limit is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Where the debt is kept: see [`key`].
    pub key: &'a [u8],
    /// The quota, not divided.
    pub params: Params,
    /// For how many requests this one counts.
    pub cost: u32,
    /// A limit in [`Mode::Shadow`] takes if it can, and hinders nobody.
    pub mode: Mode,
}

/// What each limit said, in the order they were asked. Something was taken only if no enforced one denied, and
/// then from each that allowed.
pub type Answers = SmallVec<[Result<Allowed, Denied>; 4]>;

/// The server could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no connection, or it broke.
    #[error("no connection to the store of global limits: check its address, login and certificate")]
    Disconnected,
    /// The deadline passed.
    #[error("the store of global limits is late: check its load and the network")]
    Late,
    /// Too many calls wait.
    #[error("too many calls wait for the store of global limits: give it more workers")]
    Overloaded,
}

/// Whether the server can be asked, and how often it could not.
#[derive(Debug, Default)]
struct Health {
    up: AtomicBool,
    failed: AtomicU64,
}

/// A store, and the work of its connection, which has to be spawned on a runtime and ends when all copies of the
/// store are dropped.
pub fn open(settings: Settings) -> (Store, impl Future<Output = ()> + Send) {
    let (jobs, queue) = mpsc::channel(QUEUE);
    let health = Arc::new(Health::default());
    let store = Store { jobs, health: Arc::clone(&health), deadline: settings.deadline };
    (store, worker::run(settings, queue, health))
}

impl Store {
    /// Asks all limits of one request.
    ///
    /// # Errors
    /// They could not be asked; whether something was taken is not known.
    pub async fn take(&self, asks: &[Ask<'_>]) -> Result<Answers, Unavailable> {
        let answers = self.call(asks, Purpose::Take).await;
        if answers.is_err() {
            self.health.failed.fetch_add(1, Ordering::Relaxed);
        }
        answers
    }

    /// What [`take`](Self::take) would say; takes nothing, and no failure of it is counted.
    ///
    /// # Errors
    /// They could not be asked.
    pub async fn look(&self, asks: &[Ask<'_>]) -> Result<Answers, Unavailable> {
        self.call(asks, Purpose::Look).await
    }

    /// Whether there is a connection, and the server answers in time.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.health.up.load(Ordering::Relaxed)
    }

    /// How many calls were not answered.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.health.failed.load(Ordering::Relaxed)
    }

    async fn call(&self, asks: &[Ask<'_>], purpose: Purpose) -> Result<Answers, Unavailable> {
        if !self.is_up() {
            return Err(Unavailable::Disconnected);
        }
        let (answer, answered) = oneshot::channel();
        let due = Instant::now() + self.deadline;
        self.jobs.try_send(Job { call: script::call(asks, purpose), due, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Disconnected,
        })?;
        match timeout(self.deadline, answered).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(_)) => Err(Unavailable::Disconnected),
            Err(_) => Err(Unavailable::Late),
        }
    }
}

#[cfg(test)]
mod tests;
