//! Turns the numbers in a header into the names of the C headers, for people to read.
//!
//! Levels have their own types, and some levels share a number: 0 is `SOL_IP` here, and `SOL_HCI` and `SOL_IEEE802154` on their
//! sockets. A name says what a number is on most sockets, and decides nothing.

use linux_raw_sys::net;

use crate::numbers::{SCM_PIDFD, SOL_SOCKET, int};

macro_rules! names {
    ($($level:ident = $level_number:expr, { $($kind:ident = $kind_number:expr,)* })*) => {
        /// The name of a `cmsg_level`.
        pub(super) fn level(level: i32) -> Option<&'static str> {
            $(if level == $level_number { return Some(stringify!($level)); })*
            None
        }

        /// The name of a `cmsg_type` at its level.
        pub(super) fn kind(level: i32, kind: i32) -> Option<&'static str> {
            $($(if level == $level_number && kind == $kind_number { return Some(stringify!($kind)); })*)*
            None
        }
    };
}

/// Numbers that linux-raw-sys has, and below those it lacks, with their headers.
macro_rules! known {
    ($name:ident) => {
        int(net::$name)
    };
}

names! {
    SOL_SOCKET = SOL_SOCKET, {
        SCM_RIGHTS = known!(SCM_RIGHTS),
        SCM_CREDENTIALS = known!(SCM_CREDENTIALS),
        SCM_SECURITY = known!(SCM_SECURITY),
        SCM_PIDFD = SCM_PIDFD,
        SO_TIMESTAMP_OLD = known!(SO_TIMESTAMP_OLD),
        SO_TIMESTAMP_NEW = known!(SO_TIMESTAMP_NEW),
        SO_TIMESTAMPNS_OLD = known!(SO_TIMESTAMPNS_OLD),
        SO_TIMESTAMPNS_NEW = known!(SO_TIMESTAMPNS_NEW),
        SO_TIMESTAMPING_OLD = known!(SO_TIMESTAMPING_OLD),
        SO_TIMESTAMPING_NEW = known!(SO_TIMESTAMPING_NEW),
        SCM_TIMESTAMPING_OPT_STATS = known!(SCM_TIMESTAMPING_OPT_STATS),
        SCM_TIMESTAMPING_PKTINFO = known!(SCM_TIMESTAMPING_PKTINFO),
        SCM_TS_OPT_ID = known!(SCM_TS_OPT_ID),
        SCM_TXTIME = known!(SCM_TXTIME),
        SCM_WIFI_STATUS = known!(SCM_WIFI_STATUS),
        SCM_DEVMEM_LINEAR = known!(SCM_DEVMEM_LINEAR),
        SCM_DEVMEM_DMABUF = known!(SCM_DEVMEM_DMABUF),
        SCM_INQ = known!(SCM_INQ),
        SO_MARK = known!(SO_MARK),
        SO_PRIORITY = known!(SO_PRIORITY),
        SO_RXQ_OVFL = known!(SO_RXQ_OVFL),
    }
    SOL_IP = known!(SOL_IP), {
        IP_TOS = known!(IP_TOS),
        IP_TTL = known!(IP_TTL),
        IP_RECVOPTS = known!(IP_RECVOPTS),
        IP_RETOPTS = known!(IP_RETOPTS),
        IP_PKTINFO = known!(IP_PKTINFO),
        IP_RECVERR = known!(IP_RECVERR),
        IP_ORIGDSTADDR = known!(IP_ORIGDSTADDR),
        IP_CHECKSUM = known!(IP_CHECKSUM),
        IP_RECVFRAGSIZE = known!(IP_RECVFRAGSIZE),
        IP_PROTOCOL = known!(IP_PROTOCOL),
    }
    SOL_IPV6 = known!(SOL_IPV6), {
        IPV6_PKTINFO = known!(IPV6_PKTINFO),
        IPV6_HOPLIMIT = known!(IPV6_HOPLIMIT),
        IPV6_TCLASS = known!(IPV6_TCLASS),
        IPV6_FLOWINFO = known!(IPV6_FLOWINFO),
        IPV6_HOPOPTS = known!(IPV6_HOPOPTS),
        IPV6_DSTOPTS = known!(IPV6_DSTOPTS),
        IPV6_RTHDRDSTOPTS = known!(IPV6_RTHDRDSTOPTS),
        IPV6_RTHDR = known!(IPV6_RTHDR),
        IPV6_DONTFRAG = known!(IPV6_DONTFRAG),
        IPV6_PATHMTU = known!(IPV6_PATHMTU),
        IPV6_RECVERR = known!(IPV6_RECVERR),
        IPV6_ORIGDSTADDR = known!(IPV6_ORIGDSTADDR),
        IPV6_RECVFRAGSIZE = known!(IPV6_RECVFRAGSIZE),
    }
    // include/linux/udp.h
    SOL_UDP = known!(SOL_UDP), {
        UDP_SEGMENT = 103,
        UDP_GRO = 104,
    }
    SOL_TCP = known!(SOL_TCP), {
        TCP_CM_INQ = known!(TCP_CM_INQ),
    }
    // include/uapi/linux/tls.h
    SOL_TLS = known!(SOL_TLS), {
        TLS_SET_RECORD_TYPE = 1,
        TLS_GET_RECORD_TYPE = 2,
    }
    // include/uapi/linux/if_alg.h
    SOL_ALG = known!(SOL_ALG), {
        ALG_SET_IV = 2,
        ALG_SET_OP = 3,
        ALG_SET_AEAD_ASSOCLEN = 4,
    }
    // include/uapi/linux/netlink.h
    SOL_NETLINK = known!(SOL_NETLINK), {
        NETLINK_PKTINFO = 3,
        NETLINK_LISTEN_ALL_NSID = 8,
    }
    // include/uapi/linux/if_packet.h
    SOL_PACKET = known!(SOL_PACKET), {
        PACKET_AUXDATA = 8,
    }
    SOL_SCTP = known!(SOL_SCTP), {}
    SOL_RDS = known!(SOL_RDS), {}
    SOL_RXRPC = known!(SOL_RXRPC), {}
    SOL_TIPC = known!(SOL_TIPC), {}
    SOL_BLUETOOTH = known!(SOL_BLUETOOTH), {}
}
