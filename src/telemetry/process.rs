//! What the system knows about the process, from `/proc`; elsewhere nothing is said.
//!
//! The names are the ones every Prometheus client library uses.

use std::fmt::Write as _;
use std::fs;

use super::rules::header;

/// Clock ticks per second in `/proc`: a constant of Linux's user interface.
const TICKS: f64 = 100.0;

/// Writes the process metrics that can be read.
pub(super) fn write(out: &mut String) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let stat = Stat::parse(&read("/proc/self/stat"));
    let status = read("/proc/self/status");
    let limits = read("/proc/self/limits");
    let boot = number_after(&read("/proc/stat"), "btime ");
    let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64);
    let kib = |name| number_after(&status, name).map(|kib| kib * 1024.0);
    for (name, kind, help, value) in [
        ("process_cpu_seconds_total", "counter", "CPU time used.", stat.as_ref().map(|stat| stat.cpu)),
        ("process_resident_memory_bytes", "gauge", "Memory in RAM.", kib("VmRSS:")),
        ("process_virtual_memory_bytes", "gauge", "Memory mapped.", kib("VmSize:")),
        ("process_open_fds", "gauge", "Open file descriptors.", open),
        ("process_max_fds", "gauge", "Most file descriptors allowed.", number_after(&limits, "Max open files")),
        ("process_start_time_seconds", "gauge", "Start, since 1970.", start(stat.as_ref(), boot)),
    ] {
        if let Some(value) = value {
            header(name, kind, help, out);
            let _ = writeln!(out, "{name} {value}");
        }
    }
}

fn start(stat: Option<&Stat>, boot: Option<f64>) -> Option<f64> {
    Some(boot? + stat?.start)
}

/// What `/proc/self/stat` says, in seconds.
struct Stat {
    /// User and system time.
    cpu: f64,
    /// Start, after boot.
    start: f64,
}

impl Stat {
    /// The program's name, in parentheses, may hold spaces and parentheses: fields count from the last one.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let ticks = |n| fields.split_whitespace().nth(n)?.parse::<f64>().ok();
        // proc_pid_stat(5): utime 14, stime 15, starttime 22; the first field here is number 3
        Some(Self { cpu: (ticks(11)? + ticks(12)?) / TICKS, start: ticks(19)? / TICKS })
    }
}

/// The number that follows `name`.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let (_, rest) = text.split_once(name)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_cannot_shift_the_fields() {
        let line = "1 (a) b (c) S 0 1 1 0 -1 4 5 6 7 8 150 50 0 0 20 0 3 0 1234 9 9";
        let stat = Stat::parse(line).unwrap();
        assert!((stat.cpu - 2.0).abs() < 1e-9 && (stat.start - 12.34).abs() < 1e-9);
        assert!(Stat::parse("").is_none() && Stat::parse("1 (a) S").is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_process_metric_is_there_and_plausible() {
        let mut out = String::new();
        write(&mut out);
        let value = |name: &str| number_after(&out, &format!("\n{name} ")).unwrap();
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_start_time_seconds") > 1.5e9);
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
}
