//! Turns a program of pushes into a buffer of any capacity and into a `Vec` that is appended to: a message is there completely,
//! or nothing has changed and the error says how much was missing.
//!
//! Input: capacity, what the buffer holds before, then pushes: an opcode and its operands, one byte each.

use arbitrary::Unstructured;
use scmsg::{
    BorrowedFd, ControlBuf, Credentials, Encode, Encoder, Ipv4PacketInfo, Ipv6PacketInfo, Message, NoSpace, Rights,
};

use crate::descriptors::lent;
use crate::naive::{HEADER, WORD, append};

pub fn run(data: &[u8]) {
    let _ = program(&mut Unstructured::new(data));
}

/// A buffer of one size, given to a body.
type With = fn(&mut dyn FnMut(&mut ControlBuf));

fn with<const N: usize>(body: &mut dyn FnMut(&mut ControlBuf)) {
    body(&mut ControlBuf::<[u8; N]>::new());
}

/// Every capacity up to 127, and a few large ones.
static BUFFERS: [With; 132] = {
    macro_rules! of {
        ($($tens:literal)*) => {[
            $(with::<{ $tens * 8 }>, with::<{ $tens * 8 + 1 }>, with::<{ $tens * 8 + 2 }>, with::<{ $tens * 8 + 3 }>,
            with::<{ $tens * 8 + 4 }>, with::<{ $tens * 8 + 5 }>, with::<{ $tens * 8 + 6 }>, with::<{ $tens * 8 + 7 }>,)*
            with::<255>, with::<1028>, with::<1029>, with::<4096>,
        ]};
    }
    of!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
};

/// What the encoder must do.
struct Model {
    bytes: Vec<u8>,
    capacity: usize,
    descriptors: usize,
}

impl Model {
    fn push(&mut self, level: i32, kind: i32, len: u128, payload: &[u8], descriptors: usize) -> Result<(), NoSpace> {
        let padding = self.bytes.len().next_multiple_of(WORD) - self.bytes.len();
        let left = self.capacity - self.bytes.len();
        let need = padding as u128 + HEADER as u128 + len;
        if need > left as u128 {
            return Err(NoSpace { need: usize::try_from(need).unwrap_or(usize::MAX), left });
        }
        append(&mut self.bytes, level, kind, payload);
        self.descriptors += descriptors;
        Ok(())
    }
}

/// A message whose payload is as long as it says and of which it writes the start only.
struct Own {
    len: usize,
    writes: usize,
    byte: u8,
}

impl Message for Own {
    const LEVEL: i32 = 0x0bad;
    const TYPE: i32 = i32::MIN;
}

impl Encode for Own {
    fn payload_len(&self) -> usize {
        self.len
    }

    fn encode(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.len);
        assert!(out.iter().all(|byte| *byte == 0), "the payload is zeroed");
        out[..self.writes].fill(self.byte);
    }
}

fn program(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let buffer = BUFFERS[usize::from(u.arbitrary::<u8>()?) % BUFFERS.len()];
    let dirt = u.arbitrary::<u8>()?;
    let mut result = Ok(());
    buffer(&mut |buf| {
        buf.as_mut_bytes().fill(dirt);
        let mut model = Model { bytes: Vec::new(), capacity: buf.as_bytes().len(), descriptors: 0 };
        let mut encoder = Encoder::new(buf);
        assert_eq!(encoder.as_bytes(), b"");
        while result.is_ok() && !u.is_empty() {
            result = push(u, &mut encoder, &mut model);
            assert_eq!(encoder.as_bytes(), model.bytes);
            assert_eq!(encoder.descriptors(), model.descriptors);
        }
        // Behind what was encoded nothing has changed.
        model.bytes.resize(model.capacity, dirt);
        assert_eq!(buf.as_bytes(), model.bytes);
    });
    result
}

/// One push into both, with one answer.
fn push(u: &mut Unstructured<'_>, encoder: &mut Encoder<'_, '_>, model: &mut Model) -> arbitrary::Result<()> {
    let rights =
        |fds: &[BorrowedFd<'_>]| -> Vec<u8> { fds.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes()).collect() };
    let (level, kind) = (Rights::LEVEL, Rights::TYPE);
    let (said, expected) = match u.arbitrary::<u8>()? % 8 {
        0 => {
            // Up to 300, more than any message takes: the kernel's limit is not the encoder's.
            let count = usize::from(u.arbitrary::<u8>()?);
            let fds = lent(if count < 250 { count % 20 } else { count + 45 });
            let payload = rights(fds);
            (encoder.push_rights(fds).map(drop), model.push(level, kind, payload.len() as u128, &payload, fds.len()))
        }
        1 => {
            let fds = lent(3).first_chunk::<3>().expect("three");
            (encoder.push_rights_array(fds).map(drop), model.push(level, kind, 12, &rights(fds), 3))
        }
        2 => {
            let words: [u32; 3] = u.arbitrary()?;
            let value = Credentials { pid: words[0].try_into().ok(), uid: words[1], gid: words[2] };
            let payload = words.map(u32::to_ne_bytes);
            (encoder.push(&value).map(drop), plain::<Credentials>(model, payload.as_flattened()))
        }
        3 => {
            let interface = u.arbitrary::<u32>()?;
            let (local, destination): ([u8; 4], [u8; 4]) = u.arbitrary()?;
            let value = Ipv4PacketInfo { interface, local: local.into(), destination: destination.into() };
            let payload = [interface.to_ne_bytes(), local, destination];
            (encoder.push(&value).map(drop), plain::<Ipv4PacketInfo>(model, payload.as_flattened()))
        }
        4 => {
            let address: [u8; 16] = u.arbitrary()?;
            let interface = u.arbitrary::<u32>()?;
            let mut payload = address.to_vec();
            payload.extend(interface.to_ne_bytes());
            let value = Ipv6PacketInfo { address: address.into(), interface };
            (encoder.push(&value).map(drop), plain::<Ipv6PacketInfo>(model, &payload))
        }
        5 => {
            let (len, writes, byte): (u8, u8, u8) = u.arbitrary()?;
            let own = Own { len: len.into(), writes: (writes.min(len)).into(), byte };
            let mut payload = vec![0; own.len];
            payload[..own.writes].fill(byte);
            (encoder.push(&own).map(drop), plain::<Own>(model, &payload))
        }
        6 => {
            // Longer than any buffer, up to where the sum of lengths is no number any more.
            let len = usize::MAX - usize::from(u.arbitrary::<u8>()?);
            let own = Own { len, writes: 0, byte: 0 };
            (encoder.push(&own).map(drop), model.push(Own::LEVEL, Own::TYPE, len as u128, &[], 0))
        }
        _ => {
            let (level, kind, len, byte): (i8, i8, u8, u8) = u.arbitrary()?;
            let (level, kind) = (level.into(), kind.into());
            let payload = vec![byte; len.into()];
            let fds = if (level, kind) == (Rights::LEVEL, Rights::TYPE) { payload.len() / 4 } else { 0 };
            // SAFETY: these bytes are never sent.
            let said = unsafe { encoder.push_raw(level, kind, &payload) }.map(drop);
            (said, model.push(level, kind, payload.len() as u128, &payload, fds))
        }
    };
    assert_eq!(said, expected);
    if let Err(error) = said {
        assert!(error.need > error.left);
        assert_eq!(error.missing(), error.need - error.left);
        assert!(error.to_string().contains(&error.need.to_string()), "{error}");
    }
    Ok(())
}

fn plain<M: Message>(model: &mut Model, payload: &[u8]) -> Result<(), NoSpace> {
    model.push(M::LEVEL, M::TYPE, payload.len() as u128, payload, 0)
}
