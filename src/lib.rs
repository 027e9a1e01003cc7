//! Paifang: the shared edge gateway for Kubernetes.
//!
//! Modules stand in the order data flows; each may use only those above it (`config` may be used
//! by everything from `telemetry` on).
#![doc = include_str!("docs/architecture.md")]

pub mod admin;
pub mod api;
pub mod cli;
pub mod config;
pub mod controller;
pub mod echo;
pub mod ir;
pub mod proxy;
pub mod snapshot;
pub mod source;
pub mod table;
pub mod telemetry;
pub mod translate;
