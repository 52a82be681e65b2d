//! The oracle asked about a drawn case alone, with no kernel: what a fuzzer can see the branches of.

use scmsg::Errno;
use scmsg::oracle::{Answer, Layout, Origin, Packet, Queue, Receive, ReceiveReproducer, Time, receive};

use super::super::rng::Rng;
use super::Offered;
use super::draw::{Case, Ending};
use super::stage::{LOOKED_AT, options};

/// Receives what a process that is not there was sent, and has each call looked at; checks that no descriptor comes from
/// nowhere.
pub fn imagine(rng: &mut Rng, layout: Layout, mut look: impl FnMut(&ReceiveReproducer<'_>)) {
    let (uids, gids) = (vec![0, 1, 2], vec![0, 1, 2]);
    let offered = Offered {
        pidfd: true,
        security: true,
        inq: true,
        urgent: true,
        orphans: true,
        times: true,
        root: true,
        first: (0, 0),
        uids,
        gids,
    };
    let case = Case::draw(rng, layout, &offered);
    let sender =
        Some(Origin { pid: 2, uid: 1, gid: 1, process: if case.orphan { Err(Errno::EMFILE) } else { Ok(()) } });
    let mut packets = Vec::new();
    for (index, message) in case.messages.iter().enumerate() {
        let packet = Packet {
            bytes: message.bytes as u64,
            descriptors: message.descriptors,
            sender: sender.filter(|_| index >= case.late),
            label: Some(b"label\0"),
            urgent: message.urgent,
            time: Time { seconds: 1 << 33 | index as i64, nanoseconds: 999_999_999 },
        };
        packets.push(packet);
    }
    let reset = case.ending == Ending::Reset;
    let (mut error, mut overcount) = (reset.then_some(Errno::ECONNRESET), 0);
    for call in &case.calls {
        let asked = Receive {
            layout,
            carrier: case.carrier,
            connected: case.connected,
            control: (!call.null).then_some(call.len),
            data: call.data as u64,
            options: options(&case.switches),
            flags: call.flags,
            free: &|k| (k < call.free.unwrap_or(300)).then_some(k as i32 + 3),
            ..Receive::ordinary()
        };
        let before = packets.clone();
        let room = usize::try_from(call.len).unwrap_or(LOOKED_AT).min(LOOKED_AT);
        let dirt = vec![call.dirt; room];
        let mut out = dirt.clone();
        let sent: usize = packets.iter().map(|packet| packet.descriptors).sum();
        let ended = case.ending != Ending::Open;
        let mut queue = Queue { packets: &mut packets, ended, error, overcount };
        let receipt = receive(&asked, &mut queue, &mut out);
        let (left, after) = (queue.packets.len(), (queue.error, queue.overcount));
        assert!(receipt.descriptors <= sent, "{receipt:?} of {sent}");
        let (call, packets_before) = (&asked, &before[..]);
        look(&ReceiveReproducer {
            call,
            packets: packets_before,
            ended,
            error,
            overcount,
            before: &dirt,
            after: &out,
            receipt,
        });
        if receipt.answer != Answer::Waits {
            packets.drain(..packets.len() - left);
            (error, overcount) = after;
        }
    }
}
