//! Turns control messages into cargo: descriptors and credentials, message by message, descriptor by descriptor.

use core::num::NonZeroU32;

use super::import::Imported;
use super::{Cargo, Descriptor, Place, Send, Socket, Stop, Version};
use crate::errno::Errno;
use crate::message::Credentials;
use crate::numbers::{SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SOL_SOCKET, word};
use crate::oracle::layout::Header;
use crate::oracle::rule::Rule;

/// What one parse holds besides its cargo.
struct Held {
    cargo: Cargo,
    /// The process already looked up: netlink starts with the sender's own.
    pid: Option<i32>,
}

impl Send<'_> {
    pub(super) fn parse(&self, imported: Imported<'_>) -> Result<Cargo, Stop> {
        let pid = (self.socket == Socket::Netlink).then_some(self.sender.pid);
        let mut held = Held { cargo: Cargo::default(), pid };
        let mut place = Place { item: 0, offset: 0, element: None };
        while self.has_next(place.offset, imported.len) {
            let Some((header, bytes)) = imported.at(self, place.offset) else {
                self.refuse_at(Rule::ItemLength, true, Errno::EINVAL, Some(place))?;
                break;
            };
            let left = imported.len.saturating_sub(place.offset);
            let wrong = header.len < self.layout.header() as u64 || header.len > left;
            self.refuse_at(Rule::ItemLength, wrong, Errno::EINVAL, Some(place))?;
            let len = usize::try_from(header.len).unwrap_or(usize::MAX).min(bytes.len());
            let payload = bytes.get(self.layout.header()..len).unwrap_or(&[]);
            self.message(header, payload, place, &mut held)?;
            // A length that is believed although it is wrong must not stop the walk.
            let passed = header.len.max(self.layout.header() as u64);
            place.offset = self.next_offset(place.offset, passed);
            place.item = place.item.saturating_add(1);
        }
        Ok(held.cargo)
    }

    fn message(&self, header: Header, payload: &[u8], place: Place, held: &mut Held) -> Result<(), Stop> {
        if header.level != SOL_SOCKET {
            let wrong = !self.rules.holds(Rule::ForeignLevel);
            return if wrong { self.refuse_at(Rule::UnknownType, true, Errno::EINVAL, Some(place)) } else { Ok(()) };
        }
        match header.kind {
            SCM_RIGHTS => self.rights(payload, place, &mut held.cargo),
            SCM_CREDENTIALS => self.credentials(payload, place, held),
            _ => self.refuse_at(Rule::UnknownType, true, Errno::EINVAL, Some(place)),
        }
    }

    fn rights(&self, payload: &[u8], place: Place, cargo: &mut Cargo) -> Result<(), Stop> {
        self.refuse_at(Rule::RightsFamily, self.socket == Socket::Netlink, Errno::EINVAL, Some(place))?;
        let stray = payload.len() & 3 != 0 && !self.rules.holds(Rule::RightsFloor);
        let count = (payload.len() >> 2).saturating_add(usize::from(stray));
        let all = cargo.descriptors.saturating_add(count);
        self.refuse_at(Rule::MergeLimit, all > SCM_MAX_FD, Errno::EINVAL, Some(place))?;
        let mut rest = payload;
        let mut element = 0usize;
        while let Some(number) = self.layout.read_i32(rest) {
            let place = Some(Place { element: Some(element), ..place });
            let what = (self.descriptor)(number);
            self.refuse_at(Rule::DescriptorClosed, number < 0 || what == Descriptor::Closed, Errno::EBADF, place)?;
            let ring = what == Descriptor::Ring && self.limits.version >= Version(6, 7);
            self.refuse_at(Rule::DescriptorRing, ring, Errno::EINVAL, place)?;
            element = element.saturating_add(1);
            rest = rest.get(4..).unwrap_or(&[]);
        }
        cargo.descriptors = all;
        Ok(())
    }

    fn credentials(&self, payload: &[u8], place: Place, held: &mut Held) -> Result<(), Stop> {
        let refuse = |rule, condition, errno| self.refuse_at(rule, condition, errno, Some(place));
        refuse(Rule::CredentialsLength, payload.len() != 12, Errno::EINVAL)?;
        let field = |at: usize| payload.get(at..).and_then(|bytes| self.layout.read_i32(bytes)).unwrap_or(0);
        let (pid, uid, gid) = (field(0), word(field(4)), word(field(8)));
        let mapped = |id: u32, maps: &dyn Fn(u32) -> bool| id != u32::MAX && maps(id);
        let both = mapped(uid, self.user) && mapped(gid, self.group);
        refuse(Rule::CredentialsMapped, !both, Errno::EINVAL)?;
        let (sender, can) = (&self.sender, self.sender.can);
        refuse(Rule::CredentialsPid, pid != sender.pid && !can.sys_admin, Errno::EPERM)?;
        refuse(Rule::CredentialsUid, !sender.uids.contains(&uid) && !can.set_uid, Errno::EPERM)?;
        refuse(Rule::CredentialsGid, !sender.gids.contains(&gid) && !can.set_gid, Errno::EPERM)?;
        if held.pid != Some(pid) {
            refuse(Rule::CredentialsProcess, !(self.process)(pid), Errno::ESRCH)?;
            held.pid = Some(pid);
        }
        let said = Credentials { pid: NonZeroU32::new(word(pid)), uid, gid };
        let keep = held.cargo.credentials.filter(|_| !self.rules.holds(Rule::CredentialsLast));
        held.cargo.credentials = Some(keep.unwrap_or(said));
        Ok(())
    }
}
