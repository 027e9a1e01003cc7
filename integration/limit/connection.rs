//! How the server is reached, and what happens when it is not.

use std::sync::Arc;
use std::time::Duration;

use paifang::limit::global::{Address, Login, Settings, Tls, Unavailable};
use rustls_pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::server::{AGES, Server, ask, connect, one, until};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let mut server = Server::start(&[]);
    let store = server.store().await;
    assert!(one(&store, ask("a", HOUR, 10)).await.is_ok());
    server.stop();
    until(|| !store.is_up()).await;
    assert_eq!(store.take(&[ask("a", HOUR, 10)]).await, Err(Unavailable::Disconnected));
    server.start_again();
    until(|| store.is_up()).await;
    assert_eq!(one(&store, ask("a", HOUR, 10)).await.unwrap().remaining, 9, "it knows neither script nor debts");
}

#[tokio::test]
async fn a_script_that_is_flushed_is_sent_again() {
    let server = Server::start(&[]);
    let store = server.store().await;
    for left in (5..10).rev() {
        assert_eq!(one(&store, ask("a", HOUR, 10)).await.unwrap().remaining, left);
        assert!(server.say("SCRIPT FLUSH").await.starts_with("+OK"));
    }
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_told() {
    let rules = ["--user", "gate", "on", ">secret", "~paifang:*", "+evalsha", "+eval", "+get", "+set", "+time"];
    let server = Server::start(&[&["--requirepass", "default-secret"], rules.as_slice()].concat());
    let login = |user: Option<&str>, password: &str| Settings {
        login: Some(Login { user: user.map(ToOwned::to_owned), password: password.to_owned() }),
        ..server.settings()
    };
    for settings in [login(None, "default-secret"), login(Some("gate"), "secret")] {
        let store = connect(settings).await;
        assert!(one(&store, ask("paifang:a", HOUR, 10)).await.is_ok(), "these rights are enough");
    }
    let stranger = connect(server.settings()).await;
    let answer = stranger.take(&[ask("paifang:a", HOUR, 10)]).await;
    assert_eq!(answer, Err(Unavailable::Disconnected), "a server that refuses is as good as none");
}

#[tokio::test]
async fn a_server_that_can_write_no_more_is_unavailable() {
    let server = Server::start(&[]);
    let store = server.store().await;
    assert!(one(&store, ask("a", HOUR, 10)).await.is_ok());
    assert!(server.say("CONFIG SET maxmemory 1").await.starts_with("+OK"));
    assert_eq!(store.take(&[ask("a", HOUR, 10)]).await, Err(Unavailable::Disconnected));
    assert!(server.say("CONFIG SET maxmemory 0").await.starts_with("+OK"));
    // whoever is told of a failure may be so before the store counts as down
    let again = async {
        loop {
            if let Ok(answers) = store.take(&[ask("a", HOUR, 10)]).await {
                return answers[0];
            }
            tokio::task::yield_now().await;
        }
    };
    let allowed = timeout(AGES, again).await.expect("it is used again").unwrap();
    assert_eq!(allowed.remaining, 8, "what failed took nothing");
}

#[tokio::test]
async fn tls_is_spoken_with_those_we_trust() {
    let made = rcgen::generate_simple_self_signed(["redis.example".to_owned()]).unwrap();
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (chain, key) = (file("chain.pem", &made.cert.pem()), file("key.pem", &made.signing_key.serialize_pem()));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &chain,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &chain,
        "--tls-auth-clients",
        "no",
    ]);
    let settings = |trust: bool| {
        let mut roots = RootCertStore::empty();
        if trust {
            roots.add(made.cert.der().clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        let tls = Tls { config, name: ServerName::try_from("redis.example").unwrap() };
        Settings { tls: Some(tls), ..Settings::new(Address::Tcp("127.0.0.1".to_owned(), port)) }
    };
    let store = connect(settings(true)).await;
    assert!(one(&store, ask("a", HOUR, 10)).await.is_ok());
    let (stranger, work) = paifang::limit::global::open(settings(false));
    let work = tokio::spawn(work);
    assert_eq!(stranger.take(&[ask("a", HOUR, 10)]).await, Err(Unavailable::Disconnected));
    work.abort();
}
