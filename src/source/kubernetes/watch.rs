//! The watch of one kind: it never ends, whatever the API server does.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use kube::runtime::watcher::{self, InitialListStrategy};
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Settings;
use super::backoff::Backoff;
use super::client::Line;
use super::event::{Event, Outbox, Trouble};
use super::raw::Raw;
use super::slim;
use crate::api::{Kind, ObjectKey};
use crate::telemetry::label::WatchRestart;
use crate::telemetry::metrics::Metrics;

/// A page of a list that is not streamed.
const PAGE: u32 = 500;
/// After so long without an error, pauses are short again.
const LONG_AGO: Duration = Duration::from_secs(60);

/// One watch.
struct Watch {
    kind: Kind,
    outbox: Outbox,
    line: Arc<Line>,
    metrics: Arc<Metrics>,
    probe_every: Duration,
    backoff: Backoff,
    /// Told when another watch has reached the API server again.
    back: Arc<Notify>,
    /// The last error: when, and of which sort.
    failed: Option<(tokio::time::Instant, Sort)>,
    strategy: InitialListStrategy,
    /// A list has begun and is not complete.
    listing: bool,
}

type Events<const METADATA: bool> = Pin<Box<dyn Stream<Item = watcher::Result<watcher::Event<Raw<METADATA>>>> + Send>>;

/// Watches a kind for as long as this is polled.
pub(super) async fn watch(
    kind: Kind,
    client: Client,
    outbox: Outbox,
    settings: Settings,
    metrics: Arc<Metrics>,
    back: Arc<Notify>,
) {
    loop {
        let watch = Watch::new(kind, outbox.clone(), &settings, Arc::clone(&metrics), &back);
        let mut task = JoinSet::new();
        task.spawn(watch.run(client.clone()));
        // It only ends by a panic. A kind that nobody watches any more would be served as it was for ever.
        let ended = task.join_next().await;
        tracing::error!(%kind, ?ended, "the watch ended; it begins anew");
        metrics.panics.inc();
        metrics.control.watch_restarts.inc(WatchRestart::Failed);
        tokio::time::sleep(settings.retry_most).await;
    }
}

/// How to go on after an error.
enum Next {
    /// Where it ended.
    Resume,
    /// With a new list.
    Anew,
}

impl Watch {
    /// A watch of a kind.
    fn new(kind: Kind, outbox: Outbox, settings: &Settings, metrics: Arc<Metrics>, back: &Arc<Notify>) -> Self {
        Self {
            kind,
            line: Line::new(outbox.clone(), Arc::clone(&metrics)),
            outbox,
            metrics,
            probe_every: settings.probe_every,
            backoff: settings.backoff(),
            back: Arc::clone(back),
            failed: None,
            strategy: InitialListStrategy::StreamingList,
            listing: false,
        }
    }

    /// Watches for as long as it is polled.
    async fn run(self, client: Client) {
        let client = self.line.client(&client);
        // Secrets and ConfigMaps are many and large, and few of them matter.
        match self.kind {
            Kind::Secret | Kind::ConfigMap => self.run_as::<true>(client).await,
            _ => self.run_as::<false>(client).await,
        }
    }

    async fn run_as<const METADATA: bool>(mut self, client: Client) {
        loop {
            let api = Api::<Raw<METADATA>>::all_with(client.clone(), &self.kind.resource());
            let config = watcher::Config {
                initial_list_strategy: self.strategy.clone(),
                page_size: Some(PAGE),
                ..watcher::Config::default()
            };
            self.listing = false;
            self.follow(Box::pin(watcher::watcher(api, config))).await;
        }
    }

    /// Follows a watch until it must begin with a new list.
    async fn follow<const METADATA: bool>(&mut self, mut events: Events<METADATA>) {
        while let Some(event) = events.next().await {
            let at = Instant::now();
            match event {
                Ok(event) => self.deliver(event, at).await,
                Err(error) => match self.endure(&error, at).await {
                    Next::Resume => {}
                    Next::Anew => return,
                },
            }
        }
    }

    async fn deliver<const METADATA: bool>(&mut self, event: watcher::Event<Raw<METADATA>>, at: Instant) {
        match event {
            watcher::Event::Init => {
                if std::mem::replace(&mut self.listing, true) {
                    // The last list ended in the middle, without an error.
                    self.metrics.control.watch_restarts.inc(WatchRestart::Closed);
                    self.pause(Sort::Lost).await;
                }
                self.outbox.send(Event::Listing, at).await;
            }
            watcher::Event::InitApply(raw) | watcher::Event::Apply(raw) => self.put(raw, at).await,
            watcher::Event::Delete(raw) => self.outbox.send(Event::Gone(ObjectKey::of(&raw.meta)), at).await,
            watcher::Event::InitDone => {
                self.listing = false;
                // A paged list is followed by a request for the watch.
                self.line.explain(self.strategy == InitialListStrategy::ListWatch);
                self.outbox.send(Event::Listed, at).await;
            }
        }
    }

    async fn put<const METADATA: bool>(&self, raw: Raw<METADATA>, at: Instant) {
        let item = slim::item(self.kind, raw);
        self.outbox.send(Event::Put(Box::new(item)), at).await;
    }

    /// Reports an error, waits, and says how to go on.
    async fn endure(&mut self, error: &watcher::Error, at: Instant) -> Next {
        self.line.explain(true);
        let code = code(error);
        let streaming = self.strategy == InitialListStrategy::StreamingList;
        // Streamed lists are refused as an invalid request by servers that have them switched off.
        if streaming && matches!(code, Some(400 | 405 | 406 | 422 | 501)) {
            self.strategy = InitialListStrategy::ListWatch;
            return Next::Anew;
        }
        let sort = Sort::of(code);
        let (reason, trouble) = match sort {
            Sort::Missing => (WatchRestart::Missing, Some(Trouble::Missing)),
            Sort::Forbidden => (WatchRestart::Forbidden, Some(Trouble::Forbidden)),
            Sort::Expired => (WatchRestart::Expired, None),
            // A connection that broke or fell silent is not worth a word when the next one holds.
            Sort::Lost if matches!(error, watcher::Error::WatchFailed(_)) => (WatchRestart::Failed, None),
            Sort::Refused | Sort::Lost => (WatchRestart::Failed, Some(Trouble::Failing(code, words(error)))),
        };
        self.metrics.control.watch_restarts.inc(reason);
        if let Some(trouble) = trouble {
            self.outbox.send(Event::Trouble(trouble), at).await;
        }
        self.pause(sort).await;
        match (sort, code) {
            // "Too large resource version": a server that was set back does not have it yet, or never will.
            (_, Some(504)) | (Sort::Missing | Sort::Forbidden | Sort::Expired, _) => Next::Anew,
            (Sort::Refused | Sort::Lost, _) => {
                // kube begins a list anew after an error in the middle of it.
                self.listing = false;
                Next::Resume
            }
        }
    }

    /// Waits before the next try.
    async fn pause(&mut self, sort: Sort) {
        let now = tokio::time::Instant::now();
        // Not on success: a list that succeeds may be followed by a watch that never does. But a server
        // that now says something else is on its way back.
        let goes_on = |(at, last)| last == sort && now.duration_since(at) <= LONG_AGO;
        if !self.failed.replace((now, sort)).is_some_and(goes_on) {
            self.backoff.reset();
        }
        let pause = self.backoff.pause();
        match sort {
            Sort::Missing | Sort::Forbidden => tokio::time::sleep(pause.min(self.probe_every)).await,
            Sort::Expired | Sort::Refused => tokio::time::sleep(pause).await,
            Sort::Lost => {
                if tokio::time::timeout(pause, self.back.notified()).await.is_ok() {
                    // Not all watches in the same moment.
                    self.backoff.reset();
                    let pause = self.backoff.pause();
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// What an error says about the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// The kind does not exist.
    Missing,
    /// We may not read it.
    Forbidden,
    /// The version is too old.
    Expired,
    /// The API server answers with another error.
    Refused,
    /// It does not answer.
    Lost,
}

impl Sort {
    const fn of(code: Option<u16>) -> Self {
        match code {
            Some(404) => Self::Missing,
            Some(403) => Self::Forbidden,
            Some(410) => Self::Expired,
            Some(_) => Self::Refused,
            None => Self::Lost,
        }
    }
}

/// The status code of an answer that is an error.
fn code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => super::code(error),
        WatchError(status) => Some(status.code),
        watcher::Error::NoResourceVersion => None,
    }
}

/// An error in words: what the API server says, or why it says nothing.
fn words(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    let answer = |code: u16, message: &str| format!("the API server answers {code}: {message}");
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => answer(status.code, &status.message),
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => causes(error),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// An error with its causes, each said once.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        source = cause.source();
    }
    words
}
