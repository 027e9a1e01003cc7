//! What is matched is what the backend sees: no spelling of a path gets around a route.

use super::bed::Bed;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n")
}

#[tokio::test]
async fn every_spelling_of_admin_goes_through_the_admin_route() {
    let bed = Bed::start().await;
    for target in [
        "/admin",
        "/admin/",
        "/admin/x",
        "//admin",
        "///admin///x",
        "/./admin",
        "/%61dmin",
        "/%41dmin/../admin",
        "/a%64m%69n",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x/.%2E/admin",
        "/x/%2E./admin",
        "/x/y/../../admin",
        "/x//../admin",
        "/%2e/admin",
        "/admin?x=/../../",
        "/admin/%2e",
        "/admin/x/..",
        "http://t/admin",
        "http://t/x/../admin",
        "http://t//admin",
    ] {
        let (_, seen) = bed.accepted(get(target)).await;
        assert_eq!(seen.field("x-route").as_deref(), Some("admin"), "{target} takes the admin route: {seen:?}");
        let path = seen.target.split('?').next().unwrap_or_default();
        assert!(path == "/admin" || path.starts_with("/admin/"), "{target} is sent as what was matched: {seen:?}");
    }
    bed.finish().await;
}

/// These are other paths. The backend sees them in a form that a decoding and dot-removing server
/// does not take for /admin.
#[tokio::test]
async fn what_is_not_admin_does_not_become_admin_at_the_backend() {
    let bed = Bed::start().await;
    for target in [
        "/",
        "/ADMIN",
        "/Admin",
        "/administrator",
        "/admin.",
        "/admin;x",
        "/.admin",
        "/..admin",
        "/%2561dmin",
        "/%252e%252e/admin2",
        "/admin/..",
        "/admin/../x",
        "/admin/%2e%2e/x",
        "/x/..%2Fadmin",
        "/x%2F..%2Fadmin",
        "/x%2f%2e%2e%2fadmin",
        "/%5cadmin",
        "\\admin",
        "/\\admin",
        "/x\\..\\admin",
        "/x/..\\admin",
        "/%09admin",
        "/%20admin",
        "/%0d%0aadmin",
    ] {
        let response = bed.ask(get(target)).await;
        assert!(response.as_ref().is_ok_and(|response| matches!(response.status, 200 | 400)), "{target}: {response:?}");
    }
    for seen in bed.reached() {
        assert_eq!(seen.field("x-route"), None, "{seen:?}");
        let segments: Vec<_> = seen.target.split('/').collect();
        assert!(!segments.contains(&"admin") || !segments.contains(&".."), "{seen:?}");
        assert!(!seen.target.starts_with("/admin/"), "{seen:?}");
        assert!(!seen.target.contains('\\') && !seen.target.contains("//"), "{seen:?}");
        assert!(!segments.iter().any(|segment| matches!(*segment, "." | "..")), "{seen:?}");
    }
    bed.finish().await;
}

#[tokio::test]
async fn paths_that_mean_nothing_are_refused() {
    let bed = Bed::start().await;
    for target in [
        "/..",
        "/../x",
        "/x/../..",
        "/%2e%2e",
        "/%2e%2e/x",
        "/.%2e/x",
        "/x/../../admin",
        "//..",
        "/%00",
        "/x%00.png",
        "/%",
        "/%4",
        "/%zz",
        "/%4g",
        "/x%",
        "/%u0041",
        "/% 41",
        "x",
        "",
    ] {
        let mut client = bed.connect().await;
        let response = client.send(get(target)).await.response().await;
        assert_eq!(response.status, 400, "{target:?}: {response:?}");
    }
    assert!(bed.reached().is_empty(), "{:?}", bed.reached());
    bed.finish().await;
}

/// RFC 3986 §2.2, §6.2.2: escapes that mean something of their own stay, the rest has one spelling.
#[tokio::test]
async fn the_backend_sees_one_spelling() {
    let bed = Bed::start().await;
    for (target, expected) in [
        ("/a%2fb", "/a%2Fb"),
        ("/a%2Fb/..", "/"),
        ("/%7euser", "/~user"),
        ("/a%3fb", "/a%3Fb"),
        ("/a%25b", "/a%25b"),
        ("/a//b", "/a/b"),
        ("/a/./b/", "/a/b/"),
        ("/a\\b", "/a%5Cb"),
        ("/a?b=/../%zz", "/a?b=/../%zz"),
        ("/a;v=1/../b", "/b"),
        ("/%c3%a9", "/%C3%A9"),
    ] {
        let (_, seen) = bed.accepted(get(target)).await;
        assert_eq!(seen.target, expected, "{target}");
    }
    bed.finish().await;
}

#[tokio::test]
async fn encoded_slashes_can_be_refused() {
    let bed = Bed::with("path: { encodedSlashes: Reject }").await;
    for target in ["/a%2fb", "/a%2Fb", "/x/..%2fadmin", "/%2f", "/a%5cb"] {
        let mut client = bed.connect().await;
        assert_eq!(client.send(get(target)).await.response().await.status, 400, "{target}");
    }
    assert!(bed.reached().is_empty(), "{:?}", bed.reached());
    let (_, seen) = bed.accepted(get("/a?x=%2f")).await;
    assert_eq!(seen.target, "/a?x=%2f");
    bed.finish().await;
}

#[tokio::test]
async fn a_fragment_never_reaches_the_backend_unescaped() {
    let bed = Bed::start().await;
    for target in ["/a#b", "/x#/../admin", "/#"] {
        let response = bed.ask(get(target)).await;
        assert!(response.as_ref().is_ok_and(|response| matches!(response.status, 200 | 400)), "{target}: {response:?}");
    }
    for seen in bed.reached() {
        assert!(!seen.target.contains('#'), "{seen:?}");
    }
    bed.finish().await;
}
