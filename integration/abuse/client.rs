//! A client that sends bytes as they stand and reads what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::wire::find;

/// How long anything may take before the test gives up. Nothing waits for it in a good run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// Status.
    pub(crate) status: u16,
    /// Status line and fields, in lower case.
    pub(crate) head: String,
    /// Body: by its length, by chunks, or up to the end of the connection.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// What came before it.
    pub(crate) bytes: Vec<u8>,
    /// Whether it was a reset.
    pub(crate) reset: bool,
}

/// A connection.
pub(crate) struct Client<S = TcpStream> {
    /// The bare stream.
    pub(crate) stream: S,
    read: Vec<u8>,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish_sending(&mut self) {
        // the edge may have closed already
        let _ = self.stream.shutdown().await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Speaks over a stream that is there already.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes. The edge may refuse before it has read them all, so that errors say nothing.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = timeout(PATIENCE, async {
            let _ = self.stream.write_all(bytes.as_ref()).await;
            self.stream.flush().await
        })
        .await;
        self
    }

    /// The next response to a request that may have a body in its answer.
    pub(crate) async fn response(&mut self) -> Response {
        self.try_response().await.unwrap_or_else(|end| panic!("no response but {end:?}"))
    }

    /// The next response, or how the connection ended instead.
    pub(crate) async fn try_response(&mut self) -> Result<Response, End> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head = self.read.drain(..end + 4).collect::<Vec<_>>();
                break String::from_utf8_lossy(&head).to_ascii_lowercase();
            }
            self.more().await?;
        };
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        let mut response = Response { status, head, body: Vec::new() };
        if matches!(status, 100..=199 | 204 | 304) {
            return Ok(response);
        }
        response.body = if response.field("transfer-encoding").is_some() {
            self.chunks().await?
        } else if let Some(length) = response.field("content-length") {
            let length = length.parse().unwrap();
            while self.read.len() < length {
                self.more().await?;
            }
            self.read.drain(..length).collect()
        } else {
            self.end().await.bytes
        };
        Ok(response)
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, End> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match find(&self.read, b"\r\n") {
                    Some(at) => break at,
                    None => self.more().await?,
                }
            };
            let size = String::from_utf8_lossy(&self.read[..line]).into_owned();
            let size = usize::from_str_radix(&size, 16).unwrap();
            while self.read.len() < line + 2 + size + 2 {
                self.more().await?;
            }
            body.extend_from_slice(&self.read[line + 2..line + 2 + size]);
            self.read.drain(..line + size + 4);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Reads to the end; a connection that stays open fails the test.
    pub(crate) async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.more().await {
                return end;
            }
        }
    }

    /// The connection is closed and nothing more comes.
    pub(crate) async fn is_closed(&mut self) {
        let end = self.end().await;
        assert!(end.bytes.is_empty(), "nothing more should come: {:?}", String::from_utf8_lossy(&end.bytes));
    }

    /// Exactly so many bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.try_exactly(count).await.unwrap()
    }

    /// Exactly so many bytes, or how the connection ended before.
    pub(crate) async fn try_exactly(&mut self, count: usize) -> Result<Vec<u8>, End> {
        while self.read.len() < count {
            self.more().await?;
        }
        Ok(self.read.drain(..count).collect())
    }

    async fn more(&mut self) -> Result<(), End> {
        let mut buffer = vec![0; 16 << 10];
        let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
        let so_far = String::from_utf8_lossy(&self.read);
        let read = read.unwrap_or_else(|_| panic!("the connection stays open after {so_far:?}"));
        match read {
            Ok(count @ 1..) => {
                self.read.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            ended => Err(End { bytes: std::mem::take(&mut self.read), reset: ended.is_err() }),
        }
    }
}
