//! One file: its text in, the objects in it and what is wrong with them out.

mod kinds;
mod split;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::admit::{Admission, Admitted, admit};
use super::finding::{Finding, Level};
use super::validate::Violation;
use super::yaml::position::{self, Marks, Position};
use super::{Location, endpoints};
use crate::api::{Kind, ObjectRef};
use kinds::Recognised;
use split::Document;
pub(super) use split::Format;

/// Findings that one file may give; the rest is counted.
const MAX_FINDINGS: usize = 1000;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    /// Its objects in the order they are written.
    pub(super) entries: Vec<Entry>,
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
    /// Whether a part of it could not be read at all, as when it is half-written.
    pub(super) broken: bool,
}

/// One object of a file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name.
    pub(super) reference: ObjectRef,
    /// Where it is written.
    pub(super) origin: Origin,
    /// The Service it is made from; `None` for what is written.
    pub(super) owner: Option<Arc<ObjectRef>>,
    /// The object; `None` when it was refused, so that its last good version stays.
    pub(super) admitted: Option<Admitted>,
}

/// Where in its file an object is written; enough to find its fields again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// Which document of the file, from 0.
    pub(super) document: u32,
    /// Which item of a list.
    item: Option<u32>,
    /// The line it starts on, or its list does.
    pub(super) line: u32,
}

/// Reads a file.
pub(super) fn read(file: &Arc<Path>, text: &str, format: Format) -> Manifest {
    let mut manifest = Manifest::default();
    for (index, document) in split::documents(text, format).into_iter().enumerate() {
        let mut reader = Reader { document, index, entries: Vec::new(), reports: Vec::new() };
        match split::values(document, format) {
            Ok(values) => values.into_iter().for_each(|value| reader.document_value(value)),
            Err(error) => {
                manifest.broken = true;
                reader.broken(error.position, error.message);
            }
        }
        let Reader { entries, reports, .. } = reader;
        manifest.entries.extend(entries);
        report(&mut manifest.findings, reports, file, document);
    }
    limit(&mut manifest.findings, file);
    manifest.entries.shrink_to_fit();
    manifest
}

/// Finds fields of a file's objects again, each or the nearest parent that is written. Reads every
/// document once when the fields come in the order of the documents.
pub(super) fn locate<'a>(
    (file, text, format): (&Path, &str, Format),
    fields: impl Iterator<Item = (Origin, &'a str)>,
) -> Vec<Location> {
    let documents = split::documents(text, format);
    let mut read: Option<(u32, Marks)> = None;
    let places = fields.map(|(origin, field)| {
        let document = usize::try_from(origin.document).ok().and_then(|index| documents.get(index));
        let found = document.and_then(|document| {
            let marks = match read.take() {
                Some((index, marks)) if index == origin.document => marks,
                _ => position::marks(document.text),
            };
            let (_, marks) = read.insert((origin.document, marks));
            Some(below(*document, marks.find(&path_in_document(origin.item, field))?))
        });
        let position = found.unwrap_or(Position { line: origin.line as usize, column: 1 });
        Location { file: file.to_owned(), line: position.line, column: position.column }
    });
    places.collect()
}

/// Something to report, before its place is known.
struct Report {
    item: Option<u32>,
    position: Option<Position>,
    object: Option<ObjectRef>,
    violation: Violation,
}

struct Reader<'a> {
    document: Document<'a>,
    index: usize,
    entries: Vec<Entry>,
    reports: Vec<Report>,
}

impl Reader<'_> {
    /// An object, or a list of objects.
    fn document_value(&mut self, value: Value) {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let Value::Object(mut fields) = value else {
            let remedy = "write apiVersion, kind and metadata";
            return self.report(None, None, Violation::new(Level::Error, "", "is no object", remedy));
        };
        match (kind.strip_suffix("List"), fields.remove("items")) {
            (Some(item_kind), Some(Value::Array(items))) => {
                for (index, item) in items.into_iter().enumerate() {
                    self.object(item, u32::try_from(index).ok(), (&api_version, item_kind));
                }
            }
            (_, items) => {
                fields.extend(items.map(|items| ("items".to_owned(), items)));
                self.object(Value::Object(fields), None, (&api_version, &kind));
            }
        }
    }

    /// One object; items of a typed list need not say what they are.
    fn object(&mut self, value: Value, item: Option<u32>, (list_version, list_kind): (&str, &str)) {
        let text = |field: &str| value.get(field).and_then(Value::as_str);
        let api_version = text("apiVersion").unwrap_or(list_version).to_owned();
        let kind = text("kind").unwrap_or(list_kind).to_owned();
        match kinds::recognise(&api_version, &kind) {
            Recognised::Served { kind, api_version } => self.admit(kind, api_version, value, item),
            Recognised::Deprecated { kind, api_version: current } => {
                let message = format!("version {api_version} of {kind} is deprecated");
                let remedy = format!("write {current}");
                self.report(item, None, Violation::new(Level::Warning, "apiVersion", message, remedy));
                self.admit(kind, current, value, item);
            }
            Recognised::NotServed { level, field, message, remedy } => {
                self.report(item, None, Violation::new(level, field, message, remedy));
            }
        }
    }

    fn admit(&mut self, kind: Kind, api_version: &str, value: Value, item: Option<u32>) {
        if let Some((message, remedy)) = kinds::unserved(kind) {
            self.report(item, None, Violation::new(Level::Warning, "kind", message, remedy.to_owned()));
        }
        // The slices need the Service as it is written, the admission consumes it.
        let annotated = kind == Kind::Service && value.pointer("/metadata/annotations").is_some();
        let slices = annotated.then(|| endpoints::expand(&value));
        let mut admission = admit(kind, api_version, value);
        let mut made = Vec::new();
        match slices {
            Some(Err(error)) => {
                let remedy = "write addresses with ports, such as '127.0.0.1:9001, 127.0.0.1:9002'";
                admission.violations.refuse(endpoints::FIELD, error.to_string(), remedy);
                admission.admitted = None;
            }
            // The slices of a refused Service stay as they were, like the Service itself.
            Some(Ok(slices)) if admission.admitted.is_some() => made = slices,
            _ => {}
        }
        let service = admission.reference.clone().map(Arc::new);
        self.take(admission, item, None);
        for slice in made {
            self.take(admit(Kind::EndpointSlice, "discovery.k8s.io/v1", slice), item, service.clone());
        }
    }

    fn take(&mut self, admission: Admission, item: Option<u32>, owner: Option<Arc<ObjectRef>>) {
        let Admission { reference, admitted, violations } = admission;
        let object = reference.clone();
        let reports = violations.0.into_iter().map(|violation| Report {
            item,
            position: None,
            object: object.clone(),
            violation,
        });
        self.reports.extend(reports);
        if let Some(reference) = reference {
            let origin = Origin {
                document: u32::try_from(self.index).unwrap_or(u32::MAX),
                item,
                line: u32::try_from(self.document.line + leading_lines(self.document.text)).unwrap_or(u32::MAX),
            };
            self.entries.push(Entry { reference, origin, owner, admitted });
        }
    }

    fn broken(&mut self, position: Position, message: String) {
        let remedy = "what this document holds now is not used until it can be read";
        self.report(None, Some(position), Violation::new(Level::Error, "", message, remedy));
    }

    fn report(&mut self, item: Option<u32>, position: Option<Position>, violation: Violation) {
        self.reports.push(Report { item, position, object: None, violation });
    }
}

/// Turns the reports of one document into findings; reads it once more to know the places.
fn report(findings: &mut Vec<Finding>, reports: Vec<Report>, file: &Arc<Path>, document: Document<'_>) {
    if reports.is_empty() {
        return;
    }
    let marks = if reports.iter().all(|report| report.position.is_some()) {
        Marks::default()
    } else {
        position::marks(document.text)
    };
    let start = Position { line: 1 + leading_lines(document.text), column: 1 };
    findings.extend(reports.into_iter().map(|Report { item, position, object, violation }| {
        let path = path_in_document(item, &violation.field);
        let position = below(document, position.or_else(|| marks.find(&path)).unwrap_or(start));
        let Violation { level, field, message, remedy } = violation;
        let location = Location { file: file.to_path_buf(), line: position.line, column: position.column };
        Finding { level, location, object, field, message, remedy }
    }));
}

/// Keeps a file of rubbish from filling the memory with findings.
fn limit(findings: &mut Vec<Finding>, file: &Path) {
    let Some(more) = findings.len().checked_sub(MAX_FINDINGS).filter(|more| *more > 0) else { return };
    findings.truncate(MAX_FINDINGS);
    findings.push(Finding {
        level: Level::Note,
        location: Location { file: file.to_owned(), line: 1, column: 1 },
        object: None,
        field: String::new(),
        message: format!("{more} more findings in this file are not shown"),
        remedy: String::new(),
    });
}

fn path_in_document(item: Option<u32>, field: &str) -> String {
    match item {
        None => field.to_owned(),
        Some(item) if field.is_empty() => format!("items[{item}]"),
        Some(item) => format!("items[{item}].{field}"),
    }
}

/// A position in a document as a position in its file.
const fn below(document: Document<'_>, position: Position) -> Position {
    Position { line: document.line + position.line - 1, column: position.column }
}

/// Separator, comments and blank lines before the first field.
fn leading_lines(text: &str) -> usize {
    let leading = |line: &str| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#') || line.starts_with('%') || line.trim_end() == "---"
    };
    text.lines().position(|line| !leading(line)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
