//! Retrieval primitives over an index.
