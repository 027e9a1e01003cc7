//! Paifang's own kinds: their shapes are made from the schemas of their CRDs.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use super::shared::{METADATA, STATUS};
use super::{Distinct, Field, Form, List, Named, Preset, Shape, Text};
use crate::api::Kind;
use crate::api::policy::{self, pattern};

/// Patterns of the schemas, and the forms that say the same in words.
pub(super) const FORMS: [(&str, Form); 12] = [
    (pattern::LABEL, Form::Label),
    (pattern::SUBDOMAIN, Form::Subdomain),
    (pattern::GROUP, Form::Group),
    (pattern::KIND, Form::Kind),
    (pattern::HOSTNAME, Form::Hostname),
    (pattern::PATH, Form::Path),
    (pattern::PERIOD, Form::Period),
    (pattern::CIDR, Form::Network),
    (pattern::FIELD_NAME, Form::HeaderName),
    (pattern::MEDIA_TYPE, Form::MediaType),
    (pattern::LABEL_KEY, Form::LabelKey),
    (pattern::LABEL_VALUE, Form::LabelValue),
];

static SHAPES: LazyLock<Vec<(Kind, Shape)>> =
    LazyLock::new(|| Kind::ALL.into_iter().filter_map(|kind| Some((kind, made(kind)?))).collect());

/// The shape of a kind of ours.
pub(super) fn of(kind: Kind) -> Shape {
    SHAPES.iter().find(|(known, _)| *known == kind).map_or(Shape::Any, |(_, shape)| *shape)
}

/// Made once for each kind, so what it leaks is as bounded as a table that is written out.
fn made(kind: Kind) -> Option<Shape> {
    let mut properties = policy::schema(kind)?.properties?;
    let spec = Field { name: "spec", shape: shape(&properties.remove("spec")?), required: true, default: Preset::None };
    Some(Shape::Object(vec![METADATA, STATUS, spec].leak()))
}

fn shape(schema: &JSONSchemaProps) -> Shape {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return Shape::Quantity;
    }
    match schema.type_.as_deref() {
        Some("object") => object(schema),
        Some("array") => array(schema),
        Some("string") => text(schema),
        Some("integer") => {
            let bound = |number: Option<f64>, other: i64| number.map_or(other, whole);
            Shape::Int(bound(schema.minimum, i64::MIN), bound(schema.maximum, i64::MAX))
        }
        Some("boolean") => Shape::Bool,
        _ => Shape::Any,
    }
}

fn object(schema: &JSONSchemaProps) -> Shape {
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        let (least, most) = (size(schema.min_properties, 0), size(schema.max_properties, usize::MAX));
        return Shape::Named(Box::leak(Box::new(Named { item: shape(value), least, most })));
    }
    let required = schema.required.as_deref().unwrap_or_default();
    let fields = schema.properties.iter().flatten().map(|(name, property)| Field {
        name: keep(name),
        shape: shape(property),
        required: required.contains(name),
        default: property.default.as_ref().map_or(Preset::None, |default| preset(&default.0)),
    });
    Shape::Object(fields.collect::<Vec<_>>().leak())
}

fn array(schema: &JSONSchemaProps) -> Shape {
    let item = match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => shape(item),
        _ => Shape::Any,
    };
    let distinct = if schema.x_kubernetes_list_type.as_deref() == Some("set") { Distinct::Items } else { Distinct::No };
    let (least, most) = (size(schema.min_items, 0), size(schema.max_items, usize::MAX));
    Shape::List(Box::leak(Box::new(List { item, least, most, distinct })))
}

fn text(schema: &JSONSchemaProps) -> Shape {
    if let Some(values) = &schema.enum_ {
        let values = values.iter().filter_map(|value| value.0.as_str()).map(keep);
        return Shape::Choice(values.collect::<Vec<_>>().leak());
    }
    let form = match (schema.format.as_deref(), schema.pattern.as_deref()) {
        (Some("date-time"), _) => Form::Time,
        (_, Some(pattern)) => FORMS.iter().find(|(known, _)| *known == pattern).map_or(Form::Any, |(_, form)| *form),
        _ => Form::Any,
    };
    Shape::Text(Text { least: size(schema.min_length, 0), most: size(schema.max_length, usize::MAX), form })
}

fn preset(default: &Value) -> Preset {
    match default {
        Value::String(text) => Preset::Text(keep(text)),
        Value::Number(number) => number.as_i64().map_or(Preset::None, Preset::Int),
        Value::Object(_) => Preset::Object,
        _ => Preset::None,
    }
}

fn keep(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn size(number: Option<i64>, other: usize) -> usize {
    number.and_then(|number| usize::try_from(number).ok()).unwrap_or(other)
}

/// Limits in a schema are floating-point numbers; ours are whole and far from where that matters.
#[allow(clippy::cast_possible_truncation, reason = "a cast that saturates")]
const fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    /// Every schema below one, with the path to it.
    fn all(schema: &JSONSchemaProps, path: &str, out: &mut Vec<(String, JSONSchemaProps)>) {
        out.push((path.to_owned(), schema.clone()));
        for (name, property) in schema.properties.iter().flatten() {
            all(property, &format!("{path}.{name}"), out);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
            all(item, &format!("{path}[]"), out);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
            all(value, &format!("{path}.*"), out);
        }
    }

    /// What is below `spec`, of every kind.
    fn specs() -> Vec<(String, JSONSchemaProps)> {
        let mut out = Vec::new();
        for kind in Kind::ALL {
            if let Some(schema) = policy::schema(kind) {
                all(&schema.properties.unwrap()["spec"], kind.as_str(), &mut out);
            }
        }
        assert!(out.len() > 80, "{}", out.len());
        out
    }

    #[test]
    fn every_pattern_has_its_form_and_every_default_is_applied() {
        for (path, schema) in specs() {
            if let Some(pattern) = &schema.pattern {
                let known = FORMS.iter().any(|(known, _)| known == pattern) || pattern == pattern::QUANTITY;
                assert!(known, "{path}: no form for {pattern}");
            }
            if let Some(default) = &schema.default {
                let made = match preset(&default.0) {
                    Preset::Text(text) => Value::from(text),
                    Preset::Int(number) => Value::from(number),
                    other => panic!("{path}: {default:?} becomes {other:?}"),
                };
                assert_eq!(made, default.0, "{path}");
            }
        }
    }

    #[test]
    fn every_list_map_and_text_is_bounded() {
        for (path, schema) in specs() {
            let bounded = match shape(&schema) {
                Shape::List(list) => list.most < usize::MAX,
                Shape::Named(named) => named.most < usize::MAX,
                Shape::Text(text) => text.most < usize::MAX || text.form == Form::Time,
                Shape::Int(least, most) => least >= 0 && most < i64::MAX,
                Shape::Any | Shape::Bool | Shape::Map(_) | Shape::Open(_) => false,
                Shape::Object(_) | Shape::Choice(_) | Shape::Quantity => true,
            };
            assert!(bounded, "{path} has no limit");
        }
    }

    #[test]
    fn every_field_is_described() {
        for (path, schema) in specs() {
            let is_field = !path.ends_with("[]") && !path.ends_with(".*");
            assert!(!is_field || schema.description.is_some_and(|text| text.ends_with('.')), "{path}");
        }
    }

    #[test]
    fn a_form_says_what_its_pattern_says() {
        let words = [
            "",
            "a",
            "-",
            "A",
            "a-1",
            "-a",
            "a-",
            "a.b",
            "a..b",
            ".a",
            "*.a.b",
            "*",
            "/",
            "/a",
            "/a/",
            "a/",
            "//",
            "/a//b",
            "/.",
            "/..",
            "/a/.",
            "/a/..",
            "/.a",
            "/..a",
            "/...",
            "/a.b",
            "/%20",
            "/%2f",
            "/%2F",
            "/%2e",
            "/%2E",
            "/%4",
            "/%",
            "/a?b",
            "/a#b",
            "/ä",
            "/a b",
            "1s",
            "1m30s",
            "0s",
            "24h",
            "500ms",
            "1h1h1h1h",
            "s",
            "123456s",
            "1",
            "10.0.0.0/8",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.256/8",
            "10.0.0/8",
            "010.0.0.0/8",
            "2001:db8::/32",
            "::/0",
            "::1/128",
            "::/129",
            "::1",
            "X-Team",
            "x y",
            "a:b",
            "text/plain",
            "text/plain; charset=utf-8",
            "text/",
            "text",
            "a/b;c",
            "team",
            "example.com/team",
            "example.com/",
            "/team",
            "a_b",
            "a_",
            "_a",
            "Example.com/a",
            "Service",
            "1X",
            "é",
        ];
        for (pattern, form) in FORMS {
            let pattern = Regex::new(pattern).unwrap();
            for word in words {
                // Of "1h1h1h1h" and of IPv6 networks the pattern knows less than the form.
                assert_eq!(form.holds(word), pattern.is_match(word), "{form:?} '{word}'");
            }
        }
    }
}
