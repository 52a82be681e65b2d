//! Turns a queue into what one receive takes from it: whole messages, or bytes of a stream up to a boundary.
//!
//! Laws: what is taken is removed, unless it is only looked at; descriptors leave with the first byte that is read of
//! their write, and end the read.

use core::mem;

use linux_raw_sys::net;

use super::super::{Rule, Rules};
use super::{Carrier, Packet, Queue, Receiver, Taken};
use crate::errno::Errno;

impl<'a> Taken<'a> {
    pub(super) fn refused(errno: Errno, rule: Rule) -> Self {
        Self { result: Some(Err((errno, rule))), ..Self::default() }
    }

    /// Success without a byte and without control messages.
    fn end() -> Self {
        Self { result: Some(Ok(0)), ..Self::default() }
    }

    /// Takes over who sent `packet`. Of a packet without a sender the kernel has process 0 and the overflow numbers.
    fn sender(&mut self, packet: &Packet<'a>, rules: Rules) {
        let unknown = if rules.holds(Rule::UnknownSender) { 65534 } else { 0 };
        self.credentials = packet.sender.map_or((0, unknown, unknown), |s| (s.pid, s.uid, s.gid));
        self.process = packet.sender.map(|s| s.process);
        self.label = packet.label;
    }
}

impl<'a> Queue<'_, 'a> {
    /// Removes the first packet, with all it still carries.
    fn pop(&mut self) -> Option<Packet<'a>> {
        let (first, rest) = mem::take(&mut self.packets).split_first_mut()?;
        self.packets = rest;
        Some(*first)
    }

    /// Removes the packet at `index`.
    fn remove(&mut self, index: usize) -> Option<Packet<'a>> {
        if let Some((up_to, _)) = self.packets.split_at_mut_checked(index.saturating_add(1)) {
            up_to.rotate_right(1);
        }
        self.pop()
    }

    fn bytes(&self) -> u64 {
        self.packets.iter().fold(0, |sum, packet| packet.bytes.saturating_add(sum))
    }
}

/// A datagram or seqpacket receive.
pub(super) fn packets<'a>(queue: &mut Queue<'_, 'a>, receiver: &Receiver<'_>, rules: Rules) -> Taken<'a> {
    let packets = receiver.carrier == Carrier::SeqPacket;
    let asks = |flag| receiver.flags & flag != 0;
    if packets && !receiver.connected && rules.holds(Rule::PacketsConnected) {
        return Taken::refused(Errno::ENOTCONN, Rule::PacketsConnected);
    }
    if asks(net::MSG_OOB) && rules.holds(Rule::UrgentStreamOnly) {
        return Taken::refused(Errno::EOPNOTSUPP, Rule::UrgentStreamOnly);
    }
    let error_first = rules.holds(Rule::ErrorFirst) || queue.packets.is_empty();
    if let Some(errno) = queue.error.take_if(|_| error_first) {
        return Taken::refused(errno, Rule::ErrorFirst);
    }
    let Some(packet) = queue.packets.first().copied() else {
        return match (packets, queue.ended, asks(net::MSG_DONTWAIT)) {
            (true, true, _) if rules.holds(Rule::PacketsEnd) => Taken::end(),
            (false, true, true) if !rules.holds(Rule::DatagramEnd) => Taken::end(),
            (_, true, false) => Taken::end(),
            (_, _, true) => Taken::refused(Errno::EAGAIN, Rule::NothingQueued),
            (_, false, false) => Taken::default(),
        };
    };
    let taken = packet.bytes.min(receiver.data);
    let mut out = Taken { control: true, descriptors: packet.descriptors, time: Some(packet.time), ..Taken::default() };
    if taken < packet.bytes && rules.holds(Rule::DatagramCut) {
        out.flags |= net::MSG_TRUNC;
    }
    out.sender(&packet, rules);
    let whole = asks(net::MSG_TRUNC) && rules.holds(Rule::FullLength);
    out.result = Some(Ok(if whole { packet.bytes } else { taken }));
    if !asks(net::MSG_PEEK) || !rules.holds(Rule::PeekKeeps) {
        queue.pop();
    }
    out
}

/// A stream receive.
pub(super) fn stream<'a>(queue: &mut Queue<'_, 'a>, receiver: &Receiver<'_>, rules: Rules) -> Taken<'a> {
    if !receiver.connected && rules.holds(Rule::StreamConnected) {
        return Taken::refused(Errno::EINVAL, Rule::StreamConnected);
    }
    if receiver.flags & net::MSG_OOB != 0 {
        return urgent(queue, receiver, rules);
    }
    let before = queue.bytes();
    let mut out = Taken { control: true, ..Taken::default() };
    out.result = read(queue, receiver, rules, &mut out);
    if !matches!(out.result, Some(Ok(1..))) && !rules.holds(Rule::ControlWithoutData) {
        out.control = false;
    }
    if !rules.holds(Rule::StreamNoTimestamp) {
        out.time = queue.packets.first().map(|packet| packet.time);
    }
    out.inq = Some(if rules.holds(Rule::InqAfter) { queue.bytes() } else { before });
    out
}

/// Reads bytes into `out` until the buffers are full or a boundary is met; `None` if it has to wait.
fn read<'a>(
    queue: &mut Queue<'_, 'a>,
    receiver: &Receiver<'_>,
    rules: Rules,
    out: &mut Taken<'a>,
) -> Option<Result<u64, (Errno, Rule)>> {
    let asks = |flag| receiver.flags & flag != 0;
    let peek = asks(net::MSG_PEEK) && rules.holds(Rule::PeekKeeps);
    let mut left = receiver.data;
    let mut copied: u64 = 0;
    let target = if asks(net::MSG_WAITALL) { left.max(1) } else { 1 };
    let mut first: Option<Packet<'a>> = None;
    // Where a look has come to. A read takes from the front.
    let mut at = 0;
    if !rules.holds(Rule::ErrorLast) {
        if let Some(errno) = queue.error.take() {
            return Some(Err((errno, Rule::ErrorLast)));
        }
    }
    loop {
        // An empty write is what is left of an out-of-band byte.
        let next = match skip_urgent(queue, receiver, rules, at, copied, &mut out.lost) {
            Next::Boundary => return Some(Ok(copied)),
            Next::Packet(from) => {
                queue.packets.iter().skip(from).position(|p| p.bytes > 0).map(|n| from.saturating_add(n))
            }
            Next::Empty => None,
        };
        let Some((next, packet)) = next.and_then(|next| Some((next, queue.packets.get_mut(next)?))) else {
            if copied >= target {
                return Some(Ok(copied));
            }
            let refusal = match queue.error.take() {
                Some(errno) => (errno, Rule::ErrorLast),
                None if queue.ended && rules.holds(Rule::StreamEnd) => return Some(Ok(copied)),
                None if asks(net::MSG_DONTWAIT) => (Errno::EAGAIN, Rule::NothingQueued),
                None => return None,
            };
            return Some(if copied > 0 { Ok(copied) } else { Err(refusal) });
        };
        let strict = receiver.options.credentials || receiver.options.pidfd;
        match first {
            Some(first) if strict || !rules.holds(Rule::SendersMix) => {
                let other = packet.sender != first.sender || packet.label != first.label;
                if (other && rules.holds(Rule::SenderBoundary)) || !rules.holds(Rule::StreamGlues) {
                    return Some(Ok(copied));
                }
            }
            Some(_) if !rules.holds(Rule::StreamGlues) => return Some(Ok(copied)),
            Some(_) => {}
            None => {
                first = Some(*packet);
                if strict {
                    out.sender(packet, rules);
                }
            }
        }
        let chunk = packet.bytes.min(left);
        copied = copied.saturating_add(chunk);
        left = left.saturating_sub(chunk);
        let with_first_byte = rules.holds(Rule::DescriptorsFirst) || chunk == packet.bytes;
        if packet.descriptors > 0 && with_first_byte {
            out.descriptors = packet.descriptors;
        }
        if peek {
            at = next.saturating_add(1);
            if out.descriptors > 0 && rules.holds(Rule::DescriptorsEnd) {
                return Some(Ok(copied));
            }
            let more = queue.packets.len() > at;
            if !more || (left == 0 && !rules.holds(Rule::PeekLooksOn)) {
                return Some(Ok(copied));
            }
            continue;
        }
        packet.bytes = packet.bytes.saturating_sub(chunk);
        if with_first_byte {
            packet.descriptors = 0;
        }
        if packet.bytes > 0 {
            return Some(Ok(copied));
        }
        queue.remove(next);
        if (out.descriptors > 0 && rules.holds(Rule::DescriptorsEnd)) || left == 0 {
            return Some(Ok(copied));
        }
    }
}

/// Where a read goes on.
enum Next {
    /// With the packet at this index.
    Packet(usize),
    /// Nowhere: it ends in front of the out-of-band byte.
    Boundary,
    /// Nowhere: nothing is left.
    Empty,
}

/// Steps over an out-of-band byte, or what is left of one, at index `at`.
fn skip_urgent(
    queue: &mut Queue<'_, '_>,
    receiver: &Receiver<'_>,
    rules: Rules,
    mut at: usize,
    copied: u64,
    lost: &mut usize,
) -> Next {
    let peek = receiver.flags & net::MSG_PEEK != 0 && rules.holds(Rule::PeekKeeps);
    let inline = receiver.options.urgent_inline && rules.holds(Rule::UrgentInline);
    let boundary = copied > 0 && rules.holds(Rule::UrgentBoundary);
    let pending = queue.packets.iter().any(|packet| packet.urgent);
    let Some(packet) = queue.packets.get(at) else { return Next::Empty };
    if packet.bytes == 0 {
        if boundary && (!pending || packet.urgent) {
            return Next::Boundary;
        }
        if peek {
            at = at.saturating_add(1);
        } else if let Some(packet) = queue.remove(at) {
            *lost = lost.saturating_add(packet.descriptors);
        }
    }
    let Some(packet) = queue.packets.get_mut(at) else {
        return if copied > 0 { Next::Boundary } else { Next::Empty };
    };
    if !packet.urgent {
        return Next::Packet(at);
    }
    if boundary {
        return Next::Boundary;
    }
    if !peek {
        packet.urgent = false;
        if !inline {
            if let Some(packet) = queue.remove(at) {
                *lost = lost.saturating_add(packet.descriptors);
            }
        }
    } else if !inline {
        at = at.saturating_add(1);
    }
    if at < queue.packets.len() { Next::Packet(at) } else { Next::Empty }
}

/// A receive with `MSG_OOB`: one byte, and never a control message.
fn urgent<'a>(queue: &mut Queue<'_, 'a>, receiver: &Receiver<'_>, rules: Rules) -> Taken<'a> {
    let index = queue.packets.iter().position(|packet| packet.urgent);
    let inline = receiver.options.urgent_inline;
    let mut out = Taken { result: Some(Ok(1)), ..Taken::default() };
    let index = match index.filter(|_| !inline) {
        Some(index) => index,
        None if rules.holds(Rule::UrgentNone) => return Taken::refused(Errno::EINVAL, Rule::UrgentNone),
        None => return out,
    };
    if rules.holds(Rule::UrgentFlag) {
        out.flags |= net::MSG_OOB;
    }
    if receiver.flags & net::MSG_PEEK == 0 {
        if let Some(packet) = queue.packets.get_mut(index) {
            packet.urgent = false;
            packet.bytes = 0;
        }
        let before = index.checked_sub(1).filter(|at| queue.packets.get(*at).is_some_and(|packet| packet.bytes == 0));
        if let Some(packet) = before.and_then(|at| queue.remove(at)) {
            out.lost = packet.descriptors;
        }
    }
    out
}
