//! Random and mutated requests over a live edge: it never panics, never answers twice, and never
//! sends a backend anything but well-formed requests.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::bed::{Bed, SHORT};

/// Requests to begin with; every mutation starts from one of them.
const SEEDS: [&str; 6] = [
    "GET /a HTTP/1.1\r\nHost: t\r\n\r\n",
    "POST /admin/../x HTTP/1.1\r\nHost: t:80\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc",
    "POST /a?b=c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET http://t/%61 HTTP/1.1\r\nHost: t\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\n",
    "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
];

/// What is put into a request: bytes that parsers stumble over.
fn scrap() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..4),
        proptest::sample::select(vec![
            "\r\n",
            "\n",
            "\r",
            "\0",
            ":",
            " ",
            "\t",
            ",",
            ";",
            "/",
            "%",
            "%2e",
            "..",
            "0",
            "0\r\n\r\n",
            "Host: u\r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "HTTP/1.1",
            "\r\n\r\n",
            "GET /hidden HTTP/1.1\r\nHost: t\r\n\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// A seed with a few places cut out, replaced or repeated.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..4, scrap()), 1..4);
    (proptest::sample::select(SEEDS.to_vec()), edits).prop_map(|(seed, edits)| {
        let mut bytes = seed.as_bytes().to_vec();
        for (place, cut, scrap) in edits {
            let at = place.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, scrap);
        }
        bytes
    })
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => mutated(), 1 => proptest::collection::vec(any::<u8>(), 0..300)]
}

#[test]
fn no_bytes_make_the_edge_panic_or_the_backend_see_malformed_requests() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bed = runtime.block_on(Bed::with(&SHORT.replace("300ms", "50ms")));
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&anything(), |bytes| {
        let before = bed.backend.received().len();
        let end = runtime.block_on(bed.exchange(&bytes));
        let text = String::from_utf8_lossy(&end.bytes);
        let answered = text.starts_with("HTTP/1.1 ") || text.is_empty() || end.bytes.starts_with(&[0, 0]);
        prop_assert!(answered, "an answer or none: {text:?}");
        for received in bed.backend.received().into_iter().skip(before) {
            prop_assert!(received.malformed.is_none(), "{received:?}");
            for seen in &received.requests {
                prop_assert!(!seen.target.split('/').any(|segment| segment == ".."), "{seen:?}");
                let admin = seen.target == "/admin" || seen.target.starts_with("/admin/");
                prop_assert_eq!(admin, seen.field("x-route").is_some(), "{:?}", seen);
            }
        }
        prop_assert_eq!(bed.metrics().panics.get(), 0);
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    runtime.block_on(bed.finish());
}
