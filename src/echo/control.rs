//! What a request's query asks of its answer.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::config::bytes;

/// Longer answers and waits are mistakes.
const MAX_SIZE: usize = 1 << 30;
const MAX_DELAY: Duration = Duration::from_secs(600);

/// Where the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abort {
    /// Before the answer.
    Head,
    /// Within its body.
    Body,
}

/// How a request wants to be answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Control {
    pub(super) status: StatusCode,
    pub(super) delay: Duration,
    pub(super) size: Option<u64>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) abort: Option<Abort>,
}

impl Control {
    /// Reads a query; names that mean nothing here are for somebody else.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut control =
            Self { status: StatusCode::OK, delay: Duration::ZERO, size: None, headers: Vec::new(), abort: None };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            control.set(name, &value).ok_or_else(|| format!("'{name}={value}' cannot be done\n"))?;
        }
        Ok(control)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "status" => self.status = StatusCode::from_bytes(value.as_bytes()).ok().filter(|code| is_final(*code))?,
            "delay" => self.delay = crate::api::duration::parse(value).ok().filter(|delay| *delay <= MAX_DELAY)?,
            "size" => self.size = Some(bytes(value).filter(|size| *size <= MAX_SIZE)? as u64),
            "header" => {
                let (name, value) = value.split_once(':')?;
                self.headers.push((name.trim().parse().ok()?, value.trim().parse().ok()?));
            }
            "abort" => {
                self.abort = match value {
                    "head" => Some(Abort::Head),
                    "body" => Some(Abort::Body),
                    _ => return None,
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// Whether a status can end an exchange: 1xx cannot.
fn is_final(status: StatusCode) -> bool {
    (200..=599).contains(&status.as_u16())
}

/// Resolves `%41` and `+`; what is no valid escape stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                bytes.push(high << 4 | low);
                after
            }
            (b'+', _) => {
                bytes.push(b' ');
                tail
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_controls_the_answer() {
        let control = Control::parse("a=b&status=418&delay=300ms&size=1Ki&header=X-A:%20b+c&header=x-a:d&abort=body&&");
        let control = control.unwrap();
        assert_eq!(
            (control.status.as_u16(), control.delay, control.size),
            (418, Duration::from_millis(300), Some(1024))
        );
        let values: Vec<&str> = control.headers.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!((values, control.abort), (vec!["b c", "d"], Some(Abort::Body)));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for query in [
            "status=abc",
            "status=100",
            "status=600",
            "delay=1",
            "delay=99h",
            "size=2Gi",
            "header=a",
            "header=%0a:b",
            "abort=x",
        ] {
            assert!(Control::parse(query).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "(status|size|delay|header|abort|[%+&=:a-f0-9é]{0,3}|&|=){0,20}") {
            let _ = Control::parse(&query);
        }
    }
}
