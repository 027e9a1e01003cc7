//! What is read only to be forgotten, such as the rest of a refused upload, is read in its own time.
//!
//! Its client shall get its answer, that is all. But clients that are refused together send together as well, and were
//! every byte of theirs read as it comes, the requests of others would wait for all of these reads. So a read that brought
//! next to nothing is followed by a rest, of another length on each connection. What comes in bulk is read as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora_core::protocols::UniqueIDType;
use tokio::time::{Instant, Sleep, sleep_until};

/// Reads of fewer bytes are followed by a rest.
const FEW: usize = 256;
/// But the first ones are not: a short upload soon ends, and its connection serves the next request.
const FIRST: u8 = 2;
/// The shortest rest; the longest is twice as long.
const REST: Duration = Duration::from_millis(450);
/// Connections in a row that differ in what is spread over them.
const SPREAD: u32 = 64;

/// When the next read may be made.
#[derive(Debug)]
pub(super) struct Leisure {
    rest: Duration,
    reads: u8,
    timer: Option<Pin<Box<Sleep>>>,
    resting: bool,
}

impl Leisure {
    /// Of the connection with this number.
    pub(super) fn new(connection: UniqueIDType) -> Self {
        Self { rest: REST + spread(connection, REST), reads: 0, timer: None, resting: false }
    }

    /// Ready when the next read may be made.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = self.timer.as_mut().filter(|_| self.resting) {
            ready!(timer.as_mut().poll(cx));
            self.resting = false;
        }
        Poll::Ready(())
    }

    /// So many bytes were read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.reads = self.reads.saturating_add(1);
        if bytes >= FEW || self.reads <= FIRST {
            return;
        }
        let end = Instant::now() + self.rest;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(end),
            None => self.timer = Some(Box::pin(sleep_until(end))),
        }
        self.resting = true;
    }
}

/// A part of a time, another for each of many connections: what began together shall not all be due at one moment.
pub(super) fn spread(connection: UniqueIDType, over: Duration) -> Duration {
    let place = connection.unsigned_abs() % SPREAD;
    over * place / SPREAD
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::poll_fn;

    use super::*;

    /// How long the next read has to wait.
    async fn wait(leisure: &mut Leisure) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| leisure.poll(cx)).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_read_in_its_own_time_and_bulk_as_it_comes() {
        let mut leisure = Leisure::new(7);
        for (bytes, rests) in [(1, false), (1, false), (1, true), (8192, false), (FEW, false), (FEW - 1, true)] {
            leisure.read(bytes);
            let waited = wait(&mut leisure).await;
            assert_eq!(waited >= REST, rests, "{bytes} bytes: {waited:?}");
            assert!(waited <= 2 * REST + Duration::from_millis(1), "{bytes} bytes: {waited:?}");
            assert_eq!(wait(&mut leisure).await, Duration::ZERO, "once for each read");
        }
    }

    #[test]
    fn neighbours_rest_for_different_times() {
        let rests: BTreeSet<_> = (100..164).map(|connection| Leisure::new(connection).rest).collect();
        assert_eq!(rests.len(), 64);
        assert!(rests.iter().all(|rest| (REST..2 * REST).contains(rest)), "{rests:?}");
    }
}
