//! Turns a queue into what one receive takes from it: whole messages, or bytes of a stream up to a boundary.
//!
//! Laws: what is taken is removed, unless it is only looked at; descriptors leave with the first byte that is read of
//! their write, and end the read.

use core::mem;

use linux_raw_sys::net;

use super::{Carrier, Packet, Queue, Receive, Taken};
use crate::errno::Errno;
use crate::oracle::Rule;

impl<'a> Taken<'a> {
    pub(super) fn refused(errno: Errno, rule: Rule) -> Self {
        Self { result: Some(Err((errno, rule))), ..Self::default() }
    }

    /// Success without a byte and without control messages.
    fn end() -> Self {
        Self { result: Some(Ok(0)), ..Self::default() }
    }

    /// Takes over who sent `packet`. Of a packet without a sender the kernel has process 0 and the overflow numbers.
    fn sender(&mut self, packet: &Packet<'a>, call: &Receive<'_>) {
        let unknown = if call.holds(Rule::UnknownSender) { 65534 } else { 0 };
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

    /// Removes the packet at `index`: those in front of it move up by one.
    fn remove(&mut self, index: usize) -> Option<Packet<'a>> {
        let mut moved = *self.packets.get(index)?;
        for packet in self.packets.iter_mut().take(index.saturating_add(1)) {
            mem::swap(packet, &mut moved);
        }
        self.pop()
    }

    /// The index of the first packet from `from` on that is as wanted.
    fn find(&self, from: usize, wanted: impl Fn(&Packet<'a>) -> bool) -> Option<usize> {
        let mut indices = (0..self.packets.len()).zip(self.packets.iter()).skip(from);
        indices.find(|(_, packet)| wanted(packet)).map(|(index, _)| index)
    }

    /// What the kernel counts as unread.
    fn inq(&self) -> u64 {
        self.packets.iter().fold(self.overcount, |sum, packet| packet.bytes.saturating_add(sum))
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

impl Receive<'_> {
    /// A datagram or seqpacket receive.
    pub(super) fn packets<'a>(&self, queue: &mut Queue<'_, 'a>) -> Taken<'a> {
        let packets = self.carrier == Carrier::SeqPacket;
        if packets && !self.connected && self.holds(Rule::PacketsConnected) {
            return Taken::refused(Errno::ENOTCONN, Rule::PacketsConnected);
        }
        if self.asks(net::MSG_OOB) && self.holds(Rule::UrgentStreamOnly) {
            return Taken::refused(Errno::EOPNOTSUPP, Rule::UrgentStreamOnly);
        }
        let error_first = self.holds(Rule::ErrorFirst) || queue.packets.is_empty();
        if let Some(errno) = queue.error.take_if(|_| error_first) {
            return Taken::refused(errno, Rule::ErrorFirst);
        }
        let Some(packet) = queue.packets.first().copied() else {
            return match (packets, queue.ended, self.asks(net::MSG_DONTWAIT)) {
                (true, true, _) if self.holds(Rule::PacketsEnd) => Taken::end(),
                (false, true, true) if !self.holds(Rule::DatagramEnd) => Taken::end(),
                (_, true, false) => Taken::end(),
                (_, _, true) if !self.holds(Rule::NothingQueued) => Taken::end(),
                (_, _, true) => Taken::refused(Errno::EAGAIN, Rule::NothingQueued),
                (_, false, false) => Taken::default(),
            };
        };
        let taken = packet.bytes.min(self.data);
        let mut out =
            Taken { control: true, descriptors: packet.descriptors, time: Some(packet.time), ..Taken::default() };
        if taken < packet.bytes && self.holds(Rule::DatagramCut) {
            out.flags |= net::MSG_TRUNC;
        }
        out.sender(&packet, self);
        let whole = self.asks(net::MSG_TRUNC) && self.holds(Rule::FullLength);
        out.result = Some(Ok(if whole { packet.bytes } else { taken }));
        if !self.looks() {
            queue.pop();
        }
        out
    }

    /// A stream receive.
    pub(super) fn stream<'a>(&self, queue: &mut Queue<'_, 'a>) -> Taken<'a> {
        if !self.connected && self.holds(Rule::StreamConnected) {
            return Taken::refused(Errno::EINVAL, Rule::StreamConnected);
        }
        if self.asks(net::MSG_OOB) {
            return self.urgent(queue);
        }
        let before = queue.inq();
        let mut out = Taken { control: true, credentials: (0, self.root.0, self.root.1), ..Taken::default() };
        out.result = self.read(queue, &mut out);
        if !matches!(out.result, Some(Ok(1..))) && !self.holds(Rule::ControlWithoutData) {
            out.control = false;
        }
        if !self.holds(Rule::StreamNoTimestamp) {
            out.time = queue.packets.first().map(|packet| packet.time);
        }
        if matches!(out.result, Some(Ok(_))) || !self.holds(Rule::InqSuccess) {
            out.inq = Some(if self.holds(Rule::InqAfter) { queue.inq() } else { before });
        }
        out
    }

    /// Reads bytes into `out` until the buffers are full or a boundary is met; `None` if it has to wait.
    fn read<'a>(&self, queue: &mut Queue<'_, 'a>, out: &mut Taken<'a>) -> Option<Result<u64, (Errno, Rule)>> {
        let look = self.looks();
        let mut left = self.data;
        let mut copied: u64 = 0;
        let target = if self.asks(net::MSG_WAITALL) { left.max(1) } else { 1 };
        let mut first: Option<Packet<'a>> = None;
        // Where a look has come to. A read takes from the front.
        let mut at = 0;
        if !self.holds(Rule::ErrorLast) {
            if let Some(errno) = queue.error.take() {
                return Some(Err((errno, Rule::ErrorLast)));
            }
        }
        loop {
            // An empty write is what is left of an out-of-band byte.
            let next = match self.skip_urgent(queue, at, copied, &mut out.lost) {
                Next::Boundary => return Some(Ok(copied)),
                Next::Packet(from) => queue.find(from, |packet| packet.bytes > 0),
                Next::Empty => None,
            };
            let Some((next, packet)) = next.and_then(|next| Some((next, queue.packets.get_mut(next)?))) else {
                if copied >= target {
                    return Some(Ok(copied));
                }
                let refusal = match queue.error.take() {
                    Some(errno) => (errno, Rule::ErrorLast),
                    None if queue.ended && self.holds(Rule::StreamEnd) => return Some(Ok(copied)),
                    None if !self.holds(Rule::NothingQueued) => return Some(Ok(copied)),
                    None if self.asks(net::MSG_DONTWAIT) => (Errno::EAGAIN, Rule::NothingQueued),
                    None => return None,
                };
                return Some(if copied > 0 { Ok(copied) } else { Err(refusal) });
            };
            let strict = self.options.credentials || self.options.pidfd;
            match first {
                Some(first) if strict || !self.holds(Rule::SendersMix) => {
                    let other = packet.sender != first.sender || packet.label != first.label;
                    if (other && self.holds(Rule::SenderBoundary)) || !self.holds(Rule::StreamGlues) {
                        return Some(Ok(copied));
                    }
                }
                Some(_) if !self.holds(Rule::StreamGlues) => return Some(Ok(copied)),
                Some(_) => {}
                None => {
                    first = Some(*packet);
                    if strict {
                        out.sender(packet, self);
                    }
                }
            }
            let chunk = packet.bytes.min(left);
            copied = copied.saturating_add(chunk);
            left = left.saturating_sub(chunk);
            let with_first_byte = self.holds(Rule::DescriptorsFirst) || chunk == packet.bytes;
            if packet.descriptors > 0 && with_first_byte {
                out.descriptors = packet.descriptors;
            }
            if look {
                at = next.saturating_add(1);
                if out.descriptors > 0 && self.holds(Rule::DescriptorsEnd) {
                    return Some(Ok(copied));
                }
                let more = queue.packets.len() > at;
                if !more || (left == 0 && !self.holds(Rule::PeekLooksOn)) {
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
            if (out.descriptors > 0 && self.holds(Rule::DescriptorsEnd)) || left == 0 {
                return Some(Ok(copied));
            }
        }
    }

    /// Steps over an out-of-band byte, or what is left of one, at index `at`.
    fn skip_urgent(&self, queue: &mut Queue<'_, '_>, mut at: usize, copied: u64, lost: &mut usize) -> Next {
        let look = self.looks();
        let inline = self.options.urgent_inline && self.holds(Rule::UrgentInline);
        let boundary = copied > 0 && self.holds(Rule::UrgentBoundary);
        let pending = queue.packets.iter().any(|packet| packet.urgent);
        let Some(packet) = queue.packets.get(at) else { return Next::Empty };
        if packet.bytes == 0 {
            if boundary && (!pending || packet.urgent) {
                return Next::Boundary;
            }
            if look {
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
        if !look {
            packet.urgent = false;
            if !inline {
                if let Some(packet) = queue.remove(at) {
                    *lost = lost.saturating_add(packet.descriptors);
                    if self.holds(Rule::InqSkipped) {
                        queue.overcount = queue.overcount.saturating_add(packet.bytes);
                    }
                }
            }
        } else if !inline {
            at = at.saturating_add(1);
        }
        if at < queue.packets.len() { Next::Packet(at) } else { Next::Empty }
    }

    /// A receive with `MSG_OOB`: one byte, and never a control message.
    fn urgent<'a>(&self, queue: &mut Queue<'_, 'a>) -> Taken<'a> {
        let index = queue.find(0, |packet| packet.urgent);
        let inline = self.options.urgent_inline;
        let mut out = Taken { result: Some(Ok(1)), ..Taken::default() };
        let index = match index.filter(|_| !inline) {
            Some(index) => index,
            None if self.holds(Rule::UrgentNone) => return Taken::refused(Errno::EINVAL, Rule::UrgentNone),
            None => return out,
        };
        if self.holds(Rule::UrgentFlag) {
            out.flags |= net::MSG_OOB;
        }
        if !self.looks() {
            if let Some(packet) = queue.packets.get_mut(index) {
                packet.urgent = false;
                packet.bytes = 0;
            }
            let before =
                index.checked_sub(1).filter(|at| queue.packets.get(*at).is_some_and(|packet| packet.bytes == 0));
            if let Some(packet) = before.and_then(|at| queue.remove(at)) {
                out.lost = packet.descriptors;
            }
        }
        out
    }
}
