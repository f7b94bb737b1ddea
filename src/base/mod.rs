//! The ground floor: what every other floor may lean on and what leans on nothing.

pub mod bytes;
pub mod crc32c;
pub mod hash;
pub mod histogram;
pub mod limits;
pub mod mark;
pub mod rng;
pub mod sync;
pub mod time;
