//! `NAME.http.yaml`: the requests of a case through a live edge.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use http::{HeaderName, HeaderValue, Version};
use paifang::translate::translate;
use rustls_pki_types::CertificateDer;

use super::case::Case;
use super::step::{self, Ask, Door, Expect, ExpectSeen, Shares, Step};
use crate::support::client::{Answer, Call, Connection, Target};
use crate::support::echo::{Seen, joined};
use crate::support::edge::{self, EdgeUnderTest, Place};

/// No request of a case may take longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Serves a case's manifests and sends its requests.
pub(crate) fn check(case: &Case, file: &Path) -> anyhow::Result<()> {
    let steps = step::load(file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let failures = runtime.block_on(async {
        let edge = EdgeUnderTest::start(&case.manifests()).await?;
        let foretold = translate(&edge::load(&case.manifests())?.snapshot).statuses;
        ensure!(edge.statuses() == foretold, "the edge says otherwise than `paifang check`: {:#?}", edge.statuses());
        let mut failures = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            if let Err(error) = run(&edge, number, step).await {
                failures.push(format!("{}: {error:#}", step.name));
            }
        }
        edge.shutdown().await;
        anyhow::Ok(failures)
    })?;
    ensure!(failures.is_empty(), "{} of {} steps:\n{}", failures.len(), steps.len(), failures.join("\n"));
    Ok(())
}

async fn run(edge: &EdgeUnderTest, number: usize, step: &Step) -> anyhow::Result<()> {
    if let Some(object) = &step.remove {
        edge.remove(object).await?;
    }
    let before = step.metrics.keys().map(|name| edge.metric(name)).collect::<Vec<_>>();
    let place = door(edge, step)?;
    let target = Target {
        address: place.address,
        server_name: place.tls.then(|| server_name(&step.request)),
        version: if step.request.http == "2" { Version::HTTP_2 } else { Version::HTTP_11 },
    };
    let mut connection = Connection::open(&target).await?;
    let presented = connection.certificate.clone();
    let mut answered = BTreeMap::<String, usize>::new();
    for turn in 0..step.times {
        let call = call(&step.request, &format!("{number}.{turn}"))?;
        let answer = tokio::time::timeout(PATIENCE, connection.send(&call)).await.context("no answer in time")??;
        if joined(&answer.headers).get("connection").is_some_and(|options| options.contains("close")) {
            connection = Connection::open(&target).await?;
        }
        *answered.entry(who(&answer)).or_default() += 1;
        if let Some(expect) = &step.expect {
            matches(&answer, expect).with_context(|| format!("request {} of {}", turn + 1, step.times))?;
            certificate(presented.as_ref(), expect)?;
        }
    }
    if let Some(split) = &step.split {
        shares(&answered, split, step.times)?;
    }
    if let Some(received) = &step.received {
        counts(edge, number, received).await?;
    }
    for ((name, growth), before) in step.metrics.iter().zip(before) {
        let grown = edge.metric(name) - before;
        ensure!(grown == *growth, "{name} grew by {grown} instead of {growth}");
    }
    Ok(())
}

/// The one socket that fits; several listeners may share it.
fn door(edge: &EdgeUnderTest, step: &Step) -> anyhow::Result<Place> {
    let Door { gateway, listener, port } = &step.to;
    let fits = |place: &Place| {
        gateway.as_ref().is_none_or(|gateway| *gateway == place.gateway)
            && listener.as_ref().is_none_or(|listener| *listener == place.listener)
            && port.is_none_or(|port| port == place.port)
    };
    let places: Vec<Place> = edge.places().into_iter().filter(fits).collect();
    let first = places.first().with_context(|| format!("no listener serves {:?}", step.to))?;
    ensure!(places.iter().all(|place| place.address == first.address), "`to` is ambiguous: {places:?}");
    Ok(first.clone())
}

fn server_name(ask: &Ask) -> String {
    let host = ask.host.split(':').next().unwrap_or_default();
    ask.sni.clone().unwrap_or_else(|| host.to_owned())
}

fn call(ask: &Ask, step: &str) -> anyhow::Result<Call> {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-test-step", HeaderValue::from_str(step)?);
    for (name, lines) in &ask.headers {
        for line in lines.iter() {
            headers.append(name.parse::<HeaderName>()?, HeaderValue::from_str(line)?);
        }
    }
    Ok(Call {
        method: ask.method.parse()?,
        host: ask.host.clone(),
        path: ask.path.clone(),
        headers,
        body: ask.body.clone().into(),
    })
}

/// The backend that answered, or the edge's own status, such as `503` or `grpc 14`.
fn who(answer: &Answer) -> String {
    let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    match (text("x-echo-backend"), text("grpc-status")) {
        (Some(backend), _) => backend.to_owned(),
        (None, Some(status)) => format!("grpc {status}"),
        (None, None) => answer.status.as_u16().to_string(),
    }
}

/// A status of the edge's own is in the head of an answer without a body, a backend's in trailers.
fn grpc_status(answer: &Answer, wanted: u8) -> anyhow::Result<()> {
    let own = !answer.headers.contains_key("x-echo-backend");
    let fields = if own { &answer.headers } else { &answer.trailers };
    let status = fields.get("grpc-status").and_then(|status| status.to_str().ok());
    let message = fields.get("grpc-message");
    ensure!(status == Some(&*wanted.to_string()), "gRPC status {status:?} instead of {wanted}: {message:?}");
    ensure!(!own || (answer.body.is_empty() && answer.trailers.is_empty()), "the head should be all: {answer:?}");
    let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok());
    ensure!(kind == Some("application/grpc"), "the media type is {kind:?}");
    Ok(())
}

fn matches(answer: &Answer, expect: &Expect) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == expect.status, "status {} instead of {}: {text}", answer.status, expect.status);
    if let Some(wanted) = expect.grpc {
        grpc_status(answer, wanted)?;
    }
    let seen = answer.headers.contains_key("x-echo-backend").then(|| serde_json::from_slice::<Seen>(&answer.body));
    let seen = seen.transpose().context("the backend's words cannot be read")?;
    let by = seen.as_ref().map(|seen| seen.by.clone());
    match (&expect.backend, &by) {
        (None, Some(by)) => anyhow::bail!("{} answered; the edge itself should have", by.backend),
        (Some(wanted), None) => anyhow::bail!("the edge itself answered instead of {wanted}"),
        (Some(wanted), Some(by)) => {
            let exact = format!("{}:{}", by.backend, by.port);
            ensure!(*wanted == by.backend || *wanted == exact, "{exact} answered instead of {wanted}");
        }
        (None, None) => {}
    }
    same("endpoint", expect.endpoint.as_ref(), by.as_ref().map(|by| &by.endpoint))?;
    headers("response", &joined(&answer.headers), &expect.headers, &expect.absent_headers)?;
    if let Some(part) = &expect.body {
        ensure!(text.contains(part), "the body lacks {part:?}: {text}");
    }
    seen.map_or(Ok(()), |seen| matches_seen(&seen, &expect.seen))
}

fn matches_seen(seen: &Seen, expect: &ExpectSeen) -> anyhow::Result<()> {
    same("method", expect.method.as_ref(), Some(&seen.method))?;
    same("path", expect.path.as_ref(), Some(&seen.path))?;
    same("host", expect.host.as_ref(), Some(&seen.host))?;
    same("HTTP version", expect.http.as_ref(), Some(&seen.http))?;
    same("body", expect.body.as_ref(), Some(&seen.body))?;
    headers("request", &seen.headers, &expect.headers, &expect.absent_headers)
}

fn same(what: &str, wanted: Option<&String>, got: Option<&String>) -> anyhow::Result<()> {
    ensure!(wanted.is_none() || wanted == got, "{what} {got:?} instead of {wanted:?}");
    Ok(())
}

/// Values are compared without the spaces after commas: `a,b` and `a, b` say the same.
fn headers(
    what: &str,
    got: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
    absent: &[String],
) -> anyhow::Result<()> {
    let plain = |value: &str| value.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    for (name, value) in wanted {
        let found = got.get(&name.to_ascii_lowercase());
        let fits = found.is_some_and(|found| plain(found) == plain(value));
        ensure!(fits, "{what} header {name}: {found:?} instead of {value:?}");
    }
    for name in absent {
        let found = got.get(&name.to_ascii_lowercase());
        ensure!(found.is_none(), "{what} header {name} should not be there: {found:?}");
    }
    Ok(())
}

fn certificate(presented: Option<&CertificateDer<'_>>, expect: &Expect) -> anyhow::Result<()> {
    let Some(wanted) = &expect.certificate else { return Ok(()) };
    let leaf = presented.context("there is no TLS")?;
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf)?;
    let names = leaf.subject_alternative_name()?.map(|names| format!("{:?}", names.value.general_names));
    let fits = names.as_ref().is_some_and(|names| names.contains(&format!("DNSName({wanted:?})")));
    ensure!(fits, "the certificate is for {names:?} instead of {wanted}");
    Ok(())
}

fn shares(answered: &BTreeMap<String, usize>, split: &Shares, times: usize) -> anyhow::Result<()> {
    for (who, percent) in &split.of {
        let got = answered.get(who).copied().unwrap_or_default() * 100 / times;
        ensure!(got.abs_diff(*percent) <= split.tolerance, "{who} answered {got} % instead of {percent}: {answered:?}");
    }
    let stranger = answered.keys().find(|who| !split.of.contains_key(*who));
    ensure!(stranger.is_none(), "nobody expected {stranger:?}: {answered:?}");
    Ok(())
}

async fn counts(edge: &EdgeUnderTest, number: usize, received: &Shares) -> anyhow::Result<()> {
    for (backend, wanted) in &received.of {
        let least = wanted.saturating_sub(received.tolerance);
        let got = edge.log().received(&number.to_string(), backend, least).await;
        ensure!(got.abs_diff(*wanted) <= received.tolerance, "{backend} received {got} requests instead of {wanted}");
    }
    Ok(())
}
