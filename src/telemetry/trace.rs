//! The process's own log, on standard error.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::level::{message, without_level};
use crate::config::{LogConfig, LogFormat};

/// Pingora warns about every connection that a client cuts: an edge's daily bread, which metrics
/// and the access log show. kube repeats at every try what our own log says once, and shows answers
/// that it cannot read, which may be Secrets. Directives that name these targets win over it.
const QUIET: &str = "pingora=error,pingora_core=error,pingora_proxy=error,pingora_http=error,pingora_pool=error,\
    kube_client=off,kube_runtime=off";

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is none.
    #[error("{0}")]
    Level(String),
    /// There is one already.
    #[error("the log is already set up")]
    Twice,
}

/// Sets up the process's log, once. `quiet` are directives like ours about what others log, `env` is the value of `PAIFANG_LOG` and wins over the settings.
///
/// # Errors
/// When the level cannot be read or the log is already set up.
pub fn init_logging(config: &LogConfig, quiet: &str, env: Option<&str>) -> Result<(), LogError> {
    let colours = std::io::stderr().is_terminal();
    subscriber(config, quiet, env, colours, std::io::stderr)?.try_init().map_err(|_| LogError::Twice)
}

fn subscriber<W>(
    config: &LogConfig,
    quiet: &str,
    env: Option<&str>,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter(quiet, env.filter(|env| !env.trim().is_empty()).unwrap_or(&config.level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => Box::new(builder.with_ansi(colours).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

fn filter(quiet: &str, level: &str) -> Result<EnvFilter, LogError> {
    let level = level.trim();
    if let Some(directive) = without_level(level) {
        return Err(LogError::Level(message(directive)));
    }
    EnvFilter::builder().parse(format!("{QUIET},{quiet},{level}")).map_err(|error| LogError::Level(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, env: Option<&str>, format: LogFormat) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let config = LogConfig { level: level.to_owned(), format };
        let subscriber = subscriber(&config, "pool=off", env, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(port = 80, "listening");
            tracing::debug!("detail");
            tracing::warn!(target: "pingora_proxy", "a client went away");
            tracing::error!(target: "kube_client::client", "an answer");
            tracing::error!(target: "pool", "none is free");
        });
        let bytes = sink.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_level_decides_and_the_environment_wins() {
        let info = logged("info", None, LogFormat::Text);
        assert!(info.contains("listening port=80") && !info.contains("detail"), "{info}");
        assert!(logged("info", Some("debug"), LogFormat::Text).contains("detail"));
        assert!(logged("error", Some(" "), LogFormat::Text).is_empty());
    }

    #[test]
    fn pingora_is_quiet_unless_it_is_named() {
        assert!(!logged("debug", None, LogFormat::Text).contains("went away"));
        assert!(logged("info,pingora_proxy=warn", None, LogFormat::Text).contains("went away"));
        assert!(!logged("debug", None, LogFormat::Text).contains("an answer"), "it may be a Secret");
        assert!(!logged("debug", None, LogFormat::Text).contains("is free"), "the proxy says what is no error");
        assert!(logged("debug,pool=error", None, LogFormat::Text).contains("is free"));
    }

    #[test]
    fn json_lines_parse() {
        let line = logged("info", None, LogFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["message"], &value["port"]), (&"listening".into(), &80.into()));
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        for level in ["inof", "info,paifang=loud", ""] {
            assert!(filter("a=off", level).is_err(), "{level:?}");
        }
    }
}
