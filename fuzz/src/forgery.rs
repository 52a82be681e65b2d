//! Turns a fuzzer's bytes into forgeries: control bytes that are wrong by structure and not by noise.

use arbitrary::{Arbitrary, Result, Unstructured};
use scmsg::oracle::forge::{Forgery, Item, Length, Payload};
use scmsg::oracle::{Abi, ByteOrder, Layout};

/// What owns the pieces of a [`Forgery`].
#[derive(Clone, Debug)]
pub struct Forged {
    pub layout: Layout,
    messages: Vec<Message>,
    start: usize,
    trailing: usize,
    fill: u8,
    control_len: Length,
    null: bool,
}

#[derive(Clone, Debug)]
struct Message {
    level: i32,
    kind: i32,
    load: Load,
    len: Length,
    gap: i32,
}

#[derive(Clone, Debug)]
enum Load {
    Bytes(Vec<u8>),
    Integers(Vec<i32>),
    Repeat(i32, u32),
    Credentials(i32, u32, u32),
}

impl Forged {
    pub fn items(&self) -> Vec<Item<'_>> {
        self.messages.iter().map(Message::item).collect()
    }

    pub fn forgery<'a>(&self, items: &'a [Item<'a>]) -> Forgery<'a> {
        Forgery {
            start: self.start,
            trailing: self.trailing,
            fill: self.fill,
            control_len: self.control_len,
            null: self.null,
            ..Forgery::new(self.layout, items)
        }
    }
}

impl Message {
    fn item(&self) -> Item<'_> {
        let payload = match &self.load {
            Load::Bytes(bytes) => Payload::Bytes(bytes),
            Load::Integers(numbers) => Payload::Integers(numbers),
            Load::Repeat(number, count) => Payload::Repeat { number: *number, count: *count },
            Load::Credentials(pid, uid, gid) => Payload::Credentials { pid: *pid, uid: *uid, gid: *gid },
        };
        let item = Item::new(self.level, self.kind, payload);
        // The short ways are the long one.
        match (self.level, self.kind, &self.load) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS, Load::Integers(numbers)) => assert_eq!(Item::rights(numbers), item),
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS, Load::Credentials(pid, uid, gid)) => {
                assert_eq!(Item::credentials(*pid, *uid, *gid), item);
            }
            _ => {}
        }
        item.claiming(self.len).gap(self.gap)
    }
}

impl Arbitrary<'_> for Forged {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let abi = *u.choose(&[Abi::Native64, Abi::Native32, Abi::Compat])?;
        let order = *u.choose(&[ByteOrder::Little, ByteOrder::Big])?;
        let (start, trailing) = (u.int_in_range(0..=15)?, u.int_in_range(0..=40)?);
        let (fill, control_len, null) = (u.arbitrary()?, length(u)?, u.ratio(1, 64)?);
        let mut messages = Vec::new();
        while !u.is_empty() && messages.len() < 16 {
            messages.push(Message::arbitrary(u)?);
        }
        Ok(Self { layout: Layout { abi, order }, messages, start, trailing, fill, control_len, null })
    }
}

impl Arbitrary<'_> for Message {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let level = if u.ratio(15, 16)? { libc::SOL_SOCKET } else { u.arbitrary()? };
        let kind = if u.ratio(15, 16)? { u.int_in_range(0..=5)? } else { u.arbitrary()? };
        let load = match u.int_in_range(0..=3)? {
            0 => {
                let len = u.int_in_range(0..=40)?.min(u.len());
                Load::Bytes(u.bytes(len)?.to_vec())
            }
            1 => Load::Integers(
                (0..u.int_in_range(0..=8)?).map(|_| Ok(i32::from(u.arbitrary::<i8>()?))).collect::<Result<_>>()?,
            ),
            2 => Load::Repeat(u.arbitrary::<i8>()?.into(), u.int_in_range(0..=300)?),
            _ => Load::Credentials(
                u.arbitrary::<i8>()?.into(),
                u.arbitrary::<u16>()?.into(),
                u.arbitrary::<u16>()?.into(),
            ),
        };
        Ok(Self { level, kind, load, len: length(u)?, gap: u.int_in_range(-24..=24)? })
    }
}

fn length(u: &mut Unstructured<'_>) -> Result<Length> {
    Ok(match u.int_in_range(0..=7)? {
        0..=4 => Length::True,
        5 => Length::Off(i64::from(u.arbitrary::<i8>()?)),
        6 => Length::Exact(u.int_in_range(0..=64)?),
        _ => Length::Exact(u.arbitrary()?),
    })
}
