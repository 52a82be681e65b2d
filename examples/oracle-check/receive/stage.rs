//! Turns a case into two sockets with a queue between them, and a call into what the kernel answers.

use std::ptr::null_mut;

use scmsg::Errno;
use scmsg::oracle::{Carrier, Options, Origin, Packet, Unit};

use super::super::compat;
use super::super::memory::Memory;
use super::draw::{Call, Case, Ending, Message, Switches};
use super::sys;
use super::table::{self, Table};

/// Where in the memory below 4 GiB things are.
const IOV: usize = 64;
const DATA: usize = 128;

/// Bytes of data, all messages of a case together, and more.
const LONGEST: usize = 16 << 10;

const CONTROL: usize = DATA + LONGEST + 64;

/// Bytes of control that are looked at: more than can be written, and what lies around them.
pub const LOOKED_AT: usize = 2048;

pub struct Stage {
    pub table: Table,
    memory: Memory,
    compat: bool,
    /// This process, and the one that started it, with this one's real user and group.
    pub me: Origin,
    label: Option<&'static [u8]>,
    pub receiver: i32,
    sender: i32,
    pub packets: Vec<Packet<'static>>,
    pub ended: bool,
    pub error: Option<Errno>,
    pub overcount: u64,
}

/// What the kernel answered, beside the control bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Received { bytes: u64, controllen: u64, flags: u32 },
    Refused { errno: i32 },
}

impl Stage {
    pub fn new(compat: bool, label: Option<&'static [u8]>) -> Self {
        // SAFETY: asks for numbers.
        let (pid, uid, gid) = unsafe { (libc::getpid(), libc::getuid(), libc::getgid()) };
        let me = Origin { pid, uid, gid, process: Ok(()) };
        let (table, memory) = (Table::new(), Memory::new(5));
        let (receiver, sender) = (-1, -1);
        Self {
            table,
            memory,
            compat,
            me,
            label,
            receiver,
            sender,
            packets: Vec::new(),
            ended: false,
            error: None,
            overcount: 0,
        }
    }

    /// Sets everything up, up to the first receive.
    pub fn set(&mut self, case: &Case) {
        self.packets.clear();
        (self.ended, self.error, self.overcount) = (false, None, 0);
        let kind = match case.carrier {
            Carrier::Stream => libc::SOCK_STREAM,
            Carrier::Datagram => libc::SOCK_DGRAM,
            Carrier::SeqPacket => libc::SOCK_SEQPACKET,
        };
        (self.receiver, self.sender) =
            if case.connected { sys::pair(kind) } else { (sys::alone(kind), sys::alone(kind)) };
        // A receive that would wait for ever, against what the oracle says, ends with EAGAIN.
        sys::set_timeout(self.receiver);
        if case.switches.inline {
            sys::set(self.receiver, libc::SO_OOBINLINE, 1);
        }
        if case.sender_asks {
            sys::set(self.sender, libc::SO_PASSCRED, 1);
        }
        let mut asked = case.sender_asks;
        for (index, message) in case.messages.iter().enumerate() {
            if index == case.late {
                asked |= self.switch_on(&case.switches);
            }
            if case.connected {
                self.send(case, message, asked, index == 0 && case.orphan);
            }
        }
        if case.late >= case.messages.len() {
            self.switch_on(&case.switches);
        }
        if case.connected {
            self.end(case);
        }
    }

    /// Switches the receiver's options on; whether they make the kernel note who sends.
    fn switch_on(&self, switches: &Switches) -> bool {
        let wanted = [
            (switches.credentials, libc::SO_PASSCRED),
            (switches.pidfd, sys::SO_PASSPIDFD),
            (switches.security, libc::SO_PASSSEC),
            (switches.inq, sys::SO_INQ),
        ];
        for (_, option) in wanted.iter().filter(|(on, _)| *on) {
            sys::set(self.receiver, *option, 1);
        }
        self.set_times(switches);
        switches.credentials || switches.pidfd
    }

    fn set_times(&self, switches: &Switches) {
        let stamp = switches.timestamp.map(|stamp| match stamp {
            (Unit::Microseconds, false) => sys::SO_TIMESTAMP_OLD,
            (Unit::Microseconds, true) => sys::SO_TIMESTAMP_NEW,
            (Unit::Nanoseconds, false) => sys::SO_TIMESTAMPNS_OLD,
            (Unit::Nanoseconds, true) => sys::SO_TIMESTAMPNS_NEW,
        });
        let stamping =
            switches.timestamping.map(|new| if new { sys::SO_TIMESTAMPING_NEW } else { sys::SO_TIMESTAMPING_OLD });
        for last in [false, true] {
            match (last == switches.timestamping_last, stamp, stamping) {
                (true, _, Some(option)) => sys::set(self.receiver, option, sys::SOFTWARE_TIMESTAMPS),
                (false, Some(option), _) => sys::set(self.receiver, option, 1),
                _ => {}
            }
        }
    }

    fn send(&mut self, case: &Case, message: &Message, asked: bool, orphan: bool) {
        let pid = |parent| if parent { sys::parent() } else { self.me.pid };
        let named = message.credentials.map(|named| (pid(named.parent), named.uid, named.gid));
        let fds = vec![self.table.decoy; message.descriptors];
        let send = || sys::send(self.sender, message.bytes, &fds, named, message.urgent);
        let mut origin = match message.credentials {
            Some(named) => Some(Origin { pid: pid(named.parent), uid: named.uid, gid: named.gid, process: Ok(()) }),
            None => asked.then_some(self.me),
        };
        if orphan && message.credentials.is_none() {
            let child = sys::in_a_child(send);
            origin = asked.then_some(Origin { pid: child, ..self.me });
        } else {
            send();
        }
        let packet =
            Packet { descriptors: message.descriptors, sender: origin, label: self.label, ..Packet::default() };
        let (bytes, packets) = (message.bytes as u64, &mut self.packets);
        if !message.urgent {
            return packets.push(Packet { bytes, ..packet });
        }
        assert_eq!(case.carrier, Carrier::Stream);
        packets.iter_mut().for_each(|packet| packet.urgent = false);
        let alone = message.bytes == 1;
        if !alone {
            packets.push(Packet { bytes: bytes - 1, ..packet });
        }
        packets.push(Packet {
            bytes: 1,
            urgent: true,
            descriptors: if alone { packet.descriptors } else { 0 },
            ..packet
        });
    }

    fn end(&mut self, case: &Case) {
        let datagram = case.carrier == Carrier::Datagram;
        match case.ending {
            Ending::Open => {}
            Ending::ShutDown => {
                sys::shut_down(self.sender, libc::SHUT_WR);
                self.ended = !datagram;
            }
            Ending::Deaf => {
                sys::shut_down(self.receiver, libc::SHUT_RD);
                self.ended = true;
            }
            Ending::Closed | Ending::Reset => {
                if case.ending == Ending::Reset {
                    sys::send(self.receiver, 1, &[], None, false);
                    self.error = (!datagram).then_some(Errno::ECONNRESET);
                }
                // A decoy takes the number at once, so that no receive gets it.
                self.table.plug(self.sender);
                self.ended = !datagram;
            }
        }
    }

    /// Closes everything a case has opened.
    pub fn clear(&mut self) {
        self.table.leave(None);
        for number in [self.receiver, self.sender] {
            table::close(number);
        }
    }

    /// Asks the kernel when the first packet was sent, or has it note so now.
    pub fn learn_time(&mut self, case: &Case) {
        let wanted = case.switches.timestamp.is_some() && case.carrier != Carrier::Stream && self.error.is_none();
        let switched_on = case.connected && wanted;
        if let (Some(packet), true) = (self.packets.first_mut(), switched_on) {
            sys::set(self.receiver, sys::SO_TIMESTAMPNS_NEW, 1);
            packet.time = sys::peek_time(self.receiver);
            self.set_times(&case.switches);
        }
    }

    /// The control bytes before a call.
    pub fn dirty(&mut self, call: &Call) -> &mut [u8] {
        let bytes = &mut self.memory.bytes()[CONTROL - 64..][..LOOKED_AT];
        bytes.fill(call.dirt);
        bytes
    }

    /// The control bytes, from `msg_control` on, and those in front of it.
    pub fn control(&mut self, call: &Call) -> (&[u8], &[u8]) {
        let bytes: &[u8] = &self.memory.bytes()[CONTROL - 64..][..LOOKED_AT];
        let (front, control) = bytes.split_at(64 + call.shift);
        (control, front)
    }

    /// The call itself.
    pub fn act(&mut self, call: &Call, flags: u32) -> Seen {
        self.dirty(call);
        self.table.leave(call.free);
        let start = self.memory.bytes().as_mut_ptr();
        let control = if call.null { null_mut() } else { start.wrapping_add(CONTROL + call.shift) };
        let (iov, data) = (start.wrapping_add(IOV), start.wrapping_add(DATA));
        let seen = if self.compat {
            let low = |pointer: *mut u8| u32::try_from(pointer.addr()).expect("memory below 4 GiB");
            let iovec = compat::Iov { base: low(data), len: call.data as u32 };
            let header = compat::Header {
                iov: low(iov),
                iov_len: 1,
                control: low(control),
                control_len: call.len as u32,
                flags: 0x5555_5555,
                ..compat::Header::default()
            };
            // SAFETY: aligned places inside the memory, apart from each other.
            unsafe {
                iov.cast::<compat::Iov>().write(iovec);
                start.cast::<compat::Header>().write(header);
            }
            // SAFETY: the header names memory of this process that nothing else uses meanwhile.
            let ret = unsafe { compat::call(compat::RECVMSG, self.receiver as u32, low(start), flags) };
            // SAFETY: what the kernel has left of what was written above.
            let header = unsafe { start.cast::<compat::Header>().read() };
            sys::seen(ret, u64::from(header.control_len), header.flags)
        } else {
            let iovec = libc::iovec { iov_base: data.cast(), iov_len: call.data };
            let header = scmsg::raw::msghdr {
                msg_iov: iov.cast(),
                msg_iovlen: 1,
                msg_control: control.cast(),
                msg_controllen: call.len as usize,
                msg_flags: 0x5555_5555,
                ..scmsg::raw::msghdr::EMPTY
            };
            // SAFETY: aligned places inside the memory, apart from each other.
            unsafe {
                iov.cast::<libc::iovec>().write(iovec);
                start.cast::<scmsg::raw::msghdr>().write(header);
            }
            // SAFETY: the header names memory of this process that nothing else uses meanwhile.
            let ret = unsafe { sys::recvmsg(self.receiver, start.cast(), flags) };
            // SAFETY: what the kernel has left of what was written above.
            let header = unsafe { start.cast::<scmsg::raw::msghdr>().read() };
            sys::seen(ret, header.msg_controllen as u64, header.msg_flags)
        };
        self.table.leave(None);
        seen
    }
}

/// The receiver's options as the oracle knows them.
pub fn options(switches: &Switches) -> Options {
    let (stamp, stamping) = (switches.timestamp, switches.timestamping);
    let last =
        if switches.timestamping_last { stamping.or(stamp.map(|s| s.1)) } else { stamp.map(|s| s.1).or(stamping) };
    Options {
        credentials: switches.credentials,
        pidfd: switches.pidfd,
        security: switches.security,
        inq: switches.inq,
        urgent_inline: switches.inline,
        timestamp: stamp.map(|stamp| stamp.0),
        timestamping: stamping.is_some(),
        new_timestamps: last.unwrap_or(false),
    }
}
