//! Paifang: the shared edge gateway for Kubernetes.
//!
//! Modules stand in the order data flows; each may use only those above it (`config` may be used
//! by everything from `telemetry` on).
#![doc = include_str!("docs/architecture.md")]

pub mod api;
pub mod snapshot;
pub mod jwt;
pub mod ir;
pub mod translate;
pub mod limit;
pub mod table;
pub mod config;
pub mod telemetry;
pub mod proxy;
pub mod explain;
pub mod source;
pub mod admission;
pub mod status;
pub mod admin;
pub mod controller;
pub mod echo;
pub mod cli;
