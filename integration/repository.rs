//! What has to hold for the files of this repository.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "test code"
)]

#[path = "repository/conf.rs"]
mod conf;
#[path = "repository/crds.rs"]
mod crds;
#[path = "repository/deploy.rs"]
mod deploy;
#[path = "repository/files.rs"]
mod files;
#[path = "repository/guides.rs"]
mod guides;
#[path = "repository/hijack.rs"]
mod hijack;
#[path = "repository/labels.rs"]
mod labels;
#[path = "repository/modules.rs"]
mod modules;
#[path = "repository/reference.rs"]
mod reference;
#[path = "repository/schema.rs"]
mod schema;
#[path = "repository/sources.rs"]
mod sources;
#[path = "repository/texts.rs"]
mod texts;
