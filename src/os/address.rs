//! Addresses: as operators write them, as the kernel wants them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};

use super::sys::saying;

/// The addresses that `host` stands for: a literal address (IPv6 with or without brackets), a name, `*` for every
/// IPv4 address or `::*` for every IPv6 one.
pub(super) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let literal = match bare {
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "::*" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => bare.parse().ok(),
    };
    match literal {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => {
            let found = (bare, port).to_socket_addrs();
            Ok(found.map_err(saying(format_args!("cannot find the address {host:?}")))?.collect())
        }
    }
}

/// An address in the kernel's layout.
pub(super) enum Raw {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl Raw {
    pub(super) fn new(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::V4(libc::sockaddr_in {
                #[cfg(target_os = "macos")]
                sin_len: size_of::<libc::sockaddr_in>() as u8,
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(v6) => Self::V6(libc::sockaddr_in6 {
                #[cfg(target_os = "macos")]
                sin6_len: size_of::<libc::sockaddr_in6>() as u8,
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            }),
        }
    }

    pub(super) fn family(&self) -> i32 {
        match self {
            Self::V4(_) => libc::AF_INET,
            Self::V6(_) => libc::AF_INET6,
        }
    }

    /// The address's place and length, for as long as the borrow lasts.
    pub(super) fn parts(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        match self {
            Self::V4(v4) => (std::ptr::from_ref(v4).cast(), size_of_val(v4) as libc::socklen_t),
            Self::V6(v6) => (std::ptr::from_ref(v6).cast(), size_of_val(v6) as libc::socklen_t),
        }
    }
}

/// Lets `fill` (accept, getsockname) write an address, and reads it. None where it wrote none.
pub(super) fn received<T>(
    fill: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> io::Result<T>,
) -> io::Result<(T, Option<SocketAddr>)> {
    // SAFETY: all zeros is a valid sockaddr_storage, of no family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = size_of_val(&storage) as libc::socklen_t;
    let result = fill((&raw mut storage).cast(), &raw mut len)?;
    // A length of zero leaves the family at zero too, which is AF_UNSPEC.
    Ok((result, parse(&storage)))
}

fn parse(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start = std::ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which layout it is; the storage is large and aligned enough for each.
            let v4 = unsafe { start.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { start.cast::<libc::sockaddr_in6>().read() };
            let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_kernels_layout() {
        for text in ["127.0.0.1:6380", "0.0.0.0:0", "[::1]:65535", "[2001:db8::7%3]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            let raw = Raw::new(address);
            let (from, from_len) = raw.parts();
            let ((), back) = received(|to, len| {
                // SAFETY: `to` points at storage of `*len` bytes, which is more than an address has.
                unsafe { to.cast::<u8>().copy_from(from.cast(), from_len as usize) };
                // SAFETY: the pointer is to a live length.
                unsafe { len.write(from_len) };
                Ok(())
            })
            .unwrap();
            assert_eq!(back, Some(address));
        }
    }

    #[test]
    fn an_address_that_was_not_written_is_none() {
        assert_eq!(received(|_, _| Ok(7)).unwrap(), (7, None));
    }

    #[test]
    fn hosts_are_read_as_operators_write_them() {
        let one = |host| resolve(host, 5).unwrap();
        assert_eq!(one("127.0.0.1"), ["127.0.0.1:5".parse().unwrap()]);
        assert_eq!(one("*"), ["0.0.0.0:5".parse().unwrap()]);
        assert_eq!(one("::*"), ["[::]:5".parse().unwrap()]);
        assert_eq!(one("::1"), ["[::1]:5".parse().unwrap()]);
        assert_eq!(one("[::1]"), ["[::1]:5".parse().unwrap()]);
        assert!(one("localhost").iter().all(|address| address.ip().is_loopback()));
        assert!(resolve("no such host", 5).unwrap_err().to_string().contains("\"no such host\""));
    }
}
