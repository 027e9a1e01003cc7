//! HTTP/2 frames as raw bytes: a client that keeps no rule unless the test does.

use tokio::io::{AsyncRead, AsyncWrite};

use super::client::{Client, End};

/// The connection preface with empty SETTINGS.
pub(crate) const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A frame as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header block of literal fields, without indexing and without Huffman coding (RFC 7541 §6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            integer(&mut bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

fn integer(bytes: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        return bytes.push(u8::try_from(value).unwrap());
    }
    bytes.push(127);
    value -= 127;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128 + 128).unwrap());
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
}

/// The fields of an ordinary request, with more behind them.
pub(crate) fn get<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "/a")];
    fields.extend_from_slice(more);
    fields
}

/// HEADERS that are a whole request.
pub(crate) fn request(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Answered, with the header block's first byte: what the status is, if it is a common one.
    Status(u16),
    /// RST_STREAM with this error code.
    Reset(u32),
    /// GOAWAY with this error code, or the end of the connection.
    Ended(Option<u32>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// The next frame.
    pub(crate) async fn frame(&mut self) -> Result<Frame, End> {
        let head = self.try_exactly(9).await?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let payload = self.try_exactly(length).await?;
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads on until it is known what became of a stream.
    pub(crate) async fn fate(&mut self, stream: u32) -> Fate {
        loop {
            let Ok(frame) = self.frame().await else { return Fate::Ended(None) };
            match frame.kind {
                HEADERS if frame.stream == stream => return Fate::Status(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => return Fate::Reset(code(&frame.payload[..4])),
                GOAWAY if code(&frame.payload[4..8]) != 0 => return Fate::Ended(Some(code(&frame.payload[4..8]))),
                _ => {}
            }
        }
    }

    /// Reads on to the end of the connection; says with which code it was ended.
    pub(crate) async fn goodbye(&mut self) -> Option<u32> {
        let mut last = None;
        while let Ok(frame) = self.frame().await {
            if frame.kind == GOAWAY {
                last = Some(code(&frame.payload[4..8]));
            }
        }
        last
    }
}

fn code(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The status at the beginning of a header block: indexed, or a literal value of three digits.
fn status(block: &[u8]) -> u16 {
    let mut rest = block;
    // updates of the dynamic table's size come first (RFC 7541 §4.2)
    while let [0x20..=0x3f, tail @ ..] = rest {
        let more = if rest[0] == 0x3f { tail.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1 } else { 0 };
        rest = &tail[more..];
    }
    match rest {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        // a literal value for the indexed name `:status`; Huffman codes of digits have 5 or 6 bits
        [0x48 | 0x08, length, tail @ ..] if length & 0x80 != 0 => huffman_digits(&tail[..usize::from(length & 0x7f)]),
        [0x48 | 0x08, 3, a, b, c, ..] => [a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0')),
        other => panic!("no status in {other:?}"),
    }
}

/// RFC 7541 appendix B: `0`, `1`, `2` are 00000, 00001, 00010; `3` to `9` are 011001 to 011111.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let value = |bits: &[u16]| bits.iter().fold(0, |sum, bit| sum * 2 + bit);
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let short = value(&bits[at..at + 5]);
        let (digit, length) = if short <= 2 { (short, 5) } else { (value(&bits[at..at + 6]) - 0b01_1001 + 3, 6) };
        number = number * 10 + digit;
        at += length;
    }
    number
}
