//! Names to addresses, with getaddrinfo(3): the caller's port may be a number or a service's name,
//! which the standard library's own lookup does not take.

use std::{ffi::CStr, net::SocketAddr, ptr};

use socket2::{SockAddr, SockAddrStorage};

/// The addresses, IPv4 and IPv6, of `port` on `host`, in the order in which the system prefers them.
/// May block for as long as the system's resolver does. The error is the resolver's own text.
pub fn resolve(host: &CStr, port: &CStr) -> Result<Vec<SocketAddr>, String> {
    let hints = libc::addrinfo {
        ai_flags: 0,
        ai_family: libc::AF_UNSPEC,
        ai_socktype: libc::SOCK_STREAM,
        ai_protocol: 0,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    let mut list = ptr::null_mut();
    // SAFETY: Both strings are terminated, `hints` is filled in, and `list` receives a list that is
    // freed below.
    let code = unsafe { libc::getaddrinfo(host.as_ptr(), port.as_ptr(), &raw const hints, &raw mut list) };
    if code != 0 {
        // SAFETY: gai_strerror returns a static, terminated text for every code.
        let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
        return Err(text.to_string_lossy().into_owned());
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: `entry` is a node of the list that getaddrinfo made and that is not freed yet.
        let info = unsafe { &*entry };
        let mut storage = SockAddrStorage::zeroed();
        if info.ai_addrlen <= storage.size_of() && !info.ai_addr.is_null() {
            // SAFETY: The node's address has ai_addrlen bytes, which fit into the storage, whose
            // layout is that of sockaddr_storage.
            let address = unsafe {
                ptr::copy_nonoverlapping(
                    info.ai_addr.cast::<u8>(),
                    (&raw mut storage).cast::<u8>(),
                    info.ai_addrlen as usize,
                );
                SockAddr::new(storage, info.ai_addrlen)
            };
            addresses.extend(address.as_socket());
        }
        entry = info.ai_next;
    }
    // SAFETY: The list came from getaddrinfo and is not used afterwards.
    unsafe { libc::freeaddrinfo(list) };
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_understood() {
        let v4 = resolve(c"127.0.0.1", c"8123").unwrap();
        assert_eq!(v4, ["127.0.0.1:8123".parse().unwrap()]);
        let v6 = resolve(c"::1", c"8123").unwrap();
        assert_eq!(v6, ["[::1]:8123".parse().unwrap()]);
        assert!(resolve(c"127.0.0.1", c"no-such-service").is_err());
    }
}
