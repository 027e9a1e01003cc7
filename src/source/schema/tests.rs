use serde_json::{Map, Value, json};

use super::*;
use crate::snapshot::Object;

/// A value that has every field of a shape.
fn sample(shape: &Shape) -> Value {
    match shape {
        Shape::Object(fields) | Shape::Open(fields) => fields
            .iter()
            .filter(|field| field.name != "status")
            .map(|field| (field.name.to_owned(), sample(&field.shape)))
            .collect::<Map<_, _>>()
            .into(),
        Shape::List(list) => json!([sample(&list.item)]),
        Shape::Map(_) => json!({"key": "dmFsdWU="}),
        Shape::Named(named) => json!({"key": sample(&named.item)}),
        Shape::Choice(words) => json!(words[0]),
        Shape::Quantity => json!("200Mi"),
        Shape::Text(Text { form: Form::Time, .. }) => json!("2026-01-02T03:04:05Z"),
        Shape::Text(_) => json!("text"),
        Shape::Int(least, _) => json!(least),
        Shape::Bool => json!(true),
        Shape::Any => json!(1),
    }
}

/// Paths of the fields of `written` that are not in `read`.
fn lost(written: &Value, read: &Value, path: &str) -> Vec<String> {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => written
            .iter()
            .flat_map(|(name, value)| match read.get(name) {
                Some(found) => lost(value, found, &format!("{path}.{name}")),
                None => vec![format!("{path}.{name}")],
            })
            .collect(),
        (Value::Array(written), Value::Array(read)) => {
            written.iter().zip(read).flat_map(|(a, b)| lost(a, b, &format!("{path}[]"))).collect()
        }
        _ => Vec::new(),
    }
}

fn json_of(object: &Object) -> Value {
    match object {
        Object::GatewayClass(o) => serde_json::to_value(o),
        Object::Gateway(o) => serde_json::to_value(o),
        Object::ListenerSet(o) => serde_json::to_value(o),
        Object::HttpRoute(o) => serde_json::to_value(o),
        Object::GrpcRoute(o) => serde_json::to_value(o),
        Object::TlsRoute(o) => serde_json::to_value(o),
        Object::TcpRoute(o) => serde_json::to_value(o),
        Object::UdpRoute(o) => serde_json::to_value(o),
        Object::ReferenceGrant(o) => serde_json::to_value(o),
        Object::BackendTlsPolicy(o) => serde_json::to_value(o),
        Object::Tenant(o) => serde_json::to_value(o),
        Object::ShareGrant(o) => serde_json::to_value(o),
        Object::RateLimitPolicy(o) => serde_json::to_value(o),
        Object::GatewayParameters(o) => serde_json::to_value(o),
        Object::Namespace(o) => serde_json::to_value(o),
        Object::Service(o) => serde_json::to_value(o),
        Object::Secret(o) => serde_json::to_value(o),
        Object::ConfigMap(o) => serde_json::to_value(o),
        Object::EndpointSlice(o) => serde_json::to_value(o),
    }
    .unwrap()
}

#[test]
fn every_field_of_a_schema_is_a_field_of_its_type() {
    for kind in Kind::ALL {
        let mut written = sample(&of(kind));
        written["apiVersion"] = match kind.group() {
            "" => json!("v1"),
            group => json!(format!("{group}/{}", kind.version())),
        };
        written["kind"] = json!(kind.as_str());
        let object = Object::from_json(kind, &written).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(lost(&written, &json_of(&object), ""), Vec::<String>::new(), "{kind}");
    }
}
