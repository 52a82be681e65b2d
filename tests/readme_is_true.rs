//! Turns the README's tables into assertions: the stack bytes are those of the types, and the system calls are those in
//! `src/raw.rs`.

use std::collections::BTreeSet;

const README: &str = include_str!("../README.md");

/// The rows of the table under a heading, cell by cell, without the two lines that head it.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = README.split_once(heading).expect("a heading");
    let section = section.split("\n## ").next().expect("text");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
#[cfg(target_pointer_width = "64")]
fn the_stack_bytes_are_those_of_the_types() {
    use scmsg::*;
    macro_rules! sizes {
        ($($name:literal $ty:ty),* $(,)?) => { [$(($name, size_of::<$ty>())),*] };
    }
    let sizes = sizes! {
        "Encoder" Encoder<'_, '_>, "Control" Control<'_>, "IoSlice" IoSlice<'_>, "IoSliceMut" IoSliceMut<'_>,
        "SendMsg" SendMsg<'_>, "RecvMsg" RecvMsg<'_>, "Received" Received<'_>, "Ancillary" Ancillary<'_>,
        "SocketAddr" SocketAddr, "PollFd" PollFd<'_>, "Batch" Batch<'_>, "OwnedFd" OwnedFd, "BorrowedFd" BorrowedFd<'_>,
    };
    let rows = table("## Stack bytes");
    let mut named = 0;
    for row in &rows {
        for name in row[0].split(", ").map(|name| name.trim_matches('`')) {
            if name.starts_with("ControlBuf") || name.starts_with("FdSet") || name.contains("<N>") {
                continue;
            }
            let (_, size) = sizes.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("what is {name}?"));
            assert_eq!(row[1].parse(), Ok(*size), "{name}");
            named += 1;
        }
    }
    assert_eq!(named, sizes.len(), "every type is in the table");
    // What depends on a size, at a few of them.
    let row = |name: &str| rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name} is not there"))[1];
    assert_eq!(row("`SendBatch<N>`"), "64 N + 16");
    assert_eq!(row("`RecvBatch<N>`"), "72 N + 24");
    assert_eq!(row("`FixedControl<N>`"), "`N` rounded up to 8");
    assert_eq!((size_of::<FixedControl<20>>(), size_of::<FixedControl<24>>()), (24, 24));
    assert_eq!(row("`FdSet`"), "16 and its storage, 4 for each descriptor");
    macro_rules! at {
        ($($n:literal),*) => {$(
            assert_eq!(size_of::<SendBatch<'_, $n>>(), 64 * $n + 16);
            assert_eq!(size_of::<RecvBatch<'_, $n>>(), 72 * $n + 24);
            assert_eq!(size_of::<FdSet<[RawFd; 2 * $n]>>(), 16 + 4 * 2 * $n);
        )*};
    }
    at!(0, 1, 2, 64, 1024);
    assert_eq!(size_of::<FdSet<&mut [RawFd]>>(), 16 + size_of::<&mut [RawFd]>());
    assert_eq!(row("`ControlBuf<[u8; N]>`"), "`N` rounded up to 8");
    assert_eq!(size_of::<ControlBuf<[u8; 20]>>(), 24);
    assert_eq!(size_of::<ControlBuf<[u8; 24]>>(), 24);
    assert!(README.contains("`send_with_fds` has room for 253 descriptors, 1,032 bytes"));
    assert_eq!(CMSG_SPACE(4 * 253), 1032);
    let beside = [12, 4, 4, 16, 16, 48, 256].map(CMSG_SPACE).iter().sum::<usize>();
    assert!(README.contains("`recv_with_fds` for those and all that can come beside them, 1,512"));
    assert_eq!(1032 + beside, 1512);
}

#[test]
fn the_system_calls_are_those_in_the_raw_layer() {
    let listed: BTreeSet<_> = table("## System calls").iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let source = include_str!("../src/raw.rs");
    let made: BTreeSet<_> = source
        .split("__NR_")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned())
        .filter(|name| !name.ends_with("_time64"))
        .collect();
    assert!(made.contains("close_range"), "the source was read");
    assert_eq!(listed, made);
}
