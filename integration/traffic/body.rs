//! A body whose pieces a test hands over one by one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

type Piece = io::Result<Frame<Bytes>>;

/// See the module.
#[derive(Debug)]
pub enum Streamed {
    /// Known from the beginning.
    Whole(Option<Bytes>),
    /// As it comes.
    Pieces(mpsc::Receiver<Piece>),
}

/// Hands pieces over; the body ends when it is dropped.
#[derive(Debug)]
pub struct Feed(mpsc::Sender<Piece>);

impl Streamed {
    /// No body.
    pub const fn empty() -> Self {
        Self::Whole(None)
    }

    /// All at once.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// Piece by piece, none waiting.
    pub fn fed() -> (Feed, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (Feed(sender), Self::Pieces(receiver))
    }
}

impl Feed {
    /// Hands a piece over; `false` when nobody wants it any more.
    pub async fn data(&self, bytes: impl Into<Bytes>) -> bool {
        self.0.send(Ok(Frame::data(bytes.into()))).await.is_ok()
    }

    /// Ends the body with trailers.
    pub async fn trailers(self, trailers: HeaderMap) -> bool {
        self.0.send(Ok(Frame::trailers(trailers))).await.is_ok()
    }

    /// Breaks the body off.
    pub async fn abort(self) {
        let _ = self.0.send(Err(io::Error::other("broken off by the test"))).await;
    }

    /// Waits until nobody wants the body any more.
    pub async fn unwanted(&self) {
        self.0.closed().await;
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => pieces.poll_recv(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
