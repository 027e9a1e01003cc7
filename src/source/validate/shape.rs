//! Types, limits, forms, required and unknown fields of a JSON object.

use std::collections::HashSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::Violations;
use crate::api::policy::quantity::Quantity;
use crate::source::schema::{Distinct, Field, List, Named, Shape, Text};

/// Fields of every object that are nobody's business below it.
const TYPE_META: [&str; 2] = ["apiVersion", "kind"];
/// How far a word may be from a known field to be taken for a slip of the pen.
const NEAR: f64 = 0.7;

/// Checks an object, defaults applied, against the shape of its kind.
pub(in crate::source) fn check(object: &Value, shape: &Shape, out: &mut Violations) {
    check_value(object, shape, &Path::Root, out);
}

/// Where the walk stands; turned into text only when something is wrong.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Key(parent, key) => {
                parent.write(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Self::Index(parent, index) => {
                parent.write(out);
                // Writing to a String cannot fail.
                let _ = write!(out, "[{index}]");
            }
        }
    }
}

fn check_value(value: &Value, shape: &Shape, path: &Path<'_>, out: &mut Violations) {
    match (shape, value) {
        (Shape::Any, _) | (Shape::Bool, Value::Bool(_)) => {}
        (Shape::Object(known), Value::Object(fields)) => {
            check_fields(fields, known, path, out);
            check_unknown(fields, known, path, out);
        }
        (Shape::Open(known), Value::Object(fields)) => check_fields(fields, known, path, out),
        (Shape::List(list), Value::Array(items)) => check_list(items, list, path, out),
        (Shape::Map(most), Value::Object(fields)) => check_map(fields, *most, path, out),
        (Shape::Named(named), Value::Object(fields)) => check_named(fields, named, path, out),
        (Shape::Choice(words), Value::String(word)) => check_choice(word, words, path, out),
        (Shape::Quantity, Value::Number(_) | Value::String(_)) => check_quantity(value, path, out),
        (Shape::Text(text), Value::String(value)) => check_text(value, text, path, out),
        (Shape::Int(least, most), Value::Number(number)) => {
            if !number.as_i64().is_some_and(|number| (*least..=*most).contains(&number)) {
                out.refuse(path.text(), format!("{number} is out of range"), format!("write {}", range(*least, *most)));
            }
        }
        _ => {
            let message = format!("{} stands where {} is expected", type_of(value), expected(shape));
            out.refuse(path.text(), message, type_remedy(value, shape));
        }
    }
}

fn check_fields(fields: &Map<String, Value>, known: &[Field], path: &Path<'_>, out: &mut Violations) {
    for field in known {
        match fields.get(field.name) {
            Some(value) => check_value(value, &field.shape, &Path::Key(path, field.name), out),
            None if field.required => {
                let remedy = format!("add '{}', {}", field.name, expected(&field.shape));
                out.refuse(Path::Key(path, field.name).text(), "is required", remedy);
            }
            None => {}
        }
    }
}

fn check_unknown(fields: &Map<String, Value>, known: &[Field], path: &Path<'_>, out: &mut Violations) {
    for name in fields.keys() {
        let is_known = known.iter().any(|field| field.name == name)
            || (matches!(path, Path::Root) && TYPE_META.contains(&name.as_str()));
        if !is_known {
            let remedy =
                nearest(name, known).map_or_else(|| "remove it".to_owned(), |near| format!("did you mean '{near}'?"));
            out.refuse(Path::Key(path, name).text(), "there is no such field", remedy);
        }
    }
}

fn nearest(name: &str, known: &[Field]) -> Option<&'static str> {
    nearest_word(name, known.iter().map(|field| field.name))
}

fn nearest_word(word: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let lower = word.to_lowercase();
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn check_list(items: &[Value], list: &List, path: &Path<'_>, out: &mut Violations) {
    if items.len() < list.least {
        out.refuse(path.text(), "is empty", format!("write at least {}", list.least));
    }
    if items.len() > list.most {
        let message = format!("has {} entries, at most {} are allowed", items.len(), list.most);
        out.refuse(path.text(), message, "split the object");
        return;
    }
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let here = Path::Index(path, index);
        check_value(item, &list.item, &here, out);
        let key = match list.distinct {
            Distinct::No => None,
            Distinct::Items => Some(item),
            Distinct::By(name) => item.get(name),
        };
        if let Some(key) = key
            && !seen.insert(key)
        {
            out.refuse(here.text(), format!("{key} stands in this list before"), "remove or rename one of them");
        }
    }
}

fn check_map(fields: &Map<String, Value>, most: usize, path: &Path<'_>, out: &mut Violations) {
    if fields.len() > most {
        let message = format!("has {} entries, at most {most} are allowed", fields.len());
        out.refuse(path.text(), message, "remove some");
    }
    for (key, value) in fields {
        if !value.is_string() {
            // Values stay out of the message: they may be a Secret's.
            let message = format!("{} stands where text is expected", type_of(value));
            out.refuse(Path::Key(path, key).text(), message, "put it in quotes");
        }
    }
}

fn check_named(fields: &Map<String, Value>, named: &Named, path: &Path<'_>, out: &mut Violations) {
    if fields.len() < named.least {
        out.refuse(path.text(), "is empty", format!("write at least {}", named.least));
    }
    if fields.len() > named.most {
        let message = format!("has {} entries, at most {} are allowed", fields.len(), named.most);
        out.refuse(path.text(), message, "split the object");
        return;
    }
    for (key, value) in fields {
        check_value(value, &named.item, &Path::Key(path, key), out);
    }
}

fn check_choice(word: &str, words: &[&'static str], path: &Path<'_>, out: &mut Violations) {
    if !words.contains(&word) {
        let remedy = nearest_word(word, words.iter().copied())
            .map_or_else(|| format!("write one of {}", words.join(", ")), |near| format!("did you mean '{near}'?"));
        out.refuse(path.text(), format!("there is no '{word}' here"), remedy);
    }
}

fn check_quantity(value: &Value, path: &Path<'_>, out: &mut Violations) {
    let quantity = serde_json::from_value::<Quantity>(value.clone()).ok();
    if quantity.and_then(|quantity| quantity.value()).is_none() {
        out.refuse(path.text(), format!("{value} is no quantity"), "write a number of at least 1, such as 200Mi");
    }
}

fn check_text(value: &str, text: &Text, path: &Path<'_>, out: &mut Violations) {
    // Bytes bound characters from above, so that the common case needs no counting.
    let length =
        if value.len() <= text.most && value.len() >= text.least * 4 { value.len() } else { value.chars().count() };
    if length < text.least {
        out.refuse(path.text(), "is empty", format!("write {}", text.form.words()));
    } else if length > text.most {
        let message = format!("is {length} characters long, at most {} are allowed", text.most);
        out.refuse(path.text(), message, "shorten it");
    } else if !text.form.holds(value) {
        out.refuse(path.text(), format!("'{value}' is not valid"), format!("write {}", text.form.words()));
    }
}

fn range(least: i64, most: i64) -> String {
    match (least, most) {
        (least, most) if most == i64::from(i32::MAX) => format!("a number of at least {least}"),
        (least, most) => format!("a number from {least} to {most}"),
    }
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Object(_) | Shape::Open(_) | Shape::Map(_) | Shape::Named(_) => "an object".to_owned(),
        Shape::List(_) => "a list".to_owned(),
        Shape::Text(text) => text.form.words().to_owned(),
        Shape::Int(least, most) => range(*least, *most),
        Shape::Choice(words) => format!("one of {}", words.join(", ")),
        Shape::Quantity => "a number such as 200Mi".to_owned(),
        Shape::Bool => "true or false".to_owned(),
        Shape::Any => "a value".to_owned(),
    }
}

fn type_remedy(value: &Value, shape: &Shape) -> String {
    match (value, shape) {
        (Value::Bool(_) | Value::Number(_), Shape::Text(_) | Shape::Choice(_)) => {
            format!("put it in quotes: \"{value}\"")
        }
        (Value::String(text), Shape::Int(..) | Shape::Bool) => format!("remove the quotes: {text}"),
        (_, Shape::List(_)) => "write a list: each entry on its own line after '- '".to_owned(),
        _ => format!("write {}", expected(shape)),
    }
}
