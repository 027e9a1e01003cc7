//! Filters as one request meets them, in words.
//!
//! The values of header fields are left out: what a route writes there is often a credential.

use super::text;
use crate::ir::{Cors, Filters, HeaderEdit, Mirror, Rewrite};
use crate::proxy::redirect::{Own, location};
use crate::proxy::rewrite;
use crate::table::action::Redirect;

/// What filters do to a request, in the order they do it.
pub(super) fn applied(filters: &Filters, own: &Own<'_>) -> Vec<String> {
    let mut done = Vec::new();
    done.extend(filters.cors.as_deref().map(cors));
    done.extend(filters.redirect.as_deref().map(|redirect| {
        let redirect = Redirect::from(redirect);
        format!("redirect with {} to {}", redirect.status.as_u16(), location(&redirect, own))
    }));
    done.extend(filters.rewrite.as_deref().map(|rewrite| rewritten(rewrite, own)));
    done.extend(filters.request_headers.as_deref().map(|edit| format!("request header: {}", edits(edit))));
    done.extend(filters.mirrors.iter().map(mirror));
    done.extend(filters.response_headers.as_deref().map(|edit| format!("response header: {}", edits(edit))));
    done
}

fn rewritten(rewrite: &Rewrite, own: &Own<'_>) -> String {
    let host = rewrite.hostname.as_ref().map(|host| format!("host {host}"));
    let path = rewrite.path.as_ref().map(|path| format!("path {}", rewrite::path(&path.into(), own.path, own.prefix)));
    format!("rewrite to {}", host.into_iter().chain(path).collect::<Vec<_>>().join(", "))
}

fn edits(edit: &HeaderEdit) -> String {
    let names = |fields: &[(String, String)]| fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let done = [("set", names(&edit.set)), ("add", names(&edit.add)), ("remove", edit.remove.clone())];
    let done = done.iter().filter(|(_, names)| !names.is_empty());
    done.map(|(verb, names)| format!("{verb} {}", names.join(", "))).collect::<Vec<_>>().join("; ")
}

fn mirror(mirror: &Mirror) -> String {
    let target = text::target(&mirror.target);
    match (mirror.numerator, mirror.denominator) {
        (some, all) if some == all => format!("mirror to {target}"),
        (some, all) => format!("mirror {some} of {all} to {target}"),
    }
}

fn cors(cors: &Cors) -> String {
    let credentials = if cors.allow_credentials { ", with credentials" } else { "" };
    let lists = [
        ("methods", &cors.allow_methods),
        ("request headers", &cors.allow_headers),
        ("response headers", &cors.expose_headers),
    ];
    let lists = lists.iter().filter(|(_, list)| !list.is_empty());
    let lists: String = lists.map(|(name, list)| format!("; {name} {}", list.join(", "))).collect();
    format!("CORS from {}{credentials}{lists}", cors.allow_origins.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{self, InvalidBackend, PathModifier, Target};

    const OWN: Own<'_> =
        Own { tls: false, host: "a.example.com", port: 80, path: "/v1/cart", prefix: Some(3), query: Some("x=1") };

    #[test]
    fn a_redirect_says_where_this_request_goes() {
        let redirect = ir::Redirect {
            scheme: Some("https".to_owned()),
            hostname: None,
            port: None,
            path: Some(PathModifier::ReplacePrefix("/v2".to_owned())),
            status: 301,
        };
        let filters = Filters { redirect: Some(Box::new(redirect)), ..Filters::default() };
        assert_eq!(applied(&filters, &OWN), ["redirect with 301 to https://a.example.com/v2/cart?x=1"]);
    }

    #[test]
    fn everything_else_is_said_without_the_values_of_header_fields() {
        let field = |name: &str| (name.to_owned(), "hunter2".to_owned());
        let edit =
            HeaderEdit { set: vec![field("authorization"), field("x-a")], add: vec![], remove: vec!["x-b".to_owned()] };
        let mirror = |numerator| Mirror {
            target: Target::Invalid(InvalidBackend::RefNotPermitted),
            numerator,
            denominator: 100,
        };
        let filters = Filters {
            request_headers: Some(Box::new(edit.clone())),
            response_headers: Some(Box::new(HeaderEdit { add: vec![field("x-c")], ..HeaderEdit::default() })),
            redirect: None,
            rewrite: Some(Box::new(Rewrite {
                hostname: Some("b.example.com".to_owned()),
                path: Some(PathModifier::ReplaceFull("/all".to_owned())),
            })),
            mirrors: vec![mirror(100), mirror(5)],
            cors: Some(Box::new(Cors {
                allow_origins: vec!["https://c.example.com".to_owned()],
                allow_credentials: true,
                allow_methods: vec!["GET".to_owned(), "PUT".to_owned()],
                allow_headers: Vec::new(),
                expose_headers: Vec::new(),
                max_age: 5,
            })),
        };
        assert_eq!(
            applied(&filters, &OWN),
            [
                "CORS from https://c.example.com, with credentials; methods GET, PUT",
                "rewrite to host b.example.com, path /all",
                "request header: set authorization, x-a; remove x-b",
                "mirror to RefNotPermitted",
                "mirror 5 of 100 to RefNotPermitted",
                "response header: add x-c",
            ]
        );
    }
}
