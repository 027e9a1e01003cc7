//! What is written to a client: small writes are gathered, and others come between the parts of a large one.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use super::stream::Transport;

/// Small writes are gathered up to this size, so that header and body leave in one packet.
const WRITE_BUFFER: usize = 4 * 1024;
/// Most that is written at a time, because the whole thread waits for it: some 20 µs.
const SLICE: usize = 64 * 1024;

/// What is not written yet.
#[derive(Debug, Default)]
pub(super) struct Writes {
    gathered: Vec<u8>,
    /// Whether a slice was just written of a write that goes on.
    sliced: bool,
}

impl Writes {
    /// Gathers bytes, or writes a part of what is too much to be gathered.
    pub(super) fn poll_write<T: Transport>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.gathered.len() + bytes.len() > WRITE_BUFFER {
            ready!(self.poll_drain(io, cx))?;
        }
        if bytes.len() >= WRITE_BUFFER {
            return self.poll_slice(io, cx, bytes);
        }
        if self.gathered.capacity() == 0 {
            self.gathered.reserve_exact(if bytes.len() > 512 { WRITE_BUFFER } else { 1024 });
        }
        self.gathered.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Writes what was gathered, and holds no buffer then.
    pub(super) fn poll_drain<T: Transport>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let written = ready!(Pin::new(&mut *io).poll_write(cx, &self.gathered))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.drain(..written);
        }
        self.gathered = Vec::new();
        Poll::Ready(Ok(()))
    }

    fn poll_slice<T: Transport>(&mut self, io: &mut T, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.sliced) {
            ready!(give_way(cx));
        }
        let slice = bytes.get(..SLICE).unwrap_or(bytes);
        let written = ready!(Pin::new(io).poll_write(cx, slice))?;
        self.sliced = written < bytes.len();
        Poll::Ready(Ok(written))
    }
}

/// Lets everything come first that is ready, or has become ready.
fn give_way(cx: &mut Context<'_>) -> Poll<()> {
    // it has done its work when it is first polled
    pin!(tokio::task::yield_now()).poll(cx)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn others_come_between_the_parts_of_a_large_write() {
        let (_client, mut server) = tokio::io::duplex(4 * SLICE);
        let large = vec![b'x'; 4 * SLICE];
        let (mut writes, mut written) = (Writes::default(), 0);
        let mut turns = 0;
        let other = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        let all = async {
            while written < large.len() {
                let rest = large.get(written..).unwrap();
                written += poll_fn(|cx| writes.poll_write(&mut server, cx, rest)).await.unwrap();
            }
        };
        tokio::select! {
            biased;
            () = all => {}
            () = other => {}
        }
        assert_eq!(turns, 3, "once after each part but the last");
    }
}
