//! The program as a child process.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use crate::client::{self, Answer, DEADLINE};
use crate::place;

/// The program, to be called with arguments, in the repository.
pub fn paifang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paifang"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("PAIFANG_LOG");
    command.stdin(Stdio::null());
    command
}

/// Exit code, standard output and standard error of a call that ends by itself.
pub fn call(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = paifang(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (status.code(), text(&stdout), text(&stderr))
}

/// A process that runs until it is told to stop; killed when dropped.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, lines) = channel();
        let errors = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        let output = (BufReader::new(child.stdout.take().unwrap()), said);
        std::thread::spawn(move || errors.0.lines().map_while(Result::ok).try_for_each(|line| errors.1.send(line)));
        std::thread::spawn(move || output.0.lines().map_while(Result::ok).try_for_each(|line| output.1.send(line)));
        Self { child, lines, said: Vec::new() }
    }

    /// Waits for a line that holds all the words.
    pub fn wait_for_line(&mut self, words: &[&str]) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.said.iter().find(|line| words.iter().all(|word| line.contains(word))) {
                return line.clone();
            }
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(_) => panic!("it never said {words:?}, but:\n{}", self.said.join("\n")),
            }
        }
    }

    /// How many of the lines that were read hold all the words.
    pub fn lines_with(&self, words: &[&str]) -> usize {
        self.said.iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -s $0 $1", name, &pid]).status().unwrap().success());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end, which closes its output; the exit code.
    pub fn end(&mut self) -> Option<i32> {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().code(),
                Err(RecvTimeoutError::Timeout) => panic!("it never ended, but said:\n{}", self.said.join("\n")),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `paifang run` on an address of its own.
pub struct Gateway {
    pub process: Process,
    pub address: IpAddr,
}

impl Gateway {
    /// Starts it and waits until it is ready.
    pub fn run(manifests: &Path, config: Option<&Path>) -> Self {
        let mut gateway = Self::start(place::address(), manifests, config);
        gateway.wait_until_ready();
        gateway
    }

    pub fn start(address: IpAddr, manifests: &Path, config: Option<&Path>) -> Self {
        let admin = SocketAddr::new(address, 8081).to_string();
        let mut command = paifang(&["run", "--threads", "1", "--bind", &address.to_string(), "--admin", &admin]);
        command.arg("--manifests").arg(manifests);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        Self { process: Process::start(command), address }
    }

    pub fn wait_until_ready(&mut self) {
        self.process.wait_for_line(&["admin server listening"]);
        client::until("readyz", || self.admin("/readyz"), |answer| answer.status == 200);
    }

    pub fn http(&self) -> SocketAddr {
        SocketAddr::new(self.address, 8080)
    }

    pub fn get(&self, host: &str, path: &str) -> Answer {
        client::get(self.http(), host, path).unwrap()
    }

    pub fn admin(&self, path: &str) -> Answer {
        client::get(SocketAddr::new(self.address, 8081), "admin", path).unwrap()
    }
}
