//! The doors against the real machine.
