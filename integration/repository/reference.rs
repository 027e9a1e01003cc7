//! `src/docs/policy-reference.md`: every field of our kinds, from the schemas of their CRDs.

use std::fmt::Write as _;

use expect_test::expect_file;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use crate::crds::{parts, schemas};
use crate::files::root;

const HEAD: &str = "# Fields of Paifang's kinds

Made from the types in `src/api/policy`; `kubectl explain` says the same. What the kinds are for: [policies.md](policies.md). `[]` is an
item of a list, `*` a name of your own. A field with `!` is required.
";

/// Type, and what is written when nothing is.
fn kind(schema: &JSONSchemaProps) -> String {
    let kind = match (schema.type_.as_deref(), schema.format.as_deref()) {
        (None, _) => "quantity",
        (Some("array"), _) => "list",
        (Some("object"), _) if schema.additional_properties.is_some() => "map",
        (_, Some("date-time")) => "time",
        (Some(kind), _) => kind,
    };
    let default = schema.default.as_ref().map(|default| default.0.to_string().replace('"', ""));
    default.map_or_else(|| kind.to_owned(), |default| format!("{kind} = `{default}`"))
}

fn required(path: &str, all: &[(String, &JSONSchemaProps)]) -> bool {
    let Some((parent, name)) = path.rsplit_once('.') else { return false };
    let holder = all.iter().find(|(path, _)| path == parent);
    holder.is_some_and(|(_, schema)| schema.required.iter().flatten().any(|required| required == name))
}

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for (kind_of, schema) in schemas() {
        let _ = write!(text, "\n## {kind_of}\n\n{}\n", schema.description.as_deref().unwrap_or_default());
        let mut all = Vec::new();
        for part in ["spec", "status"] {
            if let Some(schema) = schema.properties.as_ref().unwrap().get(part) {
                parts(schema, part, &mut all);
            }
        }
        text.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        for (path, schema) in all.iter().filter(|(path, _)| path.contains('.') && !path.ends_with(['*', ']'])) {
            let mark = if required(path, &all) { "!" } else { "" };
            let words = schema.description.as_deref().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
            let _ = writeln!(text, "| `{path}`{mark} | {} | {words} |", kind(schema));
        }
        let rules = all.iter().flat_map(|(path, schema)| {
            let rules = schema.x_kubernetes_validations.iter().flatten();
            rules.filter_map(move |rule| Some((path, rule.message.as_ref()?)))
        });
        let mut rules = rules.peekable();
        if rules.peek().is_some() {
            text.push_str("\nRules between fields:\n\n");
        }
        for (path, message) in rules {
            let _ = writeln!(text, "- `{path}`: {message}");
        }
    }
    text
}

#[test]
fn the_reference_is_that_of_the_types() {
    expect_file![root().join("src/docs/policy-reference.md")].assert_eq(&reference());
}
