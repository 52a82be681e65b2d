//! Turns a fuzzer's bytes into a case of `oracle-check`, run by a child whose descriptor table holds only decoys.
//!
//! One child for each lane, started when its first case comes and kept: it answers each case with nothing, or with where
//! oracle and kernel differ. On a finding the child is asked once more, so that a chance answer of the kernel is none.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use scmsg::oracle::{Abi, ByteOrder, Capabilities, Layout, Rules, Sender, Side};

use crate::harness::lane::Lane;
use crate::harness::receive::{Receives, imagine::imagine as imagine_receive};
use crate::harness::rng::Rng;
use crate::harness::send::{Known, Sends, imagine as imagine_send};
use crate::harness::{compat, kernel};
use crate::printed;

/// A child and this end of the socket to it.
struct Child {
    socket: i32,
}

/// Bytes of a case that are read.
const MOST: usize = 4096;

/// The children by lane; `None` for a lane this machine does not have.
static CHILDREN: Mutex<BTreeMap<u64, Option<Child>>> = Mutex::new(BTreeMap::new());

/// Runs one case of `side`: the first byte chooses the lane, the rest decide.
pub fn case(side: Side, data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let lane = Lane { side, compat: which & 1 == 1, root: which & 2 == 2 };
    let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    let child = children.entry(lane.number()).or_insert_with(|| start(lane));
    let Some(child) = child else { return };
    let rest = &rest[..rest.len().min(MOST)];
    imagine(lane, rest);
    let Some(first) = child.ask(rest) else { return };
    if let Some(again) = child.ask(rest) {
        panic!("{}: {first}\nand again: {again}", lane.name());
    }
}

/// Asks the oracle here as well, about a process that is not there: a fuzzer does not see the branches its child takes. What it
/// says is held against what is printed of it.
fn imagine(lane: Lane, data: &[u8]) {
    let layout = kernel::layout(lane.compat);
    let (user, can) = if lane.root { (0, Capabilities::ALL) } else { (kernel::OWN_USER, Capabilities::default()) };
    let sender = Sender { pid: 4321, uids: [user, user + 1, user + 2], gids: [user; 3], can };
    match lane.side {
        Side::Send => imagine_send(&mut Rng::of_bytes(data), layout, &Known::imagined(sender), |call| {
            printed::decided(call);
            printed::sent(call);
        }),
        Side::Receive => {
            // And on a kernel that nobody here has.
            let foreign = Layout { abi: Abi::Native32, order: ByteOrder::Big };
            for layout in [layout, foreign] {
                imagine_receive(&mut Rng::of_bytes(data), layout, printed::received);
            }
        }
    }
}

fn start(lane: Lane) -> Option<Child> {
    // SAFETY: asks for a number.
    let root = unsafe { libc::geteuid() } == 0;
    if (lane.compat && !compat::available()) || (lane.root && !root) {
        let said = format!("SKIPPED: {}: not on this machine\n", lane.name());
        let _ = io::stderr().write_all(said.as_bytes());
        return None;
    }
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: room for two numbers.
    assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }, 0, "socketpair");
    // SAFETY: the child goes on with this thread alone, and with nothing another one may hold.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        serve(lane, ends[1]);
    }
    // SAFETY: the child's end.
    unsafe { libc::close(ends[1]) };
    Some(Child { socket: ends[0] })
}

/// Runs one case of a lane.
type Run = Box<dyn FnMut(&mut Rng) -> Option<String>>;

/// A number no case comes near.
const DOOR: i32 = 1000;

/// The child: takes cases until its parent is gone.
fn serve(lane: Lane, socket: i32) -> ! {
    // SAFETY: moves the socket up and closes every other number but the standard three.
    unsafe {
        libc::dup3(socket, DOOR, libc::O_CLOEXEC);
        libc::syscall(libc::SYS_close_range, 3, DOOR - 1, 0);
        libc::syscall(libc::SYS_close_range, DOOR + 1, u32::MAX, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    let mut run: Run = match lane.side {
        Side::Send => {
            let mut sends = Sends::new(lane, Rules::ALL);
            Box::new(move |rng| sends.case(rng))
        }
        Side::Receive => {
            let mut receives = Receives::new(lane, Rules::ALL);
            Box::new(move |rng| receives.case(rng))
        }
    };
    let mut bytes = vec![0; MOST];
    loop {
        // SAFETY: so many bytes of a buffer.
        let len = unsafe { libc::recv(DOOR, bytes.as_mut_ptr().cast(), MOST, libc::MSG_TRUNC) };
        // A case is never empty: its parent sends the lane's byte too.
        if len <= 0 {
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) };
        }
        let answer = run(&mut Rng::of_bytes(&bytes[1..len as usize])).unwrap_or_default();
        let answer = &answer.as_bytes()[..answer.len().min(60_000)];
        // SAFETY: the bytes of a string.
        unsafe { libc::send(DOOR, answer.as_ptr().cast(), answer.len(), libc::MSG_NOSIGNAL) };
    }
}

/// Makes a call until no signal interrupts it: a fuzzer has a timer.
fn again(mut call: impl FnMut() -> isize) -> isize {
    loop {
        let result = call();
        if result >= 0 || kernel::errno() != libc::EINTR {
            return result;
        }
    }
}

impl Child {
    /// What the child says of a case: nothing is good.
    fn ask(&self, data: &[u8]) -> Option<String> {
        let mut message = vec![b'c'];
        message.extend_from_slice(data);
        let mut answer = vec![0; 60_000];
        // SAFETY: the bytes of a list.
        again(|| unsafe { libc::send(self.socket, message.as_ptr().cast(), message.len(), libc::MSG_NOSIGNAL) });
        // SAFETY: so many bytes of a buffer.
        let len =
            again(|| unsafe { libc::recv(self.socket, answer.as_mut_ptr().cast(), answer.len(), libc::MSG_TRUNC) });
        assert!(len >= 0, "recv: {}", io::Error::last_os_error());
        answer.truncate(len as usize);
        // A child that is gone answers like the end of a connection, which on this socket looks like an empty answer.
        assert!(len > 0 || self.is_there(), "the child that asks the kernel has died");
        (!answer.is_empty()).then(|| String::from_utf8_lossy(&answer).into_owned())
    }

    /// Whether the other end is open.
    fn is_there(&self) -> bool {
        let mut entry = libc::pollfd { fd: self.socket, events: 0, revents: 0 };
        // SAFETY: one entry, and nothing waits.
        unsafe { libc::poll(&raw mut entry, 1, 0) };
        entry.revents & libc::POLLHUP == 0
    }
}

#[cfg(test)]
mod tests {
    use scmsg::Errno;
    use scmsg::oracle::{Receipt, Rule, send};

    use super::*;

    /// Name, lane and decisions.
    fn seeds(target: &str) -> impl Iterator<Item = (&'static str, Lane, Vec<u8>)> {
        let side = if target == "kernel_send" { Side::Send } else { Side::Receive };
        crate::seeds::all().into_iter().filter(move |seed| seed.0 == target).map(move |(_, name, _, bytes)| {
            let lane = Lane { side, compat: bytes[0] & 1 == 1, root: bytes[0] & 2 == 2 };
            (name, lane, bytes[1..].to_vec())
        })
    }

    /// Every seed is what it says: the rule that decides, and the message.
    #[test]
    fn seeds_of_sends_are_what_they_say() {
        let expected = [
            ("one_fd", None, None),
            ("len_zero", Some(Rule::ItemLength), Some(1)),
            ("rust-vmm_31", Some(Rule::ItemLength), Some(0)),
            ("merge_limit", Some(Rule::MergeLimit), Some(1)),
            ("rights_without_data", Some(Rule::EmptyStream), None),
            ("compat_trailing_byte", Some(Rule::ControlFault), Some(1)),
        ];
        let seeds: Vec<_> = seeds("kernel_send").collect();
        if kernel::layout(false).abi != Abi::Native64 {
            println!("SKIPPED: the seeds are for 64-bit kernels");
            return;
        }
        assert_eq!(seeds.len(), expected.len());
        for ((name, lane, bytes), expected) in seeds.into_iter().zip(expected) {
            let sender = Sender { pid: 4321, uids: [1; 3], gids: [1; 3], can: Capabilities::default() };
            let layout = kernel::layout(lane.compat);
            imagine_send(&mut Rng::of_bytes(&bytes), layout, &Known::imagined(sender), |call| {
                let verdict = send(call);
                assert_eq!((name, verdict.rule, verdict.place.map(|place| place.item)), expected, "{call:?}");
            });
        }
    }

    extern "C" fn nothing(_: i32) {}

    /// A fuzzer's timer interrupts the wait for an answer, which is no finding.
    #[test]
    fn a_timer_interrupts_nothing() {
        // SAFETY: a handler that does nothing, without `SA_RESTART`, as libFuzzer's.
        let me = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(i32) as libc::sighandler_t;
            assert_eq!(libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()), 0);
            libc::pthread_self()
        };
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    // SAFETY: that thread waits for this one.
                    unsafe { libc::pthread_kill(me, libc::SIGALRM) };
                    std::thread::sleep(std::time::Duration::from_micros(20));
                }
            });
            let asked = std::panic::catch_unwind(|| (0..300).for_each(|_| case(Side::Send, &[0, 62])));
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            asked.expect("no finding");
        });
    }

    /// Likewise: descriptors that come and that are lost, the process descriptor, and why it was truncated.
    #[test]
    fn seeds_of_receives_are_what_they_say() {
        let expected = [
            ("padding_fd", (2, 1, None, Some(Rule::RightsLost))),
            ("errno_slot", (1, 0, Some(Err(Errno::EMFILE)), None)),
            ("systemd_34688", (1, 2, None, Some(Rule::TableFull))),
            ("end_looks_like_root", (0, 0, None, None)),
            ("read_of_nothing", (2, 0, None, None)),
        ];
        let seeds: Vec<_> = seeds("kernel_receive").collect();
        if kernel::layout(false).abi != Abi::Native64 {
            println!("SKIPPED: the seeds are for 64-bit kernels");
            return;
        }
        assert_eq!(seeds.len(), expected.len());
        for ((name, lane, bytes), expected) in seeds.into_iter().zip(expected) {
            let mut calls = 0;
            imagine_receive(&mut Rng::of_bytes(&bytes), kernel::layout(lane.compat), |case| {
                let Receipt { descriptors, lost, pidfd, truncated, .. } = case.receipt;
                assert_eq!((name, (descriptors, lost, pidfd, truncated)), expected, "{case:?}");
                calls += 1;
            });
            assert_eq!(calls, 1, "{name}");
        }
    }
}
