//! The access log: one JSON object per request, formatted and written on a thread of its own.
//!
//! The request path pays for building a [`Record`] and one `try_send`; when the writer cannot keep
//! up, lines are dropped and counted, requests never wait.

mod record;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;

use crate::config::AccessLogConfig;

pub use record::Record;
use writer::{Message, Writer};

/// Where records are sent. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AccessLog(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    sender: SyncSender<Message>,
    dropped: IntCounter,
}

impl AccessLog {
    /// A log that writes nothing and costs one branch.
    #[must_use]
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Opens the log and starts its writer. `dropped` counts lines that were not written.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be started.
    pub fn start(config: &AccessLogConfig, dropped: IntCounter) -> io::Result<Self> {
        if !config.enabled {
            return Ok(Self::disabled());
        }
        let output = writer::Output::open(&config.file)?;
        Self::write_to(output, config.queue, dropped)
    }

    fn write_to(output: writer::Output, queue: usize, dropped: IntCounter) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let writer = Writer::new(output, dropped.clone());
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(Self(Some(Arc::new(Inner { sender, dropped }))))
    }

    /// Whether records are wanted: build none otherwise.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Hands a record over; never waits.
    pub fn send(&self, record: Box<Record>) {
        if let Some(inner) = &self.0
            && inner.sender.try_send(Message::Record(record)).is_err()
        {
            inner.dropped.inc();
        }
    }

    /// Waits until everything sent before is written, at most `timeout`; says whether it is.
    /// Blocks: for the end of the process, not for the request path.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        self.ask(Message::Flush, timeout)
    }

    /// Opens the file anew, after a log rotation moved it.
    #[must_use]
    pub fn reopen(&self, timeout: Duration) -> bool {
        self.ask(Message::Reopen, timeout)
    }

    fn ask(&self, message: fn(SyncSender<()>) -> Message, timeout: Duration) -> bool {
        let Some(inner) = &self.0 else { return true };
        let (done, answer) = sync_channel(1);
        // a full queue means the writer is stuck, and waiting would be for nothing
        match inner.sender.try_send(message(done)) {
            Ok(()) => answer.recv_timeout(timeout).is_ok(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests;
