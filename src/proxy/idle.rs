//! Waiting between two requests of a connection, at next to no cost.
//!
//! A timer and a place in the listener's list of waiters are made once for each connection, not once
//! for each request: the timer is only looked at when it fires, and set anew for what is left.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::stream::{EdgeStream, Transport};

pin_project! {
    /// The idle deadline of a connection, and the end of its listener.
    pub(super) struct Idle<S> {
        limit: Duration,
        #[pin]
        timer: Sleep,
        #[pin]
        stopped: S,
    }
}

impl<S: Future> Idle<S> {
    /// `stopped` completes when the listener ends.
    pub(super) fn new(limit: Duration, stopped: S) -> Self {
        Self { limit, timer: sleep(limit), stopped }
    }

    /// Reads ahead; `false` when the client ended, said nothing for too long, or the listener ends.
    pub(super) async fn fill<T: Transport>(mut self: Pin<&mut Self>, stream: &mut EdgeStream<T>) -> bool {
        let deadline = Instant::now() + self.limit;
        poll_fn(|cx| match stream.poll_fill(cx) {
            Poll::Ready(filled) => Poll::Ready(matches!(filled, Ok(true))),
            Poll::Pending => self.as_mut().poll_end(cx, deadline).map(|()| false),
        })
        .await
    }

    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let mut this = self.project();
        if this.stopped.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while this.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            // it was set for an earlier wait
            this.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
