//! Where a test may listen without asking anyone.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};

/// A loopback address that no other test has: all of 127.0.0.0/8 is this machine. The counter tells
/// the tests of this process apart, the process's number those of others that run at the same time.
pub fn address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(64);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!((64..255).contains(&n), "more tests than addresses");
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, n, high, low).into()
}
