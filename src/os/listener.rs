//! Listening sockets and the clients that come out of them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::address::{Raw, received, resolve};
use super::sys::{cvt, owned, retry, saying, set_option};
use crate::base::limits::BACKLOG;

/// One listening socket and the address it really has.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) fd: OwnedFd,
    pub(super) local: SocketAddr,
}

/// Listens on every one of `hosts` at the same port; with port 0 the first finds a free one. A host with a minus in
/// front may be missing from this machine.
pub(super) fn listen(hosts: &[String], port: u16) -> io::Result<Vec<Listener>> {
    let mut listeners: Vec<Listener> = Vec::new();
    for host in hosts {
        let port = listeners.first().map_or(port, |first| first.local.port());
        let (optional, host) = host.strip_prefix('-').map_or((false, host.as_str()), |rest| (true, rest));
        match listen_on(host, port) {
            Ok(listener) => listeners.push(listener),
            Err(error) if optional && absent(&error) => {}
            Err(error) => return Err(saying(format_args!("cannot listen on {host} port {port}"))(error)),
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "there is no address to listen on"));
    }
    Ok(listeners)
}

/// The first of the host's addresses that can be listened on.
fn listen_on(host: &str, port: u16) -> io::Result<Listener> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in resolve(host, port)? {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The machine lacks the address or its whole family.
fn absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT))
}

fn bind(address: SocketAddr) -> io::Result<Listener> {
    let raw = Raw::new(address);
    let fd = socket(raw.family())?;
    // Without it a restart would wait minutes for old connections to leave TIME_WAIT.
    set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if address.is_ipv6() {
        // Else `::` takes IPv4 along on some systems, and `0.0.0.0` beside it is refused.
        set_option(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    let (start, len) = raw.parts();
    // SAFETY: `raw` outlives the call.
    cvt(unsafe { libc::bind(fd.as_raw_fd(), start, len) })?;
    // SAFETY: no memory is passed.
    cvt(unsafe { libc::listen(fd.as_raw_fd(), BACKLOG) })?;
    // SAFETY: `received` passes room for an address and its length.
    let name = received(|to, len| cvt(unsafe { libc::getsockname(fd.as_raw_fd(), to, len) }));
    let local = name?.1.unwrap_or(address);
    Ok(Listener { fd, local })
}

#[cfg(target_os = "linux")]
fn socket(family: i32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    owned(unsafe { libc::socket(family, kind, 0) })
}

#[cfg(not(target_os = "linux"))]
fn socket(family: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = owned(unsafe { libc::socket(family, libc::SOCK_STREAM, 0) })?;
    super::sys::tame(&fd)?;
    Ok(fd)
}

/// Takes one client out of the queue, non-blocking and closed on exec, with its address.
///
/// # Errors
/// `WouldBlock` when nobody waits. `ConnectionAborted` when the one who waited is gone, in whichever of its ways the
/// kernel says so. EMFILE and ENFILE as they are; the client then stays in the queue, and the listener stays ready.
pub(super) fn accept(listener: &OwnedFd, keepalive: u32) -> io::Result<(OwnedFd, SocketAddr)> {
    let (fd, peer) =
        retry(|| received(|to, len| owned(take(listener.as_raw_fd(), to, len)))).map_err(lost)?;
    // macOS hands out a socket without an address when its client has already reset it.
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    // On a live socket these cannot fail; macOS says EINVAL once the peer is gone.
    prepare(&fd, keepalive).map_err(|error| io::Error::new(io::ErrorKind::ConnectionAborted, error))?;
    Ok((fd, peer))
}

#[cfg(target_os = "linux")]
fn take(listener: RawFd, to: *mut libc::sockaddr, len: *mut libc::socklen_t) -> RawFd {
    // SAFETY: the caller passes room for an address and its length.
    unsafe { libc::accept4(listener, to, len, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) }
}

#[cfg(not(target_os = "linux"))]
fn take(listener: RawFd, to: *mut libc::sockaddr, len: *mut libc::socklen_t) -> RawFd {
    // SAFETY: the caller passes room for an address and its length.
    unsafe { libc::accept(listener, to, len) }
}

/// Linux gives the network errors that already wait on the new socket as accept's own. They concern that one client.
fn lost(error: io::Error) -> io::Error {
    let network = [
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::EOPNOTSUPP,
        libc::ENETUNREACH,
    ];
    if error.raw_os_error().is_some_and(|code| network.contains(&code)) {
        return io::Error::new(io::ErrorKind::ConnectionAborted, error);
    }
    error
}

fn prepare(fd: &OwnedFd, keepalive: u32) -> io::Result<()> {
    #[cfg(not(target_os = "linux"))]
    super::sys::tame(fd)?;
    #[cfg(target_os = "macos")]
    set_option(fd, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1)?;
    // Replies are gathered before they are sent; holding the last part back would only add a round trip.
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    if keepalive == 0 {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    const IDLE: i32 = libc::TCP_KEEPIDLE;
    #[cfg(target_os = "macos")]
    const IDLE: i32 = libc::TCP_KEEPALIVE;
    let idle = i32::try_from(keepalive).unwrap_or(i32::MAX).min(MOST_KEEPALIVE);
    set_option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    set_option(fd, libc::IPPROTO_TCP, IDLE, idle)?;
    // Three probes in as much time again: a dead peer is known after twice the idle time.
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, (idle / 3).max(1))?;
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3)
}

/// Linux refuses a longer idle time (its MAX_TCP_KEEPIDLE, in seconds).
const MOST_KEEPALIVE: i32 = 32_767;
