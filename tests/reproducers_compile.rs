//! A reproducer is a C program that compiles without a warning and finds, on this kernel, what the oracle expects; and one whose
//! oracle is wrong says so.

// Compilers make the programs of every layout, so one width of this test is enough.
#![cfg(all(feature = "oracle", target_pointer_width = "64"))]

mod c;

use std::fs;

use c::{COMPAT, MUSL, Machine, NATIVE};
use scmsg::Errno;
use scmsg::oracle::forge::{Forgery, Item, Length, Payload};
use scmsg::oracle::{
    Abi, ByteOrder, Capabilities, Connection, ControlArea, Descriptor, Layout, Limits, Name, Reproducer, Rule, Rules,
    Send, Sender, Socket, Version, send,
};

const UNIX: [Socket; 3] = [Socket::UnixStream, Socket::UnixDatagram, Socket::UnixSeqPacket];

/// The version of this kernel, for the rules that are younger than another.
fn version() -> Version {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a version");
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().expect("a number"));
    Version(numbers.next().expect("major"), numbers.next().expect("minor"))
}

/// An unprivileged sender: as root any, otherwise this process's user.
fn sender() -> Sender {
    let ordinary = Send::ordinary().sender;
    // SAFETY: neither call has a precondition.
    match unsafe { (libc::geteuid(), libc::getegid()) } {
        (0, _) => ordinary,
        (uid, gid) => Sender { uids: [uid; 3], gids: [gid; 3], ..ordinary },
    }
}

/// A call with forged control bytes, which `change` makes a special one, must go on this kernel as the oracle says.
fn agrees(machine: Machine, name: &str, forgery: &Forgery<'_>, change: impl for<'a> FnOnce(Send<'a>) -> Send<'a>) {
    with_call(machine, forgery, change, |call| {
        let Some(output) = machine.reproduce(name, &Reproducer::new(call).to_string()) else { return };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.ends_with("\nas expected\n"), "{name}: {:?} {said}", send(call));
    });
}

fn with_call(
    machine: Machine,
    forgery: &Forgery<'_>,
    change: impl for<'a> FnOnce(Send<'a>) -> Send<'a>,
    then: impl FnOnce(&Send<'_>),
) {
    let mut storage = vec![0; 200_000];
    let forged = Forgery { layout: machine.layout, ..*forgery }.build(&mut storage).expect("room");
    let call = Send {
        layout: machine.layout,
        control: ControlArea { readable: (!forged.null).then_some(forged.bytes), len: forged.control_len },
        sender: sender(),
        limits: Limits { version: version(), ..Send::ordinary().limits },
        ..Send::ordinary()
    };
    then(&change(call));
}

/// These messages and nothing else.
fn items<'a>(items: &'a [Item<'a>]) -> Forgery<'a> {
    Forgery::new(Layout::NATIVE, items)
}

/// A message the kernel skips.
const FOREIGN: Item<'static> = Item::new(41, 67, Payload::Integers(&[184]));

/// What numbers are in the tests: 70 and above are closed.
const NUMBERS: &dyn Fn(i32) -> Descriptor = &|number| match number {
    0..70 => Descriptor::Ordinary,
    _ => Descriptor::Closed,
};

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn descriptors() {
    for machine in [NATIVE, COMPAT, MUSL] {
        for socket in UNIX {
            let rights = [Item::rights(&[3, 0, 5, 5]), FOREIGN, Item::rights(&[1])];
            agrees(machine, &format!("rights-{socket:?}"), &items(&rights), |call| Send { socket, ..call });
        }
        let full = Item { payload: Payload::Repeat { number: 4, count: 253 }, ..Item::rights(&[]) };
        agrees(machine, "rights-full", &items(&[full]), |call| call);
        agrees(machine, "rights-over", &items(&[full, Item::rights(&[4])]), |call| call);
        agrees(machine, "rights-closed", &items(&[Item::rights(&[3, 77])]), |call| Send {
            descriptor: NUMBERS,
            ..call
        });
        agrees(machine, "rights-negative", &items(&[Item::rights(&[-100])]), |call| call);
        const RING: &dyn Fn(i32) -> Descriptor =
            &|number| if number == 9 { Descriptor::Ring } else { Descriptor::Ordinary };
        agrees(machine, "rights-ring", &items(&[Item::rights(&[3, 9])]), |call| Send { descriptor: RING, ..call });
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn structure() {
    for machine in [NATIVE, COMPAT] {
        let short = [FOREIGN, Item::rights(&[]).claiming(Length::Exact(7))];
        agrees(machine, "short", &items(&short), |call| call);
        agrees(machine, "long", &items(&[FOREIGN.claiming(Length::Off(1))]), |call| call);
        agrees(machine, "nothing", &items(&[]), |call| call);
        let tail = Forgery { trailing: 3, fill: 0xee, ..items(&[FOREIGN]) };
        agrees(machine, "trailing", &tail, |call| call);
        let unknown = [Item::new(1, 3, Payload::Bytes(b"label"))];
        agrees(machine, "unknown", &items(&unknown), |call| call);
        agrees(machine, "null", &Forgery { null: true, control_len: Length::Exact(20), ..items(&[]) }, |call| call);
        let unreadable = Forgery { control_len: Length::Off(16), ..items(&[FOREIGN]) };
        agrees(machine, "unreadable", &unreadable, |call| call);
        let huge = Forgery { control_len: Length::Exact(1 << 31), ..items(&[FOREIGN]) };
        agrees(machine, "huge", &huge, |call| call);
        let memory = [Item::new(41, 0, Payload::Repeat { number: 1, count: 33_000 })];
        agrees(machine, "memory", &items(&memory), |call| call);
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn credentials() {
    let sender = sender();
    let (pid, uid, gid) = (sender.pid, sender.uids[0], sender.gids[0]);
    for machine in [NATIVE, COMPAT] {
        agrees(machine, "own", &items(&[Item::credentials(pid, uid, gid)]), |call| call);
        agrees(machine, "other-process", &items(&[Item::credentials(1, uid, gid)]), |call| call);
        agrees(machine, "other-user", &items(&[Item::credentials(pid, uid + 1, gid)]), |call| call);
        agrees(machine, "nobody", &items(&[Item::credentials(pid, uid, u32::MAX)]), |call| call);
    }
    let with = |can: Capabilities| move |call: Send<'_>| Sender { can, ..call.sender };
    let admin = with(Capabilities { sys_admin: true, first_sys_admin: true, ..Capabilities::default() });
    let (first, no_process) = ([Item::credentials(1, uid, gid)], [Item::credentials(99, uid, gid)]);
    agrees(NATIVE, "admin", &items(&first), |call| Send { sender: admin(call), ..call });
    agrees(NATIVE, "no-process", &items(&no_process), |call| Send { sender: admin(call), ..call });
    let ids = with(Capabilities { set_uid: true, set_gid: true, ..Capabilities::default() });
    let others = [Item::credentials(pid, 5, 6)];
    agrees(NATIVE, "ids", &items(&others), |call| Send { sender: ids(call), ..call });
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn sockets() {
    let rights = [Item::rights(&[3])];
    let rights = &items(&rights);
    for socket in UNIX {
        let name = |what| format!("{what}-{socket:?}");
        agrees(NATIVE, &name("empty"), rights, |call| Send { socket, bytes: 0, ..call });
        agrees(NATIVE, &name("nobody"), rights, |call| Send { socket, connection: Connection::None, ..call });
        agrees(NATIVE, &name("shut"), rights, |call| Send { socket, connection: Connection::ShutDown, ..call });
        agrees(NATIVE, &name("refused"), rights, |call| Send { socket, peer_takes_rights: false, ..call });
        agrees(NATIVE, &name("urgent"), rights, |call| Send { socket, bytes: 3, flags: libc::MSG_OOB as u32, ..call });
        agrees(NATIVE, &name("named"), rights, |call| Send { socket, name: Name::Found, ..call });
        agrees(NATIVE, &name("long"), rights, |call| Send { socket, bytes: 212_961, ..call });
    }
    for socket in [Socket::UnixStream, Socket::UnixSeqPacket] {
        agrees(NATIVE, &format!("pending-{socket:?}"), rights, |call| Send {
            socket,
            connection: Connection::ShutDown,
            pending: Some(Errno::ECONNRESET),
            ..call
        });
    }
    let socket = Socket::UnixDatagram;
    for (what, connection) in
        [("closed", Connection::PeerClosed), ("deaf", Connection::PeerDeaf), ("elsewhere", Connection::PeerElsewhere)]
    {
        agrees(NATIVE, what, rights, |call| Send { socket, connection, ..call });
    }
    for (what, name) in [
        ("negative", Name::NegativeLength),
        ("invalid", Name::Invalid),
        ("nowhere", Name::Nowhere(Errno::ECONNREFUSED)),
        ("missing", Name::Nowhere(Errno::ENOENT)),
        ("taken", Name::Nowhere(Errno::EPERM)),
        ("deaf-name", Name::Nowhere(Errno::EPIPE)),
    ] {
        agrees(NATIVE, what, rights, |call| Send { socket, name, connection: Connection::None, ..call });
    }
    let own = [Item::credentials(2, sender().uids[0], sender().gids[0])];
    agrees(NATIVE, "netlink", &items(&own), |call| Send { socket: Socket::Netlink, ..call });
    for (what, name, connection) in [
        ("found", Name::Found, Connection::None),
        ("invalid", Name::Invalid, Connection::Open),
        ("nobody", Name::Nowhere(Errno::ECONNREFUSED), Connection::Open),
        ("alone", Name::None, Connection::None),
        ("left", Name::None, Connection::PeerClosed),
    ] {
        let what = format!("netlink-{what}");
        agrees(NATIVE, &what, &items(&own), |call| Send { socket: Socket::Netlink, name, connection, ..call });
    }
    agrees(NATIVE, "netlink-rights", rights, |call| Send { socket: Socket::Netlink, ..call });
    agrees(NATIVE, "compat-bit", rights, |call| Send { flags: 1 << 31, ..call });
    agrees(NATIVE, "in-flight", rights, |call| Send {
        limits: Limits { in_flight: 300, open_files: 64, ..call.limits },
        ..call
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn a_wrong_oracle_is_found() {
    let closed = Item::rights(&[-1]);
    let twice = [Item::credentials(2, sender().uids[0], sender().gids[0]).claiming(Length::Off(-4))];
    for (rule, control) in [
        (Rule::DescriptorClosed, items(&[closed])),
        (Rule::CredentialsLength, items(&twice)),
        (Rule::ItemLength, items(&[FOREIGN.claiming(Length::Off(1))])),
    ] {
        with_call(
            NATIVE,
            &control,
            |call| Send { rules: Rules::without(rule), ..call },
            |call| {
                let Some(output) = NATIVE.reproduce(&format!("without-{rule}"), &Reproducer::new(call).to_string())
                else {
                    return;
                };
                let said = String::from_utf8_lossy(&output.stdout);
                assert_eq!(output.status.code(), Some(1), "{said}");
                assert!(said.ends_with("\nNOT as expected\n"), "{said}");
            },
        );
    }
}

#[test]
fn the_case_is_golden() {
    let forgery = [Item::rights(&[5, 5, 77]), Item::credentials(2, 1000, 1000), Item::credentials(9, 0, 0)];
    let mut storage = [0; 256];
    let layout = Layout { abi: Abi::Native32, order: ByteOrder::Big };
    let forged = Forgery { layout, ..items(&forgery) }.build(&mut storage).unwrap();
    let call = Send { layout, control: ControlArea::new(forged.bytes), descriptor: NUMBERS, ..Send::ordinary() };
    let source = Reproducer::new(&call).to_string();
    let (comment, rest) = source.split_once("\n\n").unwrap();
    assert_eq!(
        comment.lines().collect::<Vec<_>>(),
        [
            "// One sendmsg(2), and what a right kernel answers. Ends with 0 if it answers that, 1 if not,",
            "// 2 if it cannot be tried here.",
            "//",
            "// 72 control bytes, 32-bit, big-endian",
            "// item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 12 bytes: 3 descriptors: 5, 5, 77 (closed): EBADF",
            "// item 1 at offset 24: SOL_SOCKET SCM_CREDENTIALS, 12 bytes: pid 2, uid 1000, gid 1000",
            "// item 2 at offset 48: SOL_SOCKET SCM_CREDENTIALS, 12 bytes: pid 9, uid 0, gid 0",
            "// verdict: EBADF (bad file descriptor) at item 0, offset 0, descriptor 2",
            "// rule descriptor-closed: A number that is negative or not open is EBADF. [scm_fp_copy]",
        ]
    );
    let case = &rest[rest.find("#define BITS").unwrap()..rest.find("\n// The kernel's structures").unwrap()];
    let expected = "\
#define BITS 32
#define BIG 1
#define COMPAT 0
#define FAMILY AF_UNIX
#define TYPE SOCK_SEQPACKET
#define CONNECTION PEER_OPEN
#define NAME NO_NAME
#define NAME_ERRNO 0
#define PENDING 0
#define PEER_TAKES_RIGHTS 1
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#define BYTES 1ull
#define FLAGS 0x0u
#define CONTROL_NULL 0
#define CONTROL_LEN 72ull
#define READABLE 72ul
static const unsigned char control[73] = {
    0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x05,
    0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x4d, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x01,
    0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x03, 0xe8, 0x00, 0x00, 0x03, 0xe8,
    0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x09,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const struct number numbers[] = {
    {5, OPEN},
    {77, CLOSED},
    {-1, CLOSED},
};
static const struct process processes[] = {
    {36, THIS_PROCESS},
    {60, NO_PROCESS},
    {0, AS_IT_IS},
};
#define NAMESPACES 0
#define NAMES_IDS 1
static const uid_t uids[3] = {1000u, 1000u, 1000u};
static const gid_t gids[3] = {1000u, 1000u, 1000u};
#define CAPABILITIES 0x0u
#define OPTION_MEMORY 131072ull
#define OPTION_MEMORY_USED 0ull
#define SEND_BUFFER 212992
#define IN_FLIGHT 0ull
#define OPEN_FILES 1024ull
#define VERSION \"6.18\"
#define WANT FAILS
#define WANT_ERRNO EBADF
#define WANT_BYTES 0
#define WANT_DESCRIPTORS 0
#define WANT_PID_IS THIS_PROCESS
#define WANT_PID 0
#define WANT_OWN_IDS 1
#define WANT_UID 0u
#define WANT_GID 0u
";
    assert_eq!(case, expected);
}
