//! YAML as kubectl reads it: text in, JSON values out, or the line and column of the mistake.
//!
//! kubectl turns YAML into JSON before the API server sees it, with the scalar rules of YAML 1.1
//! (`yes` and `on` are booleans). Positions are not kept: [`position`] finds them again by reading
//! a document once more, so that a folder of many objects costs no memory for them.

pub(crate) mod position;
mod scalar;

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use position::{Marks, Position};

/// How deeply collections may nest, aliases expanded.
const MAX_DEPTH: usize = 64;
/// How many nodes one document may have, aliases expanded; 32 bytes of text count as one more.
const MAX_NODES: usize = 2_000_000;

/// Why a document could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct YamlError {
    /// Where, counted from the start of the document's text.
    pub(crate) position: Position,
    /// What is wrong.
    pub(crate) message: String,
}

/// One document of a stream: its text, with the `---` before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    /// Its text.
    pub(crate) text: &'a str,
    /// The line of the stream on which it starts, from 1.
    pub(crate) line: usize,
}

/// Cuts a stream at its `---` lines, so that a mistake in one document leaves the others alone.
///
/// YAML 1.2.2 §9.1.2 forbids such a line inside any scalar, so that no parsing is needed to cut.
pub(crate) fn documents(stream: &str) -> Vec<Document<'_>> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    let mut only_directives = true;
    for (index, line) in stream.split_inclusive('\n').enumerate() {
        if is_separator(line) {
            if !only_directives {
                documents.extend(stream.get(start..offset).map(|text| Document { text, line: start_line }));
                (start, start_line) = (offset, index + 1);
            }
            only_directives = false;
        } else {
            // A `%YAML` line and comments belong to the document that the next `---` opens.
            only_directives &= matches!(line.trim_start().bytes().next(), None | Some(b'%' | b'#'));
        }
        offset += line.len();
    }
    documents.extend(stream.get(start..).map(|text| Document { text, line: start_line }));
    documents
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Reads the text of one document; usually one value, none when it holds only comments.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>, YamlError> {
    Loader::new(text, None).values().map(|(values, _)| values)
}

/// Reads the text of one document and notes where each field is written.
fn parse_with_marks(text: &str) -> Result<(Vec<Value>, Marks), YamlError> {
    Loader::new(text, Some(Marks::default())).values().map(|(values, marks)| (values, marks.unwrap_or_default()))
}

/// A value that an alias may repeat, with what the repetition costs.
struct Anchor {
    value: Value,
    nodes: usize,
    height: usize,
}

struct Loader<'i> {
    parser: Parser<'i, StrInput<'i>>,
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    marks: Option<Marks>,
}

impl<'i> Loader<'i> {
    fn new(text: &'i str, marks: Option<Marks>) -> Self {
        Self { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, marks }
    }

    fn values(mut self) -> Result<(Vec<Value>, Option<Marks>), YamlError> {
        let mut values = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok((values, self.marks)),
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (event, span) => {
                    let value = self.node(event, span, 0)?;
                    if !value.is_null() {
                        values.push(value);
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'i>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(scan_error(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'i>, span: Span, depth: usize) -> Result<Value, YamlError> {
        self.spend(1, span)?;
        if depth > MAX_DEPTH {
            return Err(error(span, format!("nests deeper than {MAX_DEPTH} levels")));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(text.len() / 32, span)?;
                (scalar_value(&text, style, tag.as_deref(), span)?, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(error(span, "a value was expected here".to_owned())),
        };
        if anchor != 0 {
            let (nodes, height) = measure(&value);
            self.spend(nodes, span)?;
            self.anchors.insert(anchor, Anchor { value: value.clone(), nodes, height });
        }
        Ok(value)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Value, YamlError> {
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(error(span, "this alias stands inside the value it repeats".to_owned()));
        };
        let (value, nodes, height) = (&anchor.value, anchor.nodes, anchor.height);
        if depth + height > MAX_DEPTH {
            return Err(error(span, format!("nests deeper than {MAX_DEPTH} levels")));
        }
        // The budget is asked before the copy is made.
        if self.nodes.saturating_add(nodes) > MAX_NODES {
            return Err(too_big(span));
        }
        let value = value.clone();
        self.nodes += nodes;
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::Array(items));
            }
            let length = self.enter(span, |path| position::push_index(path, items.len()));
            items.push(self.node(event, span, depth + 1)?);
            self.leave(length);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut fields = Map::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, _, tag) => {
                    self.spend(1 + text.len() / 32, span)?;
                    if text == "<<" && style == ScalarStyle::Plain {
                        let (event, span) = self.next()?;
                        let value = self.node(event, span, depth + 1)?;
                        merge_sources(value, span, &mut merged)?;
                        continue;
                    }
                    key_text(&text, style, tag.as_deref(), span)?
                }
                _ => return Err(error(span, "a key must be a plain word or text".to_owned())),
            };
            if fields.contains_key(&key) {
                return Err(error(span, format!("the key '{key}' stands twice in the same mapping")));
            }
            let length = self.enter(span, |path| position::push_key(path, &key));
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            self.leave(length);
            fields.insert(key, value);
        }
        // What stands in the mapping itself wins, then the earlier of the merged mappings.
        for (key, value) in merged {
            fields.entry(key).or_insert(value);
        }
        Ok(Value::Object(fields))
    }

    fn spend(&mut self, nodes: usize, span: Span) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES { Err(too_big(span)) } else { Ok(()) }
    }

    fn enter(&mut self, span: Span, push: impl FnOnce(&mut String)) -> usize {
        self.marks.as_mut().map_or(0, |marks| marks.enter(at(span), push))
    }

    fn leave(&mut self, length: usize) {
        if let Some(marks) = self.marks.as_mut() {
            marks.leave(length);
        }
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, YamlError> {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    match (style, core) {
        (_, Some("binary")) => Err(error(span, "!!binary is not supported: write base64 text".to_owned())),
        (_, Some("str")) => Ok(Value::String(text.to_owned())),
        (ScalarStyle::Plain, _) | (_, Some("int" | "float" | "bool" | "null")) => {
            scalar::resolve(text).ok_or_else(|| error(span, format!("'{text}' has no JSON form")))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// JSON knows only text as keys: numbers and booleans become the text kubectl makes of them.
fn key_text(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<String, YamlError> {
    match scalar_value(text, style, tag, span)? {
        Value::String(key) => Ok(key),
        Value::Null => Err(error(span, "a key must not be empty or null".to_owned())),
        other => Ok(other.to_string()),
    }
}

fn merge_sources(value: Value, span: Span, merged: &mut Vec<(String, Value)>) -> Result<(), YamlError> {
    match value {
        Value::Object(fields) => merged.extend(fields),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            merged.extend(
                items
                    .into_iter()
                    .filter_map(|item| match item {
                        Value::Object(fields) => Some(fields),
                        _ => None,
                    })
                    .flatten(),
            );
        }
        _ => return Err(error(span, "'<<' needs a mapping, or a list of mappings".to_owned())),
    }
    Ok(())
}

/// Nodes and nesting of a value; the nesting is bounded by [`MAX_DEPTH`].
fn measure(value: &Value) -> (usize, usize) {
    let children = |(nodes, height): (usize, usize), (n, h): (usize, usize)| (nodes + n, height.max(h + 1));
    match value {
        Value::String(text) => (1 + text.len() / 32, 0),
        Value::Array(items) => items.iter().map(measure).fold((1, 0), children),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let (nodes, height) = measure(value);
                (nodes + 1 + key.len() / 32, height)
            })
            .fold((1, 0), children),
        _ => (1, 0),
    }
}

fn at(span: Span) -> Position {
    Position { line: span.start.line().max(1), column: span.start.col() + 1 }
}

fn error(span: Span, message: String) -> YamlError {
    YamlError { position: at(span), message }
}

fn too_big(span: Span) -> YamlError {
    error(span, format!("the document has more than {MAX_NODES} values: split it, or use fewer aliases"))
}

fn scan_error(error: &ScanError) -> YamlError {
    let marker = error.marker();
    YamlError {
        position: Position { line: marker.line().max(1), column: marker.col() + 1 },
        message: format!("not valid YAML: {}", error.info()),
    }
}

#[cfg(test)]
mod tests;
