//! Header modifiers, merged into one edit.

use http::{HeaderName, HeaderValue};

use crate::api::gateway::shared::{HeaderModifier, HttpHeader};
use crate::ir::HeaderEdit;
use crate::translate::field::Field;
use crate::translate::finding::Findings;
use crate::translate::reason::Reason;

/// Fields that belong to one connection or say where a message ends (RFC 9110 §7.6.1, RFC 9112
/// §6). Whoever could edit them could desynchronise the next hop.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Adds a modifier to the edit before it, so that applying the result once (set, add, remove) is
/// the same as applying both in turn.
pub(super) fn merge(edit: &mut HeaderEdit, written: &HeaderModifier, at: &Field<'_>, findings: &mut Findings) {
    for (name, value) in fields("set", &written.set, at, findings) {
        edit.remove.retain(|known| *known != name);
        edit.add.retain(|(known, _)| *known != name);
        edit.set.retain(|(known, _)| *known != name);
        edit.set.push((name, value));
    }
    for (name, value) in fields("add", &written.add, at, findings) {
        if let Some(removed) = edit.remove.iter().position(|known| *known == name) {
            // Removed before, added now: only the new value is left.
            edit.remove.remove(removed);
            edit.set.push((name, value));
        } else {
            edit.add.push((name, value));
        }
    }
    for (index, name) in written.remove.iter().enumerate() {
        let Some(name) = editable(name, &at.item("remove", index), findings) else { continue };
        edit.set.retain(|(known, _)| *known != name);
        edit.add.retain(|(known, _)| *known != name);
        if !edit.remove.contains(&name) {
            edit.remove.push(name);
        }
    }
}

/// Name and value of each entry; of equal names only the first counts, as the API asks.
fn fields(list: &str, written: &[HttpHeader], at: &Field<'_>, findings: &mut Findings) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(written.len());
    for (index, header) in written.iter().enumerate() {
        let at = at.item(list, index);
        let Some(name) = editable(&header.name, &at.name("name"), findings) else { continue };
        if HeaderValue::from_str(&header.value).is_err() {
            let message = format!("the value of '{name}' contains what no header may contain");
            let remedy = "use visible ASCII characters, spaces and tabs";
            findings.reject(Reason::UnsupportedValue, &at.name("value"), message, remedy);
        } else if !fields.iter().any(|(known, _)| *known == name) {
            fields.push((name, header.value.clone()));
        }
    }
    fields
}

/// The name in lower case, if tenants may edit that field. Serving the rule without an edit may
/// show a backend what it must not see, so an edit that cannot be made drops the rule.
fn editable(name: &str, at: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        findings.reject(Reason::UnsupportedValue, at, format!("'{name}' is not a header name"), "write a field name");
        return None;
    };
    let name = parsed.as_str();
    if name == "host" {
        let message = "Host decides routing and cannot be edited as a header";
        findings.reject(Reason::UnsupportedValue, at, message, "use a URLRewrite filter with a hostname");
        return None;
    }
    if FRAMING.contains(&name) {
        let message = format!("'{name}' belongs to the connection and cannot be edited");
        findings.reject(Reason::UnsupportedValue, at, message, "remove it from the filter");
        return None;
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::translate::finding::Concern;

    fn merged(modifiers: &[serde_json::Value]) -> (HeaderEdit, Findings) {
        let (mut edit, mut findings) = (HeaderEdit::default(), Findings::default());
        for modifier in modifiers {
            merge(&mut edit, &serde_json::from_value(modifier.clone()).unwrap(), &Field::SPEC, &mut findings);
        }
        (edit, findings)
    }

    #[test]
    fn later_modifiers_act_on_what_earlier_ones_left() {
        let (edit, _) = merged(&[
            json!({"set": [{"name": "A", "value": "1"}], "remove": ["B"]}),
            json!({"add": [{"name": "b", "value": "2"}], "remove": ["a"]}),
        ]);
        assert_eq!(edit.set, [("b".to_owned(), "2".to_owned())]);
        assert_eq!(edit.remove, ["a"]);
        assert!(edit.add.is_empty());
    }

    #[test]
    fn of_equal_names_only_the_first_counts() {
        let (edit, _) = merged(&[json!({"set": [{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}]})]);
        assert_eq!(edit.set, [("x-a".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn framing_and_host_cannot_be_edited() {
        let (edit, findings) = merged(&[json!({
            "set": [{"name": "Host", "value": "x"}, {"name": "X-Ok", "value": "y"}],
            "add": [{"name": "Transfer-Encoding", "value": "chunked"}],
            "remove": ["Content-Length"],
        })]);
        assert_eq!(edit, HeaderEdit { set: vec![("x-ok".to_owned(), "y".to_owned())], ..HeaderEdit::default() });
        assert_eq!(findings.reasons(), [(Concern::Accepted, Reason::UnsupportedValue); 3]);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let (_, findings) =
            merged(&[json!({"set": [{"name": ":path", "value": "/"}, {"name": "a", "value": "x\r\ny"}]})]);
        assert_eq!(findings.reasons(), [(Concern::Accepted, Reason::UnsupportedValue); 2]);
    }
}
