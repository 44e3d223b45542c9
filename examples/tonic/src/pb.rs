//! What `build.rs` generates.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]

tonic::include_proto!("shop");
