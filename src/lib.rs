//! engram: an associative vector memory that speaks the Redis protocol.
//!
//! The floors, from the top: [`server`], [`engine`], [`snapshot`] and [`recall`], [`index`], then [`kernels`],
//! [`resp`] and [`wal`], then the doors in [`env`], then [`base`]. Imports run strictly downward;
//! `tests/floors.rs` holds it. [`os`] is the real machine behind the doors: only `main` and the tests name it.

pub mod base;
pub mod engine;
pub mod env;
pub mod index;
pub mod kernels;
pub mod os;
pub mod recall;
pub mod resp;
pub mod server;
pub mod snapshot;
pub mod wal;
