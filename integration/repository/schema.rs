//! A small reader of structural schemas: what the API server checks, but for CEL.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::{Map, Value};

/// The path of a whole object.
pub const ROOT: &str = "";

/// What came of looking at some objects.
#[derive(Default)]
pub struct Findings {
    /// Paths of fields, items (`[]`) and values of maps (`.*`) that some object has.
    pub seen: BTreeSet<String>,
    /// What a schema does not allow.
    pub errors: Vec<String>,
}

/// Checks a value; `at` says where it is written, `path` where in the schema.
pub fn check(schema: &JSONSchemaProps, value: &Value, at: &str, path: &str, out: &mut Findings) {
    out.seen.insert(path.to_owned());
    let mut wrong = |what: &str| out.errors.push(format!("{at}: {value} {what}"));
    if schema.enum_.as_ref().is_some_and(|known| !known.iter().any(|known| known.0 == *value)) {
        wrong("is none of the enum");
    }
    match (value, schema.type_.as_deref()) {
        (Value::String(text), Some("string")) => check_text(schema, text, &mut wrong),
        (Value::String(text), None) if schema.x_kubernetes_int_or_string == Some(true) => {
            check_text(schema, text, &mut wrong);
        }
        (Value::Number(number), Some("integer") | None) => {
            let number = number.as_f64().unwrap();
            let fits = schema.minimum.is_none_or(|least| number >= least)
                && schema.maximum.is_none_or(|most| number <= most)
                && number.fract() == 0.0;
            if !fits {
                wrong("is out of range");
            }
        }
        (Value::Array(items), Some("array")) => check_items(schema, items, at, path, out),
        (Value::Object(fields), Some("object")) => check_fields(schema, fields, at, path, out),
        _ => wrong("has another type"),
    }
}

fn check_text(schema: &JSONSchemaProps, text: &str, wrong: &mut impl FnMut(&str)) {
    if !fits(text.chars().count(), schema.min_length, schema.max_length) {
        wrong("is too long or too short");
    }
    if schema.pattern.as_ref().is_some_and(|pattern| !Regex::new(pattern).unwrap().is_match(text)) {
        wrong("does not match the pattern");
    }
    if schema.format.as_deref() == Some("date-time") && text.parse::<jiff::Timestamp>().is_err() {
        wrong("is no time");
    }
}

fn check_items(schema: &JSONSchemaProps, items: &[Value], at: &str, path: &str, out: &mut Findings) {
    let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items else { panic!("{path} has no items") };
    if !fits(items.len(), schema.min_items, schema.max_items) {
        out.errors.push(format!("{at} has {} items", items.len()));
    }
    let is_set = schema.x_kubernetes_list_type.as_deref() == Some("set");
    for (index, value) in items.iter().enumerate() {
        if is_set && items[..index].contains(value) {
            out.errors.push(format!("{at}: {value} stands twice"));
        }
        check(item, value, &format!("{at}[{index}]"), &format!("{path}[]"), out);
    }
}

fn check_fields(schema: &JSONSchemaProps, fields: &Map<String, Value>, at: &str, path: &str, out: &mut Findings) {
    for name in schema.required.iter().flatten().filter(|name| !fields.contains_key(*name)) {
        out.errors.push(format!("{at}: {name} is required"));
    }
    if let Some(JSONSchemaPropsOrBool::Schema(item)) = &schema.additional_properties {
        if !fits(fields.len(), schema.min_properties, schema.max_properties) {
            out.errors.push(format!("{at} has {} entries", fields.len()));
        }
        for (name, value) in fields {
            check(item, value, &format!("{at}.{name}"), &format!("{path}.*"), out);
        }
    } else if let Some(known) = &schema.properties {
        for (name, value) in fields {
            match known.get(name) {
                // Of every object; no schema names them.
                None if path == ROOT && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) => {}
                Some(property) => check(property, value, &format!("{at}.{name}"), &format!("{path}.{name}"), out),
                None => out.errors.push(format!("{at}: there is no {name}")),
            }
        }
    }
}

fn fits(size: usize, least: Option<i64>, most: Option<i64>) -> bool {
    let size = i64::try_from(size).unwrap();
    least.is_none_or(|least| size >= least) && most.is_none_or(|most| size <= most)
}

#[test]
fn what_does_not_fit_is_found() {
    let schema = paifang::api::policy::schema(paifang::api::Kind::Tenant).unwrap();
    let wrong = serde_json::json!({"kind": "Tenant", "metadata": {}, "spec": {
        "namespaces": {"matchExpressions": [{"key": "a", "operator": "Is"}]},
        "claims": [{"hostnames": ["A", "b", "b"]}, {}], "colour": 1,
        "limits": {"concurrency": 0, "bandwidth": "fast"}, "mode": 7,
    }});
    let mut out = Findings::default();
    check(&schema, &wrong, "a", ROOT, &mut out);
    let errors = out.errors.join("\n");
    for what in [
        "operator: \"Is\" is none of the enum",
        "hostnames[0]: \"A\" does not match",
        "hostnames: \"b\" stands twice",
        "claims[1]: hostnames is required",
        "a.spec: there is no colour",
        "concurrency: 0 is out of range",
        "bandwidth: \"fast\" does not match",
        "mode: 7 has another type",
    ] {
        assert!(errors.contains(what), "{what}: {errors}");
    }
}
