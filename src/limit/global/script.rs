//! The script: how it is called, and what it answers.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::resp::{Reply, begin, word};
use super::{Answers, Ask};
use crate::limit::gcra::{Allowed, Denied};
use crate::limit::rate::Mode;

/// The script.
const SOURCE: &str = include_str!("gcra.lua");

/// The name that the server gives it.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hash = String::with_capacity(40);
    for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, SOURCE.as_bytes()).as_ref() {
        let _ = write!(hash, "{byte:02x}");
    }
    hash
});

/// A call but for the script.
#[derive(Debug)]
pub(super) struct Call {
    limits: usize,
    purpose: Purpose,
    words: Vec<u8>,
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To take, if all allow.
    Take,
    /// To learn what taking would say; the server writes nothing.
    Look,
}

/// How the script is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// By its hash: the server has to know it.
    Hash,
    /// In full: the server knows it from then on.
    Source,
}

/// Encodes a call.
pub(super) fn call(asks: &[Ask<'_>], purpose: Purpose) -> Call {
    let mut words = Vec::with_capacity(asks.len() * 112 + 8);
    let mut text = String::new();
    let mut number = |words: &mut Vec<u8>, value: std::fmt::Arguments<'_>| {
        text.clear();
        let _ = text.write_fmt(value);
        word(words, text.as_bytes());
    };
    number(&mut words, format_args!("{}", asks.len()));
    asks.iter().for_each(|ask| word(&mut words, ask.key));
    for ask in asks {
        let micros = |time: Duration| time.as_nanos() as f64 / 1_000.0;
        number(&mut words, format_args!("{:.3}", micros(ask.params.interval())));
        number(&mut words, format_args!("{:.3}", micros(ask.params.depth())));
        number(&mut words, format_args!("{}", ask.cost));
        number(&mut words, format_args!("{}", u8::from(ask.mode == Mode::Enforce)));
    }
    if purpose == Purpose::Look {
        word(&mut words, b"look");
    }
    Call { limits: asks.len(), purpose, words }
}

impl Call {
    /// Appends the command.
    pub(super) fn write(&self, out: &mut Vec<u8>, named: Named) {
        begin(out, 3 + 5 * self.limits + usize::from(self.purpose == Purpose::Look));
        let (command, script) = match named {
            Named::Hash => ("EVALSHA", HASH.as_str()),
            Named::Source => ("EVAL", SOURCE),
        };
        word(out, command.as_bytes());
        word(out, script.as_bytes());
        out.extend_from_slice(&self.words);
    }

    /// Reads what the script answered; `None` if that is no answer to this call.
    pub(super) fn read(&self, reply: &Reply) -> Option<Answers> {
        let Reply::List(numbers) = reply else { return None };
        let number = |reply: &Reply| if let Reply::Integer(n) = reply { Some(*n) } else { None };
        let (answers, rest) = numbers.as_chunks::<4>();
        let answers: Option<Answers> = answers
            .iter()
            .map(|[allowed, remaining, retry, reset]| {
                let remaining = u64::try_from(number(remaining)?).ok()?;
                let reset_after = Duration::from_micros(u64::try_from(number(reset)?).ok()?);
                let retry = number(retry)?;
                let retry_after = u64::try_from(retry).map_or(Duration::MAX, Duration::from_micros);
                Some(match number(allowed)? {
                    1 => Ok(Allowed { remaining, reset_after }),
                    _ => Err(Denied { retry_after, remaining, reset_after }),
                })
            })
            .collect();
        answers.filter(|answers| rest.is_empty() && answers.len() == self.limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::gcra::Params;
    use crate::limit::global::resp::take;

    fn ask(params: Params) -> Ask<'static> {
        Ask { key: b"k", params, cost: 2, mode: Mode::Enforce }
    }

    fn words(call: &Call) -> Vec<String> {
        let mut bytes = Vec::new();
        call.write(&mut bytes, Named::Hash);
        let Ok(Some(Reply::List(words))) = take(&mut bytes) else { panic!("no command") };
        let text = |word| match word {
            Reply::Text(text) => String::from_utf8(text).unwrap(),
            _ => panic!("no word"),
        };
        words.into_iter().map(text).collect()
    }

    #[test]
    fn a_call_names_script_keys_and_quotas() {
        let params = Params::new(Duration::from_nanos(333_333_334), Duration::from_secs(1));
        let words = |purpose| words(&call(&[ask(params)], purpose));
        let mut expected = vec!["EVALSHA", HASH.as_str(), "1", "k", "333333.334", "1000000.000", "2", "1"];
        assert_eq!(words(Purpose::Take), expected);
        expected.push("look");
        assert_eq!(words(Purpose::Look), expected);
    }

    #[test]
    fn only_an_answer_to_the_call_is_read() {
        let call = call(&[ask(Params::new(Duration::from_secs(1), Duration::from_secs(1)))], Purpose::Take);
        let list = |numbers: &[i64]| Reply::List(numbers.iter().map(|n| Reply::Integer(*n)).collect());
        let reset_after = Duration::from_micros(9);
        let allowed = Ok(Allowed { remaining: 5, reset_after });
        assert_eq!(call.read(&list(&[1, 5, 0, 9])).unwrap().as_slice(), [allowed]);
        let denied = Err(Denied { retry_after: Duration::MAX, remaining: 0, reset_after });
        assert_eq!(call.read(&list(&[0, 0, -1, 9])).unwrap().as_slice(), [denied]);
        for wrong in [list(&[]), list(&[1, 5, 0]), list(&[1; 8]), list(&[1, -5, 0, 9]), Reply::Integer(1)] {
            assert_eq!(call.read(&wrong), None);
        }
    }
}
