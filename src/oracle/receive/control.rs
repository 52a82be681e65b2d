//! Turns what was taken from a queue into control bytes, item by item, into the room that is left.
//!
//! Laws: an item that does not fit is cut, except descriptors, of which as many are opened as fit whole; the padding is
//! skipped and not written, and where the room ends in it, so does `msg_controllen`.

use linux_raw_sys::net;

use super::{Options, Receive, Time, Unit};
use crate::errno::Errno;
use crate::numbers::{SCM_CREDENTIALS, SCM_PIDFD, SCM_RIGHTS, SCM_SECURITY, SOL_SOCKET, int};
use crate::oracle::layout::Header;
use crate::oracle::{Abi, Layout, Rule, Rules};

/// Longest payload of fixed size: three timestamps of sixteen bytes.
const LONGEST: usize = 48;

/// The control room of one receive, being filled.
pub(super) struct Writer<'w> {
    layout: Layout,
    rules: Rules,
    out: &'w mut [u8],
    null: bool,
    /// Bytes written and skipped so far, and bytes left.
    at: u64,
    left: u64,
    free: &'w dyn Fn(usize) -> Option<i32>,
    descriptors: usize,
    pub(super) pidfd: Option<Result<i32, Errno>>,
    truncation: bool,
    pub(super) truncated: Option<Rule>,
}

impl<'w> Writer<'w> {
    pub(super) fn new(call: &Receive<'w>, out: &'w mut [u8]) -> Self {
        let claimed = call.control.unwrap_or(0);
        let left = if call.layout.abi == Abi::Native64 { claimed } else { claimed & u64::from(u32::MAX) };
        Self {
            layout: call.layout,
            rules: call.rules,
            out,
            null: call.control.is_none(),
            at: 0,
            left,
            free: call.free,
            descriptors: 0,
            pidfd: None,
            truncation: false,
            truncated: None,
        }
    }

    /// What `msg_controllen` becomes.
    pub(super) fn written(&self) -> u64 {
        self.at
    }

    /// `MSG_CTRUNC`, or nothing.
    pub(super) fn flags(&self) -> u32 {
        if self.truncation { net::MSG_CTRUNC } else { 0 }
    }

    /// Descriptors opened for `SCM_RIGHTS`.
    pub(super) fn descriptors(&self) -> usize {
        self.descriptors
    }

    /// Sets `MSG_CTRUNC` if `rule`, which asks for it, holds.
    pub(super) fn truncate(&mut self, rule: Rule) {
        if self.rules.holds(rule) {
            self.truncation = true;
            self.truncated = self.truncated.or(Some(rule));
        }
    }

    /// Writes bytes at an offset, as far as the caller has them.
    fn write(&mut self, at: u64, bytes: &[u8]) {
        let room = usize::try_from(at).ok().and_then(|at| self.out.get_mut(at..)).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
    }

    /// Writes a header at the next offset.
    fn header(&mut self, len: u64, kind: i32) {
        let mut header = [0; 16];
        let fields = Header { len, level: SOL_SOCKET, kind };
        if self.layout.write_header(&mut header, fields).is_some() {
            let (header, _) = header.split_at_checked(self.layout.header()).unwrap_or_default();
            self.write(self.at, header);
        }
    }

    /// Goes on to the next header, past an item with this payload.
    fn advance(&mut self, payload: u64) {
        let (len, space) = (self.layout.cmsg_len(payload), self.layout.cmsg_space(payload));
        if !self.rules.holds(Rule::PaddingUntouched) {
            let end = space.min(self.left);
            for at in len.min(end)..end {
                self.write(self.at.saturating_add(at), &[0]);
            }
        }
        let step = if self.rules.holds(Rule::PaddingCut) { space.min(self.left) } else { space };
        self.at = self.at.saturating_add(step);
        self.left = self.left.saturating_sub(step);
    }

    /// Writes one item, or the part of it that fits.
    fn put(&mut self, kind: i32, payload: &[u8]) {
        if self.null {
            return self.truncate(Rule::NullControlItem);
        }
        let header = self.layout.header() as u64;
        if self.left < header {
            return self.truncate(Rule::HeaderLeft);
        }
        let whole = self.layout.cmsg_len(payload.len() as u64);
        let len = whole.min(self.left);
        if len < whole {
            self.truncate(Rule::ItemCut);
            if !self.rules.holds(Rule::ItemCut) {
                return;
            }
        }
        self.header(len, kind);
        let fits = usize::try_from(len.saturating_sub(header)).unwrap_or(usize::MAX);
        self.write(self.at.saturating_add(header), payload.get(..fits).unwrap_or(payload));
        self.advance(payload.len() as u64);
    }

    /// Writes an item of one 32-bit integer.
    pub(super) fn integer(&mut self, kind: i32, number: i32) {
        let mut payload = [0; 4];
        if self.layout.write_i32(&mut payload, number).is_some() {
            self.put(kind, &payload);
        }
    }

    /// `SCM_CREDENTIALS`: process, user, group.
    pub(super) fn credentials(&mut self, (pid, uid, gid): (i32, u32, u32)) {
        let mut payload = [0; 12];
        for (field, number) in payload.chunks_exact_mut(4).zip([pid, int(uid), int(gid)]) {
            let _ = self.layout.write_i32(field, number);
        }
        self.put(SCM_CREDENTIALS, &payload);
    }

    /// `SCM_SECURITY`. What the kernel of the machine at hand cannot show, for want of labels, and no rule speaks of.
    pub(super) fn label(&mut self, label: &[u8]) {
        self.put(SCM_SECURITY, label);
    }

    /// `SCM_RIGHTS`: as many of `count` descriptors as there is room and there are free numbers for.
    pub(super) fn rights(&mut self, count: usize) {
        let header = self.layout.header() as u64;
        let fits = self.left.saturating_sub(header) / 4;
        let fits = if self.rules.holds(Rule::RightsCount) { wrapped(fits) } else { fits };
        let mut room = usize::try_from(fits).unwrap_or(usize::MAX).min(count);
        if room < count && !self.rules.holds(Rule::RightsFit) {
            room = 0;
        }
        let mut opened: usize = 0;
        let mut at = self.at.saturating_add(header);
        while let Some(number) = (self.free)(opened).filter(|_| opened < room) {
            let mut slot = [0; 4];
            if self.layout.write_i32(&mut slot, number).is_some() {
                self.write(at, &slot);
            }
            at = at.saturating_add(4);
            opened = opened.saturating_add(1);
        }
        if opened < room && !self.rules.holds(Rule::TableFull) {
            opened = 0;
        }
        self.descriptors = opened;
        let payload = (opened as u64).saturating_mul(4);
        if opened > 0 || (!self.rules.holds(Rule::RightsNone) && count > 0 && self.left >= header) {
            self.header(self.layout.cmsg_len(payload), SCM_RIGHTS);
            self.advance(payload);
        }
        if opened < count {
            self.truncate(if opened < room { Rule::TableFull } else { Rule::RightsLost });
        }
    }

    /// `SCM_PIDFD`: whole or not at all.
    pub(super) fn process(&mut self, process: Option<Result<(), Errno>>) {
        let fits = self.left >= self.layout.cmsg_len(4);
        if !fits && (process.is_some() || self.rules.holds(Rule::PidfdRoomFirst)) {
            self.truncate(Rule::PidfdRoom);
            if self.rules.holds(Rule::PidfdRoom) {
                return;
            }
        }
        let opened = match process {
            None if self.rules.holds(Rule::PidfdUnknown) => return,
            None => Err(Errno::ESRCH),
            Some(Err(errno)) => Err(errno),
            Some(Ok(())) => (self.free)(self.descriptors).ok_or(Errno::EMFILE),
        };
        if opened.is_err() && !self.rules.holds(Rule::PidfdErrno) {
            return;
        }
        self.pidfd = Some(opened);
        self.integer(SCM_PIDFD, opened.unwrap_or_else(|errno| errno.raw().wrapping_neg()));
    }

    /// The timestamp, and the three of `SO_TIMESTAMPING`, of which a unix socket has the first.
    pub(super) fn times(&mut self, options: Options, time: Time) {
        let Some(unit) = options.timestamp else { return };
        let new = options.new_timestamps;
        let (old_kind, new_kind, fraction) = match unit {
            Unit::Microseconds => (net::SO_TIMESTAMP_OLD, net::SO_TIMESTAMP_NEW, time.nanoseconds / 1000),
            Unit::Nanoseconds => (net::SO_TIMESTAMPNS_OLD, net::SO_TIMESTAMPNS_NEW, time.nanoseconds),
        };
        self.stamps(if new { new_kind } else { old_kind }, new, 1, time.seconds, fraction);
        if options.timestamping {
            let kind = if new { net::SO_TIMESTAMPING_NEW } else { net::SO_TIMESTAMPING_OLD };
            self.stamps(kind, new, 3, time.seconds, time.nanoseconds);
        }
    }

    /// One item of `count` stamps, the first of them set. The old ones are of `long` integers.
    fn stamps(&mut self, kind: u32, new: bool, count: usize, seconds: i64, fraction: u32) {
        let long = match self.layout.abi {
            Abi::Native64 => true,
            Abi::Compat => new || !self.rules.holds(Rule::CompatTime),
            Abi::Native32 => new,
        };
        let wide = Layout { abi: if long { Abi::Native64 } else { Abi::Native32 }, order: self.layout.order };
        let width = wide.alignment();
        let mut payload = [0; LONGEST];
        if let Some((first, second)) = payload.split_at_mut_checked(width) {
            let seconds = u64::from_ne_bytes(seconds.to_ne_bytes());
            let _ = wide.write_word(first, seconds);
            let _ = wide.write_word(second, u64::from(fraction));
        }
        let len = width.saturating_mul(2).saturating_mul(count);
        self.put(int(kind), payload.get(..len).unwrap_or(&payload));
    }
}

/// The kernel keeps the number of descriptors that fit in an `int`: the lower 32 bits, where negative is none.
fn wrapped(fits: u64) -> u64 {
    let [a, b, c, d, ..] = fits.to_le_bytes();
    u64::try_from(i32::from_le_bytes([a, b, c, d])).unwrap_or(0)
}
