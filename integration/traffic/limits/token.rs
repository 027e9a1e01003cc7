//! Limits by a claim of a token: only what somebody has signed who may tells requests apart.

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use paifang::limit::clock::BY_HAND;
use ring::hmac;

use super::*;
use crate::signer::{Signer, encode, set};

/// The keys that count.
fn keys(signers: &[&Signer]) -> Value {
    entry(&set(signers).to_string())
}

fn entry(text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "login", "namespace": "test" },
        "data": { "jwks.json": text },
    })
}

/// Two at once for each subject, and what more is said of tokens.
fn by_subject(more: Value) -> Value {
    let jwt = with(json!({ "keys": { "name": "login" } }), more);
    with(per_second(2), json!({ "key": [{ "type": "JWTClaim", "name": "sub", "jwt": jwt }] }))
}

fn bearing(fields: &[&str]) -> Request<Streamed> {
    let mut request = request(Method::GET, "/", Streamed::empty());
    for field in fields {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
    }
    request
}

/// How many requests with these fields pass.
async fn with_fields(world: &World, fields: &[&str]) -> usize {
    passes(world, || bearing(fields)).await
}

async fn with_token(world: &World, token: &str) -> usize {
    with_fields(world, &[&format!("Bearer {token}")]).await
}

fn outcomes(world: &World, result: &str) -> f64 {
    world.metric(&["paifang_limit_tokens_total", "namespace=\"test\"", &format!("result=\"{result}\"")])
}

#[tokio::test]
async fn each_subject_has_its_own_limit_whatever_signs_its_tokens() {
    let signers = [Signer::rsa("r", "RS256"), Signer::rsa("p", "PS384"), Signer::p256("e"), Signer::ed25519("d")];
    let all: Vec<_> = signers.iter().collect();
    let (world, hand) = world([keys(&all), policy(json!({ "user": by_subject(json!({})) }))]).await;
    for signer in &signers {
        let subject = signer.jwk()["kid"].clone();
        let token = |time: u64| signer.token(&json!({ "sub": subject, "iat": time }));
        assert_eq!(with_token(&world, &token(1)).await, 2, "{subject}");
        assert_eq!(with_token(&world, &token(2)).await, 0, "another token of {subject}");
    }
    assert_eq!(with_token(&world, &signers[0].token(&json!({ "sub": "e" }))).await, 0, "whoever has signed it");
    assert_eq!(outcomes(&world, "verified"), 17.0);
    hand.advance(Duration::from_secs(1));
    assert_eq!(with_token(&world, &signers[2].token(&json!({ "sub": "e" }))).await, 2);
}

#[tokio::test]
async fn a_token_that_does_not_count_is_none() {
    let (signer, stranger) = (Signer::rsa("a", "RS256"), Signer::p256("b"));
    let more = json!({ "issuer": "https://login.example.com", "audiences": ["shop"] });
    let (world, hand) = world([keys(&[&signer]), policy(json!({ "user": by_subject(more) }))]).await;
    let sound = json!({ "sub": "me", "iss": "https://login.example.com", "aud": ["shop"], "exp": BY_HAND + 60 });
    let claims = |more: Value| with(sound.clone(), more);
    let good = signer.token(&sound);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let other = |header: Value| format!("{}.{payload}", encode(header.to_string()));
    let hs256 = other(json!({ "alg": "HS256", "kid": "a" }));
    let public = signer.jwk()["n"].as_str().unwrap().to_owned();
    let hmac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes()), hs256.as_bytes());
    assert_eq!(with_fields(&world, &[]).await, 2, "without a token");
    let long = "a".repeat(9 << 10);
    for (result, fields) in [
        ("absent", vec!["Basic bWU6".to_owned()]),
        ("expired", vec![signer.token(&claims(json!({ "exp": BY_HAND - 60 })))]),
        ("early", vec![signer.token(&claims(json!({ "nbf": BY_HAND + 61 })))]),
        ("issuer", vec![signer.token(&claims(json!({ "iss": "https://login.example.net" })))]),
        ("audience", vec![signer.token(&claims(json!({ "aud": "cart" })))]),
        ("unsupported", vec![format!("{}.", other(json!({ "alg": "none" })))]),
        ("unsupported", vec![format!("{hs256}.{}", encode(hmac))]),
        ("unknown_key", vec![stranger.token(&sound)]),
        (
            "bad_signature",
            vec![format!("{header}.{}.{signature}", encode(claims(json!({ "sub": "you" })).to_string()))],
        ),
        ("malformed", vec![good.clone(), good.clone()]),
        ("malformed", vec!["me".to_owned()]),
        ("too_long", vec![long]),
    ] {
        let before = outcomes(&world, result);
        let field = |token: &String| if token.contains(' ') { token.clone() } else { format!("Bearer {token}") };
        let fields: Vec<_> = fields.iter().map(field).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        assert_eq!(with_fields(&world, &fields).await, 0, "{result} counts with those that have none");
        assert_eq!(outcomes(&world, result), before + 1.0, "{result}");
    }
    assert_eq!(with_token(&world, &good).await, 2, "nobody has used up what is another's");
    let claimless = signer.token(&json!({ "iss": "https://login.example.com", "aud": "shop" }));
    assert_eq!(with_token(&world, &claimless).await, 0, "without the claim");
    hand.advance(Duration::from_secs(119));
    assert_eq!(with_token(&world, &good).await, 2, "within what clocks may differ by");
    hand.advance(Duration::from_secs(1));
    assert_eq!(with_token(&world, &good).await, 2, "expired, though it was verified before");
    assert_eq!(outcomes(&world, "expired"), 1.0 + 3.0);
}

#[tokio::test]
async fn other_keys_count_at_once_and_forgive_nothing() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let (mut world, _hand) = world([keys(&[&old]), policy(json!({ "user": by_subject(json!({})) }))]).await;
    let me = |signer: &Signer| signer.token(&json!({ "sub": "me" }));
    assert_eq!(with_token(&world, &me(&old)).await, 2);
    world.put([keys(&[&old, &new])]).await;
    assert_eq!((with_token(&world, &me(&old)).await, with_token(&world, &me(&new)).await), (0, 0));
    let rejected = || outcomes(&world, "unknown_key");
    assert_eq!(rejected(), 0.0);
    world.put([keys(&[&new])]).await;
    assert_eq!(with_token(&world, &me(&new)).await, 0, "the same subject");
    assert_eq!(with_token(&world, &me(&old)).await, 2, "a token by the old key is none, cached or not");
    assert_eq!(outcomes(&world, "unknown_key"), 3.0);
}

#[tokio::test]
async fn without_keys_only_that_limit_does_not_hold() {
    let signer = Signer::p256("a");
    let limits = json!({ "user": by_subject(json!({})), "all": per_second(5) });
    let (mut world, hand) = world([policy(limits)]).await;
    let token = signer.token(&json!({ "sub": "me" }));
    assert_eq!(with_token(&world, &token).await, 5);
    hand.advance(Duration::from_secs(1));
    world.put([entry("{\"keys\": 1}")]).await;
    assert_eq!(with_token(&world, &token).await, 5);
    hand.advance(Duration::from_secs(1));
    world.put([keys(&[&signer])]).await;
    assert_eq!(with_token(&world, &token).await, 2);
    hand.advance(Duration::from_secs(1));
    world.remove("ConfigMap/login").await;
    assert_eq!(with_token(&world, &token).await, 5);
}
