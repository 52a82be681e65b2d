//! Turns a forgery into its explanation, and checks it against the verdict: the same answer, the deciding rule by name, a line
//! for each message that a walk finds; and the walkers, who agree about a buffer that is right. The C program has it all in it.
//!
//! Input: a forgery; then the socket and the flags.

use arbitrary::{Arbitrary, Unstructured};
use scmsg::oracle::{
    Capabilities, ControlArea, Descriptor, Explain, ForeignCmsgs, Outcome, Rules, Send, Sender, Socket, Verdict, Walk,
    Walker,
};
use scmsg::raw::msghdr;

use crate::forgery::Forged;
use crate::printed;

pub fn run(data: &[u8]) {
    let _ = program(&mut Unstructured::new(data));
}

fn program(u: &mut Unstructured<'_>) -> arbitrary::Result<Verdict> {
    let socket = *u.choose(&[Socket::UnixStream, Socket::UnixDatagram, Socket::UnixSeqPacket, Socket::Netlink])?;
    let (bytes, privileged, slack) = (u.int_in_range(0..=2)?, u.arbitrary()?, u.int_in_range(0..=16)?);
    let forged = Forged::arbitrary(u)?;
    let items = forged.items();
    let forgery = forged.forgery(&items);
    let mut storage = vec![0xff; forgery.space() + slack];
    let built = forgery.build(&mut storage).expect("the space it asked for");
    let (len, null, start) = (built.control_len, built.null, forgery.start);
    let mut header = msghdr::EMPTY;
    if built.put_in(&mut header).is_some() {
        assert_eq!(header.msg_controllen as u64, len);
        assert_eq!(header.msg_control.cast_const().cast(), if null { std::ptr::null() } else { built.bytes.as_ptr() });
    } else {
        assert!(usize::try_from(len).is_err() && header.msg_controllen == 0, "{len} does not fit");
    }
    // Bytes behind what was built can be read too.
    let readable = &storage[start..];
    let can = if privileged { Capabilities::ALL } else { Capabilities::default() };
    let call = Send {
        layout: forged.layout,
        socket,
        control: ControlArea { readable: (!null).then_some(readable), len },
        bytes,
        descriptor: &|number| match number {
            0..=20 => Descriptor::Ordinary,
            21 => Descriptor::Ring,
            _ => Descriptor::Closed,
        },
        sender: Sender { pid: 2, uids: [1000; 3], gids: [1000; 3], can },
        ..Send::ordinary()
    };
    let verdict = printed::decided(&call);
    printed::sent(&call);
    let text = Explain::sent(&call).to_string();
    assert!(text.lines().all(|line| !line.is_empty()), "{text}");
    if let Outcome::Failed(errno) = verdict.outcome {
        assert!(text.contains(errno.name().expect("a name")), "{errno} is not in\n{text}");
    }
    if let Some(rule) = verdict.rule {
        assert!(text.contains(&format!("rule {rule}: ")), "{rule} is not in\n{text}");
    }
    if let Some(place) = verdict.place {
        assert!(text.contains(&format!("item {}, offset {}", place.item, place.offset)), "{place:?} is not in\n{text}");
    }
    let seen = usize::try_from(len).ok().and_then(|len| readable.get(..len)).unwrap_or(readable);
    if null {
        return Ok(verdict);
    }
    let walked = ForeignCmsgs::new(forged.layout, seen).count();
    for item in 0..walked {
        assert!(text.contains(&format!("item {item} at offset ")), "item {item} is not in\n{text}");
    }
    // Of bytes alone the same messages are told, and no verdict.
    let alone = Explain::bytes(forged.layout, seen).to_string();
    assert_eq!(alone.matches("\nitem ").count(), walked, "{alone}");
    assert!(!alone.contains("\nverdict: ") && text.contains("\nverdict: "), "{alone}\n{text}");
    walkers(&call, seen, &verdict.outcome);
    assert_eq!(Rules::ALL, call.rules);
    Ok(verdict)
}

/// Whatever the kernel takes, it has walked to the end; and who walks stays inside.
fn walkers(call: &Send<'_>, bytes: &[u8], outcome: &Outcome) {
    for walker in Walker::ALL {
        for step in Walk::new(walker, call.layout, bytes) {
            assert!(step.offset <= bytes.len(), "{walker:?} walked out: {step:?} of {}", bytes.len());
        }
    }
    if matches!(outcome, Outcome::Sent { .. }) && call.control.len == bytes.len() as u64 {
        let good = ForeignCmsgs::new(call.layout, bytes).all(|message| message.is_ok());
        assert!(good, "sent, although a message is malformed: {call:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every seed is what it says: the rule that decides, and the message.
    #[test]
    fn seeds_are_what_they_say() {
        let expected = [
            ("len_zero", "item-length", Some(1)),
            ("len_wraps", "item-length", Some(0)),
            ("rust-vmm_31", "item-length", Some(1)),
            ("gvisor_negative_length", "item-length", Some(0)),
            ("compat_trailing_byte", "control-fault", Some(1)),
            ("trailing_byte", "", None),
            ("liburing_1583", "", None),
            ("controllen_2_gib", "control-too-long", None),
            ("merge_limit", "merge-limit", Some(1)),
            ("rights_without_data", "empty-stream", None),
            ("minus_one", "descriptor-closed", Some(0)),
            ("root_forged", "credentials-uid", Some(0)),
        ];
        let seeds: Vec<_> = crate::seeds::all().into_iter().filter(|seed| seed.0 == "explain").collect();
        assert_eq!(seeds.len(), expected.len());
        for ((_, name, _, bytes), expected) in seeds.iter().zip(expected) {
            let verdict = program(&mut Unstructured::new(bytes)).expect("a whole input");
            let rule = verdict.rule.map_or("", |rule| rule.name());
            assert_eq!((*name, rule, verdict.place.map(|place| place.item)), expected);
        }
    }
}
