//! Turns the packet information of IPv4 and IPv6 datagrams into values and back.
//!
//! ```text
//! in_pktinfo    | ifindex: int 4 | spec_dst 4 | addr 4 |          12 bytes, both ways
//! in6_pktinfo   | addr 16 | ifindex: int 4 |                      20 bytes, both ways
//! ```

#![forbid(unsafe_code)]

use core::net::{Ipv4Addr, Ipv6Addr};

use linux_raw_sys::net;

use super::{Message, fixed, message};
use crate::numbers::int;
use crate::traits::{Decode, Encode, Short};

message!(Ipv4PacketInfo, int(net::SOL_IP), int(net::IP_PKTINFO));
message!(Ipv6PacketInfo, int(net::SOL_IPV6), int(net::IPV6_PKTINFO));

/// Where an IPv4 datagram came in, or is to go out: 12 bytes, both ways. Received with
/// [`ReceivePacketInfo`](crate::sockopt::ReceivePacketInfo) on; since Linux 2.2. `ip(7)`, `include/uapi/linux/in.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "IP_PKTINFO")]
#[doc(alias = "in_pktinfo")]
pub struct Ipv4PacketInfo {
    /// Interface; sent: 0 lets routing choose.
    pub interface: u32,
    /// Received: the local address of the packet. Sent: the source address to use, unspecified to let routing choose.
    pub local: Ipv4Addr,
    /// Received: the destination in the header, which differs for broadcasts. Ignored when sent.
    pub destination: Ipv4Addr,
}

impl Encode for Ipv4PacketInfo {
    #[inline]
    fn payload_len(&self) -> usize {
        12
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        let parts = [self.interface.to_ne_bytes(), self.local.octets(), self.destination.octets()];
        for (to, part) in out.chunks_exact_mut(4).zip(parts) {
            to.copy_from_slice(&part);
        }
    }
}

impl<'a> Decode<'a> for Ipv4PacketInfo {
    const MAX_RECEIVED: Option<usize> = Some(12);

    #[inline]
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        let [i0, i1, i2, i3, l0, l1, l2, l3, d0, d1, d2, d3] = *fixed(payload)?;
        Ok(Self {
            interface: u32::from_ne_bytes([i0, i1, i2, i3]),
            local: Ipv4Addr::new(l0, l1, l2, l3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
        })
    }
}

/// Where an IPv6 datagram came in, or is to go out: 20 bytes, both ways. Received with
/// [`ReceivePacketInfo6`](crate::sockopt::ReceivePacketInfo6) on; since Linux 2.6.14. `ipv6(7)`, `include/uapi/linux/ipv6.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "IPV6_PKTINFO")]
#[doc(alias = "in6_pktinfo")]
pub struct Ipv6PacketInfo {
    /// Received: the destination in the header. Sent: the source address to use, unspecified to let routing choose.
    pub address: Ipv6Addr,
    /// Interface; sent: 0 lets routing choose.
    pub interface: u32,
}

impl Encode for Ipv6PacketInfo {
    #[inline]
    fn payload_len(&self) -> usize {
        20
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        if let Some((address, interface)) = out.split_first_chunk_mut() {
            *address = self.address.octets();
            if let Some(interface) = interface.first_chunk_mut() {
                *interface = self.interface.to_ne_bytes();
            }
        }
    }
}

impl<'a> Decode<'a> for Ipv6PacketInfo {
    const MAX_RECEIVED: Option<usize> = Some(20);

    #[inline]
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        let bytes: &[u8; 20] = fixed(payload)?;
        let short = Short { need: 20, have: payload.len() };
        let (address, interface) = bytes.split_first_chunk::<16>().ok_or(short)?;
        let interface = interface.first_chunk().ok_or(short)?;
        Ok(Self { address: Ipv6Addr::from(*address), interface: u32::from_ne_bytes(*interface) })
    }
}
