//! A store keeps what was put there when those who put it are gone, refuses what it has no room for, and serves everybody whatever
//! anybody does.

mod common;

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use common::*;
use scmsg::{
    AsFd, BorrowedFd, Family, SocketAddr, SocketFlags, SocketType, connect, recv_with_fds, send_with_fds, socket,
};

/// A connection to the store by hand.
fn dial(folder: &Folder) -> scmsg::OwnedFd {
    use std::os::unix::ffi::OsStrExt;
    let client = socket(Family::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), 0).expect("socket");
    let path = folder.path("S");
    let addr = SocketAddr::unix(path.as_os_str().as_bytes()).expect("address");
    connect(&client, &addr).expect("connected");
    client
}

/// Sends a packet and receives the answer's bytes; none if the store hangs up.
fn ask(client: &scmsg::OwnedFd, packet: &[u8], fds: &[BorrowedFd<'_>]) -> Vec<u8> {
    send_with_fds(client, packet, fds).expect("sent");
    let mut answer = [0; 256];
    match recv_with_fds::<0>(client, &mut answer) {
        Ok((bytes, [])) => answer[..bytes].to_vec(),
        Err(scmsg::RecvError::WrongCount { bytes, .. }) => answer[..bytes].to_vec(),
        Err(_) => Vec::new(),
    }
}

fn refused(folder: &Folder, text: &str) -> String {
    format!("store {}: {text}", folder.path("S").display())
}

#[test]
fn what_its_clients_put_there() {
    let folder = Folder::new();
    let mut store = store(&folder);
    assert_eq!(good(words(&folder, "list S")), "");
    // An open file keeps its place, and what was written by one is read by another.
    let mut file = File::options().read(true).write(true).create_new(true).open(folder.path("f")).expect("file");
    std::fs::remove_file(folder.path("f")).expect("removed");
    file.write_all(b"kept").expect("written");
    file.rewind().expect("rewound");
    let mut put = words(&folder, "put S log");
    put.stdin(file);
    good(put);
    assert_eq!(good(words(&folder, "get S log cat")), "kept");
    assert_eq!(good(words(&folder, "get S log cat")), "", "it is the same open file");
    let two = vec![
        (File::open(folder.file("a", "a")).expect("a").into(), 507),
        (File::open(folder.file("b", "b")).expect("b").into(), 505),
    ];
    good(with_fds(words(&folder, "put S pair 507 505"), two));
    assert_eq!(good(words(&folder, "list S")), "log 1\npair 2\n");
    let mut get = words(&folder, "get S pair -- sh -c");
    get.arg("cat <&3; cat <&4; echo $LISTEN_FDS");
    assert_eq!(good(get), "ab2\n");
    let mut get = words(&folder, "get -a S log -- sh -c");
    get.arg("echo $LISTEN_FDS; test -e /proc/self/fd/3 && ! test -e /proc/self/fd/4");
    assert_eq!(good(get), "1\n");
    // Refused, replaced, dropped.
    bad(words(&folder, "put S log"), 5, &refused(&folder, "the name is taken"));
    good(words(&folder, "put -f S pair"));
    assert_eq!(good(words(&folder, "list S")), "log 1\npair 1\n");
    good(words(&folder, "put -f S new"));
    good(words(&folder, "drop S log"));
    bad(words(&folder, "drop S log"), 5, &refused(&folder, "no such name in the store"));
    bad(words(&folder, "get S log true"), 5, &refused(&folder, "no such name in the store"));
    assert_eq!(good(words(&folder, "list S")), "pair 1\nnew 1\n");
    good(words(&folder, "drop S new"));
    good(words(&folder, "drop S pair"));
    until(|| descriptors(store.pid()) == EMPTY);
    // A second one is refused, unless the first is gone.
    let socket = folder.path("S").display().to_string();
    let in_use = format!("listen {socket}: EADDRINUSE (Address already in use)");
    bad(words(&folder, "store S"), 1, &in_use);
    bad(words(&folder, "store -f S"), 1, &in_use);
    store.kill();
    bad(words(&folder, "store S"), 1, &in_use);
    bad(words(&folder, "list S"), 1, &format!("connect {socket}: ECONNREFUSED (Connection refused)"));
    let _store = start(words(&folder, "store -f S"));
    assert_eq!(good(words(&folder, "list -w S")), "");
}

#[test]
fn names_have_up_to_64_bytes() {
    let folder = Folder::new();
    let _store = store(&folder);
    let long = "n".repeat(64);
    good(words(&folder, &format!("put S {long}")));
    good(words(&folder, "put S !"));
    good(words(&folder, "put S nn"));
    assert_eq!(good(words(&folder, "list S")), format!("{long} 1\n! 1\nnn 1\n"));
    bad(words(&folder, &format!("get S {} true", &long[1..])), 5, &refused(&folder, "no such name in the store"));
    // Longer ones are refused by the store as well.
    for (name, answer) in [
        (vec![b'n'; 64], 3),
        (vec![b'n'; 65], 1),
        (vec![b'n'; 4000], 1),
        (vec![b'n'; 5000], 0),
        (vec![], 1),
        (vec![0], 1),
    ] {
        let client = dial(&folder);
        let packet = [&[1, b'p', 1][..], &name].concat();
        let said = ask(&client, &packet, &[client.as_fd()]);
        assert_eq!(said.first().copied().unwrap_or(0), answer, "{}", name.len());
    }
}

#[test]
fn a_full_store_refuses() {
    let folder = Folder::new();
    let store = store(&folder);
    let null = File::open("/dev/null").expect("null");
    let client = dial(&folder);
    let put = |name: &str, fds: &[BorrowedFd<'_>]| {
        let packet = [&[1, b'p', fds.len() as u8][..], name.as_bytes()].concat();
        ask(&client, &packet, fds)
    };
    for n in 0..1024 {
        assert_eq!(put(&format!("name-{n}"), &[AsFd::as_fd(&null)]), [0], "{n}");
    }
    assert_eq!(put("one-more", &[AsFd::as_fd(&null)]), [4]);
    bad(words(&folder, "put S one-more"), 5, &refused(&folder, "the store is full"));
    bad(words(&folder, "put -f S one-more"), 5, &refused(&folder, "the store is full"));
    good(words(&folder, "put -f S name-7"));
    let list = good(words(&folder, "list S"));
    assert_eq!(list.lines().count(), 1024);
    assert!((0..1024).zip(list.lines()).all(|(n, line)| line == format!("name-{n} 1")));
    good(words(&folder, "drop S name-7"));
    assert_eq!(put("one-more", &[AsFd::as_fd(&null)]), [0]);
    assert_eq!(descriptors(store.pid()), EMPTY + 1 + 1024, "the client's connection and what is kept");
    drop(client);
    until(|| descriptors(store.pid()) == EMPTY + 1024);
}

#[test]
fn a_name_holds_253() {
    let folder = Folder::new();
    let _store = store(&folder);
    let line = format!("put S many{}", " 0".repeat(253));
    good(words(&folder, &line));
    assert_eq!(good(words(&folder, "list S")), "many 253\n");
    let mut get = words(&folder, "get S many sh -c");
    get.arg("ls /proc/self/fd | wc -l");
    assert_eq!(good(get), format!("{}\n", 253 + 4));
}

#[test]
fn the_table_of_descriptors_can_be_full() {
    let folder = Folder::new();
    let store = start(limited(words(&folder, "store S"), 200));
    good(words(&folder, "list -w S"));
    // 200, less 80 for connections and its own.
    good(words(&folder, &format!("put S a{}", " 0".repeat(100))));
    bad(
        words(&folder, &format!("put S b{}", " 0".repeat(21))),
        5,
        &refused(&folder, "no room for so many descriptors"),
    );
    good(words(&folder, &format!("put S b{}", " 0".repeat(20))));
    bad(words(&folder, "put S c"), 5, &refused(&folder, "no room for so many descriptors"));
    bad(
        words(&folder, &format!("put S c{}", " 0".repeat(200))),
        5,
        &refused(&folder, "descriptors were lost on the way"),
    );
    assert_eq!(good(words(&folder, "list S")), "a 100\nb 20\n");
    // All places taken by clients: still somebody is served.
    let clients: Vec<_> = (0..100).map(|_| dial(&folder)).collect();
    assert_eq!(good(words(&folder, "list -t 20 S")), "a 100\nb 20\n");
    good(words(&folder, "get -t 20 S b true"));
    assert!(descriptors(store.pid()) < 200);
    drop(clients);
    // One that has no descriptor to accept with: it waits, and does not spin.
    let folder = Folder::new();
    let store = start(limited(words(&folder, "store S"), EMPTY as u64));
    until(|| folder.path("S").exists());
    bad(words(&folder, "list -t 0.5 S"), 4, &refused(&folder, "timed out"));
    // Ticks of user and system time, a hundred in a second.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", store.pid())).expect("/proc");
    let fields: Vec<u64> = stat.split(' ').skip(13).take(2).map(|field| field.parse().expect("ticks")).collect();
    assert!(fields.iter().sum::<u64>() < 20, "it spins: {fields:?}");
}

#[test]
fn ten_thousand_connections_one_after_another() {
    let folder = Folder::new();
    let store = store(&folder);
    good(words(&folder, "put S kept"));
    let null = File::open("/dev/null").expect("null");
    for n in 0..10_000 {
        let client = dial(&folder);
        match n % 4 {
            0 => assert_eq!(ask(&client, b"\x01l\0\0", &[]), b"\0\0\0\x01kept"),
            1 => assert_eq!(ask(&client, b"\x01p\x01kept", &[AsFd::as_fd(&null)]), [3]),
            2 => assert_eq!(ask(&client, b"\x01g\0kept", &[]), [0, 1]),
            _ => drop(client),
        }
    }
    until(|| descriptors(store.pid()) == EMPTY + 1);
}

#[test]
fn nonsense_is_answered_and_its_descriptors_are_closed() {
    let folder = Folder::new();
    let store = store(&folder);
    let canary = Canary::new();
    let fd = || canary.write.as_fd();
    let mut packets: Vec<Vec<u8>> = vec![
        vec![0],
        vec![1],
        b"\x01x\x01name".to_vec(),
        b"\x02p\x01name".to_vec(),
        b"\x01p\x02name".to_vec(),
        b"\x01p\0name".to_vec(),
        b"\x01g\x01name".to_vec(),
        b"\x01d\x01name".to_vec(),
        b"\x01p\x01na:me".to_vec(),
        b"\x01p\x01na\x1bme".to_vec(),
        b"\x01l\0\0\0".to_vec(),
        b"\x01l\0".to_vec(),
        b"\x01l\xff\xff".to_vec(),
    ];
    // And what no list thinks of.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    packets.extend((0..2000).map(|_| (0..(random >> 32) % 90).map(|_| next(&mut random)).collect::<Vec<u8>>()));
    let client = dial(&folder);
    for (n, packet) in packets.iter().enumerate().filter(|(_, packet)| !packet.is_empty()) {
        let many = vec![fd(); [3, 4, 253][n % 3]];
        let answer = ask(&client, packet, &many);
        assert!(matches!(answer.first(), Some(1 | 2 | 6)), "{packet:?} {answer:?}");
    }
    drop(client);
    // An empty packet is an end; one with descriptors alone, too.
    let client = dial(&folder);
    send_with_fds(&client, b"\x01p\x01x", &[fd(), fd()]).expect("sent");
    drop(client);
    until(|| descriptors(store.pid()) == EMPTY);
    assert_eq!(good(words(&folder, "list S")), "");
    canary.all_closed();
}

fn next(random: &mut u64) -> u8 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    (*random >> 24) as u8
}

#[test]
fn slow_clients_hold_up_nobody() {
    let folder = Folder::new();
    let store = store(&folder);
    good(words(&folder, "put S kept"));
    // Silent ones, many more than there are places.
    let silent: Vec<_> = (0..300).map(|_| dial(&folder)).collect();
    let began = Instant::now();
    assert_eq!(good(words(&folder, "list -t 20 S")), "kept 1\n");
    assert!(began.elapsed() < Duration::from_secs(5));
    // One that asks and asks, and reads nothing.
    let greedy = dial(&folder);
    let mut asked = 0;
    while scmsg::sendmsg(
        &greedy,
        &scmsg::SendMsg::new(&[scmsg::IoSlice::new(b"\x01g\0kept")]),
        scmsg::SendFlags::empty(),
    )
    .is_ok()
    {
        asked += 1;
        assert!(asked < 100_000, "it is never hung up on");
    }
    assert_eq!(good(words(&folder, "list -t 20 S")), "kept 1\n");
    assert!(descriptors(store.pid()) < 64 + 10);
    drop((silent, greedy));
    // One that is killed while it waits changes nothing.
    let mut waits = start(words(&folder, "get S kept sleep 100"));
    std::thread::sleep(Duration::from_millis(20));
    waits.kill();
    assert_eq!(good(words(&folder, "get S kept echo there")), "there\n");
}

#[test]
fn answers_of_no_store_are_refused() {
    let folder = Folder::new();
    let listener = socket(Family::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), 0).expect("socket");
    let path = folder.path("S");
    scmsg::bind(
        &listener,
        &SocketAddr::unix(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())).expect("address"),
    )
    .expect("bound");
    scmsg::listen(&listener, 10).expect("listens");
    let canary = Canary::new();
    let fds = |count: usize| vec![canary.write.as_fd(); count];
    let odd = refused(&folder, "not an answer of a store");
    let gone = refused(&folder, "EPIPE (Broken pipe: the other end is gone)");
    for (line, answer, count, code, said) in [
        ("get -t 20 S n true", &b"\0\x02"[..], 1, 3, &*odd),
        ("get -t 20 S n true", b"\0\x01", 2, 3, &odd),
        ("get -t 20 S n true", b"\0\0", 0, 3, &odd),
        ("get -t 20 S n true", b"\x08", 1, 3, &odd),
        ("get -t 20 S n true", b"\xff", 253, 3, &odd),
        ("get -t 20 S n true", b"\x02", 253, 5, &refused(&folder, "no such name in the store")),
        ("list -t 20 S", b"\0", 0, 3, &odd),
        ("list -t 20 S", b"\0\0\0\x01", 0, 3, &odd),
        ("list -t 20 S", b"\0\0\0\x01na\x1bme", 9, 3, &odd),
        ("drop -t 20 S n", b"", 0, 3, &gone),
        ("put -t 0.2 S n", b"-", 0, 4, &refused(&folder, "timed out")),
    ] {
        let running = start(words(&folder, line));
        let client = scmsg::accept(&listener, SocketFlags::empty()).expect("accepted");
        // A connection that is closed with a request unread is reset.
        let mut request = [0; 100];
        let _ = recv_with_fds::<0>(&client, &mut request);
        match answer {
            b"" => drop(client),
            b"-" => {
                assert_eq!(
                    running.end(),
                    Said { code: Some(code), out: String::new(), err: format!("fdpass: {said}\n") }
                );
                continue;
            }
            answer => drop(send_with_fds(&client, answer, &fds(count)).expect("sent")),
        }
        assert_eq!(
            running.end(),
            Said { code: Some(code), out: String::new(), err: format!("fdpass: {said}\n") },
            "{answer:?}"
        );
    }
    // Names that go round for ever, or back.
    let running = start(words(&folder, "list -t 20 S"));
    for place in [0, 5, 5] {
        let client = scmsg::accept(&listener, SocketFlags::empty()).expect("accepted");
        let _ = recv_with_fds::<0>(&client, &mut [0; 100]);
        send_with_fds(&client, &[0, 0, place, 1, b'n'], &[]).expect("sent");
        drop(client);
    }
    let ended = running.end();
    assert_eq!((ended.code, &*ended.out), (Some(3), "n 1\nn 1\n"));
    let _: OwnedFd = File::open("/dev/null").expect("null").into();
    canary.all_closed();
}
