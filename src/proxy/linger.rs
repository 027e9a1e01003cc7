//! The end of a connection of HTTP/1: what the client still sends is read and forgotten.
//!
//! A socket that is closed with bytes unread, or that gets some later, resets the connection, and a reset takes from the
//! client what it has not read of the last response (RFC 9112 §9.6).

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora_core::protocols::UniqueIDType;
use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep};

use super::leisure::Leisure;
use super::stream::Transport;

/// How long nothing may come.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it is read in all.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// How much of it: what the buffers between two machines hold at most, as Linux sizes them (`tcp_wmem` 4 MiB, `tcp_rmem`
/// 6 MiB), so that a client which stops sending when it sees the response always gets it.
const BYTES: usize = 10 << 20;
/// Bytes read at a time.
const CHUNK: usize = 8 * 1024;

/// How far that is.
#[derive(Debug)]
pub(super) struct Linger {
    pause: Pin<Box<Sleep>>,
    end: Instant,
    left: usize,
    leisure: Leisure,
}

impl Linger {
    /// Nothing more is written from now on, on the connection with this number.
    pub(super) fn new(connection: UniqueIDType) -> Self {
        let (pause, leisure) = (Box::pin(sleep(PAUSE)), Leisure::new(connection));
        Self { pause, end: Instant::now() + LIMIT, left: BYTES, leisure }
    }

    /// Ready when the client has ended, too, or has had its chance.
    pub(super) fn poll<T: Transport>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // it ends before the pause does
            ready!(self.leisure.poll(cx));
            let mut chunk = [MaybeUninit::<u8>::uninit(); CHUNK];
            let mut read = ReadBuf::uninit(&mut chunk);
            match Pin::new(&mut *io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    self.left = self.left.saturating_sub(read.filled().len());
                    self.leisure.read(read.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.pause.as_mut().poll(cx),
            }
            let now = Instant::now();
            if self.left == 0 || now >= self.end {
                return Poll::Ready(());
            }
            self.pause.as_mut().reset(self.end.min(now + PAUSE));
        }
    }
}
