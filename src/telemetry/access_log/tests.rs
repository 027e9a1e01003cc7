use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::SystemTime;

use http::{Method, Version};

use super::*;
use crate::telemetry::Reason;

const LONG: Duration = Duration::from_secs(30);

fn record(path: &str) -> Box<Record> {
    Box::new(Record {
        start: SystemTime::UNIX_EPOCH,
        took: Duration::ZERO,
        client: IpAddr::from([127, 0, 0, 1]),
        method: Method::GET,
        host: "a.test".to_owned(),
        path: path.to_owned(),
        version: Version::HTTP_11,
        tls: false,
        status: 404,
        reason: Reason::RouteNotFound,
        rule: None,
        limit: None,
        upstream: None,
        tries: 0,
        request_bytes: 0,
        response_bytes: 0,
        request_id: None,
        user_agent: None,
    })
}

fn dropped() -> IntCounter {
    IntCounter::new("dropped", "test").unwrap()
}

/// Takes what is written only when it is told to; each permit says whether the write succeeds.
struct Gate {
    started: Sender<()>,
    permits: Receiver<bool>,
    written: Sender<Vec<u8>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.started.send(()).map_err(io::Error::other)?;
        match self.permits.recv() {
            Ok(true) => {
                self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
                Ok(bytes.len())
            }
            _ => Err(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log in front of a gate.
struct Gated {
    log: AccessLog,
    dropped: IntCounter,
    started: Receiver<()>,
    permit: Sender<bool>,
    lines: Receiver<Vec<u8>>,
}

fn gated(queue: usize) -> Gated {
    let (start, started) = channel();
    let (permit, permits) = channel();
    let (written, lines) = channel();
    let dropped = dropped();
    let output = writer::Output::Stream(Box::new(Gate { started: start, permits, written }));
    let log = AccessLog::write_to(output, queue, dropped.clone()).unwrap();
    Gated { log, dropped, started, permit, lines }
}

#[test]
fn a_line_is_written_as_soon_as_no_other_is_waiting() {
    let Gated { log, dropped, permit, lines, started: _started } = gated(8);
    permit.send(true).unwrap();
    log.send(record("/one"));
    let line = String::from_utf8(lines.recv_timeout(LONG).unwrap()).unwrap();
    assert!(line.contains(r#""path":"/one""#) && line.ends_with("}\n"), "{line}");
    assert_eq!(dropped.get(), 0);
}

#[test]
fn a_stuck_writer_costs_lines_which_are_counted_but_no_waiting() {
    let Gated { log, dropped, started, permit, lines } = gated(4);
    log.send(record("/"));
    started.recv_timeout(LONG).unwrap();
    for _ in 0..20 {
        log.send(record("/"));
    }
    assert_eq!(dropped.get(), 16, "one is with the writer, four wait in the queue");
    assert!(!log.flush(LONG), "nothing can be asked of a full queue");
    drop((0..5).map(|_| permit.send(true)).collect::<Vec<_>>());
    let mut kept = 0;
    while kept < 5 {
        kept += lines.recv_timeout(LONG).unwrap().iter().filter(|byte| **byte == b'\n').count();
    }
}

#[test]
fn a_full_disk_costs_lines_which_are_counted_and_the_log_goes_on() {
    let Gated { log, dropped, permit, lines, started: _started } = gated(8);
    permit.send(false).unwrap();
    log.send(record("/lost"));
    assert!(log.flush(LONG));
    assert_eq!(dropped.get(), 1);
    permit.send(true).unwrap();
    log.send(record("/kept"));
    assert!(log.flush(LONG));
    assert!(String::from_utf8(lines.try_recv().unwrap()).unwrap().contains("/kept"));
}

#[test]
fn a_file_is_appended_to_and_opened_anew_after_it_was_moved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    std::fs::write(&path, "before\n").unwrap();
    let config = AccessLogConfig { file: path.display().to_string(), ..AccessLogConfig::default() };
    let log = AccessLog::start(&config, dropped()).unwrap();
    assert!(log.is_enabled());
    log.send(record("/one"));
    assert!(log.flush(LONG));
    let moved = folder.path().join("access.log.1");
    std::fs::rename(&path, &moved).unwrap();
    assert!(log.reopen(LONG));
    log.send(record("/two"));
    assert!(log.flush(LONG));
    let old = std::fs::read_to_string(&moved).unwrap();
    assert!(old.starts_with("before\n{") && old.contains("/one") && !old.contains("/two"), "{old}");
    assert!(std::fs::read_to_string(&path).unwrap().contains("/two"));
}

#[test]
fn a_log_that_is_off_wants_no_records() {
    let config = AccessLogConfig { enabled: false, ..AccessLogConfig::default() };
    let log = AccessLog::start(&config, dropped()).unwrap();
    assert!(!log.is_enabled() && log.flush(LONG));
    let config = AccessLogConfig { file: "/no/such/folder/log".to_owned(), ..AccessLogConfig::default() };
    assert!(AccessLog::start(&config, dropped()).is_err());
}
