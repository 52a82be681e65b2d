//! Law: sizes, alignments and offsets are the kernel's, and `CMSG_ALIGN`, `CMSG_LEN`, `CMSG_SPACE` are `cmsg(3)`'s wherever
//! that can be represented; where it cannot, they saturate.

#![allow(non_camel_case_types, reason = "kernel names")]

use core::mem::offset_of;

use linux_raw_sys::{general, net};
use proptest::prelude::*;
use scmsg::{CMSG_ALIGN, CMSG_ALIGNMENT, CMSG_HEADER, CMSG_LEN, CMSG_SPACE, raw};

/// libc's `CMSG_LEN`, which counts in `unsigned int`.
fn libc_len(payload: usize) -> usize {
    // SAFETY: it is arithmetic.
    unsafe { libc::CMSG_LEN(u32::try_from(payload).unwrap()) as usize }
}

/// libc's `CMSG_SPACE`, which counts in `unsigned int`.
fn libc_space(payload: usize) -> usize {
    // SAFETY: it is arithmetic.
    unsafe { libc::CMSG_SPACE(u32::try_from(payload).unwrap()) as usize }
}

fn equals_libc(payload: usize) {
    assert_eq!(CMSG_LEN(payload), libc_len(payload), "CMSG_LEN({payload})");
    assert_eq!(CMSG_SPACE(payload), libc_space(payload), "CMSG_SPACE({payload})");
    // libc has no CMSG_ALIGN, but CMSG_SPACE(n) is CMSG_ALIGN(header) + CMSG_ALIGN(n), and the header is aligned.
    assert_eq!(CMSG_ALIGN(payload), libc_space(payload) - libc_space(0), "CMSG_ALIGN({payload})");
}

#[test]
fn lengths_to_5000_are_those_of_libc() {
    (0..=5000).for_each(equals_libc);
}

#[test]
fn lengths_near_the_top_of_unsigned_int_are_those_of_libc() {
    // The last length whose CMSG_SPACE an unsigned int can hold.
    let top = u32::MAX as usize & !(CMSG_ALIGNMENT - 1);
    let last = top - CMSG_HEADER;
    assert_eq!(CMSG_SPACE(last), top);
    (last - 5000..=last).for_each(equals_libc);
    for power in 13..32 {
        let around = 1_usize << power;
        (around - 20..around + 20).filter(|n| *n <= last).for_each(equals_libc);
    }
}

#[test]
fn header_and_alignment_are_those_of_libc() {
    assert_eq!(CMSG_HEADER, libc_len(0));
    assert_eq!(CMSG_HEADER, libc_space(0));
    assert_eq!(CMSG_HEADER + CMSG_ALIGNMENT, libc_space(1));
}

#[test]
fn what_cannot_be_represented_saturates() {
    let low = CMSG_ALIGNMENT - 1;
    for below in 0..200 {
        let len = usize::MAX - below;
        let align = if below >= low { (len + low) & !low } else { usize::MAX };
        assert_eq!(CMSG_ALIGN(len), align, "CMSG_ALIGN(usize::MAX - {below})");
        let cmsg_len = if below >= CMSG_HEADER { len + CMSG_HEADER } else { usize::MAX };
        assert_eq!(CMSG_LEN(len), cmsg_len, "CMSG_LEN(usize::MAX - {below})");
        let space = if below >= CMSG_HEADER + low { (cmsg_len + low) & !low } else { usize::MAX };
        assert_eq!(CMSG_SPACE(len), space, "CMSG_SPACE(usize::MAX - {below})");
    }
}

proptest! {
    #[test]
    fn no_length_shrinks_and_longer_is_never_shorter(a: usize, b: usize, top in 0_usize..64) {
        for (a, b) in [(a, b), (a, usize::MAX - top), (usize::MAX - top, usize::MAX)] {
            let (a, b) = (a.min(b), a.max(b));
            for f in [CMSG_ALIGN, CMSG_LEN, CMSG_SPACE] {
                prop_assert!(f(a) >= a);
                prop_assert!(f(a) <= f(b));
            }
            prop_assert!(CMSG_SPACE(a) >= CMSG_LEN(a));
            prop_assert_eq!(CMSG_ALIGN(CMSG_ALIGN(a)), CMSG_ALIGN(a));
            prop_assert!(CMSG_ALIGN(a) == usize::MAX || CMSG_ALIGN(a) % CMSG_ALIGNMENT == 0);
            prop_assert!(CMSG_ALIGN(a) == usize::MAX || CMSG_ALIGN(a) - a < CMSG_ALIGNMENT);
        }
    }
}

#[test]
fn they_are_constants() {
    const ALIGN: usize = CMSG_ALIGN(1);
    const BYTES: [u8; CMSG_SPACE(3 * 4) + CMSG_SPACE(12)] = [0; CMSG_SPACE(3 * 4) + CMSG_SPACE(12)];
    const LAST: usize = CMSG_LEN(usize::MAX);
    assert_eq!((ALIGN, LAST), (size_of::<usize>(), usize::MAX));
    assert_eq!(BYTES.len(), if cfg!(target_pointer_width = "64") { 64 } else { 48 });
}

/// Every structure of `scmsg::raw` against another crate's: size, alignment, and each field's offset and size.
macro_rules! same {
    ($($ours:ident = $theirs:path { $($field:ident = $their:ident),* };)*) => {$(
        let name = concat!(stringify!($ours), " and ", stringify!($theirs));
        assert_eq!(size_of::<raw::$ours>(), size_of::<$theirs>(), "size of {name}");
        assert_eq!(align_of::<raw::$ours>(), align_of::<$theirs>(), "alignment of {name}");
        $(
            assert_eq!(offset_of!(raw::$ours, $field), offset_of!($theirs, $their), "{} of {name}", stringify!($field));
            assert_eq!(
                field_size(|s: &raw::$ours| size_of_val(&s.$field)),
                field_size(|s: &$theirs| size_of_val(&s.$their)),
                "size of {} of {name}", stringify!($field)
            );
        )*
        // The fields named are all there are: their sizes and the padding between them give the whole.
        let named = [$(offset_of!(raw::$ours, $field) + field_size(|s: &raw::$ours| size_of_val(&s.$field))),*];
        let end = named.into_iter().max().unwrap();
        assert_eq!(end.next_multiple_of(align_of::<raw::$ours>()), size_of::<raw::$ours>(), "{name} has another field");
    )*};
}

/// The size of a field, from a value that is all zero.
fn field_size<T>(size: impl FnOnce(&T) -> usize) -> usize {
    // SAFETY: only used with structures of integers and raw pointers.
    size(&unsafe { core::mem::zeroed() })
}

#[test]
fn structures_are_those_of_linux_raw_sys() {
    same! {
        msghdr = net::msghdr {
            msg_name = msg_name, msg_namelen = msg_namelen, msg_iov = msg_iov, msg_iovlen = msg_iovlen,
            msg_control = msg_control, msg_controllen = msg_controllen, msg_flags = msg_flags
        };
        mmsghdr = net::mmsghdr { msg_hdr = msg_hdr, msg_len = msg_len };
        cmsghdr = net::cmsghdr { cmsg_len = cmsg_len, cmsg_level = cmsg_level, cmsg_type = cmsg_type };
        // Not net::iovec, which is one opaque byte.
        iovec = general::iovec { iov_base = iov_base, iov_len = iov_len };
        pollfd = general::pollfd { fd = fd, events = events, revents = revents };
    }
}

/// What a header has between its fields has a name, so that no byte of it is uninitialised.
#[test]
fn every_byte_of_a_header_is_a_field() {
    let raw::msghdr { msg_name, msg_namelen, pad1, msg_iov, msg_iovlen, msg_control, msg_controllen, msg_flags, pad2 } =
        raw::msghdr::EMPTY;
    let words = [size_of_val(&msg_name), size_of_val(&msg_iov), size_of_val(&msg_iovlen), size_of_val(&msg_control)];
    let ints = [size_of_val(&msg_namelen), size_of_val(&pad1), size_of_val(&msg_flags), size_of_val(&pad2)];
    let header = words.iter().chain(&ints).sum::<usize>() + size_of_val(&msg_controllen);
    assert_eq!(header, size_of::<raw::msghdr>());
    let raw::mmsghdr { msg_hdr, msg_len, pad } = raw::mmsghdr::EMPTY;
    assert_eq!(size_of_val(&msg_hdr) + size_of_val(&msg_len) + size_of_val(&pad), size_of::<raw::mmsghdr>());
}

/// musl's `msghdr` and `cmsghdr` are not the kernel's.
#[cfg(target_env = "gnu")]
#[test]
fn structures_are_those_of_glibc() {
    same! {
        msghdr = libc::msghdr {
            msg_name = msg_name, msg_namelen = msg_namelen, msg_iov = msg_iov, msg_iovlen = msg_iovlen,
            msg_control = msg_control, msg_controllen = msg_controllen, msg_flags = msg_flags
        };
        mmsghdr = libc::mmsghdr { msg_hdr = msg_hdr, msg_len = msg_len };
        cmsghdr = libc::cmsghdr { cmsg_len = cmsg_len, cmsg_level = cmsg_level, cmsg_type = cmsg_type };
        iovec = libc::iovec { iov_base = iov_base, iov_len = iov_len };
        pollfd = libc::pollfd { fd = fd, events = events, revents = revents };
    }
}

#[test]
fn structures_have_the_kernels_sizes() {
    let wide = size_of::<usize>() == 8;
    assert_eq!(size_of::<raw::msghdr>(), if wide { 56 } else { 28 });
    assert_eq!(size_of::<raw::mmsghdr>(), if wide { 64 } else { 32 });
    assert_eq!(size_of::<raw::cmsghdr>(), if wide { 16 } else { 12 });
    assert_eq!(size_of::<raw::iovec>(), if wide { 16 } else { 8 });
    assert_eq!(size_of::<raw::pollfd>(), 8);
    assert_eq!(size_of::<raw::cmsghdr>(), CMSG_HEADER);
    assert_eq!(align_of::<raw::cmsghdr>(), CMSG_ALIGNMENT);
}

#[test]
fn a_header_can_be_built_where_a_cmsghdr_must_be_aligned() {
    assert!(align_of::<scmsg::ControlBuf<[u8; 1]>>() >= align_of::<raw::cmsghdr>());
    assert_eq!(size_of::<scmsg::ControlBuf<[u8; 1]>>() % align_of::<raw::cmsghdr>(), 0);
}

#[test]
fn slices_are_laid_out_as_iovec() {
    assert_eq!(size_of::<scmsg::IoSlice<'_>>(), size_of::<raw::iovec>());
    assert_eq!(align_of::<scmsg::IoSlice<'_>>(), align_of::<raw::iovec>());
    assert_eq!(size_of::<scmsg::IoSliceMut<'_>>(), size_of::<raw::iovec>());
    assert_eq!(align_of::<scmsg::IoSliceMut<'_>>(), align_of::<raw::iovec>());
    assert_eq!(size_of::<scmsg::PollFd<'_>>(), size_of::<raw::pollfd>());
}
