//! `paifang.dev/endpoints`: a plain address as a backend.
//!
//! A Service with this annotation gets EndpointSlices made from it, one for each address family and
//! port, because all endpoints of a slice share their ports. Nothing behind the source knows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

/// The annotation.
const ANNOTATION: &str = "paifang.dev/endpoints";
/// Where it is written.
pub(super) const FIELD: &str = "metadata.annotations.paifang.dev/endpoints";
/// How many addresses one Service may list.
const MAX_ADDRESSES: usize = 1000;

/// Why the annotation could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidEndpoints {
    /// Not an address with a port.
    #[error("'{0}' is no address with a port")]
    Address(String),
    /// Port 0 cannot be connected to.
    #[error("'{0}' has port 0")]
    Port(SocketAddr),
    /// Nothing is listed.
    #[error("lists no address")]
    Empty,
    /// Too many are listed.
    #[error("lists {0} addresses, at most {MAX_ADDRESSES} are allowed")]
    TooMany(usize),
}

/// The EndpointSlices of a Service that has the annotation.
pub(super) fn expand(service: &Value) -> Result<Vec<Value>, InvalidEndpoints> {
    let metadata = service.get("metadata");
    let Some(text) = metadata.and_then(|m| m.get("annotations")?.get(ANNOTATION)?.as_str()) else {
        return Ok(Vec::new());
    };
    let mut groups: BTreeMap<(bool, u16), BTreeSet<IpAddr>> = BTreeMap::new();
    for address in parse(text)? {
        groups.entry((address.is_ipv6(), address.port())).or_default().insert(address.ip());
    }
    let name = metadata.and_then(|m| m.get("name")?.as_str()).unwrap_or_default();
    let namespace = metadata.and_then(|m| m.get("namespace")).cloned().unwrap_or_default();
    Ok(groups
        .into_iter()
        .map(|((ipv6, port), addresses)| {
            let family = if ipv6 { "IPv6" } else { "IPv4" };
            json!({
                "metadata": {
                    "name": format!("{name}-{}-{port}", family.to_lowercase()),
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": family,
                "ports": ports(service, port),
                "endpoints": addresses.iter().map(|ip| json!({"addresses": [ip]})).collect::<Vec<_>>(),
            })
        })
        .collect())
}

fn parse(text: &str) -> Result<Vec<SocketAddr>, InvalidEndpoints> {
    let items: Vec<_> = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).collect();
    if items.is_empty() {
        return Err(InvalidEndpoints::Empty);
    }
    if items.len() > MAX_ADDRESSES {
        return Err(InvalidEndpoints::TooMany(items.len()));
    }
    items
        .into_iter()
        .map(|item| match item.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => Err(InvalidEndpoints::Port(address)),
            Ok(address) => Ok(address),
            Err(_) => Err(InvalidEndpoints::Address(item.to_owned())),
        })
        .collect()
}

/// Every port of the Service leads to the port that is written.
fn ports(service: &Value, number: u16) -> Vec<Value> {
    let ports = service.get("spec").and_then(|spec| spec.get("ports")?.as_array());
    ports
        .into_iter()
        .flatten()
        .map(|port| {
            let text =
                |field: &str, default: &str| port.get(field).and_then(Value::as_str).unwrap_or(default).to_owned();
            let mut made = json!({"name": text("name", ""), "protocol": text("protocol", "TCP"), "port": number});
            if let (Some(made), Some(app)) = (made.as_object_mut(), port.get("appProtocol")) {
                made.insert("appProtocol".to_owned(), app.clone());
            }
            made
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(text: &str) -> Value {
        json!({"metadata": {"name": "cart", "namespace": "shop", "annotations": {"paifang.dev/endpoints": text}},
               "spec": {"ports": [{"name": "web", "port": 80}, {"name": "grpc", "port": 90, "appProtocol": "kubernetes.io/h2c"}]}})
    }

    #[test]
    fn addresses_become_slices_for_all_ports() {
        let slices = expand(&service("127.0.0.1:9001, 127.0.0.2:9001,127.0.0.1:9002\n[::1]:9001")).unwrap();
        let names: Vec<_> = slices.iter().map(|slice| slice["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["cart-ipv4-9001", "cart-ipv4-9002", "cart-ipv6-9001"]);
        assert_eq!(slices[0]["endpoints"], json!([{"addresses": ["127.0.0.1"]}, {"addresses": ["127.0.0.2"]}]));
        assert_eq!(
            slices[0]["ports"],
            json!([{"name": "web", "protocol": "TCP", "port": 9001},
                   {"name": "grpc", "protocol": "TCP", "port": 9001, "appProtocol": "kubernetes.io/h2c"}])
        );
        assert_eq!(slices[2]["addressType"], "IPv6");
        assert_eq!(slices[0]["metadata"]["labels"]["kubernetes.io/service-name"], "cart");
    }

    #[test]
    fn what_is_no_address_is_named() {
        assert_eq!(expand(&service("localhost:80")), Err(InvalidEndpoints::Address("localhost:80".to_owned())));
        assert_eq!(expand(&service("127.0.0.1")), Err(InvalidEndpoints::Address("127.0.0.1".to_owned())));
        assert_eq!(expand(&service("127.0.0.1:0")), Err(InvalidEndpoints::Port("127.0.0.1:0".parse().unwrap())));
        assert_eq!(expand(&service(" , ")), Err(InvalidEndpoints::Empty));
        assert!(matches!(expand(&service(&"127.0.0.1:1,".repeat(1001))), Err(InvalidEndpoints::TooMany(1001))));
    }

    #[test]
    fn a_service_without_the_annotation_gets_none() {
        assert_eq!(expand(&json!({"metadata": {"name": "a"}})), Ok(Vec::new()));
    }
}
