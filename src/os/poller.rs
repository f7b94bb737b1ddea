//! Which descriptors are ready: two operations, subscribe and poll, on whichever system this is.
//!
//! The backends promise the same: level-triggered readiness by token, nothing about a descriptor that shows no
//! interest, and errors and hang-ups as both readable and writable.

/// What a subscription is called in the answers. Descriptor numbers are reused at once, so they would not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(pub(super) u64);

/// One descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// As it was subscribed.
    pub(super) token: Token,
    /// A read will not block.
    pub(super) readable: bool,
    /// A write will not block.
    pub(super) writable: bool,
}

#[cfg(target_os = "linux")]
pub(super) use super::epoll::Poller;
#[cfg(target_os = "macos")]
pub(super) use super::kqueue::Poller;
