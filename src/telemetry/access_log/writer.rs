//! The thread that formats and writes.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use super::Record;

/// Bytes gathered before they are written.
const BATCH: usize = 64 << 10;
/// How often a failing log says so.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What the writer is asked to do.
pub(super) enum Message {
    /// Write a record.
    Record(Box<Record>),
    /// Write what is gathered, then answer.
    Flush(SyncSender<()>),
    /// Open the file again, then answer.
    Reopen(SyncSender<()>),
}

/// Where lines go.
pub(super) enum Output {
    /// Standard output or, in tests, anything else.
    Stream(Box<dyn Write + Send>),
    /// A file that lines are appended to.
    File(PathBuf, File),
}

impl Output {
    /// Opens a file, or standard output for an empty name.
    pub(super) fn open(file: &str) -> io::Result<Self> {
        if file.is_empty() {
            return Ok(Self::Stream(Box::new(io::stdout())));
        }
        let path = PathBuf::from(file);
        let file = append(&path)?;
        Ok(Self::File(path, file))
    }

    fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File(path, file) => append(path).map(|opened| *file = opened),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Self::File(_, file) => file.write_all(bytes),
        }
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Gathers lines and writes them.
pub(super) struct Writer {
    output: Output,
    dropped: IntCounter,
    batch: Vec<u8>,
    lines: u64,
    complained: Option<Instant>,
}

impl Writer {
    pub(super) fn new(output: Output, dropped: IntCounter) -> Self {
        Self { output, dropped, batch: Vec::with_capacity(BATCH + 4096), lines: 0, complained: None }
    }

    /// Writes until every sender is gone. Lines are held back only while more are waiting.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let message = match messages.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    let Ok(message) = messages.recv() else { return };
                    message
                }
                Err(TryRecvError::Disconnected) => return self.flush(),
            };
            self.handle(message);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Record(record) => {
                record.write(&mut self.batch);
                self.lines += 1;
                if self.batch.len() >= BATCH {
                    self.flush();
                }
            }
            Message::Flush(done) => {
                self.flush();
                let _ = done.try_send(());
            }
            Message::Reopen(done) => {
                self.flush();
                if let Err(error) = self.output.reopen() {
                    self.complain(&error);
                }
                let _ = done.try_send(());
            }
        }
    }

    /// A batch that cannot be written, on a full disk for example, is given up.
    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if let Err(error) = self.output.write(&self.batch) {
            self.dropped.inc_by(self.lines);
            self.complain(&error);
        }
        self.batch.clear();
        self.lines = 0;
    }

    fn complain(&mut self, error: &io::Error) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            tracing::error!(%error, "the access log cannot be written, lines are dropped");
            self.complained = Some(Instant::now());
        }
    }
}
