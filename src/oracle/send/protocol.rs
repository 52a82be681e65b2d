//! Turns cargo into an outcome, as the socket's protocol does: unix stream, datagram, seqpacket; netlink.

use super::{Cargo, Connection, Name, Outcome, Send, Socket, Stop, Version};
use crate::errno::Errno;
use crate::oracle::rule::Rule;
use linux_raw_sys::net::MSG_OOB;

/// Bytes of the send buffer that a datagram cannot use.
const PACKET_OVERHEAD: u64 = 32;

impl Send<'_> {
    /// What a protocol checks before it looks at the control messages.
    pub(super) fn before_parse(&self) -> Result<(), Stop> {
        match self.socket {
            Socket::UnixSeqPacket if self.rules.holds(Rule::PacketsFirst) => self.packets_first(),
            Socket::Netlink => {
                self.refuse(Rule::UrgentPacket, self.urgent(), Errno::EOPNOTSUPP)?;
                self.refuse(Rule::NetlinkEmpty, self.bytes == 0, Errno::ENODATA)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn protocol(&self, cargo: Cargo) -> Result<Outcome, Stop> {
        match self.socket {
            Socket::UnixStream => self.stream(cargo),
            Socket::UnixDatagram => self.datagram(cargo),
            Socket::UnixSeqPacket => {
                if !self.rules.holds(Rule::PacketsFirst) {
                    self.packets_first()?;
                }
                self.datagram(cargo)
            }
            Socket::Netlink => self.netlink(cargo),
        }
    }

    fn packets_first(&self) -> Result<(), Stop> {
        self.pending_error()?;
        self.refuse(Rule::NotConnected, self.connection == Connection::None, Errno::ENOTCONN)
    }

    fn pending_error(&self) -> Result<(), Stop> {
        match self.pending {
            Some(errno) => self.refuse(Rule::PendingError, true, errno),
            None => Ok(()),
        }
    }

    /// Of a connected kind of socket: not writable any more, for whatever reason.
    fn shut_down(&self) -> Result<(), Stop> {
        let open = matches!(self.connection, Connection::None | Connection::Open);
        let datagram = self.socket == Socket::UnixDatagram;
        let shut = if datagram { self.connection == Connection::ShutDown } else { !open };
        self.refuse(Rule::ShutDown, shut, Errno::EPIPE)
    }

    fn urgent(&self) -> bool {
        self.flags & MSG_OOB != 0
    }

    fn stream(&self, cargo: Cargo) -> Result<Outcome, Stop> {
        let unknown = self.limits.version < Version(5, 15);
        self.refuse(Rule::UrgentEmpty, self.urgent() && (self.bytes == 0 || unknown), Errno::EOPNOTSUPP)?;
        let open = self.connection != Connection::None;
        let errno = if open { Errno::EISCONN } else { Errno::EOPNOTSUPP };
        self.refuse(Rule::NameOnStream, self.name != Name::None, errno)?;
        self.refuse(Rule::NotConnected, !open, Errno::ENOTCONN)?;
        self.shut_down()?;
        if self.bytes == 0 && self.rules.holds(Rule::EmptyStream) {
            let outcome = Outcome::Dropped { descriptors: cargo.descriptors };
            return Err(Stop { outcome, rule: Rule::EmptyStream, place: None });
        }
        self.pending_error()?;
        self.in_flight(cargo)?;
        self.pass_rights(cargo)?;
        Ok(self.sent(cargo))
    }

    fn datagram(&self, cargo: Cargo) -> Result<Outcome, Stop> {
        self.refuse(Rule::UrgentPacket, self.urgent(), Errno::EOPNOTSUPP)?;
        let addressed = self.socket == Socket::UnixDatagram && self.name != Name::None;
        self.refuse(Rule::NameLookup, addressed && self.name == Name::Invalid, Errno::EINVAL)?;
        let lookup_last = self.limits.version >= Version(6, 14) && self.rules.holds(Rule::LookupLast);
        let nobody = !addressed && self.connection == Connection::None;
        self.refuse(Rule::NotConnected, nobody && !lookup_last, Errno::ENOTCONN)?;
        self.too_long()?;
        if self.socket == Socket::UnixDatagram {
            self.pending_error()?;
        }
        self.shut_down()?;
        self.in_flight(cargo)?;
        if let (true, Name::Nowhere(errno)) = (addressed, self.name) {
            self.refuse(Rule::NameLookup, true, errno)?;
        }
        self.refuse(Rule::NotConnected, nobody, Errno::ENOTCONN)?;
        if !addressed {
            self.refuse(Rule::PeerElsewhere, self.connection == Connection::PeerElsewhere, Errno::EPERM)?;
            self.refuse(Rule::PeerClosed, self.connection == Connection::PeerClosed, Errno::ECONNREFUSED)?;
            self.refuse(Rule::PeerDeaf, self.connection == Connection::PeerDeaf, Errno::EPIPE)?;
        }
        self.pass_rights(cargo)?;
        Ok(self.sent(cargo))
    }

    fn netlink(&self, cargo: Cargo) -> Result<Outcome, Stop> {
        match self.name {
            Name::Invalid => self.refuse(Rule::NetlinkName, true, Errno::EINVAL)?,
            Name::Nowhere(Errno::EPERM) => self.refuse(Rule::NetlinkName, true, Errno::EPERM)?,
            _ => {}
        }
        self.too_long()?;
        match (self.name, self.connection) {
            (Name::Nowhere(errno), _) => self.refuse(Rule::NetlinkNobody, true, errno)?,
            (Name::None, Connection::None | Connection::PeerClosed) => {
                self.refuse(Rule::NetlinkNobody, true, Errno::ECONNREFUSED)?;
            }
            _ => {}
        }
        Ok(self.sent(cargo))
    }

    fn too_long(&self) -> Result<(), Stop> {
        let most = self.limits.send_buffer.saturating_sub(PACKET_OVERHEAD);
        self.refuse(Rule::TooLong, self.bytes > most, Errno::EMSGSIZE)
    }

    fn in_flight(&self, cargo: Cargo) -> Result<(), Stop> {
        let can = self.sender.can;
        let many = self.limits.in_flight > self.limits.open_files && !can.sys_resource && !can.first_sys_admin;
        self.refuse(Rule::InFlight, cargo.descriptors > 0 && many, Errno::ETOOMANYREFS)
    }

    fn pass_rights(&self, cargo: Cargo) -> Result<(), Stop> {
        let refused = cargo.descriptors > 0 && !self.peer_takes_rights && self.limits.version >= Version(6, 16);
        self.refuse(Rule::PassRights, refused, Errno::EPERM)
    }

    fn sent(&self, cargo: Cargo) -> Outcome {
        Outcome::Sent { bytes: self.bytes, descriptors: cargo.descriptors, credentials: cargo.credentials }
    }
}
