//! gRPC through both kinds of routes: framing and trailers untouched, our own errors in its own form.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde_json::{Value, json};

use crate::backend::{Count, Reply, serve, silent};
use crate::body::Streamed;
use crate::client::{Http2, absolute, get, http1, http2, request, send1, send2, whole};
use crate::world::{World, h2c_service, plain, route, service as service_object, to};
use crate::{eventually, within};

/// A message in its frame: not compressed, length, bytes.
fn message(text: &str) -> Bytes {
    let mut frame = vec![0];
    frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend(text.as_bytes());
    frame.into()
}

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        ("grpc-status".parse().unwrap(), code.parse().unwrap()),
        ("grpc-message".parse().unwrap(), "as it is".parse().unwrap()),
    ])
}

/// A service that sends each message back, and whatever the path says as its status.
async fn service() -> SocketAddr {
    counted_service(Count::default()).await
}

/// The same, counting the calls it took to their end.
async fn counted_service(calls: Count) -> SocketAddr {
    serve(move |request| {
        let calls = calls.clone();
        async move { answer(request, calls) }
    })
    .await
}

fn answer(request: Request<Incoming>, calls: Count) -> Reply {
    let te = request.headers().get("te").and_then(|te| te.to_str().ok());
    if te != Some("trailers") || request.version() != http::Version::HTTP_2 {
        return Err(io::Error::other("gRPC servers insist on HTTP/2 and TE: trailers"));
    }
    let response = Response::builder().header("content-type", "application/grpc");
    if request.uri().path().ends_with("/Refuse") {
        let mut response = response.body(Streamed::empty()).unwrap();
        response.headers_mut().extend(status("7"));
        return Ok(response);
    }
    let code = if request.uri().path().ends_with("/Fail") { "9" } else { "0" };
    let many = if request.uri().path().ends_with("/Many") { 100 } else { 1 };
    let (feed, body) = Streamed::fed();
    let mut received = request.into_body();
    tokio::spawn(async move {
        while let Some(frame) = received.frame().await {
            let Ok(frame) = frame else { return feed.abort().await };
            let Ok(data) = frame.into_data() else { continue };
            for _ in 0..many {
                feed.data(data.clone()).await;
            }
        }
        calls.one();
        feed.trailers(status(code)).await;
    });
    Ok(response.body(body).unwrap())
}

fn call(path: &str, body: Streamed) -> Request<Streamed> {
    let mut call = request(Method::POST, path, body);
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    absolute("http", call)
}

async fn world(backend: SocketAddr) -> World {
    let match_ = |prefix: &str| json!([{ "path": { "type": "PathPrefix", "value": prefix } }]);
    let rules = json!([
        { "matches": match_("/test.Echo"), "backendRefs": [to("echo")] },
        { "matches": match_("/test.Empty"), "backendRefs": [to("empty")] },
        { "matches": match_("/test.Slow"), "backendRefs": [to("slow")], "timeouts": { "request": "200ms" } },
    ]);
    let backends = [h2c_service("echo", &[backend]), h2c_service("empty", &[]), h2c_service("slow", &[silent().await])];
    World::start(plain().into_iter().chain(backends).chain([route("route", rules)])).await
}

async fn connect(world: &World) -> Http2 {
    http2(world.address("http")).await
}

/// The same service behind a GRPCRoute.
async fn grpc_world(backend: SocketAddr) -> World {
    let service_of = |service: &str| json!([{ "method": { "service": service } }]);
    let seen = json!([{ "type": "ResponseHeaderModifier", "responseHeaderModifier": { "set": [{ "name": "x-seen", "value": "1" }] } }]);
    let rules = json!([
        { "matches": service_of("test.Echo"), "filters": seen, "backendRefs": [to("echo")] },
        { "matches": service_of("test.Empty"), "backendRefs": [to("empty")] },
    ]);
    let backends = [service_object("echo", &[backend]), service_object("empty", &[])];
    World::start(plain().into_iter().chain(backends).chain([grpc_route(rules)])).await
}

fn grpc_route(rules: Value) -> Value {
    let mut route = route("route", rules);
    route["kind"] = "GRPCRoute".into();
    route
}

async fn worlds() -> [World; 2] {
    [world(service().await).await, grpc_world(service().await).await]
}

#[tokio::test]
async fn a_unary_call_keeps_its_message_and_its_trailers() {
    for world in worlds().await {
        let mut sender = connect(&world).await;
        for (method, code) in [("Say", "0"), ("Fail", "9")] {
            let call = call(&format!("/test.Echo/{method}"), Streamed::full(message("hello")));
            let response = within("the head", sender.send_request(call)).await.unwrap();
            assert_eq!(response.headers()["content-type"], "application/grpc");
            let body = within("the end", response.into_body().collect()).await.unwrap();
            assert_eq!(body.trailers(), Some(&status(code)), "the service's own status: {method}");
            assert_eq!(body.to_bytes(), message("hello"));
        }
    }
}

#[tokio::test]
async fn both_sides_of_a_stream_speak_in_turn() {
    for world in worlds().await {
        let mut sender = connect(&world).await;
        let (feed, body) = Streamed::fed();
        let response = within("the head", sender.send_request(call("/test.Echo/Chat", body))).await.unwrap();
        let mut answer = response.into_body();
        for text in ["one", "two", "three"] {
            assert!(feed.data(message(text)).await);
            let back = within("a message back", answer.frame()).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(back, message(text), "a message is passed on before the next exists");
        }
        drop(feed);
        let trailers = within("the trailers", answer.frame()).await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    }
}

#[tokio::test]
async fn a_stream_of_one_side_is_whole() {
    let world = grpc_world(service().await).await;
    let mut sender = connect(&world).await;
    let (feed, body) = Streamed::fed();
    let sent = tokio::spawn(async move {
        for _ in 0..50 {
            feed.data(message(&"x".repeat(5000))).await;
        }
    });
    let response = within("the head", sender.send_request(call("/test.Echo/Collect", body))).await.unwrap();
    let body = within("the end", response.into_body().collect()).await.unwrap();
    sent.await.unwrap();
    assert_eq!(body.trailers(), Some(&status("0")), "after everything the client had to say");
    assert_eq!(body.to_bytes().len(), 50 * 5005);
    let response = sender.send_request(call("/test.Echo/Many", Streamed::full(message("again"))));
    let body = within("the end", within("the head", response).await.unwrap().into_body().collect()).await.unwrap();
    assert_eq!(body.trailers(), Some(&status("0")), "after everything the service had to say");
    assert_eq!(body.to_bytes(), message("again").repeat(100));
}

#[tokio::test]
async fn a_service_that_answers_by_a_head_alone_is_passed_on_as_such() {
    let world = grpc_world(service().await).await;
    let call = call("/test.Echo/Refuse", Streamed::full(message("x")));
    let response = within("the head", connect(&world).await.send_request(call)).await.unwrap();
    assert!(response.body().is_end_stream(), "the head ends the stream, or it is no status");
    let (head, body) = whole(response).await;
    assert_eq!((head.status.as_u16(), &head.headers["grpc-status"], body.len()), (200, &"7".parse().unwrap(), 0));
    assert_eq!(head.headers["x-seen"], "1", "its head is edited like any other");
}

#[tokio::test]
async fn a_call_that_the_client_gives_up_ends_at_the_service() {
    let (gone, ended) = (Count::default(), Count::default());
    let (at_start, at_end) = (gone.clone(), ended.clone());
    let backend = serve(move |request| {
        let (at_start, at_end) = (at_start.clone(), at_end.clone());
        async move {
            at_start.one();
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            at_end.one();
            Ok(Response::new(Streamed::empty()))
        }
    })
    .await;
    let world = grpc_world(backend).await;
    let mut sender = connect(&world).await;
    let (feed, body) = Streamed::fed();
    let response = tokio::spawn(sender.send_request(call("/test.Echo/Wait", body)));
    assert!(feed.data(message("x")).await);
    eventually("the call", || gone.get() == 1).await;
    response.abort();
    eventually("its end", || ended.get() == 1).await;
}

#[tokio::test]
async fn a_mirror_of_calls_gets_them_as_calls() {
    let copies = Count::default();
    let filters = json!([{ "type": "RequestMirror", "requestMirror": { "backendRef": to("copy") } }]);
    let route = grpc_route(json!([{ "filters": filters, "backendRefs": [to("echo")] }]));
    let services = [
        service_object("echo", &[service().await]),
        service_object("copy", &[counted_service(copies.clone()).await]),
        route,
    ];
    let world = World::start(plain().into_iter().chain(services)).await;
    let mut sender = connect(&world).await;
    let (feed, body) = Streamed::fed();
    let response = within("the head", sender.send_request(call("/test.Echo/Chat", body))).await.unwrap();
    for _ in 0..3 {
        assert!(feed.data(message("hello")).await);
    }
    drop(feed);
    let body = within("the end", response.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers(), Some(&status("0")));
    eventually("the copy's end", || copies.get() == 1).await;
    eventually("its count", || world.metric(&["paifang_mirror_requests_total", "ok"]) == 1.0).await;
}

#[tokio::test]
async fn errors_of_a_grpc_route_are_trailers_only_answers() {
    let world = grpc_world(service().await).await;
    let mut sender = connect(&world).await;
    for (path, code) in [("/nobody/Knows", "12"), ("/test.Echo", "12"), ("/test.Empty/Say", "14")] {
        let response = within("the head", sender.send_request(call(path, Streamed::full(message("x"))))).await.unwrap();
        assert!(response.body().is_end_stream(), "{path}");
        assert_eq!(
            (response.status().as_u16(), &response.headers()["grpc-status"]),
            (200, &code.parse().unwrap()),
            "{path}"
        );
    }
    let (head, _) = send1(&mut http1(world.address("http")).await, plain_call("/test.Echo/Say")).await;
    assert_eq!(head.status, 505, "gRPC is HTTP/2");
    let (head, _) = send2(&mut sender, get("/test.Echo/Say")).await;
    assert_eq!(head.status, 404, "and nothing else is for a GRPCRoute");
}

fn plain_call(path: &str) -> Request<Streamed> {
    let mut call = request(Method::POST, path, Streamed::full(message("x")));
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    call
}

#[tokio::test]
async fn our_own_errors_are_trailers_only_answers() {
    let world = world(service().await).await;
    let mut sender = connect(&world).await;
    for (path, code, why) in [
        ("/nobody/Knows", "12", "no route is UNIMPLEMENTED"),
        ("/test.Empty/Say", "14", "no endpoints is UNAVAILABLE"),
        ("/test.Slow/Say", "4", "a timeout is DEADLINE_EXCEEDED"),
    ] {
        let response = within("the head", sender.send_request(call(path, Streamed::full(message("x"))))).await.unwrap();
        assert!(response.body().is_end_stream(), "{why}: the head ends the stream, or it is no status");
        let (head, body) = whole(response).await;
        assert_eq!(head.status, 200, "{why}, and HTTP is fine");
        assert_eq!(head.headers["grpc-status"], code, "{why}");
        assert_eq!(head.headers["content-type"], "application/grpc", "{why}");
        assert!(head.headers.contains_key("grpc-message") && body.is_empty(), "{why}, said in the head");
    }
}

#[tokio::test]
async fn an_error_for_grpc_web_is_one_of_plain_http() {
    let world = world(service().await).await;
    let mut sender = connect(&world).await;
    for kind in ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"] {
        let mut call = call("/nobody/Knows", Streamed::full(message("x")));
        call.headers_mut().insert("content-type", kind.parse().unwrap());
        let (head, body) = whole(within("the head", sender.send_request(call)).await.unwrap()).await;
        assert_eq!(head.status, 404, "{kind}");
        assert_eq!(head.headers["content-type"], "text/plain; charset=utf-8", "{kind}");
        assert!(!head.headers.contains_key("grpc-status") && !body.is_empty(), "{kind}: {head:?}");
    }
}
