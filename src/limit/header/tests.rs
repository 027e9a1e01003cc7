use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::limit::clock::Moment;
use crate::limit::gcra::Cell;

/// A string with integer parameters.
type Item = (String, Vec<(String, u64)>);

/// A list of them, read as strictly as RFC 9651 §4.2 asks.
fn parse(field: &HeaderValue) -> Option<Vec<Item>> {
    let mut rest = field.to_str().ok()?;
    let mut list = Vec::new();
    loop {
        let (text, after) = parse_string(rest)?;
        let (parameters, after) = parse_parameters(after)?;
        list.push((text, parameters));
        let after = after.trim_start_matches([' ', '\t']);
        if after.is_empty() {
            return Some(list);
        }
        rest = after.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

fn parse_string(input: &str) -> Option<(String, &str)> {
    let mut chars = input.strip_prefix('"')?.chars();
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some((text, chars.as_str())),
            '\\' => text.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c @ ' '..='~' => text.push(c),
            _ => return None,
        }
    }
}

fn parse_parameters(mut input: &str) -> Option<(Vec<(String, u64)>, &str)> {
    let mut parameters = Vec::new();
    while let Some(rest) = input.strip_prefix(';') {
        let (name, rest) = rest.split_once('=')?;
        let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = Some(&rest[..end]).filter(|digits| valid && (1..=15).contains(&digits.len()))?;
        parameters.push((name.to_owned(), digits.parse().ok()?));
        input = &rest[end..];
    }
    Some((parameters, input))
}

fn quota(requests: u32, period: Duration, burst: u32) -> Quota {
    Quota { requests, period, burst }
}

fn parameters(field: &HeaderValue) -> (u64, u64) {
    let list = parse(field).unwrap();
    (list[0].1[0].1, list[0].1[1].1)
}

#[test]
fn fields_look_as_in_the_draft() {
    let minute = quota(100, Duration::from_secs(60), 100);
    let hour = quota(1_000, Duration::from_secs(3_600), 10);
    let field = policy([("default", minute), ("daily", hour)]).unwrap();
    assert_eq!(field, "\"default\";q=100;w=60, \"daily\";q=1000;w=3600");
    assert_eq!(state("default", 50, Duration::from_secs(30)).unwrap(), "\"default\";r=50;t=30");
    assert_eq!(policy([]), None);
}

#[test]
fn policies_tell_the_rate_whatever_the_period() {
    let of = |requests, millis, burst| window(&quota(requests, Duration::from_millis(millis), burst));
    assert_eq!(of(100, 1_000, 50), (100, 1));
    assert_eq!(of(100, 1_000, 200), (200, 2), "a burst of two seconds");
    assert_eq!(of(100, 1_000, 150), (200, 2), "in whole seconds");
    assert_eq!(of(10, 100, 10), (100, 1), "a period below a second");
    assert_eq!(of(3, 1_500, 1), (2, 1));
    assert_eq!(of(1, 1_500, 1), (1, 2));
    assert_eq!(of(0, 0, 0), (1_000_000_000, 1), "the fastest there is");
}

#[test]
fn a_wait_is_whole_seconds_and_never_none() {
    let of = |millis| retry_after(Duration::from_millis(millis));
    assert_eq!((of(0), of(1), of(1_000), of(1_001)), (1.into(), 1.into(), 1.into(), 2.into()));
    assert_eq!(retry_after(Duration::MAX), HeaderValue::from(31_536_000));
}

#[test]
fn a_denial_is_a_problem_that_names_the_limits() {
    let body: serde_json::Value =
        serde_json::from_str(&problem(StatusCode::TOO_MANY_REQUESTS, &["per-client", "a \"b\""])).unwrap();
    let expected = serde_json::json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": ["per-client", "a \"b\""],
    });
    assert_eq!(body, expected);
}

#[test]
fn names_that_no_string_can_hold_are_still_readable() {
    let field = state("grün\n\"x\\", 1, Duration::MAX).unwrap();
    assert_eq!(parse(&field).unwrap()[0].0, "gr?n?\"x\\");
    assert_eq!(parameters(&field), (1, LARGEST));
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(
        names in prop::collection::vec("[ -~]{0,20}", 1..4),
        requests in 1_u32.., millis in 1_u64..10_000_000, burst in 1_u32..,
        remaining in 0..=LARGEST, wait in 0..=LARGEST,
    ) {
        let quota = quota(requests, Duration::from_millis(millis), burst);
        let list = parse(&policy(names.iter().map(|name| (name.as_str(), quota))).unwrap()).unwrap();
        let (q, w) = window(&quota);
        let expected = |name: &String| (name.clone(), vec![("q".to_owned(), q), ("w".to_owned(), w)]);
        prop_assert_eq!(list, names.iter().map(expected).collect::<Vec<_>>());
        let field = state(&names[0], remaining, Duration::from_secs(wait)).unwrap();
        let expected = (names[0].clone(), vec![("r".to_owned(), remaining), ("t".to_owned(), wait)]);
        prop_assert_eq!(parse(&field).unwrap(), [expected]);
    }

    /// `r ≤ q`, `t ≤ w`, and `q / w` is the rate, less what is lost by whole numbers.
    #[test]
    fn the_state_fits_the_policy(requests in 1_u32..10_000, millis in 1_u64..100_000, burst in 1_u32..10_000) {
        let quota = quota(requests, Duration::from_millis(millis), burst);
        let (q, w) = window(&quota);
        let (cell, now) = (Cell::default(), Moment::new(Duration::from_secs(1)));
        prop_assert!(cell.peek(quota.params(), now, 0).unwrap().remaining <= q);
        let full = cell.check(quota.params(), now, burst).unwrap();
        // intervals are rounded up to whole nanoseconds
        prop_assert!(seconds(full.reset_after.saturating_sub(Duration::from_nanos(burst.into()))) <= w);
        let rate = f64::from(requests) / Duration::from_millis(millis).as_secs_f64();
        let told = q as f64 / w as f64;
        prop_assert!(told >= rate - 1.0 / w as f64 - 1e-6 && (told <= rate + 1e-6 || q == u64::from(burst)), "{told}, {rate}");
    }
}
