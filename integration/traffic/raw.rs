//! A client that writes bytes and reads HTTP/1 messages one by one.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::client::tcp;
use crate::within;

/// A connection.
pub struct Raw(BufReader<TcpStream>);

/// A message as it was on the wire, its body put together.
#[derive(Debug, Clone)]
pub struct Message {
    pub head: String,
    pub body: String,
}

impl Message {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
    }

    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Raw {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(tcp(address).await))
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads a head; empty at the end of the stream.
    pub async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if within("a head", self.0.read_line(&mut head)).await.unwrap_or(0) == 0 {
                break;
            }
        }
        head
    }

    /// Reads a message with the body that its head announces.
    pub async fn message(&mut self) -> Message {
        let mut message = Message { head: self.head().await, body: String::new() };
        if message.field("transfer-encoding").is_some() {
            loop {
                let piece = self.chunk().await;
                if piece.is_empty() {
                    return message;
                }
                message.body.push_str(&piece);
            }
        }
        let length = message.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        message.body = self.exactly(length).await;
        message
    }

    /// Reads one chunk; empty for the last.
    pub async fn chunk(&mut self) -> String {
        let mut line = String::new();
        within("a chunk", self.0.read_line(&mut line)).await.unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
        let piece = self.exactly(length).await;
        assert_eq!(self.exactly(2).await, "\r\n", "a chunk ends in CR LF");
        piece
    }

    /// Reads so many bytes.
    pub async fn exactly(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        within("bytes", self.0.read_exact(&mut bytes)).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Reads what is left until the connection ends.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // a reset is an end, too
        let _ = within("the end of the connection", self.0.read_to_end(&mut rest)).await;
        String::from_utf8_lossy(&rest).into_owned()
    }
}
