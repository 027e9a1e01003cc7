//! TLS clients that are slow, silent, or no TLS clients at all.

use std::sync::Arc;

use paifang::telemetry::label::Handshake;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore};

use super::bed::{Bed, SHORT};
use super::client::{Client, PATIENCE};

fn config(protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(include_bytes!("../../conf/quickstart/ca.crt")) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

fn name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

async fn connect(bed: &Bed, protocol: &[u8]) -> Client<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(bed.tls).await.unwrap();
    let connected = TlsConnector::from(config(protocol)).connect(name("a.example.com"), tcp);
    Client::over(tokio::time::timeout(PATIENCE, connected).await.unwrap().unwrap())
}

/// The bytes of a ClientHello.
fn hello(server: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    ClientConnection::new(config(b"http/1.1"), name(server)).unwrap().write_tls(&mut bytes).unwrap();
    bytes
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: a.example.com\r\n\r\n";

#[tokio::test]
async fn a_hello_in_single_bytes_is_understood() {
    let bed = Bed::start().await;
    let tcp = TcpStream::connect(bed.tls).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let (near, far) = tokio::io::duplex(64 << 10);
    // every byte the client writes goes out alone
    tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(far);
        let (mut edge_read, mut edge_write) = tcp.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut edge_read, &mut to).await });
        while let Ok(byte) = from.read_u8().await {
            if edge_write.write_u8(byte).await.is_err() {
                break;
            }
        }
    });
    let stream = TlsConnector::from(config(b"http/1.1")).connect(name("a.example.com"), near).await.unwrap();
    let mut client = Client::over(stream);
    assert_eq!(client.send(GET).await.response().await.status, 200);
    bed.finish().await;
}

#[tokio::test]
async fn what_is_no_tls_is_closed() {
    let bed = Bed::start().await;
    let mut oversized = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff, 3, 3];
    oversized.resize(300 << 10, 0);
    let mut lying = hello("a.example.com");
    lying[6..9].copy_from_slice(&[0xff, 0xff, 0xff]);
    for (number, bytes) in
        [GET.as_bytes(), &[0; 4096], &[0xff; 4096], &oversized, b"\x15\x03\x01\x00\x02\x02\x28"].into_iter().enumerate()
    {
        let mut client = Client::connect(bed.tls).await;
        let end = client.send(bytes).await.end().await;
        assert!(!end.bytes.starts_with(b"HTTP"), "case {number}: {end:?}");
    }
    let mut client = Client::connect(bed.tls).await;
    client.send(&lying).await.finish_sending().await;
    client.end().await;
    bed.eventually("each is counted", |metrics| metrics.tls_handshakes.value(Handshake::Failed) == 6).await;
    let mut client = connect(&bed, b"http/1.1").await;
    assert_eq!(client.send(GET).await.response().await.status, 200);
    bed.finish().await;
}

#[tokio::test]
async fn a_silent_tls_client_is_let_go() {
    let bed = Bed::with(SHORT).await;
    let hello = hello("a.example.com");
    for part in [&[][..], &hello[..1], &hello[..hello.len() - 1], &hello] {
        let mut client = Client::connect(bed.tls).await;
        client.send(part).await.end().await;
    }
    bed.eventually("each is counted", |metrics| metrics.tls_handshakes.value(Handshake::Timeout) == 4).await;
    bed.finish().await;
}

/// The handshake is over, the request never comes.
#[tokio::test]
async fn a_client_that_is_silent_after_its_handshake_is_let_go() {
    let bed = Bed::with(SHORT).await;
    for protocol in [b"http/1.1".as_slice(), b"h2"] {
        let mut client = connect(&bed, protocol).await;
        client.end().await;
    }
    let mut client = connect(&bed, b"h2").await;
    client.send("PRI * HTTP/2.0\r\n\r").await.end().await;
    let mut client = connect(&bed, b"http/1.1").await;
    assert_eq!(client.send("GET / HTT").await.response().await.status, 408);
    bed.finish().await;
}

#[tokio::test]
async fn an_unknown_server_name_gets_no_certificate_of_another() {
    let bed = Bed::start().await;
    for server in ["evil.test", "example.com.evil.test", "b.evil.test", "127.0.0.1"] {
        let tcp = TcpStream::connect(bed.tls).await.unwrap();
        let connected = TlsConnector::from(config(b"http/1.1")).connect(name(server), tcp).await;
        assert!(connected.is_err(), "{server} is refused");
    }
    bed.eventually("each is counted", |metrics| metrics.tls_handshakes.value(Handshake::NoCertificate) == 4).await;
    bed.finish().await;
}

/// RFC 9110 §7.4: a connection made for one listener does not reach another host's.
#[tokio::test]
async fn a_connection_for_one_host_does_not_serve_another() {
    let bed = Bed::start().await;
    for host in ["evil.test", "t", "example.com"] {
        let mut client = connect(&bed, b"http/1.1").await;
        let response = client.send(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.response().await;
        assert!(matches!(response.status, 404 | 421), "{host}: {response:?}");
    }
    assert!(bed.reached().is_empty(), "{:?}", bed.reached());
    bed.finish().await;
}

#[tokio::test]
async fn smuggling_is_refused_over_tls_too() {
    let bed = Bed::start().await;
    for fields in ["Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n"]
    {
        let mut client = connect(&bed, b"http/1.1").await;
        let request = format!("POST /a HTTP/1.1\r\nHost: a.example.com\r\n{fields}\r\n0\r\n\r\n{GET}");
        assert_eq!(client.send(request).await.response().await.status, 400, "{fields:?}");
        client.is_closed().await;
    }
    assert!(bed.reached().is_empty(), "{:?}", bed.reached());
    bed.finish().await;
}
