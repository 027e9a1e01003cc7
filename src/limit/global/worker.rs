//! The work of one connection: batch after batch, and a new connection when it breaks.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::resp::Reply;
use super::script::{Call, Named};
use super::settings::Settings;
use super::stream::{Stream, unexpected};
use super::{Answers, Health};

/// Calls of one batch: a reply is about 30 bytes, so all fit into what the kernel buffers.
const BATCH: usize = 256;
/// A server that is late for so long will not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest pause, in first ones.
const LONGEST: u32 = 100;

/// A call that waits.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) call: Call,
    /// When the caller gives up.
    pub(super) due: Instant,
    /// Dropped without an answer when there is none.
    pub(super) answer: oneshot::Sender<Answers>,
}

/// How the work on a connection ended.
enum End {
    /// Nobody can ask any more.
    Closed,
    /// It broke; whether it was of use before.
    Broken(io::Error, bool),
}

/// Works until nobody can ask any more.
pub(super) async fn run(settings: Settings, mut jobs: mpsc::Receiver<Job>, health: Arc<Health>) {
    let mut pause = settings.pause;
    loop {
        let end = match Stream::connect(&settings).await {
            Err(error) => End::Broken(error, false),
            Ok(stream) => {
                health.up.store(true, Ordering::Relaxed);
                serve(stream, &settings, &mut jobs, &health).await
            }
        };
        health.up.store(false, Ordering::Relaxed);
        let End::Broken(error, useful) = end else { return };
        // said once: when it breaks, or when there never was one
        if useful || pause == settings.pause {
            tracing::warn!(store = %settings.address, %error, "global limits are not counted");
        }
        pause = if useful { settings.pause } else { pause };
        if rest(jitter(pause), &mut jobs).await.is_none() {
            return;
        }
        pause = pause.saturating_mul(2).min(settings.pause.saturating_mul(LONGEST));
    }
}

/// Lets time pass, in which calls get no answer; `None` when there can be no more.
async fn rest(pause: Duration, jobs: &mut mpsc::Receiver<Job>) -> Option<()> {
    let end = Instant::now() + pause;
    loop {
        tokio::select! {
            () = sleep_until(end) => return Some(()),
            job = jobs.recv() => drop(job?),
        }
    }
}

/// Between half and all of a pause, so that replicas do not come back together.
fn jitter(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

async fn serve(mut stream: Stream, settings: &Settings, jobs: &mut mpsc::Receiver<Job>, health: &Health) -> End {
    let (mut batch, mut useful) = (Vec::with_capacity(BATCH), false);
    loop {
        let count = tokio::select! {
            count = jobs.recv_many(&mut batch, BATCH) => count,
            // nothing was asked, so this is the end
            reply = stream.receive() => return End::Broken(reply.err().unwrap_or_else(unexpected), useful),
        };
        if count == 0 {
            return End::Closed;
        }
        let now = Instant::now();
        batch.retain(|job| job.due > now);
        if let Err(error) = in_time(exchange(&mut stream, &mut batch), settings.deadline, health).await {
            return End::Broken(error, useful);
        }
        if !useful {
            tracing::info!(store = %settings.address, "global limits are counted");
        }
        useful = true;
    }
}

/// Waits for a round trip. While it is late, the server counts as down, so that nobody else waits for it.
async fn in_time(
    exchange: impl Future<Output = io::Result<()>>,
    deadline: Duration,
    health: &Health,
) -> io::Result<()> {
    let mut exchange = pin!(exchange);
    if let Ok(result) = timeout(deadline, exchange.as_mut()).await {
        return result;
    }
    health.up.store(false, Ordering::Relaxed);
    timeout(PATIENCE, exchange).await??;
    health.up.store(true, Ordering::Relaxed);
    Ok(())
}

/// A round trip; a second one if the server has to be told the script.
async fn exchange(stream: &mut Stream, batch: &mut Vec<Job>) -> io::Result<()> {
    let mut named = Named::Hash;
    for _ in 0..2 {
        send(stream, batch, named).await?;
        let mut unknown = Vec::new();
        for job in batch.drain(..) {
            match stream.receive().await? {
                Reply::Error(error) if error.starts_with("NOSCRIPT") => unknown.push(job),
                // a server that cannot write, or lacks memory or rights: another connection may lead to another
                Reply::Error(error) => return Err(io::Error::other(error)),
                reply => {
                    let answers = job.call.read(&reply).ok_or_else(unexpected)?;
                    // the caller may have given up
                    let _ = job.answer.send(answers);
                }
            }
        }
        *batch = unknown;
        if batch.is_empty() {
            return Ok(());
        }
        named = Named::Source;
    }
    Err(io::Error::other("the store forgets the script at once"))
}

async fn send(stream: &mut Stream, batch: &[Job], first: Named) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(batch.len() * 256);
    for (n, job) in batch.iter().enumerate() {
        job.call.write(&mut bytes, if n == 0 { first } else { Named::Hash });
    }
    stream.send(&bytes).await
}
