//! Fills in what the API server would: nulls are absent, absent fields get their default.

use serde_json::{Map, Value, json};

use super::schema::{Field, Preset, Shape};

/// Applies the defaults of a shape, from the outside in.
pub(super) fn apply(value: &mut Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Object(known) | Shape::Open(known), Value::Object(fields)) => apply_fields(fields, known),
        (Shape::List(list), Value::Array(items)) => items.iter_mut().for_each(|item| apply(item, &list.item)),
        (Shape::Named(named), Value::Object(values)) => {
            values.retain(|_, value| !value.is_null());
            values.values_mut().for_each(|value| apply(value, &named.item));
        }
        _ => {}
    }
}

fn apply_fields(fields: &mut Map<String, Value>, known: &[Field]) {
    // A null means the same as nothing, so that its field is defaulted too.
    fields.retain(|_, value| !value.is_null());
    for field in known {
        if let Some(value) = fields.get_mut(field.name) {
            apply(value, &field.shape);
        } else if let Some(mut value) = preset(field.default) {
            apply(&mut value, &field.shape);
            fields.insert(field.name.to_owned(), value);
        }
    }
}

fn preset(preset: Preset) -> Option<Value> {
    match preset {
        Preset::None => None,
        Preset::Text(text) => Some(Value::String(text.to_owned())),
        Preset::Int(number) => Some(Value::from(number)),
        Preset::Object => Some(json!({})),
        Preset::ListOfOne => Some(json!([{}])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;
    use crate::source::schema;

    fn defaulted(kind: Kind, spec: Value) -> Value {
        let mut object = json!({ "spec": spec });
        apply(&mut object, &schema::of(kind));
        object["spec"].take()
    }

    #[test]
    fn an_empty_http_route_matches_every_path() {
        let rules = json!([{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]);
        assert_eq!(defaulted(Kind::HttpRoute, json!({})), json!({ "rules": rules }));
        assert_eq!(defaulted(Kind::HttpRoute, json!({"rules": [{}]})), json!({ "rules": rules }));
    }

    #[test]
    fn http_route_members_get_their_defaults_wherever_they_stand() {
        let spec = defaulted(
            Kind::HttpRoute,
            json!({
                "parentRefs": [{"name": "g"}],
                "rules": [{
                    "matches": [{"path": {"value": "/a"}, "headers": [{"name": "a", "value": "b"}],
                                 "queryParams": [{"name": "a", "value": "b"}]}],
                    "filters": [
                        {"type": "RequestRedirect", "requestRedirect": {}},
                        {"type": "CORS", "cors": {}},
                        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m"}, "fraction": {"numerator": 1}}},
                        {"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "a"}}},
                    ],
                    "backendRefs": [{"name": "s", "port": 80}],
                    "retry": {},
                    "sessionPersistence": {"cookie": {}},
                }],
            }),
        );
        assert_eq!(
            spec["parentRefs"][0],
            json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"})
        );
        let rule = &spec["rules"][0];
        assert_eq!(rule["matches"][0]["path"]["type"], "PathPrefix");
        assert_eq!(rule["matches"][0]["headers"][0]["type"], "Exact");
        assert_eq!(rule["matches"][0]["queryParams"][0]["type"], "Exact");
        assert_eq!(rule["filters"][0]["requestRedirect"]["statusCode"], 302);
        assert_eq!(rule["filters"][1]["cors"]["maxAge"], 5);
        assert_eq!(rule["filters"][2]["requestMirror"]["fraction"]["denominator"], 100);
        assert_eq!(rule["filters"][2]["requestMirror"]["backendRef"]["kind"], "Service");
        assert_eq!(rule["filters"][3]["externalAuth"]["backendRef"]["group"], "");
        assert_eq!(
            rule["backendRefs"][0],
            json!({"group": "", "kind": "Service", "name": "s", "port": 80, "weight": 1})
        );
        assert_eq!(rule["retry"]["attempts"], 1);
        let persistence = json!({"type": "Cookie", "cookie": {"path": "/", "lifetimeType": "Session"}});
        assert_eq!(rule["sessionPersistence"], persistence);
    }

    #[test]
    fn a_rule_without_retry_has_none() {
        let spec = defaulted(Kind::HttpRoute, json!({"rules": [{"retry": null}]}));
        assert_eq!(spec["rules"][0].get("retry"), None, "a null is absent, and retry itself has no default");
    }

    #[test]
    fn a_grpc_route_gets_no_rules_but_types() {
        assert_eq!(defaulted(Kind::GrpcRoute, json!({})), json!({}));
        let spec = defaulted(Kind::GrpcRoute, json!({"rules": [{"matches": [{"method": {"service": "a"}}]}]}));
        assert_eq!(spec["rules"][0]["matches"][0]["method"]["type"], "Exact");
    }

    #[test]
    fn gateways_and_listener_sets_get_the_same_listener_defaults() {
        let listener = json!({"name": "a", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "c"}]},
                              "allowedRoutes": {"kinds": [{"kind": "HTTPRoute"}]}});
        for kind in [Kind::Gateway, Kind::ListenerSet] {
            let spec = defaulted(
                kind,
                json!({"listeners": [listener, {"name": "b"}], "addresses": [{}],
                                              "allowedListeners": {}, "parentRef": {"name": "g"}}),
            );
            let first = &spec["listeners"][0];
            assert_eq!(first["tls"]["mode"], "Terminate");
            assert_eq!(first["tls"]["certificateRefs"][0], json!({"group": "", "kind": "Secret", "name": "c"}));
            assert_eq!(first["allowedRoutes"]["namespaces"]["from"], "Same");
            assert_eq!(first["allowedRoutes"]["kinds"][0]["group"], "gateway.networking.k8s.io");
            assert_eq!(spec["listeners"][1]["allowedRoutes"], json!({"namespaces": {"from": "Same"}}));
            match kind {
                Kind::Gateway => {
                    assert_eq!(spec["addresses"][0]["type"], "IPAddress");
                    assert_eq!(spec["allowedListeners"], json!({"namespaces": {"from": "None"}}));
                }
                _ => assert_eq!(spec["parentRef"]["kind"], "Gateway"),
            }
        }
    }

    #[test]
    fn client_certificates_of_a_gateway_get_their_defaults() {
        let spec = defaulted(
            Kind::Gateway,
            json!({"tls": {"backend": {"clientCertificateRef": {"name": "c"}},
                           "frontend": {"default": {"validation": {}}, "perPort": [{"tls": {"validation": {}}}]}}}),
        );
        assert_eq!(spec["tls"]["backend"]["clientCertificateRef"]["kind"], "Secret");
        assert_eq!(spec["tls"]["frontend"]["default"]["validation"]["mode"], "AllowValidOnly");
        assert_eq!(spec["tls"]["frontend"]["perPort"][0]["tls"]["validation"]["mode"], "AllowValidOnly");
    }

    #[test]
    fn our_own_kinds_get_the_defaults_of_their_crds() {
        let spec = defaulted(Kind::Tenant, json!({"namespaces": {}, "share": {}}));
        assert_eq!(spec, json!({"namespaces": {}, "share": {"weight": 1}, "mode": "Enforce"}));
        let limits =
            json!({"one": {"response": {}, "when": [{"paths": [{"value": "/a"}], "headers": [{"name": "a"}]}]}});
        let spec = defaulted(Kind::RateLimitPolicy, json!({ "limits": limits }));
        let limit = &spec["limits"]["one"];
        assert_eq!((&limit["mode"], &limit["onStoreFailure"]), (&json!("Enforce"), &json!("Local")));
        assert_eq!(limit["response"], json!({"status": 429}));
        assert_eq!(limit["when"][0]["paths"][0]["type"], "Prefix");
        assert_eq!(limit["when"][0]["headers"][0]["type"], "Exact");
        let spec = defaulted(Kind::ShareGrant, json!({"from": [{"kind": "HTTPRoute"}], "to": [{"kind": "Service"}]}));
        assert_eq!(spec["from"][0]["group"], "gateway.networking.k8s.io");
        assert_eq!(spec["to"][0], json!({"kind": "Service"}), "the group of a target is written");
        assert_eq!(defaulted(Kind::GatewayParameters, json!({})), json!({"claims": "Optional"}));
    }

    #[test]
    fn what_is_written_stays() {
        let written = json!({"rules": [{"matches": [{"path": {"type": "Exact", "value": "/x"}}]}]});
        assert_eq!(defaulted(Kind::HttpRoute, written.clone()), written);
        let text = json!("not an object");
        assert_eq!(defaulted(Kind::HttpRoute, text.clone()), text, "wrong types are left to validation");
    }
}
