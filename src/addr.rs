//! Turns paths, abstract names and `core::net` addresses into the `sockaddr` bytes the kernel reads, and back.
//!
//! ```text
//! unix      | family 2 | sun_path: up to 108                                  |  path, or NUL + abstract name
//! inet      | family 2 | port 2 BE | address 4 | zero 8                       |
//! inet6     | family 2 | port 2 BE | flowinfo 4 | address 16 | scope 4     |
//! ```
//!
//! Laws: a name is never cut or ended early without an error; an address of any family survives as bytes.

#![forbid(unsafe_code)]

use core::fmt;
use core::net::{self, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use linux_raw_sys::net as sys;

/// Bytes of `sun_path`.
pub const UNIX_PATH_MAX: usize = 108;

/// Bytes of the largest address the kernel handles (`sockaddr_storage`).
const STORAGE: usize = 128;

/// An address family, as `socket(2)` takes it. Any number can be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Family(pub u16);

macro_rules! families {
    ($($name:ident $sys:ident $doc:literal,)*) => {
        impl Family {
            $(#[doc = $doc]
            pub const $name: Self = Self::known(sys::$sys);)*
        }
    };
}

families! {
    UNSPEC AF_UNSPEC "No family: an address that was not written.",
    UNIX AF_UNIX "Local sockets, `unix(7)`.",
    INET AF_INET "IPv4, `ip(7)`.",
    INET6 AF_INET6 "IPv6, `ipv6(7)`.",
    NETLINK AF_NETLINK "Kernel conversations, `netlink(7)`.",
    PACKET AF_PACKET "Link-layer frames, `packet(7)`.",
    VSOCK AF_VSOCK "Virtual machine and host, `vsock(7)`.",
    PPPOX AF_PPPOX "PPP over something; an address can hold a descriptor's number.",
    XDP AF_XDP "Express data path; an address can hold a descriptor's number.",
}

impl Family {
    /// A family of linux-raw-sys; they are all under 256.
    const fn known(number: u32) -> Self {
        let [low, high, _, _] = number.to_le_bytes();
        Self(u16::from_le_bytes([low, high]))
    }
}

/// A socket address of any family: up to 128 bytes. Stack bytes: 132.
///
/// # Examples
/// ```
/// use scmsg::{Address, SocketAddr};
///
/// let addr = SocketAddr::unix(b"/run/broker")?;
/// assert_eq!(addr.address(), Address::Path(b"/run/broker"));
/// assert_eq!(SocketAddr::abstract_name(b"broker")?.as_bytes().len(), 2 + 1 + 6);
/// # Ok::<(), scmsg::BadName>(())
/// ```
#[derive(Clone, Copy)]
#[repr(C, align(4))]
#[doc(alias = "sockaddr")]
#[doc(alias = "sockaddr_un")]
#[doc(alias = "sockaddr_in")]
pub struct SocketAddr {
    bytes: [u8; STORAGE],
    len: u32,
}

/// What a [`SocketAddr`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address<'a> {
    /// A unix socket without a name, or no address at all.
    Unnamed,
    /// A unix socket in the file system.
    Path(&'a [u8]),
    /// A unix socket in the abstract namespace; the name may hold any bytes, NUL included.
    Abstract(&'a [u8]),
    /// IPv4.
    V4(SocketAddrV4),
    /// IPv6.
    V6(SocketAddrV6),
    /// Any other family, and anything too short to be what its family says: the bytes after the family.
    Other(Family, &'a [u8]),
}

/// A name that cannot be a socket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadName {
    /// `len` bytes do not fit: a path has at most 108, an abstract name 107, raw bytes 128.
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// `len` raw bytes do not even hold a family, which has 2.
    TooShort {
        /// Bytes given.
        len: usize,
        /// Bytes needed.
        min: usize,
    },
    /// An address of this family can hold a descriptor's number, which safe code may not make up.
    NamesDescriptor {
        /// The family.
        family: Family,
    },
    /// A path holds a NUL, which would end it there.
    Nul {
        /// Its offset in bytes.
        at: usize,
    },
    /// An empty path: it would mean "choose a name for me", which is [`SocketAddr::unnamed`].
    Empty,
}

impl fmt::Display for BadName {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => write!(f, "socket name of {len} bytes, at most {max} fit"),
            Self::TooShort { len, min } => write!(f, "socket address of {len} bytes, at least {min} are needed"),
            Self::NamesDescriptor { family } => write!(f, "an address of family {} can name a descriptor", family.0),
            Self::Nul { at } => write!(f, "NUL in a socket path at byte {at}"),
            Self::Empty => f.write_str("empty socket name"),
        }
    }
}

impl core::error::Error for BadName {}

impl SocketAddr {
    /// No name. Bound, a unix socket gets an abstract name of five hexadecimal digits (autobind); as a buffer for
    /// [`RecvMsg::from`](crate::RecvMsg::from) it is filled in.
    #[inline]
    #[must_use]
    pub const fn unnamed() -> Self {
        let [a, b] = Family::UNIX.0.to_ne_bytes();
        let mut addr = Self { bytes: [0; STORAGE], len: 2 };
        let [first, second, ..] = &mut addr.bytes;
        *first = a;
        *second = b;
        addr
    }

    /// A unix socket at `path`: 1 to 108 bytes without NUL.
    ///
    /// At 108 bytes no NUL fits behind it, which Linux accepts; many C programs refuse such a path.
    ///
    /// # Errors
    /// [`BadName`].
    #[inline]
    pub fn unix(path: &[u8]) -> Result<Self, BadName> {
        if let Some(at) = path.iter().position(|b| *b == 0) {
            return Err(BadName::Nul { at });
        }
        if path.is_empty() {
            return Err(BadName::Empty);
        }
        // The NUL is counted where there is room for it, as every C program does.
        let len = path.len().saturating_add(3).min(2 + UNIX_PATH_MAX);
        Self::build(Family::UNIX, &[], path, UNIX_PATH_MAX).map(|addr| Self { len: narrow(len), ..addr })
    }

    /// A unix socket with an abstract name: 0 to 107 bytes, any of them.
    ///
    /// # Errors
    /// [`BadName::TooLong`].
    #[inline]
    pub fn abstract_name(name: &[u8]) -> Result<Self, BadName> {
        Self::build(Family::UNIX, &[0], name, UNIX_PATH_MAX - 1)
    }

    /// Any address: the bytes of a `sockaddr`, family first, 2 to 128 of them; but none of a family whose addresses can name a
    /// descriptor (`AF_XDP`, `AF_PPPOX`), which [`raw_unchecked`](Self::raw_unchecked) takes.
    ///
    /// # Errors
    /// [`BadName::TooLong`], [`BadName::TooShort`] and [`BadName::NamesDescriptor`].
    #[inline]
    pub fn raw(sockaddr: &[u8]) -> Result<Self, BadName> {
        let addr = Self::any(sockaddr)?;
        match addr.family() {
            family @ (Family::XDP | Family::PPPOX) => Err(BadName::NamesDescriptor { family }),
            _ => Ok(addr),
        }
    }

    /// [`raw`](Self::raw) of any family at all.
    #[inline]
    pub(crate) fn any(sockaddr: &[u8]) -> Result<Self, BadName> {
        let len = sockaddr.len();
        let (family, rest) = sockaddr.split_first_chunk().ok_or(BadName::TooShort { len, min: 2 })?;
        let family = Family(u16::from_ne_bytes(*family));
        Self::build(family, &[], rest, STORAGE - 2).map_err(|_| BadName::TooLong { len, max: STORAGE })
    }

    /// Family, then `first`, then `second`, of which at most `max` bytes fit.
    #[inline]
    fn build(family: Family, first: &[u8], second: &[u8], max: usize) -> Result<Self, BadName> {
        let too_long = BadName::TooLong { len: second.len(), max };
        if second.len() > max {
            return Err(too_long);
        }
        let mut bytes = [0; STORAGE];
        let head = family.0.to_ne_bytes();
        let parts = head.iter().chain(first).chain(second);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        Ok(Self { bytes, len: narrow(2_usize.saturating_add(first.len()).saturating_add(second.len())) })
    }

    /// The `sockaddr` bytes, family first. Empty if nothing was written.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = usize::try_from(self.len).unwrap_or(STORAGE).min(STORAGE);
        self.bytes.get(..len).unwrap_or_default()
    }

    /// The family; [`Family::UNSPEC`] if nothing was written.
    #[inline]
    #[must_use]
    pub fn family(&self) -> Family {
        self.as_bytes().first_chunk().map_or(Family::UNSPEC, |family| Family(u16::from_ne_bytes(*family)))
    }

    /// What the bytes mean.
    #[inline]
    #[must_use]
    pub fn address(&self) -> Address<'_> {
        let family = self.family();
        let body = self.as_bytes().get(2..).unwrap_or_default();
        let other = Address::Other(family, body);
        match (family, body) {
            (Family::UNIX | Family::UNSPEC, []) => Address::Unnamed,
            (Family::UNIX, [0, name @ ..]) => Address::Abstract(name),
            (Family::UNIX, path) => Address::Path(path.split(|b| *b == 0).next().unwrap_or_default()),
            (Family::INET, [p0, p1, a, b, c, d, ..]) => {
                Address::V4(SocketAddrV4::new(Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*p0, *p1])))
            }
            (Family::INET6, [p0, p1, f0, f1, f2, f3, rest @ ..]) => {
                let Some((ip, rest)) = rest.split_first_chunk::<16>() else { return other };
                let Some(scope) = rest.first_chunk() else { return other };
                Address::V6(SocketAddrV6::new(
                    Ipv6Addr::from(*ip),
                    u16::from_be_bytes([*p0, *p1]),
                    u32::from_ne_bytes([*f0, *f1, *f2, *f3]),
                    u32::from_ne_bytes(*scope),
                ))
            }
            _ => other,
        }
    }

    /// Bytes of the address, as `socklen_t`.
    #[inline]
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// The length the kernel reported, clipped to what it can have written.
    #[inline]
    pub(crate) fn set_len(&mut self, len: u32) {
        // A path of 108 bytes is reported with the NUL that has no room.
        let unix = self.bytes.first_chunk() == Some(&Family::UNIX.0.to_ne_bytes());
        let most = if unix { 2 + UNIX_PATH_MAX } else { STORAGE };
        self.len = len.min(narrow(most));
    }

    /// Bytes of storage, which start at the start of `self`, as `socklen_t`.
    pub(crate) const CAPACITY: u32 = 128;
}

static_assertions::const_assert!(core::mem::offset_of!(SocketAddr, bytes) == 0 && STORAGE == 128);

/// A length under 129 as the kernel's type.
#[inline]
fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(SocketAddr::CAPACITY)
}

impl From<SocketAddrV4> for SocketAddr {
    #[inline]
    fn from(v4: SocketAddrV4) -> Self {
        let [p0, p1] = v4.port().to_be_bytes();
        let [a, b, c, d] = v4.ip().octets();
        let [f0, f1] = Family::INET.0.to_ne_bytes();
        let mut bytes = [0; STORAGE];
        let head = [f0, f1, p0, p1, a, b, c, d];
        bytes.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        Self { bytes, len: 16 }
    }
}

impl From<SocketAddrV6> for SocketAddr {
    #[inline]
    fn from(v6: SocketAddrV6) -> Self {
        let mut bytes = [0; STORAGE];
        let parts = Family::INET6
            .0
            .to_ne_bytes()
            .into_iter()
            .chain(v6.port().to_be_bytes())
            .chain(v6.flowinfo().to_ne_bytes())
            .chain(v6.ip().octets())
            .chain(v6.scope_id().to_ne_bytes());
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        Self { bytes, len: 28 }
    }
}

impl From<net::SocketAddr> for SocketAddr {
    #[inline]
    fn from(addr: net::SocketAddr) -> Self {
        match addr {
            net::SocketAddr::V4(v4) => v4.into(),
            net::SocketAddr::V6(v6) => v6.into(),
        }
    }
}

impl PartialEq for SocketAddr {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for SocketAddr {}

impl fmt::Debug for SocketAddr {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Address::Path(path) => write!(f, "Path(\"{}\")", path.escape_ascii()),
            Address::Abstract(name) => write!(f, "Abstract(\"{}\")", name.escape_ascii()),
            address => address.fmt(f),
        }
    }
}
