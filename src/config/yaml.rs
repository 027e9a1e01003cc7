//! YAML with line numbers: one document of mappings, lists and scalars. Anchors and tags, which
//! settings have no use for, are refused.

use std::io::Read;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::ConfigProblem;

/// Settings are small; anything larger is a mistake.
const MAX_BYTES: u64 = 1 << 20;
/// Deeper than any setting.
const MAX_DEPTH: usize = 16;

/// A value and where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column, from 1.
    pub(crate) column: usize,
    /// Whether a scalar stood in quotes.
    pub(crate) quoted: bool,
    /// The value.
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A single value; empty when nothing, `~` or `null` was written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order written, repeated keys included.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column, from 1.
    pub(crate) column: usize,
    /// The key.
    pub(crate) text: String,
}

/// Reads a file that may be a settings file.
pub(super) fn read_file(path: &Path) -> Result<String, ConfigProblem> {
    let unreadable = |error: std::io::Error| ConfigProblem::whole(format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigProblem::whole(format!("is larger than {MAX_BYTES} bytes: is it a settings file?")));
    }
    String::from_utf8(bytes).map_err(|_| ConfigProblem::whole("is not UTF-8 text".to_owned()))
}

/// Reads the one document of a text; none when it is empty.
pub(super) fn parse(text: &str) -> Result<Option<Node>, ConfigProblem> {
    let mut events = Events(Parser::new_from_str(text));
    let mut root = None;
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => return Ok(root.filter(|node: &Node| !node.is_empty())),
            (Event::DocumentStart(_), span) if root.is_some() => {
                return Err(problem(span, "a second document: settings are one document".to_owned()));
            }
            (Event::DocumentStart(_), _) => {
                let first = events.next()?;
                root = Some(events.node(first, 0)?);
            }
            _ => {}
        }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.value == Value::Scalar(String::new()) && !self.quoted
    }
}

struct Events<'t>(Parser<'t, StrInput<'t>>);

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), ConfigProblem> {
        match self.0.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = error.marker();
                let message = format!("not YAML: {}", error.info());
                Err(ConfigProblem { line: at.line(), column: at.col() + 1, message })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> Result<Node, ConfigProblem> {
        if depth > MAX_DEPTH {
            return Err(problem(span, "nested too deeply".to_owned()));
        }
        let (value, quoted) = match event {
            Event::Scalar(text, style, 0, None) => {
                let plain = style == ScalarStyle::Plain;
                let nothing = plain && matches!(&*text, "~" | "null" | "Null" | "NULL");
                (Value::Scalar(if nothing { String::new() } else { text.into_owned() }), !plain)
            }
            Event::SequenceStart(0, None) => (Value::List(self.list(depth)?), false),
            Event::MappingStart(0, None) => (Value::Map(self.map(depth)?), false),
            _ => return Err(problem(span, "anchors, aliases and tags have no place in settings".to_owned())),
        };
        Ok(Node { line: span.start.line(), column: span.start.col() + 1, quoted, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, ConfigProblem> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(list),
                item => list.push(self.node(item, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, ConfigProblem> {
        let mut map = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(map);
            }
            let Value::Scalar(text) = self.node((event, span), depth + 1)?.value else {
                return Err(problem(span, "a key must be a single value".to_owned()));
            };
            let value = self.next()?;
            let value = self.node(value, depth + 1)?;
            map.push((Key { line: span.start.line(), column: span.start.col() + 1, text }, value));
        }
    }
}

fn problem(span: Span, message: String) -> ConfigProblem {
    ConfigProblem { line: span.start.line(), column: span.start.col() + 1, message }
}
