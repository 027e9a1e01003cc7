//! A strict reader of HTTP/1.1 requests: what the edge sends to a backend must pass it.

/// One request as a backend received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Method.
    pub(crate) method: String,
    /// Request target.
    pub(crate) target: String,
    /// Fields in their order, names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    /// Body without its framing.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// All values of a field, joined by a comma; `None` without the field.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// `METHOD target`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What the bytes of a connection begin with.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A request, and how many bytes it took.
    Request(Box<Seen>, usize),
    /// The beginning of one.
    Partial,
    /// Nothing that a backend should ever see.
    Malformed(String),
}

/// Reads the first request of the bytes.
pub(crate) fn request(bytes: &[u8]) -> Parsed {
    match read(bytes) {
        Ok(Some((seen, length))) => Parsed::Request(Box::new(seen), length),
        Ok(None) => Parsed::Partial,
        Err(why) => Parsed::Malformed(why),
    }
}

fn read(bytes: &[u8]) -> Result<Option<(Seen, usize)>, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..end];
    let mut lines = split_lines(head)?.into_iter();
    let line = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let parts: Vec<_> = line.split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = parts[..] else { return Err(format!("request line {line:?}")) };
    if !target.starts_with('/') && target != "*" {
        return Err(format!("the target {target:?} is not in origin form"));
    }
    let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    let mut seen = Seen { method: method.into(), target: target.into(), fields, body: Vec::new() };
    if seen.fields.iter().filter(|(name, _)| name == "host").count() != 1 {
        return Err(format!("there must be one Host: {seen:?}"));
    }
    let rest = &bytes[end + 4..];
    let length = match (seen.field("content-length"), seen.field("transfer-encoding")) {
        (Some(_), Some(_)) => return Err(format!("ambiguous framing: {seen:?}")),
        (None, Some(coding)) if coding == "chunked" => match chunked(rest)? {
            Some((body, length)) => {
                seen.body = body;
                length
            }
            None => return Ok(None),
        },
        (None, Some(coding)) => return Err(format!("transfer coding {coding:?}")),
        (Some(length), None) => {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let length: usize = length.parse().ok().filter(|_| digits).ok_or(format!("Content-Length {length:?}"))?;
            let Some(body) = rest.get(..length) else { return Ok(None) };
            seen.body = body.to_vec();
            length
        }
        (None, None) => 0,
    };
    Ok(Some((seen, end + 4 + length)))
}

fn split_lines(head: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(at) = find(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    match lines.iter().find(|line| line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))) {
        Some(line) => Err(format!("a bare CR, LF or NUL in {:?}", String::from_utf8_lossy(line))),
        None => Ok(lines),
    }
}

fn field(line: &[u8]) -> Result<(String, String), String> {
    let text = String::from_utf8_lossy(line);
    let (name, value) = text.split_once(':').ok_or(format!("no colon in {text:?}"))?;
    let token =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"(),/:;<=>?@[\\]{}\"".contains(&byte));
    if token { Ok((name.to_ascii_lowercase(), value.trim().to_owned())) } else { Err(format!("field name {name:?}")) }
}

/// A whole chunked body and how many bytes it took.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
        let hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(&size, 16).ok().filter(|_| hex).ok_or(format!("chunk size {size:?}"))?;
        at += line + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk does not end in CR LF (or there are trailers)".into());
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

/// Where a needle begins.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|part| part == needle)
}
