//! The server as its clients meet it: real sockets, real files, its own threads.
//!
//! What is measured in time here is given a hundred times what it takes, so that a loaded machine fails nothing.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these tests are clients, and clients have sockets, threads and clocks; what they do not expect fails the test"
)]

mod beginnings;
mod bounds;
mod churn;
mod connections;
mod durability;
mod faulty;
mod forms;
mod operators;
mod robbed;
mod snapshots;
mod tools;

#[path = "../common/mod.rs"]
mod common;
