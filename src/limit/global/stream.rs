//! A connection on which the login is done.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::resp::{Reply, begin, take, word};
use super::settings::{Address, Login, Settings};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Bytes in both directions.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection, and what came and is not yet used.
pub(super) struct Stream {
    bytes: Box<dyn Bytes>,
    input: Vec<u8>,
}

impl Stream {
    /// Connects, and logs in.
    pub(super) async fn connect(settings: &Settings) -> io::Result<Self> {
        timeout(CONNECT, async {
            let mut stream = Self { bytes: dial(settings).await?, input: Vec::new() };
            if let Some(login) = &settings.login {
                stream.login(login).await?;
            }
            Ok(stream)
        })
        .await?
    }

    async fn login(&mut self, login: &Login) -> io::Result<()> {
        let mut command = Vec::new();
        begin(&mut command, 2 + usize::from(login.user.is_some()));
        word(&mut command, b"AUTH");
        if let Some(user) = &login.user {
            word(&mut command, user.as_bytes());
        }
        word(&mut command, login.password.as_bytes());
        self.send(&command).await?;
        match self.receive().await? {
            Reply::Text(text) if text == b"OK" => Ok(()),
            Reply::Error(error) => Err(io::Error::new(io::ErrorKind::PermissionDenied, error)),
            _ => Err(unexpected()),
        }
    }

    /// Writes everything.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.write_all(bytes).await?;
        self.bytes.flush().await
    }

    /// The next reply. If this is dropped, nothing is lost.
    pub(super) async fn receive(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = take(&mut self.input).map_err(io::Error::other)? {
                return Ok(reply);
            }
            if self.bytes.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// A reply to something else.
pub(super) fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the store answers what was not asked")
}

async fn dial(settings: &Settings) -> io::Result<Box<dyn Bytes>> {
    let plain: Box<dyn Bytes> = match &settings.address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Address::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    };
    match &settings.tls {
        None => Ok(plain),
        Some(tls) => {
            let connector = TlsConnector::from(std::sync::Arc::clone(&tls.config));
            Ok(Box::new(connector.connect(tls.name.clone(), plain).await?))
        }
    }
}
