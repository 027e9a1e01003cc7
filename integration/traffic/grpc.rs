//! gRPC through routes of HTTP: framing and trailers untouched, our own errors in its own form.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Body;
use serde_json::json;

use crate::backend::{serve, silent};
use crate::body::Streamed;
use crate::client::{Http2, absolute, http2, request, whole};
use crate::within;
use crate::world::{World, h2c_service, plain, route, to};

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
    serve(|request| async move {
        let te = request.headers().get("te").and_then(|te| te.to_str().ok());
        if te != Some("trailers") {
            return Err(io::Error::other("gRPC servers insist on TE: trailers"));
        }
        let code = if request.uri().path().ends_with("/Fail") { "9" } else { "0" };
        let (feed, body) = Streamed::fed();
        let mut received = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = received.frame().await {
                if let Ok(data) = frame.into_data() {
                    feed.data(data).await;
                }
            }
            feed.trailers(status(code)).await;
        });
        Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
    })
    .await
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

#[tokio::test]
async fn a_unary_call_keeps_its_message_and_its_trailers() {
    let world = world(service().await).await;
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

#[tokio::test]
async fn both_sides_of_a_stream_speak_in_turn() {
    let world = world(service().await).await;
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
