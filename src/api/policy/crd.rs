//! The CustomResourceDefinitions of our kinds, made from their types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::status::StatusCondition;
use super::{GatewayParameters, RateLimitPolicy, ShareGrant, Tenant, pattern};
use crate::api::Kind;

/// Every CRD, in the order of [`Kind::ALL`].
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    Kind::ALL.into_iter().filter_map(of).collect()
}

/// The CRD of a kind, if it is one of ours.
#[must_use]
pub fn of(kind: Kind) -> Option<CustomResourceDefinition> {
    let mut crd = match kind {
        Kind::Tenant => Tenant::crd(),
        Kind::ShareGrant => ShareGrant::crd(),
        Kind::RateLimitPolicy => RateLimitPolicy::crd(),
        Kind::GatewayParameters => GatewayParameters::crd(),
        _ => return None,
    };
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    Some(crd)
}

/// The schema of a kind's objects, if it is one of ours.
#[must_use]
pub fn schema(kind: Kind) -> Option<JSONSchemaProps> {
    of(kind)?.spec.versions.into_iter().next()?.schema?.open_api_v3_schema
}

/// Brings a schema from what Rust means into what Kubernetes means: an absent field is absent and never
/// `null` (which the API server then takes for absent), integers have the formats it knows, and a list
/// is somebody's as a whole unless it says otherwise.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.title = None;
    // Comments are wrapped where the source is; whoever shows a description wraps it anew.
    schema.description = schema.description.take().map(|text| text.replace('\n', " "));
    if let Some(format) = schema.format.as_deref() {
        schema.format = match format {
            "uint8" | "uint16" => Some("int32".to_owned()),
            "uint32" | "uint64" => Some("int64".to_owned()),
            _ => schema.format.take(),
        };
    }
    if schema.type_.as_deref() == Some("array") && schema.x_kubernetes_list_type.is_none() {
        schema.x_kubernetes_list_type = Some("atomic".to_owned());
    }
    let properties = schema.properties.iter_mut().flat_map(|properties| properties.values_mut());
    properties.for_each(tidy);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => tidy(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        tidy(value);
    }
}

/// A time in RFC 3339.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// Conditions, one of each type.
pub(super) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let condition = generator.subschema_for::<StatusCondition>();
    json_schema!({
        "type": "array", "items": condition, "maxItems": 8,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
    })
}

/// A label selector, with the rules that Kubernetes otherwise tells only whoever uses the selector.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let value = json_schema!({"type": "string", "maxLength": 63, "pattern": pattern::LABEL_VALUE});
    let rule = "self.operator in ['In', 'NotIn'] ? (has(self.values) && size(self.values) > 0) : \
                (!has(self.values) || size(self.values) == 0)";
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels with their values, all of which must be there. At most 32.",
                "type": "object",
                "maxProperties": 32,
                "additionalProperties": value,
            },
            "matchExpressions": {
                "description": "Requirements, all of which must hold. At most 32.",
                "type": "array",
                "maxItems": 32,
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {
                            "description": "Key of the label.",
                            "type": "string", "minLength": 1, "maxLength": 316, "pattern": pattern::LABEL_KEY,
                        },
                        "operator": {
                            "description": "`In`, `NotIn`, `Exists` or `DoesNotExist`.",
                            "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "Values, for `In` and `NotIn`. At most 64.",
                            "type": "array", "maxItems": 64, "items": value,
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": rule, "message": "In and NotIn need values, Exists and DoesNotExist have none",
                    }],
                },
            },
        },
    })
}
