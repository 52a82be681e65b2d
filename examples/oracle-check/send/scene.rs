//! The situations a message is sent in, and what each means to the oracle.

use scmsg::Errno;
use scmsg::oracle::{Connection, Name, Socket};

use super::super::rng::Rng;
use super::draw::Case;
use super::known::Known;

/// How the sending socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    Connected,
    Unconnected,
    ShutDown,
    PeerDeaf,
    /// Datagram: the peer is connected to another socket.
    PeerElsewhere,
    PeerClosed,
    /// The peer closed with something unread.
    Pending,
    /// The peer's `SO_PASSRIGHTS` is off.
    Refusing,
    NameFound,
    NameNowhere,
    NameInvalid,
    NameNegative,
}

impl Situation {
    pub fn draw(rng: &mut Rng, socket: Socket, known: &Known) -> Self {
        if socket == Socket::Netlink {
            return match rng.below(100) {
                0..80 => Self::Connected,
                80..85 => Self::Unconnected,
                85..90 => Self::NameFound,
                90..94 => Self::NameNowhere,
                94..98 => Self::NameInvalid,
                _ => Self::NameNegative,
            };
        }
        match rng.below(100) {
            0..74 => Self::Connected,
            74..79 => Self::Unconnected,
            79..82 => Self::ShutDown,
            82..85 => Self::PeerDeaf,
            85 => Self::PeerClosed,
            86 if socket == Socket::UnixSeqPacket => Self::Pending,
            87..91 if known.here.can_refuse => Self::Refusing,
            91..95 => Self::NameFound,
            95 => Self::NameNowhere,
            96 => Self::NameInvalid,
            97 => Self::NameNegative,
            98 if socket == Socket::UnixDatagram => Self::PeerElsewhere,
            _ => Self::Connected,
        }
    }
}

/// What the oracle has to know of a situation.
pub struct Scene {
    pub name: Name,
    pub connection: Connection,
    pub pending: Option<Errno>,
    pub takes_rights: bool,
}

impl Scene {
    pub fn of(case: &Case) -> Self {
        use Situation::{
            Connected, NameFound, NameInvalid, NameNegative, NameNowhere, PeerClosed, PeerDeaf, PeerElsewhere, Pending,
            Refusing, ShutDown, Unconnected,
        };
        let shut = |otherwise| if case.socket == Socket::UnixDatagram { otherwise } else { Connection::ShutDown };
        let connection = match case.situation {
            Connected | Refusing => Connection::Open,
            Unconnected => Connection::None,
            ShutDown | Pending => Connection::ShutDown,
            PeerDeaf => shut(Connection::PeerDeaf),
            PeerClosed => shut(Connection::PeerClosed),
            PeerElsewhere => Connection::PeerElsewhere,
            NameFound | NameNowhere | NameInvalid | NameNegative if case.has_peer() => Connection::Open,
            NameFound | NameNowhere | NameInvalid | NameNegative => Connection::None,
        };
        let name = match case.situation {
            NameFound => Name::Found,
            NameNowhere => Name::Nowhere(Errno::ECONNREFUSED),
            NameInvalid => Name::Invalid,
            NameNegative => Name::NegativeLength,
            _ => Name::None,
        };
        let pending = (case.situation == Pending).then_some(Errno::ECONNRESET);
        Self { name, connection, pending, takes_rights: case.situation != Refusing }
    }
}
