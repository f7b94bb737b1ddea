//! The Redis protocol: incremental bounded parser and reply writer.
