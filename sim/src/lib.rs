//! The simulated machine under engram, and the rig that judges what runs on it.
//!
//! A seed becomes a [`plan`]: operations, faults, crashes, settings. The [`rig`] runs the plan: lives of a server on a
//! simulated [`disk`], a simulated [`net`], virtual time and a [`scheduler`] that lets real threads take turns, while
//! the [`oracle`] compares every answer with a model. One seed gives one [`trace`], hashed; nothing else (address,
//! clock, order of a map, speed of the host) has a say in it.

pub mod campaign;
mod client;
pub mod clock;
pub mod coverage;
pub mod disk;
pub mod engine;
pub mod exhaust;
pub mod faults;
pub mod interleave;
pub mod net;
pub mod oracle;
pub mod page;
pub mod phase;
pub mod plan;
pub mod rig;
pub mod scheduler;
pub mod shared;
pub mod shrink;
pub mod story;
pub mod trace;
