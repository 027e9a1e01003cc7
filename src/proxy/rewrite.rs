//! New paths, for URLRewrite and RequestRedirect alike.

use std::borrow::Cow;

use crate::table::action::PathModifier;

/// Applies a path modifier. `prefix` is the length of the matched prefix; without one (the rule
/// matched in another way) `ReplacePrefix` leaves the path alone.
pub(crate) fn path<'a>(modifier: &'a PathModifier, path: &'a str, prefix: Option<usize>) -> Cow<'a, str> {
    match modifier {
        PathModifier::ReplaceFull(new) => Cow::Borrowed(if new.is_empty() { "/" } else { new }),
        PathModifier::ReplacePrefix(new) => match prefix.and_then(|length| path.get(length..)) {
            Some(rest) => join(new, rest),
            None => Cow::Borrowed(path),
        },
    }
}

/// Exactly one slash between the two, and the request's own trailing slash; an empty whole is the
/// root.
fn join<'a>(new: &'a str, rest: &'a str) -> Cow<'a, str> {
    let new = new.trim_end_matches('/');
    match (new, rest.strip_prefix('/')) {
        ("", None) if rest.is_empty() => Cow::Borrowed("/"),
        ("", Some(_)) => Cow::Borrowed(rest),
        (new, None) if rest.is_empty() => Cow::Borrowed(new),
        (new, tail) => Cow::Owned(format!("{new}/{}", tail.unwrap_or(rest))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_replaced_as_in_the_table_of_the_specification() {
        for (request, prefix, new, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/foo", "/", "/xyz", "/xyz/foo"),
            ("/", "/", "/xyz", "/xyz/"),
        ] {
            let length = if prefix == "/" { 0 } else { prefix.len() };
            let modifier = PathModifier::ReplacePrefix(new.into());
            assert_eq!(path(&modifier, request, Some(length)), expected, "{request} {prefix} -> {new:?}");
        }
    }

    #[test]
    fn a_full_replacement_ignores_the_request() {
        assert_eq!(path(&PathModifier::ReplaceFull("/one".into()), "/a/b", Some(2)), "/one");
        assert_eq!(path(&PathModifier::ReplaceFull("".into()), "/a/b", None), "/");
    }
}
