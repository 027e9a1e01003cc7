//! Who writes: terms of leadership, each valid up to a moment that renewals move on.

use tokio::sync::watch;
use tokio::time::Instant;

/// A time during which this replica is the one that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    /// Counts the terms of this process.
    pub(crate) number: u64,
    /// Nothing is written after.
    pub(crate) until: Instant,
}

/// What the elector says, as the writers read it.
#[derive(Debug, Clone)]
pub(crate) struct Leadership(watch::Receiver<Option<Term>>);

impl Leadership {
    /// Follows an elector.
    pub(crate) const fn new(terms: watch::Receiver<Option<Term>>) -> Self {
        Self(terms)
    }

    /// The term, if one is valid at this moment.
    pub(crate) fn term(&self) -> Option<Term> {
        self.0.borrow().filter(|term| Instant::now() < term.until)
    }

    /// Waits for a change: a new term, a renewal, a loss. Never ends once the elector is gone.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Leadership {
    /// Says to others whether this replica leads, until nobody listens or elects any more.
    pub(crate) async fn say(mut self, to: watch::Sender<bool>) {
        loop {
            let leads = self.term().is_some();
            to.send_if_modified(|known| std::mem::replace(known, leads) != leads);
            tokio::select! {
                () = self.changed() => {}
                () = to.closed() => return,
            }
        }
    }
}
