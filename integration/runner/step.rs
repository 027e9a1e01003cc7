//! `NAME.http.yaml`: a list of steps. Unknown keys are refused.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// One request, sent once or several times, and what is expected.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Step {
    /// What it proves, as a sentence.
    pub(crate) name: String,
    /// An object that is removed first, as `ReferenceGrant namespace/name`.
    pub(crate) remove: Option<String>,
    /// Where the request goes; may be left out when there is only one socket.
    #[serde(default)]
    pub(crate) to: Door,
    /// The request.
    #[serde(default)]
    pub(crate) request: Ask,
    /// How often it is sent.
    #[serde(default = "once")]
    pub(crate) times: usize,
    /// What every answer must be.
    pub(crate) expect: Option<Expect>,
    /// Who shall answer, in percent of the answers: a backend, or a status of the edge itself.
    pub(crate) split: Option<Shares>,
    /// How many requests each of these backends shall have seen, answers to the client or not.
    pub(crate) received: Option<Shares>,
    /// By how much these metrics shall grow, all their series together.
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, u64>,
}

/// Which socket; only what is needed to be unambiguous.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Door {
    /// `namespace/name` of the Gateway.
    pub(crate) gateway: Option<String>,
    /// Name of the listener.
    pub(crate) listener: Option<String>,
    /// Port of the listener.
    pub(crate) port: Option<u16>,
}

/// A request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ask {
    /// Method.
    pub(crate) method: String,
    /// `Host` or `:authority`.
    pub(crate) host: String,
    /// Path and query; by HTTP/1.1 also a target with scheme and authority.
    pub(crate) path: String,
    /// Headers: one value, or a list for several lines. A `host` comes after the one above.
    pub(crate) headers: BTreeMap<String, Lines>,
    /// Body.
    pub(crate) body: String,
    /// `1.1` or `2`.
    pub(crate) http: String,
    /// Server name of the TLS handshake; the host without port when absent.
    pub(crate) sni: Option<String>,
    /// `service/method`: a gRPC call, with method, path, version and headers that make it one
    /// unless they are written.
    pub(crate) grpc: Option<String>,
}

impl Ask {
    /// With everything that makes it a gRPC call, if it shall be one.
    fn completed(mut self) -> Self {
        let Some(call) = &self.grpc else { return self };
        (self.method, self.path, self.http) = ("POST".into(), format!("/{call}"), "2".into());
        for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
            self.headers.entry(name.into()).or_insert_with(|| Lines::One(value.into()));
        }
        self
    }
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            host: "a.example.com".into(),
            path: "/".into(),
            headers: BTreeMap::new(),
            body: String::new(),
            http: "1.1".into(),
            sni: None,
            grpc: None,
        }
    }
}

/// One header line or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Lines {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Lines {
    /// The lines.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(line) => std::slice::from_ref(line).iter(),
            Self::Many(lines) => lines.iter(),
        }
    }
}

/// What an answer must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Expect {
    /// Status; 200 for an answer to a gRPC call.
    #[serde(default = "ok")]
    pub(crate) status: u16,
    /// Status of the gRPC call: in trailers from a backend, in the head from the edge itself.
    pub(crate) grpc: Option<u8>,
    /// `namespace/service`, or with the Service port `namespace/service:80`. Without it the edge
    /// itself must answer.
    pub(crate) backend: Option<String>,
    /// Address of the endpoint, as the manifest has it.
    pub(crate) endpoint: Option<String>,
    /// Response headers, joined by `, `.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Response headers that must not be there.
    #[serde(default)]
    pub(crate) absent_headers: Vec<String>,
    /// What the backend saw.
    #[serde(default)]
    pub(crate) seen: ExpectSeen,
    /// A text in the body.
    pub(crate) body: Option<String>,
    /// A DNS name of the certificate that was presented.
    pub(crate) certificate: Option<String>,
}

/// What the backend must have seen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct ExpectSeen {
    /// Method.
    pub(crate) method: Option<String>,
    /// Path and query.
    pub(crate) path: Option<String>,
    /// Host.
    pub(crate) host: Option<String>,
    /// HTTP version.
    pub(crate) http: Option<String>,
    /// Headers, joined by `, `.
    pub(crate) headers: BTreeMap<String, String>,
    /// Headers that must not be there.
    pub(crate) absent_headers: Vec<String>,
    /// Body.
    pub(crate) body: Option<String>,
}

/// Numbers by backend, and how far off they may be.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Shares {
    /// How far off each may be.
    #[serde(default)]
    pub(crate) tolerance: usize,
    /// The numbers.
    #[serde(flatten)]
    pub(crate) of: BTreeMap<String, usize>,
}

const fn once() -> usize {
    1
}

const fn ok() -> u16 {
    200
}

/// Reads the steps of a case.
pub(crate) fn load(file: &Path) -> anyhow::Result<Vec<Step>> {
    let text = std::fs::read_to_string(file)?;
    let mut steps: Vec<Step> = serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?;
    for step in &mut steps {
        step.request = std::mem::take(&mut step.request).completed();
        anyhow::ensure!(
            step.expect.is_some() || step.split.is_some() || step.received.is_some(),
            "{}: `{}` expects nothing",
            file.display(),
            step.name
        );
    }
    Ok(steps)
}
