//! The names of what a right kernel does: one [`Rule`] for each decision, with its source and the version it holds since.
//!
//! A verdict names the rule that decided it. A rule can be taken out ([`Rules::without`]), which makes the oracle wrong at
//! exactly that place: whoever compares an oracle with a kernel can so prove that the comparison is able to fail.

use core::fmt;

/// The side of a connection a rule belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// `sendmsg(2)`.
    Send,
    /// `recvmsg(2)`.
    Receive,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $name:literal, $side:ident, $source:literal, $since:literal;)*) => {
        /// One decision of the kernel.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)*
        }

        impl Rule {
            /// Every rule, in the order the kernel comes to them.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// The name on a command line: lower case, with hyphens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            /// What the kernel does, in a sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$rule => concat!($($doc),+).trim_ascii(),)* }
            }

            /// The function of the kernel it was read in.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$rule => $source,)* }
            }

            /// The first kernel it holds on; empty where it has held as long as the sources that were read go back (6.1).
            #[must_use]
            pub const fn since(self) -> &'static str {
                match self { $(Self::$rule => $since,)* }
            }

            /// Sender's or receiver's.
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$rule => Side::$side,)* }
            }
        }
    };
}

rules! {
    // Before the control bytes.
    /// A 64-bit program must not set `MSG_CMSG_COMPAT`: EINVAL.
    CompatBit = "compat-bit", Send, "__sys_sendmsg", "";
    /// An address with a negative `msg_namelen` is EINVAL.
    NameLength = "name-length", Send, "__copy_msghdr", "";
    /// `msg_controllen` over 2147483647 is ENOBUFS, even where `msg_control` is null.
    ControlTooLong = "control-too-long", Send, "____sys_sendmsg", "";

    // The import of the control bytes.
    /// Native: over `optmem_max` less one byte is ENOBUFS, before any byte is read.
    OptionMemory = "option-memory", Send, "sock_kmalloc", "";
    /// Control bytes that cannot be read are EFAULT.
    ControlFault = "control-fault", Send, "____sys_sendmsg", "";
    /// Compat: a null `msg_control`, or fewer bytes than a header, is EINVAL.
    CompatFirst = "compat-first", Send, "cmsghdr_from_user_compat_to_kern", "";
    /// Compat: every `cmsg_len` is checked before any message is looked at; under 12 or past the end is EINVAL.
    CompatLength = "compat-length", Send, "cmsghdr_from_user_compat_to_kern", "";
    /// Compat: a single byte behind a message is another header.
    CompatTail = "compat-tail", Send, "cmsg_compat_nxthdr", "";
    /// Compat: a translated size over 36 bytes that `optmem_max` does not allow is ENOMEM.
    CompatMemory = "compat-memory", Send, "cmsghdr_from_user_compat_to_kern", "";

    // The control messages, in order.
    /// Fewer bytes than a header hold no message and are ignored.
    HeaderRoom = "header-room", Send, "CMSG_FIRSTHDR, __cmsg_nxthdr", "";
    /// A `cmsg_len` under the header's size or past the end is EINVAL, at every level.
    ItemLength = "item-length", Send, "CMSG_OK", "";
    /// The next header starts at the next multiple of the alignment.
    ItemAlign = "item-align", Send, "__cmsg_nxthdr", "";
    /// Levels other than `SOL_SOCKET` are skipped.
    ForeignLevel = "foreign-level", Send, "__scm_send", "";
    /// `SCM_RIGHTS`, even with no descriptor, is EINVAL outside `AF_UNIX`.
    RightsFamily = "rights-family", Send, "__scm_send", "";
    /// One to three stray bytes behind the last descriptor are ignored.
    RightsFloor = "rights-floor", Send, "scm_fp_copy", "";
    /// All `SCM_RIGHTS` together carry at most 253 descriptors, else EINVAL, before the one that is too many is looked at.
    MergeLimit = "merge-limit", Send, "scm_fp_copy", "2.6.38";
    /// A number that is negative or not open is EBADF.
    DescriptorClosed = "descriptor-closed", Send, "scm_fp_copy", "";
    /// An io_uring descriptor is EINVAL.
    DescriptorRing = "descriptor-ring", Send, "scm_fp_copy", "6.7";
    /// `SCM_CREDENTIALS` whose payload is not exactly 12 bytes is EINVAL.
    CredentialsLength = "credentials-length", Send, "__scm_send", "";
    /// A user or group number that the sender's user namespace does not map (4294967295 never is) is EINVAL.
    CredentialsMapped = "credentials-mapped", Send, "scm_check_creds", "";
    /// Another process's number needs `CAP_SYS_ADMIN` over the pid namespace, else EPERM.
    CredentialsPid = "credentials-pid", Send, "scm_check_creds", "";
    /// A user number that is none of the sender's three needs `CAP_SETUID`, else EPERM.
    CredentialsUid = "credentials-uid", Send, "scm_check_creds", "";
    /// A group number that is none of the sender's three needs `CAP_SETGID`, else EPERM.
    CredentialsGid = "credentials-gid", Send, "scm_check_creds", "";
    /// A process that does not exist is ESRCH.
    CredentialsProcess = "credentials-process", Send, "__scm_send", "";
    /// Of several `SCM_CREDENTIALS` the last wins.
    CredentialsLast = "credentials-last", Send, "__scm_send", "";
    /// Any other type at `SOL_SOCKET` is EINVAL.
    UnknownType = "unknown-type", Send, "__scm_send", "";

    // The protocol.
    /// Seqpacket: a pending error and ENOTCONN come before the control messages.
    PacketsFirst = "packets-first", Send, "unix_seqpacket_sendmsg", "";
    /// Netlink: no data is ENODATA, before the control messages.
    NetlinkEmpty = "netlink-empty", Send, "netlink_sendmsg", "";
    /// Datagram, seqpacket and netlink: `MSG_OOB` is EOPNOTSUPP.
    UrgentPacket = "urgent-packet", Send, "unix_dgram_sendmsg", "";
    /// Stream: `MSG_OOB` without data is EOPNOTSUPP.
    UrgentEmpty = "urgent-empty", Send, "unix_stream_sendmsg", "5.15";
    /// Stream: an address is EISCONN when connected, EOPNOTSUPP when not.
    NameOnStream = "name-on-stream", Send, "unix_stream_sendmsg", "";
    /// An error that waits in the socket is returned, once, before anything is sent.
    PendingError = "pending-error", Send, "unix_seqpacket_sendmsg, sock_alloc_send_pskb", "";
    /// Nobody to send to is ENOTCONN.
    NotConnected = "not-connected", Send, "unix_stream_sendmsg, unix_dgram_sendmsg", "";
    /// A socket shut down for writing, by itself or by its peer, is EPIPE.
    ShutDown = "shut-down", Send, "unix_stream_sendmsg, sock_alloc_send_pskb", "";
    /// Stream: with no data the send succeeds and descriptors and credentials are dropped.
    EmptyStream = "empty-stream", Send, "unix_stream_sendmsg", "";
    /// Netlink: an address of another family is EINVAL, one for the privileged EPERM, before the length of the data.
    NetlinkName = "netlink-name", Send, "netlink_sendmsg", "";
    /// Datagram, seqpacket and netlink: more data than the send buffer less 32 bytes is EMSGSIZE.
    TooLong = "too-long", Send, "unix_dgram_sendmsg", "";
    /// Descriptors are ETOOMANYREFS while the user has more in flight than `RLIMIT_NOFILE` and neither capability.
    InFlight = "in-flight", Send, "too_many_unix_fds", "4.5";
    /// Datagram: the destination is looked for after the descriptors were counted.
    LookupLast = "lookup-last", Send, "unix_dgram_sendmsg", "6.14";
    /// Datagram: an address that leads nowhere fails as `connect(2)` does.
    NameLookup = "name-lookup", Send, "unix_find_other", "";
    /// Datagram: a peer that is connected to another socket is EPERM.
    PeerElsewhere = "peer-elsewhere", Send, "unix_may_send", "";
    /// Datagram: a peer that is closed is ECONNREFUSED.
    PeerClosed = "peer-closed", Send, "unix_dgram_sendmsg", "";
    /// Datagram: a peer that is shut down for reading is EPIPE.
    PeerDeaf = "peer-deaf", Send, "unix_dgram_sendmsg", "";
    /// Netlink: a number that nobody has is ECONNREFUSED; so is the kernel where it does not listen.
    NetlinkNobody = "netlink-nobody", Send, "netlink_getsockbyportid", "";
    /// Descriptors to a peer whose `SO_PASSRIGHTS` is off are EPERM.
    PassRights = "pass-rights", Send, "unix_stream_sendmsg, unix_dgram_sendmsg", "6.16";

    // Received: whether there is something to receive.
    /// A 64-bit program must not set `MSG_CMSG_COMPAT`: EINVAL.
    ReceiveCompatBit = "receive-compat-bit", Receive, "__sys_recvmsg", "";
    /// Stream: a socket that never had a peer is EINVAL.
    StreamConnected = "stream-connected", Receive, "unix_stream_read_generic", "";
    /// Seqpacket: a socket that never had a peer is ENOTCONN.
    PacketsConnected = "packets-connected", Receive, "unix_seqpacket_recvmsg", "";
    /// Datagram and seqpacket: `MSG_OOB` is EOPNOTSUPP.
    UrgentStreamOnly = "urgent-stream-only", Receive, "__unix_dgram_recvmsg", "";
    /// Datagram and seqpacket: a pending error comes before what is queued.
    ErrorFirst = "error-first", Receive, "__skb_try_recv_datagram", "";
    /// Stream: a pending error comes when nothing is queued any more.
    ErrorLast = "error-last", Receive, "unix_stream_read_generic", "";
    /// With `MSG_DONTWAIT` an empty queue is EAGAIN.
    NothingQueued = "nothing-queued", Receive, "unix_stream_read_generic, __skb_try_recv_datagram", "";
    /// Stream: the end returns 0.
    StreamEnd = "stream-end", Receive, "unix_stream_read_generic", "";
    /// Seqpacket: the end returns 0, without control messages.
    PacketsEnd = "packets-end", Receive, "__unix_dgram_recvmsg", "";
    /// Datagram: on a socket that is shut down `MSG_DONTWAIT` is EAGAIN all the same.
    DatagramEnd = "datagram-end", Receive, "__unix_dgram_recvmsg", "";

    // Received: what is taken.
    /// Datagram and seqpacket: data over the buffers is cut, and `MSG_TRUNC` set.
    DatagramCut = "datagram-cut", Receive, "__unix_dgram_recvmsg", "";
    /// Datagram and seqpacket: with `MSG_TRUNC` the call returns the whole length.
    FullLength = "full-length", Receive, "__unix_dgram_recvmsg", "";
    /// `MSG_PEEK` leaves the queue as it is.
    PeekKeeps = "peek-keeps", Receive, "unix_stream_read_generic, __unix_dgram_recvmsg", "";
    /// Stream: `MSG_PEEK` goes on to later writes when the buffers are full, up to the descriptors of the first that has any.
    PeekLooksOn = "peek-looks-on", Receive, "unix_stream_read_generic", "";
    /// Stream: one read goes over several writes.
    StreamGlues = "stream-glues", Receive, "unix_stream_read_generic", "";
    /// Stream: with `SO_PASSCRED` or `SO_PASSPIDFD` a read ends where another sender begins.
    SenderBoundary = "sender-boundary", Receive, "unix_skb_scm_eq", "";
    /// Stream: without either a read mixes senders.
    SendersMix = "senders-mix", Receive, "unix_stream_read_generic", "";
    /// Stream: descriptors come with the first byte that is read of their write, or with none.
    DescriptorsFirst = "descriptors-first", Receive, "unix_stream_read_generic", "";
    /// Stream: descriptors end the read.
    DescriptorsEnd = "descriptors-end", Receive, "unix_stream_read_generic", "";
    /// Stream: without an out-of-band byte, or with `SO_OOBINLINE`, `MSG_OOB` is EINVAL.
    UrgentNone = "urgent-none", Receive, "unix_stream_recv_urg", "5.15";
    /// Stream: with `MSG_OOB` the call sets `MSG_OOB`.
    UrgentFlag = "urgent-flag", Receive, "unix_stream_recv_urg", "5.15";
    /// Stream: a read ends in front of the out-of-band byte.
    UrgentBoundary = "urgent-boundary", Receive, "manage_oob", "5.15";
    /// Stream: a read that begins at the out-of-band byte steps over it, and destroys it with its descriptors, unless
    /// `SO_OOBINLINE` is on.
    UrgentInline = "urgent-inline", Receive, "manage_oob", "5.15";

    // Received: the control messages, in order.
    /// `MSG_CMSG_CLOEXEC` comes back in `msg_flags`.
    CloexecEcho = "cloexec-echo", Receive, "____sys_recvmsg", "";
    /// Stream: at the end, on an error and on EAGAIN the control messages are written all the same: credentials are
    /// process 0 and the first root, 0, 0, which some user namespaces call 65534, 65534.
    ControlWithoutData = "control-without-data", Receive, "unix_stream_read_generic", "";
    /// What was sent before either end asked for credentials has process 0, user and group 65534.
    UnknownSender = "unknown-sender", Receive, "__scm_recv_common", "";
    /// Stream: timestamps are not delivered.
    StreamNoTimestamp = "stream-no-timestamp", Receive, "unix_stream_read_generic", "";
    /// Timestamps come before everything else.
    TimestampsFirst = "timestamps-first", Receive, "__unix_dgram_recvmsg", "";
    /// A null `msg_control` with `SO_PASSCRED`, `SO_PASSPIDFD` or descriptors is `MSG_CTRUNC`.
    NullControl = "null-control", Receive, "__scm_recv_common", "";
    /// A null `msg_control` with `SO_PASSSEC` is `MSG_CTRUNC`.
    NullControlLabel = "null-control-label", Receive, "scm_has_secdata", "";
    /// A null `msg_control` with a timestamp or `SO_INQ` is `MSG_CTRUNC`.
    NullControlItem = "null-control-item", Receive, "put_cmsg", "";
    /// With less room than a header nothing is written, and `MSG_CTRUNC` set.
    HeaderLeft = "header-left", Receive, "put_cmsg", "";
    /// With less room than the item it is cut to what fits, `cmsg_len` says how much, and `MSG_CTRUNC` is set.
    ItemCut = "item-cut", Receive, "put_cmsg", "";
    /// The padding of an item is not written.
    PaddingUntouched = "padding-untouched", Receive, "put_cmsg, scm_detach_fds", "";
    /// Where the room ends in the padding of the last item, `msg_controllen` does too.
    PaddingCut = "padding-cut", Receive, "put_cmsg, scm_detach_fds", "";
    /// Compat: the old timestamps have 32-bit fields.
    CompatTime = "compat-time", Receive, "put_cmsg_compat", "";
    /// As many descriptors are opened as there are four bytes for.
    RightsFit = "rights-fit", Receive, "scm_detach_fds", "";
    /// How many fit is an `int`: of room over 8589934591 bytes the lower bits count, and where that is negative none fits.
    RightsCount = "rights-count", Receive, "scm_max_fds", "";
    /// Without a descriptor there is no `SCM_RIGHTS`.
    RightsNone = "rights-none", Receive, "scm_detach_fds", "";
    /// Descriptors without room are closed, and `MSG_CTRUNC` set.
    RightsLost = "rights-lost", Receive, "scm_detach_fds", "";
    /// A full descriptor table ends the `SCM_RIGHTS` after those that were opened, and sets `MSG_CTRUNC`.
    TableFull = "table-full", Receive, "scm_recv_one_fd", "";
    /// Descriptors are close-on-exec if the call says `MSG_CMSG_CLOEXEC`.
    RightsCloexec = "rights-cloexec", Receive, "scm_detach_fds", "";
    /// `SCM_PIDFD` comes after `SCM_RIGHTS`.
    PidfdLast = "pidfd-last", Receive, "scm_recv_unix", "6.5";
    /// Without room for the whole of it there is no `SCM_PIDFD`, and `MSG_CTRUNC` is set.
    PidfdRoom = "pidfd-room", Receive, "scm_pidfd_recv", "6.5";
    /// That is so even where there is no process to tell.
    PidfdRoomFirst = "pidfd-room-first", Receive, "scm_pidfd_recv", "6.5";
    /// Without a sender there is no `SCM_PIDFD`.
    PidfdUnknown = "pidfd-unknown", Receive, "scm_pidfd_recv", "6.5";
    /// Where no descriptor can be opened `SCM_PIDFD` holds the errno, and `MSG_CTRUNC` is not set.
    PidfdErrno = "pidfd-errno", Receive, "scm_pidfd_recv", "6.5";
    /// `SCM_INQ` counts what is left after the read.
    InqAfter = "inq-after", Receive, "unix_stream_read_generic", "6.17";
    /// A call that fails writes no `SCM_INQ`, whatever else it writes; the first kernels with `SO_INQ` did.
    InqSuccess = "inq-success", Receive, "unix_stream_read_generic", "6.18";
    /// `SCM_INQ` goes on counting an out-of-band byte that was stepped over.
    InqSkipped = "inq-skipped", Receive, "manage_oob", "6.17";
}

impl Rule {
    /// The rule with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rules that hold: all of them, or all but one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    without: Option<Rule>,
}

impl Rules {
    /// Every rule holds, as in a right kernel.
    pub const ALL: Self = Self { without: None };

    /// Every rule but one: an oracle that is wrong on purpose.
    #[must_use]
    pub const fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    /// Whether `rule` holds.
    #[must_use]
    pub fn holds(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
