//! A server that answers as a test wants.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::resp::{Reply, take};
use super::settings::{Address, Settings};

/// What is done with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Every limit allows, with 7 remaining.
    Allow,
    /// As `Allow`, once the gate has been opened so often.
    Wait,
    /// The script is not known.
    Forget,
    /// These bytes are sent.
    Say(&'static str),
    /// Nothing, ever.
    Hang,
    /// The connection is closed.
    Close,
}

/// A server.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    acts: Mutex<VecDeque<Act>>,
    gate: Semaphore,
    commands: Mutex<Vec<Vec<String>>>,
    connections: AtomicU32,
    /// Commands that came in one piece, at most.
    batch: AtomicU32,
}

impl Fake {
    /// Starts one that does this with its first commands, and then allows.
    pub(super) async fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            acts: Mutex::new(acts.iter().copied().collect()),
            gate: Semaphore::new(0),
            commands: Mutex::default(),
            connections: AtomicU32::new(0),
            batch: AtomicU32::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(Arc::clone(&shared).serve(stream));
            }
        });
        Self { port, state }
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::new(Address::Tcp("127.0.0.1".to_owned(), self.port))
    }

    /// The first words of all commands.
    pub(super) fn commands(&self) -> Vec<String> {
        self.state.commands.lock().iter().map(|words| words[0].clone()).collect()
    }

    /// All words of all commands.
    pub(super) fn words(&self) -> Vec<Vec<String>> {
        self.state.commands.lock().clone()
    }

    pub(super) fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::Relaxed)
    }

    pub(super) fn batch(&self) -> u32 {
        self.state.batch.load(Ordering::Relaxed)
    }

    /// Lets one command go on that waits.
    pub(super) fn open(&self) {
        self.state.gate.add_permits(1);
    }
}

impl State {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut input = Vec::with_capacity(1 << 20);
        while stream.read_buf(&mut input).await.is_ok_and(|count| count > 0) {
            let commands: Vec<_> = std::iter::from_fn(|| take(&mut input).unwrap()).map(words).collect();
            self.batch.fetch_max(u32::try_from(commands.len()).unwrap(), Ordering::Relaxed);
            for words in commands {
                let limits = words.get(2).and_then(|number| number.parse().ok());
                self.commands.lock().push(words);
                let act = self.acts.lock().pop_front().unwrap_or(Act::Allow);
                let Some(answer) = self.answer(act, limits).await else { return };
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn answer(&self, act: Act, limits: Option<usize>) -> Option<String> {
        match act {
            Act::Allow => {}
            Act::Wait => self.gate.acquire().await.unwrap().forget(),
            Act::Forget => return Some("-NOSCRIPT No matching script.\r\n".to_owned()),
            Act::Say(text) => return Some(text.to_owned()),
            Act::Hang => std::future::pending().await,
            Act::Close => return None,
        }
        let Some(limits) = limits else { return Some("+OK\r\n".to_owned()) };
        Some(format!("*{}\r\n{}", limits * 4, ":1\r\n:7\r\n:0\r\n:9\r\n".repeat(limits)))
    }
}

fn words(command: Reply) -> Vec<String> {
    let Reply::List(words) = command else { panic!("no command: {command:?}") };
    let text = |word| if let Reply::Text(text) = word { String::from_utf8(text).unwrap() } else { panic!("no word") };
    words.into_iter().map(text).collect()
}
