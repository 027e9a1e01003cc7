//! A Redis server of a test, on a socket in a folder of its own.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use paifang::limit::gcra::{Allowed, Denied, Params};
use paifang::limit::global::{Address, Ask, Settings, Store, open};
use paifang::limit::rate::Mode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Longer than anything takes that happens.
pub const AGES: Duration = Duration::from_secs(30);

/// A server, ended when it is dropped.
pub struct Server {
    folder: TempDir,
    arguments: Vec<String>,
    process: Child,
}

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let process = spawn(&folder, &arguments);
        Self { folder, arguments, process }
    }

    pub fn settings(&self) -> Settings {
        Settings::new(Address::Unix(self.folder.path().join("socket")))
    }

    /// A store with enough time for a busy machine, once it is connected.
    pub async fn store(&self) -> Store {
        connect(self.settings()).await
    }

    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        let _ = std::fs::remove_file(self.folder.path().join("socket"));
        self.process = spawn(&self.folder, &self.arguments);
    }

    /// Sends one line, and reads what comes at once.
    pub async fn say(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(self.folder.path().join("socket")).await.unwrap();
        stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4_096];
        let count = timeout(AGES, stream.read(&mut answer)).await.expect("an answer").unwrap();
        String::from_utf8(answer[..count].to_vec()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &TempDir, arguments: &[String]) -> Child {
    let server = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    Command::new(&server)
        .args(["--port", "0", "--unixsocket", "socket", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{server}: {error}: these tests need a Redis server (.ci/run installs one)"))
}

/// A store with enough time for a busy machine, once it is connected.
pub async fn connect(settings: Settings) -> Store {
    let (store, work) = open(Settings { deadline: AGES, pause: Duration::from_millis(2), ..settings });
    tokio::spawn(work);
    until(|| store.is_up()).await;
    store
}

/// Waits for a condition.
pub async fn until(condition: impl Fn() -> bool) {
    let met = async {
        let mut turn = tokio::time::interval(Duration::from_millis(1));
        while !condition() {
            turn.tick().await;
        }
    };
    timeout(AGES, met).await.expect("it happens in time");
}

/// So many per interval of this length.
pub fn ask(key: &'static str, interval: Duration, burst: u32) -> Ask<'static> {
    Ask { key: key.as_bytes(), params: Params::new(interval, interval * burst), cost: 1, mode: Mode::Enforce }
}

/// What a store says to one limit.
pub async fn one(store: &Store, ask: Ask<'_>) -> Result<Allowed, Denied> {
    store.take(&[ask]).await.unwrap()[0]
}
