//! Parts of expressions in the Common Expression Language.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::Variable;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::facts::{Facts, Standing};
use super::variable;
use crate::ir::{Claim, Hostname};

/// The API server refuses expressions of more than 100,000 characters, so long lists are several variables.
const MOST_CHARACTERS: usize = 50_000;

/// Where a path element may end.
const ENDS: &str = "['/', ';', '%2F', '%5C']";

/// `tenant`, whose the object's namespace is, and `claims`, maps from hostnames to what is claimed of them.
pub(super) fn world(facts: &Facts) -> Vec<Variable> {
    let mut variables =
        vec![variable("labels", "has(namespaceObject.metadata.labels) ? namespaceObject.metadata.labels : {}")];
    let names = parts("tenants", ['[', ']'], facts.tenants.iter().map(|(name, selector)| candidate(name, selector)));
    // the first that selects the namespace has it
    let names_in_order = joined(&names, " + ", "['']");
    let tenant = variable("tenant", format!("(({names_in_order}).filter(it, it != '') + [''])[0]"));
    let claims = parts("claims", ['{', '}'], by_hostname(&facts.claims));
    let all = variable("claims", format!("[{}]", joined(&claims, ", ", "")));
    variables.extend(names.into_iter().chain([tenant]).chain(claims).chain([all, variable("ends", ENDS)]));
    variables
}

/// Whether a claimed path covers another: `ir::covers` in this language. The added slash stands for the path itself.
pub(super) fn covers(prefix: &str, path: &str) -> String {
    format!("variables.ends.exists(end, ({path} + '/').startsWith({prefix} + end))")
}

/// What is claimed of the patterns that cover a hostname, a list for each pattern, the most specific first.
pub(super) fn covering(facts: &Facts, hostname: &str) -> String {
    let mut depths: Vec<_> = facts.claims.iter().filter_map(|claim| depth(&claim.hostname)).collect();
    depths.sort_unstable();
    depths.dedup();
    let depths = depths.iter().rev().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "[{hostname}.split('.').size()].map(labels, [{hostname}] + [{depths}].filter(it, it < labels)\n    \
         .map(it, '*.' + {hostname}.split('.', labels - it + 1)[labels - it]))[0]\n    \
         .filter(it, variables.claims.exists(part, it in part))\n    \
         .map(it, variables.claims.filter(part, it in part)[0][it])"
    )
}

/// What claims mean at something with a key, as far as was known.
pub(super) fn standing(known: &BTreeMap<String, Standing>, others: Standing, key: &str) -> String {
    let known: Vec<_> = known.iter().map(|(key, it)| format!("{}: '{}'", literal(key), it.text())).collect();
    let others = others.text();
    if known.is_empty() {
        return format!("'{others}'");
    }
    let known = known.join(", ");
    format!("[{{{known}}}].map(known, {key} in known ? known[{key}] : '{others}')[0]")
}

/// A text as a literal.
fn literal(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => out.extend(['\\', c]),
            c if c.is_control() => {
                // writing to a text cannot fail
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// The number of labels that a wildcard is about.
fn depth(hostname: &Hostname) -> Option<usize> {
    match hostname {
        Hostname::Exact(_) => None,
        Hostname::Wildcard(suffix) => Some(suffix.split('.').count()),
    }
}

/// Lists or maps of which none is too long.
fn parts(name: &str, [open, close]: [char; 2], items: impl Iterator<Item = String>) -> Vec<Variable> {
    let mut texts: Vec<String> = Vec::new();
    for item in items {
        match texts.last_mut().filter(|text| text.len() + item.len() < MOST_CHARACTERS) {
            Some(text) => text.extend([",\n  ", &item]),
            None => texts.push(item),
        }
    }
    let named =
        |(index, text): (usize, String)| variable(format!("{name}{index}"), format!("{open}\n  {text}\n{close}"));
    texts.into_iter().enumerate().map(named).collect()
}

fn joined(parts: &[Variable], between: &str, none: &str) -> String {
    let names: Vec<_> = parts.iter().map(|part| format!("variables.{}", part.name)).collect();
    if names.is_empty() { none.to_owned() } else { names.join(between) }
}

/// The name of a Tenant if it selects the namespace.
fn candidate(name: &Arc<str>, selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| is_one_of(key, std::slice::from_ref(value)));
    let meets = selector.match_expressions.iter().flatten().map(requirement);
    let all: Vec<_> = equal.chain(meets).collect();
    format!("{} ? {} : ''", all.join(" && "), literal(name))
}

fn requirement(requirement: &LabelSelectorRequirement) -> String {
    let (key, values) = (&requirement.key, requirement.values.as_deref().unwrap_or_default());
    match requirement.operator.as_str() {
        "In" => is_one_of(key, values),
        "NotIn" => format!("!{}", is_one_of(key, values)),
        "Exists" => format!("{} in variables.labels", literal(key)),
        "DoesNotExist" => format!("!({} in variables.labels)", literal(key)),
        _ => "false".to_owned(),
    }
}

fn is_one_of(key: &str, values: &[String]) -> String {
    let key = literal(key);
    let values = values.iter().map(|value| literal(value)).collect::<Vec<_>>().join(", ");
    format!("({key} in variables.labels && variables.labels[{key}] in [{values}])")
}

/// `'hostname': [claim, …]`, for each hostname the longest path first.
fn by_hostname(claims: &[Claim]) -> impl Iterator<Item = String> {
    let mut hostnames: BTreeMap<String, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        hostnames.entry(claim.hostname.to_string()).or_default().push(claim);
    }
    hostnames.into_iter().map(|(hostname, mut claims)| {
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.prefix.len()));
        let claims: Vec<_> = claims.into_iter().map(told).collect();
        format!("{}: [{}]", literal(&hostname), claims.join(", "))
    })
}

fn told(claim: &Claim) -> String {
    let Claim { hostname, prefix, tenant, .. } = claim;
    let all = literal(&format!("{hostname}{prefix}"));
    format!("{{'what': {all}, 'path': {}, 'tenant': {}}}", literal(prefix), literal(tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_end_its_literal() {
        assert_eq!(literal("a"), "'a'");
        assert_eq!(literal(r"a' || true || 'b\"), r"'a\' || true || \'b\\'");
        assert_eq!(literal("a\nb"), r"'a\u000ab'");
    }

    #[test]
    fn a_selector_is_a_condition() {
        let selector: LabelSelector = serde_json::from_value(serde_json::json!({
            "matchLabels": {"team": "pay"},
            "matchExpressions": [
                {"key": "env", "operator": "In", "values": ["a", "b"]}, {"key": "env", "operator": "NotIn", "values": ["c"]},
                {"key": "x", "operator": "Exists"}, {"key": "y", "operator": "DoesNotExist"}, {"key": "z", "operator": "Like"}],
        }))
        .unwrap();
        let labels = "variables.labels";
        assert_eq!(
            candidate(&"pay".into(), &selector),
            format!(
                "('team' in {labels} && {labels}['team'] in ['pay']) && ('env' in {labels} && {labels}['env'] in ['a', 'b']) \
                 && !('env' in {labels} && {labels}['env'] in ['c']) && 'x' in {labels} && !('y' in {labels}) && false \
                 ? 'pay' : ''"
            )
        );
    }
}
