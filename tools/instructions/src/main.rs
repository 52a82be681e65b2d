//! Turns a workload name and a count into that many rounds, for callgrind to count: `instructions WORKLOAD ROUNDS`.
//!
//! Everything a round needs is made inside the round, but the receive header, which is reused. Two runs with different
//! counts give the exact cost of a round: `(Ir(2 k) - Ir(k)) / k`. Every round fails if a call does, and the run fails if a
//! descriptor is left over.

use scmsg::{
    AsFd, BorrowedFd, CMSG_HEADER, CMSG_SPACE, ControlBuf, Encoder, IoSlice, IoSliceMut, OwnedFd, RecvFlags, RecvMsg,
    Rights, SendFlags, SendMsg, SocketFlags, SocketType, raw, recvmsg, sendmsg, socketpair,
};

/// The ends of a pair and a descriptor to pass.
struct Stage {
    tx: OwnedFd,
    rx: OwnedFd,
    fd: OwnedFd,
}

/// Encoder, push, message, send, receive, take, drop of the rest, close.
#[inline(never)]
fn one(rounds: u32, stage: &Stage, receive: &mut RecvMsg<'_>) -> Option<()> {
    for _ in 0..rounds {
        let mut buf = ControlBuf::<[u8; CMSG_SPACE(4)]>::new();
        let mut control = Encoder::new(&mut buf);
        control.push_rights(&[stage.fd.as_fd()]).ok()?;
        let data = [IoSlice::new(b"x")];
        let message = SendMsg::new(&data).control(&control).ok()?;
        sendmsg(&stage.tx, &message, SendFlags::empty()).ok()?;
        let mut received = recvmsg(&stage.rx, receive, RecvFlags::empty()).ok()?;
        let [_closed_by_drop] = received.control.take_exact().ok()?;
    }
    Some(())
}

/// The same with a message that was built once.
#[inline(never)]
fn prepared(rounds: u32, stage: &Stage, message: &SendMsg<'_>, receive: &mut RecvMsg<'_>) -> Option<()> {
    for _ in 0..rounds {
        sendmsg(&stage.tx, message, SendFlags::empty()).ok()?;
        let mut received = recvmsg(&stage.rx, receive, RecvFlags::empty()).ok()?;
        let [_closed_by_drop] = received.control.take_exact().ok()?;
    }
    Some(())
}

/// The sending half of `prepared` alone; the messages stay in the socket.
#[inline(never)]
fn prepared_send(rounds: u32, stage: &Stage, message: &SendMsg<'_>) -> Option<()> {
    let mut left = rounds;
    while left > 0 {
        if sendmsg(&stage.tx, message, SendFlags::empty()) != Ok(1) {
            return None;
        }
        left -= 1;
    }
    Some(())
}

/// Two arrive, one is taken, the drop closes the other.
#[inline(never)]
fn two_take_one(rounds: u32, stage: &Stage, receive: &mut RecvMsg<'_>) -> Option<()> {
    for _ in 0..rounds {
        let mut buf = ControlBuf::<[u8; CMSG_SPACE(8)]>::new();
        let mut control = Encoder::new(&mut buf);
        control.push_rights(&[stage.fd.as_fd(), stage.rx.as_fd()]).ok()?;
        let data = [IoSlice::new(b"x")];
        let message = SendMsg::new(&data).control(&control).ok()?;
        sendmsg(&stage.tx, &message, SendFlags::empty()).ok()?;
        let mut received = recvmsg(&stage.rx, receive, RecvFlags::empty()).ok()?;
        let _closed_by_drop = received.control.take_fds().next()?.ok()?;
    }
    Some(())
}

/// 253 in one message, all of them closed by the drop.
#[inline(never)]
fn most(rounds: u32, stage: &Stage, fds: &[BorrowedFd<'_>; 253], receive: &mut RecvMsg<'_>) -> Option<()> {
    for _ in 0..rounds {
        let mut buf = ControlBuf::<[u8; Rights::space(253)]>::new();
        let mut control = Encoder::new(&mut buf);
        control.push_rights(fds).ok()?;
        let data = [IoSlice::new(b"x")];
        let message = SendMsg::new(&data).control(&control).ok()?;
        sendmsg(&stage.tx, &message, SendFlags::empty()).ok()?;
        let _closed_by_drop = recvmsg(&stage.rx, receive, RecvFlags::empty()).ok()?;
    }
    Some(())
}

/// The same with a message that was built once.
#[inline(never)]
fn most_prepared(rounds: u32, stage: &Stage, message: &SendMsg<'_>, receive: &mut RecvMsg<'_>) -> Option<()> {
    for _ in 0..rounds {
        sendmsg(&stage.tx, message, SendFlags::empty()).ok()?;
        let _closed_by_drop = recvmsg(&stage.rx, receive, RecvFlags::empty()).ok()?;
    }
    Some(())
}

/// The floor: three bare calls over headers made once. `control` is where the receive header points.
#[inline(never)]
fn floor(rounds: u32, stage: &Stage, send: &raw::msghdr, receive: &mut raw::msghdr, control: *const u8) -> Option<()> {
    const MSG_NOSIGNAL: u32 = 0x4000;
    const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;
    for _ in 0..rounds {
        receive.msg_controllen = CMSG_SPACE(8);
        // SAFETY: `main` keeps everything the headers point to, and the descriptor received is closed here.
        unsafe {
            raw::sendmsg(stage.tx.as_raw_fd(), send, MSG_NOSIGNAL).ok()?;
            raw::recvmsg(stage.rx.as_raw_fd(), receive, MSG_CMSG_CLOEXEC).ok()?;
            raw::close(control.add(CMSG_HEADER).cast::<i32>().read()).ok()?;
        }
    }
    Some(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, workload, rounds] = args.as_slice() else { return Err("usage: instructions WORKLOAD ROUNDS".into()) };
    let rounds: u32 = rounds.parse()?;
    let (tx, rx) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
    let (fd, _peer) = socketpair(SocketType::STREAM, SocketFlags::empty())?;
    let stage = Stage { tx, rx, fd };
    // Valgrind keeps a descriptor below 256: above that the numbers received are consecutive, as they are without it.
    let _low = (0..300).map(|_| std::fs::File::open("/dev/null")).collect::<Result<Vec<_>, _>>()?;
    let before = open_descriptors()?;

    let mut byte = [0];
    let mut room = ControlBuf::<[u8; Rights::space(253)]>::new();
    let arrived = room.as_mut_bytes().as_ptr();
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut receive = RecvMsg::new(&mut data).control(&mut room);

    let mut buf = ControlBuf::<[u8; CMSG_SPACE(4)]>::new();
    let mut encoder = Encoder::new(&mut buf);
    encoder.push_rights(&[stage.fd.as_fd()])?;
    let piece = [IoSlice::new(b"x")];
    let message = SendMsg::new(&piece).control(&encoder)?;

    let done = match workload.as_str() {
        "one" => one(rounds, &stage, &mut receive),
        "prepared" => prepared(rounds, &stage, &message, &mut receive),
        "most" => most(rounds, &stage, &[stage.fd.as_fd(); 253], &mut receive),
        "most_prepared" => {
            let mut buf = ControlBuf::<[u8; Rights::space(253)]>::new();
            let mut encoder = Encoder::new(&mut buf);
            encoder.push_rights(&[stage.fd.as_fd(); 253])?;
            most_prepared(rounds, &stage, &SendMsg::new(&piece).control(&encoder)?, &mut receive)
        }
        "two_take_one" => two_take_one(rounds, &stage, &mut receive),
        "prepared_send" => prepared_send(rounds, &stage, &message),
        "floor" => {
            // SAFETY: a header is plain numbers and pointers.
            let (send, mut header) = unsafe { (*message.as_ptr(), *receive.as_mut_ptr()) };
            floor(rounds, &stage, &send, &mut header, arrived)
        }
        _ => return Err("workloads: floor one prepared prepared_send two_take_one most most_prepared".into()),
    };
    done.ok_or("a round failed")?;
    if open_descriptors()? != before {
        return Err("descriptors are left over".into());
    }
    Ok(())
}

fn open_descriptors() -> std::io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}
