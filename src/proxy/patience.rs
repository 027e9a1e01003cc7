//! How long a request body over HTTP/2 is waited for.
//!
//! Pingora's read timeout does nothing on HTTP/2 streams. So a request whose body is not complete yet
//! is served beside a watch, which the phases tell what happens; if the client is what is waited
//! for, and for too long, the request is dropped, which resets its stream.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::table::Rule;
use crate::telemetry::{Metrics, Reason};

tokio::task_local! {
    static CURRENT: Arc<Patience>;
}

/// The watch over one request's body.
#[derive(Debug)]
pub(crate) struct Patience {
    started: Instant,
    limit: Duration,
    /// When something last moved, in microseconds since `started`.
    moved: AtomicU64,
    /// Whether the body is being read: a try is under way.
    reading: AtomicBool,
    complete: AtomicBool,
    /// Pieces that the backend has not taken yet: while there are any, the client waits, not we.
    in_hand: AtomicUsize,
    /// The status that was passed on; 0 before.
    status: AtomicU16,
    rule: OnceLock<Arc<Rule>>,
}

/// Serves a request for as long as its body is not waited for longer than `limit`; `None` when it was
/// dropped, and counted.
pub(super) async fn serve<F: Future>(limit: Duration, metrics: &Metrics, request: F) -> Option<F::Output> {
    let patience = Arc::new(Patience::new(limit));
    let served = CURRENT.scope(Arc::clone(&patience), request);
    tokio::select! {
        biased;
        output = served => Some(output),
        () = patience.lost() => {
            patience.count(metrics);
            None
        }
    }
}

/// The watch over the request that this task serves, if there is one.
pub(super) fn current() -> Option<Arc<Patience>> {
    CURRENT.try_with(Arc::clone).ok()
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            limit,
            moved: AtomicU64::new(0),
            reading: AtomicBool::new(false),
            complete: AtomicBool::new(false),
            in_hand: AtomicUsize::new(0),
            status: AtomicU16::new(0),
            rule: OnceLock::new(),
        }
    }

    /// A try begins to read the body.
    pub(super) fn begin(&self, rule: Option<&Arc<Rule>>) {
        if let Some(rule) = rule {
            self.rule.get_or_init(|| Arc::clone(rule));
        }
        self.touch();
        self.reading.store(true, Ordering::Relaxed);
    }

    /// A try failed; nothing is read until the next begins.
    pub(super) fn pause(&self) {
        self.reading.store(false, Ordering::Relaxed);
    }

    /// The answer moves, so the exchange is alive. `status` comes with its header.
    pub(super) fn answered(&self, status: Option<u16>) {
        if let Some(status) = status {
            self.status.store(status, Ordering::Relaxed);
        }
        self.touch();
    }

    /// A piece of the body came; it is known as in hand until whoever gets it drops it. Pieces
    /// without a byte are no progress.
    pub(super) fn received(self: &Arc<Self>, piece: &mut Option<Bytes>, end: bool) {
        if end {
            self.complete.store(true, Ordering::Relaxed);
        } else if let Some(bytes) = piece.take_if(|bytes| !bytes.is_empty()) {
            self.touch();
            self.in_hand.fetch_add(1, Ordering::Relaxed);
            *piece = Some(Bytes::from_owner(InHand { bytes, patience: Arc::clone(self) }));
        }
    }

    fn touch(&self) {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.moved.store(micros, Ordering::Relaxed);
    }

    /// Completes when the client was waited for too long; never once the body is complete.
    async fn lost(&self) {
        while !self.complete.load(Ordering::Relaxed) {
            let waiting = self.reading.load(Ordering::Relaxed) && self.in_hand.load(Ordering::Relaxed) == 0;
            let left = if waiting { self.left() } else { self.limit };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
        pending().await
    }

    fn left(&self) -> Duration {
        let moved = Duration::from_micros(self.moved.load(Ordering::Relaxed));
        moved.saturating_add(self.limit).saturating_sub(self.started.elapsed())
    }

    /// Counts the request, which no phase will see any more.
    fn count(&self, metrics: &Metrics) {
        let status = match self.status.load(Ordering::Relaxed) {
            0 => Reason::ClientTimeout.status(),
            status => status,
        };
        let counters = self.rule.get().map_or_else(|| metrics.unrouted.counters(), |rule| rule.stats.counters());
        counters.finish(status, Reason::ClientTimeout.as_str(), self.started.elapsed());
    }
}

/// A piece of a body that nobody has taken yet.
struct InHand {
    bytes: Bytes,
    patience: Arc<Patience>,
}

impl AsRef<[u8]> for InHand {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.patience.touch();
        self.patience.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(30);

    async fn is_lost(patience: &Patience) -> bool {
        tokio::time::timeout(LIMIT * 4, patience.lost()).await.is_ok()
    }

    #[tokio::test]
    async fn only_the_client_is_waited_for_with_impatience() {
        let patience = Arc::new(Patience::new(LIMIT));
        assert!(!is_lost(&patience).await, "no try has begun");
        patience.begin(None);
        let mut piece = Some(Bytes::from_static(b"piece"));
        patience.received(&mut piece, false);
        assert_eq!(piece.as_deref(), Some(b"piece".as_slice()), "it is passed on as it is");
        assert!(!is_lost(&patience).await, "the backend has not taken the piece");
        drop(piece);
        assert!(patience.left() > Duration::ZERO, "the client's time begins now");
        assert!(is_lost(&patience).await);
        patience.pause();
        assert!(!is_lost(&patience).await, "the try failed");
        patience.begin(None);
        patience.received(&mut None, true);
        assert!(!is_lost(&patience).await, "the body is complete");
    }

    #[tokio::test]
    async fn requests_that_are_answered_in_time_are_not_touched() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(serve(LIMIT, &metrics, async { current().is_some() }).await, Some(true));
        assert!(current().is_none(), "the watch ends with its request");
        assert!(metrics.unrouted.used().is_none());
    }

    #[tokio::test]
    async fn a_dropped_request_is_counted_with_the_status_it_got() {
        let metrics = Metrics::new().unwrap();
        for status in [None, Some(200)] {
            let request = async {
                let patience = current().unwrap();
                patience.begin(None);
                patience.answered(status);
                pending::<()>().await;
            };
            assert_eq!(serve(LIMIT, &metrics, request).await, None);
        }
        let counted: Vec<_> = metrics.unrouted.counters().outcomes().collect();
        assert_eq!(counted, [(408, "client_timeout", 1), (200, "client_timeout", 1)]);
    }
}
