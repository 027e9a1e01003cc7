//! The protocol of Redis, version 2: arrays of texts go out, replies come in.

/// The longest text and the longest list that are believed; what we ask for is far below.
const LONGEST: usize = 64 * 1024;
/// How deep lists may be in lists.
const DEEPEST: u8 = 4;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// A text; one that is null is empty.
    Text(Vec<u8>),
    /// An error, whose first word is its kind.
    Error(String),
    /// A number.
    Integer(i64),
    /// Several.
    List(Vec<Reply>),
}

/// What came is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no answer of a Redis server: check the address, and whether the port is for TLS")]
pub(super) struct Garbage;

/// Appends the head of a command with so many words.
pub(super) fn begin(out: &mut Vec<u8>, words: usize) {
    out.extend_from_slice(format!("*{words}\r\n").as_bytes());
}

/// Appends a word.
pub(super) fn word(out: &mut Vec<u8>, word: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// Takes the first reply off, if all of it is there.
pub(super) fn take(input: &mut Vec<u8>) -> Result<Option<Reply>, Garbage> {
    let Some((reply, rest)) = parse(input, 0)? else { return Ok(None) };
    let used = input.len() - rest.len();
    input.drain(..used);
    Ok(Some(reply))
}

/// A reply and what follows it.
type Parsed<'i> = Option<(Reply, &'i [u8])>;
/// The first byte of a line, the others, and what follows.
type Line<'i> = (u8, &'i [u8], &'i [u8]);

fn parse(input: &[u8], depth: u8) -> Result<Parsed<'_>, Garbage> {
    let Some((kind, line, rest)) = line(input)? else { return Ok(None) };
    match kind {
        b'+' => Ok(Some((Reply::Text(line.to_vec()), rest))),
        b'-' => Ok(Some((Reply::Error(String::from_utf8_lossy(line).into_owned()), rest))),
        b':' => Ok(Some((Reply::Integer(number(line)?), rest))),
        b'$' => text(number(line)?, rest),
        b'*' if depth < DEEPEST => list(number(line)?, rest, depth),
        _ => Err(Garbage),
    }
}

fn line(input: &[u8]) -> Result<Option<Line<'_>>, Garbage> {
    let Some((&kind, rest)) = input.split_first() else { return Ok(None) };
    if !b"+-:$*".contains(&kind) {
        return Err(Garbage);
    }
    match memchr::memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
        Some((line, rest)) => {
            let line = line.strip_suffix(b"\r").ok_or(Garbage)?;
            Ok(Some((kind, line, rest.get(1..).unwrap_or_default())))
        }
        None if rest.len() > LONGEST => Err(Garbage),
        None => Ok(None),
    }
}

fn number(digits: &[u8]) -> Result<i64, Garbage> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Garbage)
}

/// A length; -1 stands for null.
fn length(number: i64) -> Result<Option<usize>, Garbage> {
    match number {
        -1 => Ok(None),
        _ => usize::try_from(number).ok().filter(|n| *n <= LONGEST).map(Some).ok_or(Garbage),
    }
}

fn text(number: i64, input: &[u8]) -> Result<Parsed<'_>, Garbage> {
    let Some(length) = length(number)? else { return Ok(Some((Reply::Text(Vec::new()), input))) };
    let Some((text, rest)) = input.split_at_checked(length) else { return Ok(None) };
    match rest.split_at_checked(2) {
        Some((b"\r\n", rest)) => Ok(Some((Reply::Text(text.to_vec()), rest))),
        Some(_) => Err(Garbage),
        None => Ok(None),
    }
}

fn list(number: i64, mut input: &[u8], depth: u8) -> Result<Parsed<'_>, Garbage> {
    let mut replies = Vec::new();
    for _ in 0..length(number)?.unwrap_or_default() {
        let Some((reply, rest)) = parse(input, depth + 1)? else { return Ok(None) };
        replies.push(reply);
        input = rest;
    }
    Ok(Some((Reply::List(replies), input)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(input: &[u8]) -> Result<Option<Reply>, Garbage> {
        take(&mut input.to_vec())
    }

    #[test]
    fn replies_are_read() {
        let mut input = b"+OK\r\n-NOSCRIPT none\r\n:-7\r\n$2\r\na\n\r\n$-1\r\n*2\r\n:1\r\n*0\r\nrest".to_vec();
        let mut replies = std::iter::from_fn(|| take(&mut input).ok().flatten());
        let text = |text: &str| Some(Reply::Text(text.as_bytes().to_vec()));
        assert_eq!(replies.next(), text("OK"));
        assert_eq!(replies.next(), Some(Reply::Error("NOSCRIPT none".to_owned())));
        assert_eq!(replies.next(), Some(Reply::Integer(-7)));
        assert_eq!((replies.next(), replies.next()), (text("a\n"), text("")));
        assert_eq!(replies.next(), Some(Reply::List(vec![Reply::Integer(1), Reply::List(Vec::new())])));
        assert_eq!((replies.next(), &*input), (None, b"rest".as_slice()));
    }

    #[test]
    fn nonsense_is_refused_before_it_takes_memory() {
        let deep = "*1\r\n".repeat(9);
        let long = format!("+{}", "a".repeat(LONGEST + 1));
        for input in ["HTTP/1.1 400", "$99999999999\r\n", "$-2\r\n", ":1x\r\n", "+a\n", "$1\r\nabc", &deep, &long] {
            assert_eq!(of(input.as_bytes()), Err(Garbage), "{}", input.get(..12).unwrap_or(input));
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_read_in_whatever_pieces(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6),
        ) {
            let mut bytes = Vec::new();
            begin(&mut bytes, words.len());
            words.iter().for_each(|text| word(&mut bytes, text));
            for end in 0..bytes.len() {
                prop_assert_eq!(of(&bytes[..end]), Ok(None), "a part");
            }
            prop_assert_eq!(of(&bytes), Ok(Some(Reply::List(words.into_iter().map(Reply::Text).collect()))));
        }

        #[test]
        fn no_input_is_too_strange(bytes in prop::collection::vec(prop::sample::select(b"+-:$*019\r\na".to_vec()), 0..40)) {
            let _ = of(&bytes);
        }
    }
}
