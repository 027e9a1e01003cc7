//! Filters: names and values parsed once. The translator has validated them; what still does not
//! parse is left out.

use http::{HeaderName, HeaderValue, StatusCode};

use super::Compiler;
use crate::ir;
use crate::table::action::{
    AllowList, Cors, Filters, HeaderEdit, Mirror, OriginPattern, PathModifier, Redirect, Rewrite,
};

impl Compiler<'_> {
    /// Compiles filters.
    pub(super) fn filters(&self, filters: &ir::Filters) -> Filters {
        Filters {
            request_headers: filters.request_headers.as_deref().map(header_edit).map(Box::new),
            response_headers: filters.response_headers.as_deref().map(header_edit).map(Box::new),
            redirect: filters.redirect.as_deref().map(Redirect::from).map(Box::new),
            rewrite: filters.rewrite.as_deref().map(rewrite).map(Box::new),
            mirrors: filters.mirrors.iter().filter_map(|mirror| self.mirror(mirror)).collect(),
            cors: filters.cors.as_deref().map(cors).map(Box::new),
        }
    }

    /// A mirror without a backend copies nothing; the request itself is served all the same.
    fn mirror(&self, mirror: &ir::Mirror) -> Option<Mirror> {
        Some(Mirror {
            backend: self.cell(&mirror.target).ok()?,
            numerator: mirror.numerator,
            denominator: mirror.denominator,
            counter: 0.into(),
        })
    }
}

fn header_edit(edit: &ir::HeaderEdit) -> HeaderEdit {
    let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok();
    let field = |(key, value): &(String, String)| Some((name(key)?, HeaderValue::from_bytes(value.as_bytes()).ok()?));
    HeaderEdit {
        set: edit.set.iter().filter_map(field).collect(),
        add: edit.add.iter().filter_map(field).collect(),
        remove: edit.remove.iter().filter_map(|text| name(text)).collect(),
    }
}

impl From<&ir::Redirect> for Redirect {
    fn from(redirect: &ir::Redirect) -> Self {
        Self {
            scheme: redirect.scheme.as_deref().map(Into::into),
            hostname: redirect.hostname.as_deref().map(Into::into),
            port: redirect.port,
            path: redirect.path.as_ref().map(Into::into),
            status: StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND),
        }
    }
}

fn rewrite(rewrite: &ir::Rewrite) -> Rewrite {
    Rewrite {
        hostname: rewrite.hostname.as_deref().and_then(|host| HeaderValue::from_str(host).ok()),
        path: rewrite.path.as_ref().map(Into::into),
    }
}

impl From<&ir::PathModifier> for PathModifier {
    fn from(modifier: &ir::PathModifier) -> Self {
        match modifier {
            ir::PathModifier::ReplaceFull(path) => Self::ReplaceFull(path.as_str().into()),
            ir::PathModifier::ReplacePrefix(path) => Self::ReplacePrefix(path.as_str().into()),
        }
    }
}

fn cors(cors: &ir::Cors) -> Cors {
    Cors {
        origins: cors.allow_origins.iter().map(|origin| origin_pattern(origin)).collect(),
        credentials: cors.allow_credentials,
        methods: allow_list(&cors.allow_methods),
        headers: allow_list(&cors.allow_headers),
        expose: allow_list(&cors.expose_headers),
        max_age: HeaderValue::from(cors.max_age),
    }
}

/// Browsers send origins in lower case and without the scheme's default port (RFC 6454 §6.2).
fn origin_pattern(text: &str) -> OriginPattern {
    if text == "*" {
        return OriginPattern::Any;
    }
    let lower = text.to_ascii_lowercase();
    let default_port = match lower.split_once("://") {
        Some(("https", _)) => ":443",
        Some(("http", _)) => ":80",
        _ => "",
    };
    let origin = lower.strip_suffix(default_port).unwrap_or(&lower);
    match origin.split_once("://*") {
        Some((scheme, suffix)) => {
            OriginPattern::Wildcard { scheme: format!("{scheme}://").into(), suffix: suffix.into() }
        }
        None => OriginPattern::Exact(origin.into()),
    }
}

fn allow_list(names: &[String]) -> AllowList {
    if names.is_empty() {
        return AllowList::Empty;
    }
    if names.iter().any(|name| name == "*") {
        return AllowList::Any;
    }
    HeaderValue::from_str(&names.join(", ")).map_or(AllowList::Empty, AllowList::Listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> String {
        match origin_pattern(text) {
            OriginPattern::Any => "any".to_owned(),
            OriginPattern::Exact(origin) => origin.into(),
            OriginPattern::Wildcard { scheme, suffix } => format!("{scheme} {suffix}"),
        }
    }

    #[test]
    fn origins_are_compared_as_browsers_write_them() {
        assert_eq!(origin("*"), "any");
        assert_eq!(origin("https://WWW.example.com:443"), "https://www.example.com");
        assert_eq!(origin("http://a.com:443"), "http://a.com:443");
        assert_eq!(origin("https://*.bar.com:8443"), "https:// .bar.com:8443");
        assert_eq!(origin("http://*.bar.com:80"), "http:// .bar.com");
    }

    #[test]
    fn what_does_not_parse_is_left_out_and_the_rest_stays() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let edit = header_edit(&ir::HeaderEdit {
            set: vec![pair("x y", "1"), pair("x-a", "1")],
            add: vec![pair("x-b", "1\n")],
            remove: vec!["".to_owned(), "x-c".to_owned()],
        });
        assert_eq!((edit.set.len(), edit.add.len(), edit.remove.len()), (1, 0, 1));
    }
}
