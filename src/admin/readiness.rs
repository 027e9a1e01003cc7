//! Whether the process is ready, and if not, why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;
use prometheus::IntGauge;

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The sources have not delivered everything once.
    NotSynced,
    /// No table is served yet.
    NotPublished,
    /// Serving.
    Ready,
    /// About to end.
    Draining,
}

impl State {
    const ALL: [Self; 4] = [Self::NotSynced, Self::NotPublished, Self::Ready, Self::Draining];

    /// The state in the words of `/readyz`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSynced => "not ready: what is to be served has not been read completely",
            Self::NotPublished => "not ready: no configuration is served yet",
            Self::Ready => "ready",
            Self::Draining => "not ready: draining, the process is about to end",
        }
    }
}

/// The state, shared: one writes, `/readyz` and `paifang_ready` show it.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<AtomicU8>,
    remark: Arc<Mutex<Option<String>>>,
    gauge: IntGauge,
}

impl Readiness {
    /// Starts as [`State::NotSynced`]; `gauge` is 1 exactly while ready.
    #[must_use]
    pub fn new(gauge: IntGauge) -> Self {
        let readiness = Self { state: Arc::new(AtomicU8::new(0)), remark: Arc::default(), gauge };
        readiness.gauge.set(0);
        readiness
    }

    /// Enters a state. Draining is final.
    pub fn set(&self, state: State) {
        let enter = |current: u8| (current != State::Draining as u8).then_some(state as u8);
        let entered = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter);
        if entered.is_ok() {
            self.gauge.set(i64::from(state == State::Ready));
        }
    }

    /// Adds a line on what is not as it should be, ready or not.
    pub fn remark(&self, remark: Option<String>) {
        *self.remark.lock() = remark;
    }

    /// What `/readyz` says.
    #[must_use]
    pub fn text(&self) -> String {
        let state = self.get().as_str();
        self.remark.lock().as_ref().map_or_else(|| format!("{state}\n"), |remark| format!("{state}\n{remark}\n"))
    }

    /// The state.
    #[must_use]
    pub fn get(&self) -> State {
        let state = usize::from(self.state.load(Ordering::SeqCst));
        State::ALL.get(state).copied().unwrap_or(State::NotSynced)
    }
}
