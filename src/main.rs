//! The engram server: flags, the real machine, and the loop.

fn main() {}
