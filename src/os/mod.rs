//! The real machine behind the doors: files, map, readiness, threads' names, signals.
