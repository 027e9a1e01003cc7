//! A case: files of one topic that share a stem.

use std::path::{Path, PathBuf};

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The folder it is in, such as `grant`.
    pub(crate) topic: String,
    /// Its stem, such as `denied`.
    pub(crate) name: String,
    folder: PathBuf,
}

impl Case {
    /// Every case below a folder of topics, by topic and name.
    pub(crate) fn all(root: &Path) -> std::io::Result<Vec<Self>> {
        let mut cases = Vec::new();
        for topic in std::fs::read_dir(root)? {
            let folder = topic?.path();
            for file in std::fs::read_dir(&folder)? {
                let file = file?.file_name().to_string_lossy().into_owned();
                if let Some(name) = file.strip_suffix(".in.yaml") {
                    let topic = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    cases.push(Self { topic, name: name.to_owned(), folder: folder.clone() });
                }
            }
        }
        cases.sort_by(|a, b| (&a.topic, &a.name).cmp(&(&b.topic, &b.name)));
        Ok(cases)
    }

    /// The manifests.
    pub(crate) fn manifests(&self) -> PathBuf {
        self.file("in")
    }

    /// Statuses, problems and IR.
    pub(crate) fn golden(&self) -> PathBuf {
        self.file("out")
    }

    /// Requests and what is expected of them, if the case has any.
    pub(crate) fn traffic(&self) -> Option<PathBuf> {
        Some(self.file("http")).filter(|file| file.exists())
    }

    /// Whether the case is about manifests that an API server would refuse or warn about.
    pub(crate) fn is_about_findings(&self) -> bool {
        self.topic == "refused" || self.name.starts_with("refused-")
    }

    fn file(&self, aspect: &str) -> PathBuf {
        self.folder.join(format!("{}.{aspect}.yaml", self.name))
    }
}
