//! A Redis server of a test, on a socket in a folder of its own.

use std::process::{Child, Command, Stdio};

use paifang::limit::global::{Address, Settings};
use tempfile::TempDir;

/// A server, ended when it is dropped.
pub struct Redis {
    folder: TempDir,
    process: Child,
}

impl Redis {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = spawn(&folder);
        Self { folder, process }
    }

    pub fn settings(&self) -> Settings {
        Settings::new(Address::Unix(self.folder.path().join("socket")))
    }

    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        let _ = std::fs::remove_file(self.folder.path().join("socket"));
        self.process = spawn(&self.folder);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &TempDir) -> Child {
    let server = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    Command::new(&server)
        .args(["--port", "0", "--unixsocket", "socket", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{server}: {error}: these tests need a Redis server (.ci/run installs one)"))
}
