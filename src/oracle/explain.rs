//! Turns control bytes into sentences: a line for each control message, what other walkers make of them, and the verdict with
//! the rule that decided it. For logs and triage.
//!
//! ```text
//! 48 control bytes, 64-bit, little-endian
//! item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 8 bytes: 2 descriptors: 3, 4
//! item 1 at offset 24: cmsg_len 7 is under 16: EINVAL
//! glibc hands out item 1, whose cmsg_len is not true, and ends
//! musl hands out item 1, whose cmsg_len is not true, and ends
//! verdict: EINVAL (invalid argument) at item 1, offset 24
//! rule item-length: A `cmsg_len` under the header's size or past the end is EINVAL, at every level. [CMSG_OK]
//! ```
//!
//! Laws: any bytes are explained; nothing is allocated; an item is a header that a native kernel comes to.

use core::fmt::{self, Display, Formatter};

use super::foreign::{ForeignCmsg, ForeignCmsgs, ForeignMalformed};
use super::layout::{Abi, ByteOrder, Layout};
use super::names;
use super::rule::Rule;
use super::send::{ControlArea, Descriptor, Outcome, Place, Send, Verdict, send};
use super::walk::{Stop, Walk, Walker};
use crate::numbers::{SCM_CREDENTIALS, SCM_PIDFD};

/// Descriptors, and bytes of any other payload, that are written out.
const SHOWN: usize = 8;

/// What is in some control bytes, and what a right kernel answers to them: prints several lines, without a newline at the end.
///
/// # Examples
/// ```
/// use scmsg::oracle::forge::{Forgery, Item};
/// use scmsg::oracle::{Abi, ByteOrder, ControlArea, Explain, Layout, Send};
///
/// let layout = Layout { abi: Abi::Native64, order: ByteOrder::Little };
/// let mut storage = [0; 32];
/// let forged = Forgery::new(layout, &[Item::rights(&[3, -1])]).build(&mut storage)?;
/// let call = Send { layout, control: ControlArea::new(forged.bytes), ..Send::ordinary() };
/// let text = "\
/// 24 control bytes, 64-bit, little-endian
/// item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 8 bytes: 2 descriptors: 3, -1 (closed): EBADF
/// verdict: EBADF (bad file descriptor) at item 0, offset 0, descriptor 1
/// rule descriptor-closed: A number that is negative or not open is EBADF. [scm_fp_copy]";
/// assert_eq!(Explain::sent(&call).to_string(), text);
/// # Ok::<(), scmsg::NoSpace>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Explain<'a> {
    layout: Layout,
    control: ControlArea<'a>,
    call: Option<(&'a Send<'a>, Verdict)>,
}

impl<'a> Explain<'a> {
    /// Explains control bytes that are sent, with the answer of [`send()`].
    #[must_use]
    pub fn sent(call: &'a Send<'a>) -> Self {
        Self { layout: call.layout, control: call.control, call: Some((call, send(call))) }
    }

    /// Explains control bytes alone: those that were received, or of whose fate nothing is known.
    #[must_use]
    pub const fn bytes(layout: Layout, bytes: &'a [u8]) -> Self {
        Self { layout, control: ControlArea::new(bytes), call: None }
    }

    /// The bytes that are there, no more than `msg_controllen` says.
    fn readable(&self) -> &'a [u8] {
        let bytes = self.control.readable.unwrap_or_default();
        usize::try_from(self.control.len).ok().and_then(|len| bytes.get(..len)).unwrap_or(bytes)
    }

    /// Whether the end of the bytes is where `msg_controllen` says.
    fn is_whole(&self) -> bool {
        self.readable().len() as u64 == self.control.len
    }

    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (len, readable) = (self.control.len, self.readable().len());
        match self.control.readable {
            None => write!(f, "msg_control is null, msg_controllen {len}")?,
            Some(_) if self.is_whole() => write!(f, "{}", Count(len, "control byte"))?,
            Some(_) => write!(f, "msg_controllen {len}, of which {} can be read", Count(readable as u64, "byte"))?,
        }
        let abi = match self.layout.abi {
            Abi::Native64 => "64-bit",
            Abi::Native32 => "32-bit",
            Abi::Compat => "32-bit on a 64-bit kernel",
        };
        let order = match self.layout.order {
            ByteOrder::Little => "little-endian",
            ByteOrder::Big => "big-endian",
        };
        write!(f, ", {abi}, {order}")
    }

    fn items(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut walk = ForeignCmsgs::new(self.layout, self.readable());
        let mut item = 0_usize;
        loop {
            let offset = walk.offset();
            match walk.next() {
                Some(Ok(message)) => {
                    write!(f, "\nitem {item} at offset {offset}: ")?;
                    self.message(f, &message)?;
                }
                Some(Err(malformed)) => {
                    write!(f, "\nitem {item} at offset {offset}: ")?;
                    self.malformed(f, malformed)?;
                }
                None => break,
            }
            self.decided(f, item)?;
            item = item.saturating_add(1);
        }
        let rest = walk.remainder();
        if !rest.is_empty() && rest.len() < self.layout.header() {
            write!(f, "\n{} behind the last item: {}", Count(rest.len() as u64, "byte"), Bytes(rest))?;
        }
        Ok(())
    }

    fn message(&self, f: &mut Formatter<'_>, message: &ForeignCmsg<'_>) -> fmt::Result {
        let (level, kind) = (message.level, message.kind);
        match (names::level(level), names::kind(level, kind)) {
            (Some(level), Some(kind)) => write!(f, "{level} {kind}")?,
            (Some(level), None) => write!(f, "{level} type {kind}")?,
            (None, _) if message.is_socket() => write!(f, "level {level} (SOL_SOCKET elsewhere) type {kind}")?,
            (None, _) => write!(f, "level {level} type {kind}")?,
        }
        write!(f, ", {}", Count(message.payload.len() as u64, "byte"))?;
        if let Some(rights) = message.rights() {
            write!(f, ": {}", Count(rights.len() as u64, "descriptor"))?;
            let mut before = ": ";
            for number in rights.take(SHOWN) {
                write!(f, "{before}{number}{}", self.what(number))?;
                before = ", ";
            }
            if rights.len() > SHOWN {
                f.write_str(", ..")?;
            }
            let stray = (message.payload.len() & 3) as u64;
            return if stray == 0 { Ok(()) } else { write!(f, " and {}", Count(stray, "stray byte")) };
        }
        match (message.u32_at(8), message.u32_at(4), message.i32_at(0)) {
            (Some(gid), Some(uid), Some(pid)) if message.is_socket() && kind == SCM_CREDENTIALS => {
                write!(f, ": pid {pid}, uid {uid}, gid {gid}")
            }
            (_, _, Some(number)) if message.is_socket() && kind == SCM_PIDFD => write!(f, ": {number}"),
            _ if message.payload.is_empty() => Ok(()),
            _ => write!(f, ": {}", Bytes(message.payload)),
        }
    }

    /// What a number is that will not pass.
    fn what(&self, number: i32) -> &'static str {
        let Some((call, _)) = self.call else { return "" };
        match (call.descriptor)(number) {
            Descriptor::Ring if number >= 0 => " (io_uring)",
            Descriptor::Ordinary if number >= 0 => "",
            _ => " (closed)",
        }
    }

    fn malformed(&self, f: &mut Formatter<'_>, malformed: ForeignMalformed) -> fmt::Result {
        let ForeignMalformed { offset, claimed, .. } = malformed;
        let header = self.layout.header();
        let left = self.control.len.saturating_sub(offset as u64);
        if claimed < header as u64 {
            write!(f, "cmsg_len {claimed} is under {header}")
        } else if claimed > left {
            write!(f, "cmsg_len {claimed} is over the {} left", Count(left, "byte"))
        } else {
            write!(f, "cmsg_len {claimed} ends behind what can be read")
        }
    }

    /// Says so where the verdict fell.
    fn decided(&self, f: &mut Formatter<'_>, item: usize) -> fmt::Result {
        match self.call {
            Some((_, Verdict { outcome: Outcome::Failed(errno), place: Some(place), .. })) if place.item == item => {
                write!(f, ": {errno:?}")
            }
            _ => Ok(()),
        }
    }

    /// What a program sees that is not what the kernel sees.
    fn walker(&self, f: &mut Formatter<'_>, walker: Walker) -> fmt::Result {
        let (layout, bytes) = (self.layout, self.readable());
        let mut walk = Walk::new(walker, layout, bytes);
        let same = Walk::new(Walker::Kernel, layout, bytes).eq(walk.clone());
        let lower = walk.clone().any(|step| {
            let header = bytes.get(step.offset..).and_then(|bytes| layout.read_header(bytes));
            header.is_some_and(|header| header.len != step.header.len)
        });
        let count = walk.by_ref().count();
        let last = count.saturating_sub(1);
        let unseen = matches!(walk.stop(), Some(Stop::End { left, .. }) if left >= layout.header());
        if same && !unseen {
            return Ok(());
        }
        write!(f, "\n{} ", walker.name())?;
        match walk.stop() {
            Some(Stop::Wraps { back: 0, .. }) => {
                write!(f, "hands out item {last}, whose cmsg_len wraps, again and again")
            }
            Some(Stop::Wraps { back, .. }) => {
                write!(f, "hands out item {last}, whose cmsg_len wraps, and goes {back} bytes back")
            }
            _ if lower => write!(f, "reads the lower half of cmsg_len and sees {}", Count(count as u64, "item")),
            Some(Stop::Malformed(_)) => write!(f, "hands out item {last}, whose cmsg_len is not true, and ends"),
            _ => write!(f, "does not see item {count}: no more than a header is left"),
        }
    }

    fn verdict(&self, f: &mut Formatter<'_>, call: &Send<'_>, verdict: Verdict) -> fmt::Result {
        f.write_str("\nverdict: ")?;
        match verdict.outcome {
            Outcome::Sent { bytes, descriptors, credentials } => {
                write!(f, "sent, returns {bytes}, {} on the way", Count(descriptors as u64, "descriptor"))?;
                if let Some(said) = credentials {
                    let pid = said.pid.map_or(0, u32::from);
                    write!(f, ", as pid {pid}, uid {}, gid {}", said.uid, said.gid)?;
                }
            }
            Outcome::Dropped { descriptors } => {
                write!(f, "returns 0, {} lost", Count(descriptors as u64, "descriptor"))?;
            }
            Outcome::Failed(errno) => write!(f, "{errno}")?,
        }
        if let Some(Place { item, offset, element }) = verdict.place {
            write!(f, " at item {item}, offset {offset}")?;
            if let Some(element) = element {
                write!(f, ", descriptor {element}")?;
            }
        }
        if let Some(rule) = verdict.rule {
            write!(f, "\nrule {}: {} [{}", rule.name(), rule.text(), rule.source())?;
            let since = rule.since();
            let before = if since.is_empty() { "" } else { ", since Linux " };
            write!(f, "{before}{since}]")?;
        }
        match Rule::ALL.iter().find(|rule| !call.rules.holds(**rule)) {
            Some(without) => write!(f, "\nwithout rule {without}: this oracle is wrong on purpose"),
            None => Ok(()),
        }
    }
}

impl Display for Explain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.items(f)?;
        if self.is_whole() {
            self.walker(f, Walker::Glibc)?;
            self.walker(f, Walker::Musl)?;
        }
        match self.call {
            Some((call, verdict)) => self.verdict(f, call, verdict),
            None => Ok(()),
        }
    }
}

/// So many of something.
struct Count(u64, &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// The first bytes, in hexadecimal.
struct Bytes<'a>(&'a [u8]);

impl Display for Bytes<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for byte in self.0.iter().take(SHOWN) {
            write!(f, "{before}{byte:02x}")?;
            before = " ";
        }
        f.write_str(if self.0.len() > SHOWN { " .." } else { "" })
    }
}
