//! Law: an error is a small `Copy` value that carries numbers, and says them; and what the crate makes can go to another thread
//! and has the size its documentation gives.

use core::error::Error;
use core::fmt::{Debug, Display};
use core::hash::Hash;

use scmsg::{
    Ancillary, BadName, BorrowedFd, Cause, Cmsg, Cmsgs, Control, ControlBuf, Encoder, Errno, IoSlice, IoSliceMut,
    Malformed, MsgFlags, NoData, NoSpace, OwnedFd, RecvError, RecvMsg, SendError, SendMsg, Short, SocketAddr,
    WrongCount,
};

/// What every error is.
fn is_an_error<E: Error + Display + Debug + Copy + Eq + Hash + Send + Sync + Unpin + 'static>() {
    assert!(size_of::<E>() <= 10 * size_of::<usize>(), "{} is small", core::any::type_name::<E>());
}

#[test]
fn every_error_is_a_copy_core_error_that_threads_can_share() {
    is_an_error::<Errno>();
    is_an_error::<Malformed>();
    is_an_error::<Short>();
    is_an_error::<NoSpace>();
    is_an_error::<NoData>();
    is_an_error::<WrongCount>();
    is_an_error::<SendError>();
    is_an_error::<RecvError>();
    is_an_error::<BadName>();
}

/// Whether `text` has each of `words` as a word of its own.
fn says(text: impl Display, words: &[&str]) {
    let text = text.to_string();
    let parts: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    for word in words {
        assert!(parts.contains(word), "{word} is missing from {text:?}");
    }
}

#[test]
fn malformed_says_offset_claim_and_what_is_left() {
    says(Malformed { offset: 32, claimed: 99, left: 17 }, &["32", "99", "17"]);
}

#[test]
fn short_says_need_and_have() {
    says(Short { need: 12, have: 7 }, &["12", "7"]);
}

#[test]
fn no_space_says_need_and_left() {
    let error = NoSpace { need: 44, left: 13 };
    says(error, &["44", "13"]);
    assert_eq!(error.missing(), 31);
    assert_eq!(NoSpace { need: usize::MAX, left: 0 }.missing(), usize::MAX);
    assert_eq!(NoSpace { need: 1, left: 2 }.missing(), 0);
}

#[test]
fn no_data_says_how_many_descriptors() {
    says(NoData { descriptors: 253 }, &["253"]);
}

#[test]
fn wrong_count_says_all_it_knows() {
    let plain = WrongCount { want: 2, found: 5, refused: None, truncated: None };
    says(plain, &["2", "5"]);
    assert!(!plain.to_string().contains("truncated"));
    for cause in [Cause::Buffer, Cause::NotBuffer, Cause::Unknown] {
        let error = WrongCount { want: 3, found: 1, refused: Some(Errno::EPERM), truncated: Some(cause) };
        says(error, &["3", "1", "EPERM", &format!("{cause:?}")]);
    }
    says(WrongCount { refused: Errno::from_raw(4000), ..plain }, &["4000"]);
}

#[test]
fn errors_of_the_short_way_say_what_their_parts_say() {
    says(SendError::from(Errno::EMFILE), &["EMFILE"]);
    says(SendError::from(NoData { descriptors: 9 }), &["9"]);
    says(SendError::from(NoSpace { need: 1036, left: 1032 }), &["1036", "1032"]);
    says(RecvError::from(Errno::ECONNRESET), &["ECONNRESET"]);
    let count = WrongCount { want: 2, found: 5, refused: Some(Errno::EPERM), truncated: Some(Cause::Unknown) };
    says(RecvError::WrongCount { bytes: 77, count }, &["77", "2", "5", "EPERM", "Unknown"]);
    says(RecvError::DataTruncated { room: 64 }, &["64"]);
    assert!(!RecvError::End.to_string().is_empty());
    assert_eq!(SendError::from(Errno::EPIPE), SendError::Errno(Errno::EPIPE));
    assert_eq!(RecvError::from(Errno::EPIPE), RecvError::Errno(Errno::EPIPE));
}

#[test]
fn bad_names_say_their_numbers() {
    says(BadName::TooLong { len: 109, max: 108 }, &["109", "108"]);
    says(BadName::TooShort { len: 1, min: 2 }, &["1", "2"]);
    says(BadName::Nul { at: 5 }, &["5"]);
    assert!(!BadName::Empty.to_string().is_empty());
}

#[test]
fn an_errno_is_1_to_4095() {
    for number in 1..=4095 {
        let errno = Errno::from_raw(number).unwrap();
        assert_eq!(errno.raw(), number);
        if errno.name().is_none() {
            assert_eq!(errno.to_string(), format!("error number {number}"));
            assert_eq!(format!("{errno:?}"), format!("Errno({number})"));
        }
    }
    for number in (-5000..=0).chain(4096..10_000).chain([i32::MIN, i32::MIN + 1, i32::MAX, i32::MAX - 1]) {
        assert_eq!(Errno::from_raw(number), None, "{number}");
    }
}

const fn send<T: Send + ?Sized>() {}
const fn sync<T: Sync + ?Sized>() {}

/// Compiling is the test.
#[test]
fn what_the_crate_makes_can_go_to_another_thread() {
    const {
        send::<SendMsg<'_>>();
        sync::<SendMsg<'_>>();
        send::<RecvMsg<'_>>();
        send::<Ancillary<'_>>();
        send::<scmsg::Received<'_>>();
        sync::<Ancillary<'_>>();
        send::<OwnedFd>();
        sync::<OwnedFd>();
        send::<BorrowedFd<'_>>();
        sync::<BorrowedFd<'_>>();
        send::<ControlBuf>();
        sync::<ControlBuf>();
        send::<Encoder<'_, '_>>();
        sync::<Encoder<'_, '_>>();
        send::<Control<'_>>();
        sync::<Control<'_>>();
        send::<Cmsgs<'_>>();
        sync::<Cmsgs<'_>>();
        send::<Cmsg<'_>>();
        sync::<Cmsg<'_>>();
        send::<IoSlice<'_>>();
        sync::<IoSlice<'_>>();
        send::<IoSliceMut<'_>>();
        sync::<IoSliceMut<'_>>();
        send::<SocketAddr>();
        sync::<SocketAddr>();
        send::<scmsg::PollFd<'_>>();
        sync::<scmsg::PollFd<'_>>();
    }
}

#[test]
fn sizes_are_those_that_are_documented() {
    let word = size_of::<usize>();
    assert_eq!(size_of::<SendMsg<'_>>(), 7 * word);
    assert_eq!(size_of::<SendMsg<'_>>(), size_of::<scmsg::raw::msghdr>());
    assert_eq!(size_of::<RecvMsg<'_>>(), 8 * word);
    assert_eq!(size_of::<OwnedFd>(), 4);
    assert_eq!(size_of::<BorrowedFd<'_>>(), 4);
    assert_eq!(size_of::<Errno>(), 4);
    assert_eq!(size_of::<SocketAddr>(), 132);
    assert_eq!(size_of::<MsgFlags>(), 4);
    assert_eq!(size_of::<ControlBuf<[u8; 0]>>(), 0);
    assert_eq!(size_of::<ControlBuf<[u8; 1]>>(), 8);
    assert_eq!(size_of::<ControlBuf<[u8; 20]>>(), 24);
    assert_eq!(size_of::<ControlBuf<[u8; 24]>>(), 24);
}

#[test]
fn a_control_buffer_can_be_static() {
    static BUF: ControlBuf<[u8; 20]> = ControlBuf::new();
    let buf: &'static ControlBuf = &BUF;
    assert_eq!(buf.as_bytes(), [0; 20]);
    assert_eq!(buf.as_bytes().as_ptr().addr() % scmsg::CMSG_ALIGNMENT, 0);
}
