//! Law: an address survives: what goes in as a name, a path, an internet address or bytes comes out the same, and is never cut
//! or ended early without an error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;

use proptest::prelude::*;
use scmsg::{Address, BadName, Family, SocketAddr, UNIX_PATH_MAX};

/// The bytes of a libc structure.
fn bytes_of<T>(value: &T, len: usize) -> Vec<u8> {
    assert!(len <= size_of::<T>());
    // SAFETY: only used with structures of libc that have no padding, zeroed before they are filled.
    unsafe { core::slice::from_raw_parts((&raw const *value).cast::<u8>(), len) }.to_vec()
}

fn zeroed<T>() -> T {
    // SAFETY: only used with structures of integers.
    unsafe { core::mem::zeroed() }
}

/// `sockaddr_un` with these bytes in `sun_path`, `len` bytes of it.
fn sockaddr_un(path: &[u8], len: usize) -> Vec<u8> {
    let mut un: libc::sockaddr_un = zeroed();
    un.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in un.sun_path.iter_mut().zip(path) {
        *to = *from as libc::c_char;
    }
    bytes_of(&un, len)
}

#[test]
fn paths_of_1_to_108_bytes_survive() {
    for len in 1..=UNIX_PATH_MAX {
        let path: Vec<u8> = (0..len).map(|i| (i % 255 + 1) as u8).collect();
        let addr = SocketAddr::unix(&path).unwrap();
        assert_eq!(addr.address(), Address::Path(&path));
        assert_eq!(addr.family(), Family::UNIX);
        // Family, path, and the NUL where there is room for it: at 108 bytes there is none.
        let expected = if len == UNIX_PATH_MAX { 2 + UNIX_PATH_MAX } else { 2 + len + 1 };
        assert_eq!(addr.as_bytes(), sockaddr_un(&path, expected), "{len} bytes");
        assert_eq!(addr, SocketAddr::raw(addr.as_bytes()).unwrap());
        let std = std::os::unix::net::SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(&path));
        assert_eq!(std.is_ok(), len < UNIX_PATH_MAX, "std wants room for the NUL");
    }
}

#[test]
fn paths_over_108_bytes_are_refused() {
    for len in [UNIX_PATH_MAX + 1, UNIX_PATH_MAX + 2, 126, 127, 128, 129, 200, 100_000] {
        assert_eq!(SocketAddr::unix(&vec![b'p'; len]), Err(BadName::TooLong { len, max: UNIX_PATH_MAX }));
    }
}

#[test]
fn paths_with_a_nul_are_refused_with_its_place() {
    for len in 1..=120 {
        for at in 0..len {
            let mut path = vec![b'p'; len];
            path[at] = 0;
            assert_eq!(SocketAddr::unix(&path), Err(BadName::Nul { at }));
            path[len - 1] = 0;
            assert_eq!(SocketAddr::unix(&path), Err(BadName::Nul { at }), "the first one");
        }
    }
}

#[test]
fn an_empty_path_is_refused() {
    assert_eq!(SocketAddr::unix(b""), Err(BadName::Empty));
}

#[test]
fn abstract_names_of_0_to_107_bytes_survive() {
    for len in 0..UNIX_PATH_MAX {
        for fill in [0, b'n', 0xff] {
            let mut name: Vec<u8> = vec![fill; len];
            if let Some(last) = name.last_mut() {
                *last = 0;
            }
            let addr = SocketAddr::abstract_name(&name).unwrap();
            assert_eq!(addr.address(), Address::Abstract(&name));
            assert_eq!(addr.family(), Family::UNIX);
            let mut path = vec![0];
            path.extend(&name);
            assert_eq!(addr.as_bytes(), sockaddr_un(&path, 2 + 1 + len), "{len} bytes");
            assert_eq!(addr, SocketAddr::raw(addr.as_bytes()).unwrap());
            let std = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            assert_eq!(std.as_abstract_name(), Some(&name[..]));
        }
    }
}

#[test]
fn abstract_names_over_107_bytes_are_refused() {
    for len in [UNIX_PATH_MAX, UNIX_PATH_MAX + 1, 125, 126, 127, 128, 200] {
        assert_eq!(SocketAddr::abstract_name(&vec![0; len]), Err(BadName::TooLong { len, max: UNIX_PATH_MAX - 1 }));
    }
}

#[test]
fn no_name_is_two_bytes() {
    let addr = SocketAddr::unnamed();
    assert_eq!(addr.address(), Address::Unnamed);
    assert_eq!(addr.as_bytes(), sockaddr_un(b"", 2));
    assert_eq!(addr.family(), Family::UNIX);
    assert_ne!(addr, SocketAddr::abstract_name(b"").unwrap());
}

#[test]
fn raw_bytes_of_2_to_128_survive() {
    for len in 2..=128 {
        for (family, fill) in [(Family::NETLINK, 0xa5), (Family::UNIX, 0), (Family::INET, 0xff), (Family(0xffff), 7)] {
            let mut bytes = vec![fill; len];
            bytes[..2].copy_from_slice(&family.0.to_ne_bytes());
            let addr = SocketAddr::raw(&bytes).unwrap();
            assert_eq!(addr.as_bytes(), bytes);
            assert_eq!(addr.family(), family);
        }
    }
}

#[test]
fn raw_bytes_that_cannot_be_an_address_are_refused() {
    for len in [129, 130, 1000] {
        assert_eq!(SocketAddr::raw(&vec![1; len]), Err(BadName::TooLong { len, max: 128 }));
    }
    for len in 0..2 {
        assert_eq!(SocketAddr::raw(&vec![1; len]), Err(BadName::TooShort { len, min: 2 }));
    }
}

/// A `sockaddr_xdp` ends in the number of a descriptor, and a `sockaddr_pppox` can hold one.
#[test]
fn raw_bytes_that_can_name_a_descriptor_need_unsafe() {
    for family in [Family::XDP, Family::PPPOX] {
        for len in [2, 16, 128] {
            let mut bytes = vec![0; len];
            bytes[..2].copy_from_slice(&family.0.to_ne_bytes());
            assert_eq!(SocketAddr::raw(&bytes), Err(BadName::NamesDescriptor { family }));
            // SAFETY: the address is not used.
            assert_eq!(unsafe { SocketAddr::raw_unchecked(&bytes) }.unwrap().as_bytes(), bytes);
        }
    }
    assert_eq!((Family::XDP.0, Family::PPPOX.0), (44, 24));
    // SAFETY: the address is not used.
    assert_eq!(unsafe { SocketAddr::raw_unchecked(&[1]) }, Err(BadName::TooShort { len: 1, min: 2 }));
}

#[test]
fn unix_bytes_from_a_kernel_mean_what_unix_7_says() {
    let unix = |path: &[u8]| {
        let mut bytes = Family::UNIX.0.to_ne_bytes().to_vec();
        bytes.extend(path);
        SocketAddr::raw(&bytes).unwrap()
    };
    assert_eq!(unix(b"").address(), Address::Unnamed);
    assert_eq!(unix(b"/a").address(), Address::Path(b"/a"));
    assert_eq!(unix(b"/a\0").address(), Address::Path(b"/a"));
    assert_eq!(unix(b"/a\0left over").address(), Address::Path(b"/a"));
    assert_eq!(unix(b"\0").address(), Address::Abstract(b""));
    assert_eq!(unix(b"\0a\0b\0").address(), Address::Abstract(b"a\0b\0"));
}

#[test]
fn an_address_too_short_for_its_family_is_other() {
    for (family, least) in [(Family::INET, 2 + 2 + 4), (Family::INET6, 28)] {
        for len in 2..=128_usize {
            let mut bytes = vec![9; len];
            bytes[..2].copy_from_slice(&family.0.to_ne_bytes());
            let addr = SocketAddr::raw(&bytes).unwrap();
            if len < least {
                assert_eq!(addr.address(), Address::Other(family, &bytes[2..]));
            } else {
                assert!(matches!(addr.address(), Address::V4(_) | Address::V6(_)), "{len} bytes of {family:?}");
            }
        }
    }
}

fn sockaddr_in(v4: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: v4.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
        ..zeroed()
    }
}

fn sockaddr_in6(v6: SocketAddrV6) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: v6.port().to_be(),
        // As std passes it: bytes of the caller, in the caller's order.
        sin6_flowinfo: v6.flowinfo(),
        sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
        sin6_scope_id: v6.scope_id(),
    }
}

proptest! {
    #[test]
    fn ipv4_survives_in_the_bytes_of_sockaddr_in(ip: u32, port: u16) {
        let v4 = SocketAddrV4::new(Ipv4Addr::from(ip), port);
        let addr = SocketAddr::from(v4);
        prop_assert_eq!(addr.as_bytes(), bytes_of(&sockaddr_in(v4), 16));
        prop_assert_eq!(addr.address(), Address::V4(v4));
        prop_assert_eq!(addr.family(), Family::INET);
        prop_assert_eq!(addr, SocketAddr::from(std::net::SocketAddr::V4(v4)));
        let again = SocketAddr::raw(addr.as_bytes()).unwrap();
        prop_assert_eq!(again.address(), Address::V4(v4));
    }

    #[test]
    fn ipv6_survives_in_the_bytes_of_sockaddr_in6(ip: u128, port: u16, flowinfo: u32, scope: u32) {
        let v6 = SocketAddrV6::new(Ipv6Addr::from(ip), port, flowinfo, scope);
        let addr = SocketAddr::from(v6);
        prop_assert_eq!(addr.as_bytes(), bytes_of(&sockaddr_in6(v6), 28));
        prop_assert_eq!(addr.address(), Address::V6(v6));
        prop_assert_eq!(addr.family(), Family::INET6);
        prop_assert_eq!(addr, SocketAddr::from(std::net::SocketAddr::V6(v6)));
        let again = SocketAddr::raw(addr.as_bytes()).unwrap();
        prop_assert_eq!(again.address(), Address::V6(v6));
    }

    #[test]
    fn any_bytes_are_some_address(bytes in prop::collection::vec(any::<u8>(), 2..=128), family in 0_u16..48, known: bool) {
        let mut bytes = bytes;
        if known {
            bytes[..2].copy_from_slice(&family.to_ne_bytes());
        }
        // SAFETY: the address is not used.
        let addr = unsafe { SocketAddr::raw_unchecked(&bytes) }.unwrap();
        prop_assert_eq!(addr.as_bytes(), &bytes[..]);
        let names = matches!(addr.family(), Family::XDP | Family::PPPOX);
        prop_assert_eq!(SocketAddr::raw(&bytes).is_err(), names);
        let printed = format!("{addr:?}");
        match addr.address() {
            Address::Unnamed => prop_assert!(bytes.len() == 2),
            Address::Path(path) => prop_assert!(bytes[2..].starts_with(path) && bytes.get(2 + path.len()).is_none_or(|b| *b == 0)),
            Address::Abstract(name) => prop_assert_eq!(name, &bytes[3..]),
            Address::V4(v4) => prop_assert!(printed.contains(&IpAddr::from(*v4.ip()).to_string())),
            Address::V6(v6) => prop_assert!(printed.contains(&IpAddr::from(*v6.ip()).to_string())),
            Address::Other(family, body) => prop_assert_eq!((family, body), (addr.family(), &bytes[2..])),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn any_path_survives_or_says_why(path in prop::collection::vec(any::<u8>(), 0..130)) {
        match SocketAddr::unix(&path) {
            Ok(addr) => prop_assert_eq!(addr.address(), Address::Path(&path)),
            Err(BadName::Nul { at }) => prop_assert_eq!(path.iter().position(|b| *b == 0), Some(at)),
            Err(BadName::TooLong { len, max }) => prop_assert_eq!((len, max, len > max), (path.len(), 108, true)),
            Err(BadName::Empty) => prop_assert!(path.is_empty()),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}

/// Every length with every family the kernel knows, with the bytes that decide what a unix address is.
#[test]
fn no_length_and_family_panics() {
    for len in 2..=128 {
        for family in (0..64).chain([u16::MAX]) {
            for fill in [0, 1, 0xff] {
                let mut bytes = vec![fill; len];
                bytes[..2].copy_from_slice(&family.to_ne_bytes());
                // SAFETY: the address is not used.
                let addr = unsafe { SocketAddr::raw_unchecked(&bytes) }.unwrap();
                assert!(!format!("{:?} {addr:?}", addr.address()).is_empty());
            }
        }
    }
}

#[test]
fn addresses_print_readably() {
    assert_eq!(format!("{:?}", SocketAddr::unix(b"/run/\xff").unwrap()), r#"Path("/run/\xff")"#);
    assert_eq!(format!("{:?}", SocketAddr::abstract_name(b"a\0").unwrap()), r#"Abstract("a\x00")"#);
    assert_eq!(format!("{:?}", SocketAddr::unnamed()), "Unnamed");
    assert_eq!(format!("{:?}", SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80))), "V4(127.0.0.1:80)");
}

/// What the kernel is told is what std is told by the kernel.
#[test]
fn a_bound_name_is_the_one_std_reads() {
    let name = format!("scmsg addresses_survive {}\0\n", std::process::id());
    let socket = scmsg::socket(Family::UNIX, scmsg::SocketType::DGRAM, scmsg::SocketFlags::empty(), 0).unwrap();
    let addr = SocketAddr::abstract_name(name.as_bytes()).unwrap();
    scmsg::bind(&socket, &addr).unwrap();
    assert_eq!(scmsg::getsockname(&socket), Ok(addr));
    // SAFETY: the number is owned, and given up here.
    let std: std::os::unix::net::UnixDatagram = unsafe { std::os::fd::FromRawFd::from_raw_fd(socket.into_raw_fd()) };
    assert_eq!(std.local_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
}
