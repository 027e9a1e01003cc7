use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::set::{InvalidKey, InvalidSet};
use super::testing::{Signer, encode, expected, set as set_of};
use super::*;

const NOW: u64 = 1_800_000_000;

fn verify(token: &str, expected: &Expected) -> Result<Claims, Rejected> {
    token::verify(token.as_bytes(), expected, NOW)
}

fn every_signer() -> Vec<Signer> {
    let rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map(|alg| Signer::rsa(alg, alg));
    rsa.into_iter().chain([Signer::p256("p256"), Signer::ed25519("ed")]).collect()
}

#[test]
fn every_algorithm_is_verified_and_only_by_its_own_key() {
    let signers = every_signer();
    let all = expected(&signers.iter().collect::<Vec<_>>());
    let claims = json!({"sub": "me"});
    for signer in &signers {
        let token = signer.token(&claims);
        assert_eq!(verify(&token, &all).unwrap().value("sub"), Some(&b"\"me"[..]));
        for other in &signers {
            let other = expected(&[other]);
            let found = verify(&token, &other).is_ok();
            assert_eq!(found, other.keys.keys == expected(&[signer]).keys.keys);
        }
    }
}

#[test]
fn nothing_of_a_token_can_be_changed() {
    for signer in [Signer::rsa("a", "RS256"), Signer::p256("a"), Signer::ed25519("a")] {
        let expected = expected(&[&signer]);
        let token = signer.token(&json!({"sub": "me"}));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let payload = encode(json!({"sub": "you"}).to_string());
        assert_eq!(verify(&format!("{header}.{payload}.{signature}"), &expected), Err(Rejected::BadSignature));
        assert_eq!(verify(&format!("{signed}."), &expected), Err(Rejected::BadSignature));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(token::verify(&bytes, &expected, NOW).is_err(), "{at}");
        }
    }
}

#[test]
fn no_signature_and_a_signature_that_anybody_can_make_are_none() {
    let signer = Signer::rsa("a", "RS256");
    let expected = expected(&[&signer]);
    for alg in ["none", "None", "", "HS256", "HS384", "HS512", "ES512", "RS1", "rs256"] {
        let token = signer.token_with(&json!({"alg": alg, "kid": "a"}), &json!({"sub": "me"}));
        assert_eq!(verify(&token, &expected), Err(Rejected::Unsupported), "{alg}");
        let (signed, _) = token.rsplit_once('.').unwrap();
        assert_eq!(verify(&format!("{signed}."), &expected), Err(Rejected::Unsupported), "{alg}");
    }
    // the public key as it is published, taken for a secret
    let published = signer.jwk()["n"].as_str().unwrap().to_owned();
    let text = |header: Value| format!("{}.{}", encode(header.to_string()), encode(json!({"sub": "me"}).to_string()));
    let signed = text(json!({"alg": "HS256", "kid": "a"}));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, published.as_bytes());
    let token = format!("{signed}.{}", encode(hmac::sign(&secret, signed.as_bytes())));
    assert_eq!(verify(&token, &expected), Err(Rejected::Unsupported));
    // a good signature, of an algorithm that is not the key's
    for alg in ["ES256", "EdDSA"] {
        let token = signer.token_with(&json!({"alg": alg, "kid": "a"}), &json!({}));
        assert_eq!(verify(&token, &expected), Err(Rejected::UnknownKey), "{alg}");
    }
    let token = signer.token_with(&json!({"alg": "PS256", "kid": "a"}), &json!({}));
    assert_eq!(verify(&token, &expected), Err(Rejected::BadSignature));
    // what has to be understood is not
    let token = signer.token_with(&json!({"alg": "RS256", "kid": "a", "crit": ["b64"], "b64": false}), &json!({}));
    assert_eq!(verify(&token, &expected), Err(Rejected::Unsupported));
}

#[test]
fn a_key_is_found_by_its_name_or_tried() {
    let (a, b) = (Signer::ed25519("a"), Signer::ed25519("b"));
    let both = expected(&[&a, &b]);
    let header = |kid: Value| json!({"alg": "EdDSA", "kid": kid});
    assert!(verify(&b.token_with(&header(json!("b")), &json!({})), &both).is_ok());
    assert!(verify(&b.token_with(&json!({"alg": "EdDSA"}), &json!({})), &both).is_ok());
    assert!(verify(&b.token_with(&json!({"alg": "Ed25519"}), &json!({})), &both).is_ok());
    assert_eq!(verify(&b.token_with(&header(json!("a")), &json!({})), &both), Err(Rejected::BadSignature));
    assert_eq!(verify(&b.token_with(&header(json!("c")), &json!({})), &both), Err(Rejected::UnknownKey));
    // a key that the token brings along is nobody's
    let stranger = Signer::ed25519("a");
    let brought = json!({"alg": "EdDSA", "kid": "a", "jwk": stranger.jwk(), "jku": "https://example.com/jwks"});
    assert_eq!(verify(&stranger.token_with(&brought, &json!({})), &both), Err(Rejected::BadSignature));
    // no request may cost more than a few signatures
    let many: Vec<_> = (0..5).map(|n| Signer::ed25519(&n.to_string())).collect();
    let all = expected(&many.iter().collect::<Vec<_>>());
    assert!(verify(&many[3].token_with(&json!({"alg": "EdDSA"}), &json!({})), &all).is_ok());
    assert_eq!(verify(&many[4].token_with(&json!({"alg": "EdDSA"}), &json!({})), &all), Err(Rejected::BadSignature));
    assert!(verify(&many[4].token(&json!({})), &all).is_ok());
}

#[test]
fn time_issuer_and_audience_have_to_be_right() {
    let signer = Signer::ed25519("a");
    let expected = Expected {
        issuer: Some("https://login.example.com".into()),
        audiences: vec!["cart".into(), "shop".into()],
        ..expected(&[&signer])
    };
    let sound = json!({"iss": "https://login.example.com", "aud": "shop", "exp": NOW, "nbf": NOW});
    let with = |name: &str, value: Value| {
        let mut claims = sound.clone();
        claims[name] = value;
        verify(&signer.token(&claims), &expected).err()
    };
    for (name, value, found) in [
        ("sub", json!("me"), None),
        ("exp", json!(NOW - 59), None),
        ("exp", json!(NOW - 60), Some(Rejected::Expired)),
        ("exp", json!(0), Some(Rejected::Expired)),
        ("exp", json!(-1e300), Some(Rejected::Expired)),
        ("exp", json!(1e300), None),
        ("exp", json!(NOW as f64 - 59.5), None),
        ("exp", json!("2040-01-01"), Some(Rejected::Malformed)),
        ("exp", json!(null), Some(Rejected::Malformed)),
        ("nbf", json!(NOW + 60), None),
        ("nbf", json!(NOW + 61), Some(Rejected::Early)),
        ("nbf", json!([]), Some(Rejected::Malformed)),
        ("iss", json!("https://login.example.com/"), Some(Rejected::Issuer)),
        ("iss", json!(["https://login.example.com"]), Some(Rejected::Issuer)),
        ("iss", json!(null), Some(Rejected::Issuer)),
        ("aud", json!(["other", "cart"]), None),
        ("aud", json!("other"), Some(Rejected::Audience)),
        ("aud", json!(["other"]), Some(Rejected::Audience)),
        ("aud", json!([]), Some(Rejected::Audience)),
        ("aud", json!({"shop": 1}), Some(Rejected::Audience)),
        ("aud", json!(null), Some(Rejected::Audience)),
    ] {
        assert_eq!(with(name, value.clone()), found, "{name} {value}");
    }
    assert_eq!(verify(&signer.token(&json!({})), &self::expected(&[&signer])).err(), None, "without an end");
}

#[test]
fn values_of_different_types_differ_and_some_are_none() {
    let signer = Signer::ed25519("a");
    let claims =
        json!({"a": "1", "b": 1, "c": true, "d": "true", "e": "", "f": null, "g": ["1"], "h": {"i": 1}, "n": 1.5});
    let claims = verify(&signer.token(&claims), &expected(&[&signer])).unwrap();
    let values: Vec<_> = ["a", "b", "c", "d", "e", "n"].iter().map(|name| claims.value(name).unwrap()).collect();
    assert_eq!(values, [b"\"1".as_slice(), b"01", b"?1", b"\"true", b"\"", b"01.5"]);
    assert!(["f", "g", "h", "i", "h.i", "z"].iter().all(|name| claims.value(name).is_none()));
}

#[test]
fn what_is_no_token_is_refused() {
    let signer = Signer::ed25519("a");
    let expected = expected(&[&signer]);
    let good = signer.token(&json!({"sub": "me"}));
    let array = signer.token(&json!(["sub"]));
    let padded = format!("{good}=");
    for token in
        ["", ".", "..", "...", "a.b", "a.b.c", "e30.e30.", &format!("{good}.a"), &format!(".{good}"), &padded, &array]
    {
        assert_eq!(verify(token, &expected), Err(Rejected::Malformed), "{token}");
    }
    // which of two would count depends on who reads
    let header = encode(r#"{"alg":"none","alg":"EdDSA"}"#);
    assert_eq!(verify(&format!("{header}.e30.e30"), &expected), Err(Rejected::Malformed));
}

#[test]
fn a_request_brings_one_token() {
    let of = |fields: &[&str]| {
        let pairs = fields.iter().map(|field| (http::header::AUTHORIZATION, HeaderValue::from_str(field).unwrap()));
        let headers: HeaderMap = pairs.collect();
        bearer::bearer(&headers).map(|token| String::from_utf8(token.to_vec()).unwrap())
    };
    for field in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
        assert_eq!(of(&[field]).unwrap(), "a.b.c");
    }
    for fields in [&[][..], &["Basic YTpi"], &["Bearer"], &["a.b.c"], &["Bearer\ta.b.c"]] {
        assert_eq!(of(fields), Err(Rejected::Absent), "{fields:?}");
    }
    assert_eq!(of(&["Bearer a", "Bearer a"]), Err(Rejected::Malformed));
    assert_eq!(of(&["Basic YTpi", "Bearer a"]), Err(Rejected::Malformed));
    assert!(of(&[&format!("Bearer {}", "a".repeat(bearer::LONGEST))]).is_ok());
    assert_eq!(of(&[&format!("Bearer {}", "a".repeat(bearer::LONGEST + 1))]), Err(Rejected::TooLong));
}

#[test]
fn a_set_is_read_and_what_is_wrong_with_it_is_said() {
    let (rsa, p256, ed) = (Signer::rsa("r", "RS256").jwk(), Signer::p256("p").jwk(), Signer::ed25519("e").jwk());
    let with = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        json!({"keys": [ed, key]})
    };
    let read = |set: &Value| set::parse(set.to_string().as_bytes());
    let count = |set: &Value| read(set).unwrap().len();
    // passed over
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("HS256")),
        ("kty", json!("AKP")),
        ("crv", json!("P-521")),
    ] {
        assert_eq!(count(&with(&p256, name, value.clone())), 1, "{name} {value}");
    }
    assert_eq!(count(&with(&p256, "key_ops", json!(["verify"]))), 2);
    assert_eq!(count(&with(&rsa, "x5c", json!(["AAAA"]))), 2);
    // an exponent with a leading zero
    assert_eq!(count(&with(&rsa, "e", json!("AAEAAQ"))), 2);
    let key = |key| InvalidSet::Key(1, key);
    for (set, error) in [
        (json!([]), InvalidSet::Form),
        (json!({}), InvalidSet::Form),
        (json!({"keys": {}}), InvalidSet::Form),
        (json!({"keys": []}), InvalidSet::NoKey),
        (json!({"keys": vec![ed.clone(); 33]}), InvalidSet::TooMany),
        (json!({"keys": [ed], "more": "x".repeat(64 << 10)}), InvalidSet::TooLarge),
        (json!({"keys": [ed, "a"]}), key(InvalidKey::Form)),
        (with(&rsa, "n", json!(1)), key(InvalidKey::Form)),
        (json!({"keys": [ed, {"kty": "oct", "k": "c2VjcmV0"}]}), key(InvalidKey::Secret)),
        (with(&p256, "d", json!("c2VjcmV0")), key(InvalidKey::Private)),
        (with(&rsa, "n", json!(null)), key(InvalidKey::Number("n"))),
        (with(&rsa, "e", json!("AQ=B")), key(InvalidKey::Number("e"))),
        (with(&p256, "y", json!(null)), key(InvalidKey::Number("y"))),
        (with(&rsa, "n", json!(encode([255; 255]))), key(InvalidKey::Rsa)),
        (with(&rsa, "n", json!(encode([255; 1025]))), key(InvalidKey::Rsa)),
        (with(&rsa, "e", json!("AQ")), key(InvalidKey::Rsa)),
        (with(&rsa, "e", json!("AQAC")), key(InvalidKey::Rsa)),
        (with(&rsa, "e", json!(encode([1; 9]))), key(InvalidKey::Rsa)),
        (with(&p256, "x", json!("AAAA")), key(InvalidKey::Point)),
        (json!({"keys": [with(&p256, "crv", json!("P-384"))["keys"][1]]}), InvalidSet::NoKey),
        (with(&ed, "x", json!("AAAA")), key(InvalidKey::Point)),
    ] {
        assert_eq!(read(&set).unwrap_err(), error);
    }
    assert_eq!(set::parse(b"{\"keys\": [").unwrap_err(), InvalidSet::Form);
    assert_eq!(read(&set_of(&every_signer().iter().collect::<Vec<_>>())).unwrap().len(), 8);
}

#[test]
fn a_key_for_one_algorithm_is_used_with_no_other() {
    let signer = Signer::rsa("a", "RS256");
    let mut jwk = signer.jwk();
    jwk["alg"] = json!("PS256");
    let keys = set::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    let before = expected(&[&signer]);
    let keys = Arc::new(KeySet { object: before.keys.object.clone(), entry: "jwks.json".into(), keys });
    let expected = Expected { keys, ..before };
    assert_eq!(verify(&signer.token(&json!({})), &expected), Err(Rejected::UnknownKey));
    assert!(verify(&Signer::rsa("a", "PS256").token(&json!({})), &expected).is_ok());
}

/// Something like a member of a key or a header.
fn any_member() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop_oneof!["RSA|EC|OKP|oct", "P-256|P-384|Ed25519", "RS256|ES384|EdDSA|none", "sig|enc"].prop_map(Value::from),
        "[A-Za-z0-9_-]{0,90}={0,2}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(["verify", 1, {}])),
    ]
}

fn any_object() -> impl Strategy<Value = Value> {
    let name = "kty|use|key_ops|alg|kid|crv|n|e|x|y|d|crit|iss|aud|exp|nbf|sub";
    proptest::collection::btree_map(name, any_member(), 0..8).prop_map(|members| json!(members))
}

proptest! {
    #[test]
    fn whatever_a_set_holds_is_read_or_refused(keys in proptest::collection::vec(any_object(), 0..4), raw: Vec<u8>) {
        if let Ok(keys) = set::parse(json!({"keys": keys}).to_string().as_bytes()) {
            // and whatever keys there are, they can be asked
            let token = Signer::p256("a").token_with(&json!({"alg": "ES256"}), &json!({}));
            let object = crate::api::ObjectRef::new(crate::api::Kind::Secret, crate::api::ObjectKey::new("a", "b"));
            let keys = Arc::new(KeySet { object, entry: "c".into(), keys });
            let expected = Expected { keys, issuer: None, audiences: vec![] };
            prop_assert!(verify(&token, &expected).is_err());
        }
        prop_assert!(set::parse(&raw).is_err());
    }

    #[test]
    fn whatever_is_signed_by_nobody_is_refused(header in any_object(), claims in any_object(), raw: Vec<u8>) {
        let (signer, stranger) = (Signer::ed25519("a"), Signer::ed25519("a"));
        let expected = expected(&[&signer]);
        prop_assert!(verify(&stranger.token_with(&header, &claims), &expected).is_err());
        prop_assert!(token::verify(&raw, &expected, NOW).is_err());
        // what is signed may say anything
        let _ = verify(&signer.token(&claims), &expected).map(|claims| claims.check(u64::MAX));
    }
}
