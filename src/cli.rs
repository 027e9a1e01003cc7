//! The command line: a contract, and a teacher.

mod admission;
mod check;
mod crds;
mod demo;
mod echo;
mod explain;
mod report;
mod run;
mod statuses;

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// What to type first; shown with every form of the help.
const FIRST: &str = "\
Serves Gateway API manifests. Try it with the folder that comes with the source:

  paifang run --manifests conf/quickstart

Everything a process can be told is in conf/paifang.yaml.";

/// The shared edge gateway for Kubernetes: many teams behind one front door.
#[derive(Debug, Parser)]
#[command(name = "paifang", version, max_term_width = 100, after_help = FIRST)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what a cluster, or a folder of Kubernetes manifests, describes, and follow its changes.
    ///
    /// Without --manifests the API server is asked, as KUBECONFIG or the pod's service account says.
    /// With it, every *.yaml, *.yml and *.json file below the folder is read. Edit one while it runs:
    /// the change is live at once and no request fails. A file that cannot be read keeps its last good
    /// content. GET /readyz on the admin address says when requests are served.
    Run(Run),
    /// Say what a folder of manifests means: the statuses a cluster would show, and every problem
    /// with file, line, reason and remedy. Exits with 1 when something is wrong.
    Check(Check),
    /// Say who serves a request, and why every other rule does not: by its hostname, path, method, headers
    /// or query, by a claim, or because it ranks lower. Exits with 1 when nobody serves it.
    ///
    /// Without --manifests the process that serves on this machine is asked, at its admin address. In a
    /// cluster: kubectl exec deploy/paifang -- paifang explain https://host/path
    Explain(Explain),
    /// Run a small backend that answers every request with a description of it.
    Echo(Echo),
    /// Print the CRDs of Paifang's own kinds, for `kubectl apply --server-side -f -`.
    Crds,
    /// Print ValidatingAdmissionPolicies that deny what claims of Tenants refuse, for
    /// `kubectl apply --server-side -f -`.
    ///
    /// They hold the claims as they are now: print and apply them again when Tenants, GatewayClasses or their parameters
    /// change. Prints nothing and exits with 1 when one of these cannot be read.
    Admission(Admission),
    /// Print the version.
    Version,
}

/// Arguments of `paifang run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Folder of manifests, to be served in place of a cluster.
    #[arg(long, value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// Settings of the process; without it every setting has its default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address that listeners are bound on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    pub(crate) bind: Option<IpAddr>,
    /// Where metrics, readiness and the configuration dump are served [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// Arguments of `paifang check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Folder of manifests.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Arguments of `paifang explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Folder of manifests, in place of a process.
    #[arg(long, value_name = "DIR", conflicts_with = "admin")]
    pub(crate) manifests: Option<PathBuf>,
    /// Admin address of the process that is asked [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// Settings of the process: its admin address, and how paths are read.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Method.
    #[arg(short = 'X', value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// A header field, as 'name: value'; may be given several times.
    #[arg(short = 'H', value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// Address of the client, behind trusted proxies: what limits by client have left for it.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) client_ip: Option<IpAddr>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// `http://host/path` or `https://host/path`; the port is that of the listener.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
}

/// Arguments of `paifang admission`.
#[derive(Debug, Args)]
pub(crate) struct Admission {
    /// Folder of manifests with the Tenants, or - for what `kubectl get -o yaml` writes.
    #[arg(long, value_name = "DIR")]
    pub(crate) manifests: PathBuf,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: statuses, problems and findings as one JSON object.
    Json,
}

/// Arguments of `paifang echo`.
#[derive(Debug, Args)]
pub(crate) struct Echo {
    /// Where to listen; may be given several times, or with commas.
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',', default_value = "127.0.0.1:9001")]
    pub(crate) listen: Vec<SocketAddr>,
    /// What it calls itself.
    #[arg(long, value_name = "NAME", default_value = "echo")]
    pub(crate) name: String,
}

/// Runs the program. 0: all is well, 1: something is wrong with the input, 2: the call is wrong.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Echo(arguments) => echo::echo(&arguments),
        Command::Admission(arguments) => admission::admission(&arguments),
        Command::Crds => crds::crds(),
        Command::Version => version(),
    };
    done.unwrap_or_else(|error| {
        // standard error may be closed; there is nothing better to do then
        let _ = writeln!(std::io::stderr(), "paifang: {error:#}");
        ExitCode::FAILURE
    })
}

/// Writes a result. Who reads it may have seen enough, as `head` has: the exit code stands.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn version() -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "paifang {}", env!("CARGO_PKG_VERSION"))?;
    Ok(ExitCode::SUCCESS)
}
