//! Turns every public function of scmsg into one program that links only if no panic can be reached from any of them, and
//! that prints their names when run.
//!
//! How it proves that. The panic handler calls [`a_panic_can_be_reached`], a function nobody wrote. [`KEPT`] holds the
//! address of each function, as it is for any arguments, and its own address escapes, so the compiler generates all of
//! them and the linker keeps them with all they call. If one of those is a panic, the handler is kept as well, and the
//! linker looks for the missing function in vain. If none is, the linker throws the handler away (`--gc-sections`, which
//! rustc passes) before it asks who calls what, and with it the panics of `core`'s precompiled objects that nobody calls.
//!
//! Laws: a generic function is kept for types of the crate, for a type of this program whose code the compiler cannot see
//! through, and for a few array sizes; an iterator that a function returns is run to its end; `Debug`, `Display` and the
//! other formatting traits are left out. `tests/no_panic_is_reachable.rs` compares the names with the public API.

#![no_std]
#![no_main]

use core::ffi::{c_int, c_void};
use core::hash::{Hash, Hasher};
use core::hint::black_box;
use core::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, BitXorAssign, Deref, DerefMut, Not, Sub, SubAssign};
use core::panic::PanicInfo;
use core::{net, ptr};

use scmsg::sockopt::*;
use scmsg::*;

unsafe extern "C" {
    /// Exists nowhere.
    safe fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    a_panic_can_be_reached()
}

// `core` comes precompiled for programs that unwind, and its unwind tables name this. Nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

// The C library gives the program its start, the writing of names, and what the compiler itself calls: memcpy and the like.
#[link(name = "c")]
unsafe extern "C" {
    fn write(fd: c_int, bytes: *const c_void, len: usize) -> isize;
}

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    for kept in black_box(KEPT).iter().copied().flatten() {
        black_box(kept.function);
        for text in [kept.name, "\n"] {
            // SAFETY: the bytes are readable.
            unsafe { write(1, text.as_ptr().cast(), text.len()) };
        }
    }
    0
}

/// A function and its name. A name can be there more than once: a generic function has many bodies.
struct Kept {
    name: &'static str,
    function: *const (),
}

// SAFETY: the address of a function is the same for every thread.
unsafe impl Sync for Kept {}

macro_rules! keep {
    ($($name:expr => $function:expr,)*) => {
        &[$(Kept { name: $name, function: $function as *const () }),*]
    };
}

/// `Clone`, and the other traits that every value type derives.
macro_rules! clone {
    ($($ty:ty,)*) => {
        keep! { $(concat!("<scmsg::", stringify!($ty), " as Clone>::clone") => <$ty as Clone>::clone,)* }
    };
}
macro_rules! equal {
    ($($ty:ty,)*) => {
        keep! { $(concat!("<scmsg::", stringify!($ty), " as PartialEq>::eq") => <$ty as PartialEq>::eq,)* }
    };
}
macro_rules! hash {
    ($($ty:ty,)*) => {
        keep! { $(concat!("<scmsg::", stringify!($ty), " as Hash>::hash") => <$ty as Hash>::hash::<Unseen>,)* }
    };
}

/// A message the crate receives.
macro_rules! decode {
    ($($ty:ty,)*) => {
        keep! { $(
            concat!("<scmsg::", stringify!($ty), " as Decode>::from_payload") => <$ty as Decode>::from_payload,
            "scmsg::Cmsg::get" => Cmsg::get::<$ty>,
        )* }
    };
}

/// An option of a socket.
macro_rules! option {
    ($($ty:ident: $($access:ident)+;)*) => {
        keep! { $(
            concat!("<scmsg::sockopt::", stringify!($ty), " as Clone>::clone") => <$ty as Clone>::clone,
            $(concat!("scmsg::", stringify!($access)) => $access::<BorrowedFd<'_>, $ty>,)+
        )* }
    };
}

/// All that the bitflags crate writes for a set of flags.
macro_rules! flags {
    ($ty:ident: $($inherent:ident)*; $($operator:ident $method:ident)*) => {
        keep! {
            $(concat!("scmsg::", stringify!($ty), "::", stringify!($inherent)) => $ty::$inherent,)*
            $(concat!("<scmsg::", stringify!($ty), " as ", stringify!($operator), ">::", stringify!($method))
                => <$ty as $operator>::$method,)*
            concat!("<scmsg::", stringify!($ty), " as Default>::default") => <$ty as Default>::default,
            concat!("<scmsg::", stringify!($ty), " as Flags>::all_named") => <$ty as bitflags::Flags>::all_named,
            concat!("<scmsg::", stringify!($ty), " as Flags>::bits") => <$ty as bitflags::Flags>::bits,
            concat!("<scmsg::", stringify!($ty), " as Flags>::from_bits_retain")
                => <$ty as bitflags::Flags>::from_bits_retain,
            concat!("<scmsg::", stringify!($ty), " as Extend<scmsg::", stringify!($ty), ">>::extend")
                => <$ty as Extend<$ty>>::extend::<&mut dyn Iterator<Item = $ty>>,
            concat!("<scmsg::", stringify!($ty), " as FromIterator<scmsg::", stringify!($ty), ">>::from_iter")
                => <$ty as FromIterator<$ty>>::from_iter::<&mut dyn Iterator<Item = $ty>>,
            concat!("<scmsg::", stringify!($ty), " as IntoIterator>::into_iter")
                => { fn run(flags: $ty) { to_the_end(flags.into_iter()) } run },
            concat!("scmsg::", stringify!($ty), "::iter")
                => { fn run(flags: &$ty) { to_the_end(flags.iter()) } run },
            concat!("scmsg::", stringify!($ty), "::iter_names")
                => { fn run(flags: &$ty) { to_the_end(flags.iter_names()) } run },
        }
    };
    ($($ty:ident)*) => {
        [$(flags! { $ty:
            all bits complement contains difference empty from_bits from_bits_retain from_bits_truncate from_name insert
            intersection intersects is_all is_empty remove set symmetric_difference toggle union;
            BitAnd bitand BitAndAssign bitand_assign BitOr bitor BitOrAssign bitor_assign BitXor bitxor
            BitXorAssign bitxor_assign Not not Sub sub SubAssign sub_assign
        }),*]
    };
}

static FLAGS: [&[Kept]; 5] = flags! { SendFlags RecvFlags MsgFlags SocketFlags PollFlags };

static KEPT: &[&[Kept]] = &[
    FLAGS[0],
    FLAGS[1],
    FLAGS[2],
    FLAGS[3],
    FLAGS[4],
    clone! {
        Address, BadName, BatchFull, BorrowedFd, Cause, Cmsg, Cmsgs, Control, Credentials, Data, Errno, Family, IoSlice,
        Ipv4PacketInfo, Ipv6PacketInfo, Malformed, MsgFlags, NoData, NoSpace, NotPackets, PidFd, PollFd, PollFlags,
        RecvError, RecvFlags, Rights, SecurityLabel, SendError, SendFlags, SendMsg, Short, Shutdown, SocketAddr,
        SocketFlags, SocketType, TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew,
        TimestampingOld, UnreadBytes, WrongCount, bulk::RecvStopped, bulk::SendStopped, bulk::Stop, raw::cmsghdr,
        raw::iovec, raw::mmsghdr, raw::msghdr, raw::pollfd, raw::timespec, raw::timespec64,
    },
    equal! {
        Address, BadName, BatchFull, Cause, Cmsg, Credentials, Errno, Family, Ipv4PacketInfo, Ipv6PacketInfo, Malformed,
        MsgFlags, NoData, NoSpace, NotPackets, PidFd, PollFlags, RecvError, RecvFlags, Rights, SecurityLabel, SendError,
        SendFlags, Short, Shutdown, SocketAddr, SocketFlags, SocketType, TimestampNew, TimestampNsNew, TimestampNsOld,
        TimestampOld, TimestampingNew, TimestampingOld, UnreadBytes, WrongCount, bulk::RecvStopped, bulk::SendStopped,
        bulk::Stop,
    },
    hash! {
        Address, BadName, BatchFull, Cause, Cmsg, Credentials, Errno, Family, Ipv4PacketInfo, Ipv6PacketInfo, Malformed,
        MsgFlags, NoData, NoSpace, NotPackets, PidFd, PollFlags, RecvError, RecvFlags, Rights, SecurityLabel, SendError,
        SendFlags, Short, Shutdown, SocketFlags, SocketType, TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld,
        TimestampingNew, TimestampingOld, UnreadBytes, WrongCount, bulk::RecvStopped, bulk::SendStopped, bulk::Stop,
    },
    decode! {
        Credentials, Ipv4PacketInfo, Ipv6PacketInfo, PidFd, Rights, SecurityLabel, TimestampNew, TimestampNsNew,
        TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld, UnreadBytes,
    },
    option! {
        AcceptsConnections: getsockopt;
        Domain: getsockopt;
        Inq: setsockopt;
        PassCred: getsockopt setsockopt;
        PassPidFd: getsockopt setsockopt;
        PassRights: getsockopt setsockopt;
        PassSec: getsockopt setsockopt;
        PeekOffset: getsockopt setsockopt;
        PeerCred: getsockopt;
        PeerPidFd: getsockopt;
        PendingError: getsockopt;
        Protocol: getsockopt;
        ReceiveBuffer: getsockopt setsockopt;
        ReceivePacketInfo: getsockopt setsockopt;
        ReceivePacketInfo6: getsockopt setsockopt;
        ReceiveTimestampNew: getsockopt setsockopt;
        ReceiveTimestampNsNew: getsockopt setsockopt;
        ReceiveTimestampNsOld: getsockopt setsockopt;
        ReceiveTimestampOld: getsockopt setsockopt;
        ReceiveTimestampingNew: getsockopt setsockopt;
        ReceiveTimestampingOld: getsockopt setsockopt;
        SendBuffer: getsockopt setsockopt;
        Type: getsockopt;
    },
    keep! {
        // layout
        "scmsg::CMSG_ALIGN" => CMSG_ALIGN,
        "scmsg::CMSG_LEN" => CMSG_LEN,
        "scmsg::CMSG_SPACE" => CMSG_SPACE,
        // errno
        "scmsg::Errno::from_raw" => Errno::from_raw,
        "scmsg::Errno::name" => Errno::name,
        "scmsg::Errno::raw" => Errno::raw,
        "scmsg::Errno::text" => Errno::text,
        "<scmsg::Errno as Ord>::cmp" => <Errno as Ord>::cmp,
        "<scmsg::Errno as PartialOrd>::partial_cmp" => <Errno as PartialOrd>::partial_cmp,
        // flags
        "scmsg::MsgFlags::from_kernel" => MsgFlags::from_kernel,
        "scmsg::RecvFlags::to_kernel" => RecvFlags::to_kernel,
        "scmsg::SendFlags::to_kernel" => SendFlags::to_kernel,
        // borrowed
        "scmsg::BorrowedFd::as_raw_fd" => BorrowedFd::as_raw_fd,
        "scmsg::BorrowedFd::borrow_raw" => BorrowedFd::borrow_raw,
        "<scmsg::BorrowedFd as AsFd>::as_fd" => <BorrowedFd<'_> as AsFd>::as_fd,
        "<&T as AsFd>::as_fd" => <&OwnedFd as AsFd>::as_fd,
        "<&T as AsFd>::as_fd" => <&Unseen as AsFd>::as_fd,
        "<&mut T as AsFd>::as_fd" => <&mut OwnedFd as AsFd>::as_fd,
        "<&mut T as AsFd>::as_fd" => <&mut Unseen as AsFd>::as_fd,
        // io_slice
        "scmsg::IoSlice::new" => IoSlice::new,
        "scmsg::IoSliceMut::new" => IoSliceMut::new,
        "<scmsg::IoSlice as Deref>::deref" => <IoSlice<'_> as Deref>::deref,
        "<scmsg::IoSliceMut as Deref>::deref" => <IoSliceMut<'_> as Deref>::deref,
        "<scmsg::IoSliceMut as DerefMut>::deref_mut" => <IoSliceMut<'_> as DerefMut>::deref_mut,
        // decode
        "scmsg::Cmsg::get" => Cmsg::get::<Unseen>,
        "scmsg::Cmsgs::new" => Cmsgs::new,
        "scmsg::Cmsgs::remainder" => Cmsgs::remainder,
        "<scmsg::Cmsgs as Iterator>::next" => <Cmsgs<'_> as Iterator>::next,
        // encode
        "scmsg::ControlBuf::new" => ControlBuf::<[u8; 0]>::new,
        "scmsg::ControlBuf::new" => ControlBuf::<[u8; 1]>::new,
        "scmsg::ControlBuf::new" => ControlBuf::<[u8; 1056]>::new,
        "scmsg::ControlBuf::as_bytes" => ControlBuf::<[u8]>::as_bytes,
        "scmsg::ControlBuf::as_mut_bytes" => ControlBuf::<[u8]>::as_mut_bytes,
        "<scmsg::ControlBuf as Clone>::clone" => <ControlBuf<[u8; 0]> as Clone>::clone,
        "<scmsg::ControlBuf as Clone>::clone" => <ControlBuf<[u8; 1056]> as Clone>::clone,
        "<scmsg::ControlBuf as Default>::default" => <ControlBuf<[u8; 0]> as Default>::default,
        "<scmsg::ControlBuf as Default>::default" => <ControlBuf<[u8; 1056]> as Default>::default,
        "scmsg::NoSpace::missing" => NoSpace::missing,
        "scmsg::Encoder::new" => Encoder::new,
        "scmsg::Encoder::as_bytes" => Encoder::as_bytes,
        "scmsg::Encoder::descriptors" => Encoder::descriptors,
        "scmsg::Encoder::push" => Encoder::push::<Credentials>,
        "scmsg::Encoder::push" => Encoder::push::<Unseen>,
        "scmsg::Encoder::push_rights" => Encoder::push_rights,
        "scmsg::Encoder::push_rights_array" => Encoder::push_rights_array::<0>,
        "scmsg::Encoder::push_rights_array" => Encoder::push_rights_array::<253>,
        "scmsg::FixedControl::new" => FixedControl::<{ CMSG_LEN(0) }>::new::<Unseen, 0>,
        "scmsg::FixedControl::new" => FixedControl::<{ CMSG_LEN(3) }>::new::<Unseen, 3>,
        "scmsg::FixedControl::new" => FixedControl::<{ CMSG_LEN(12) }>::new::<Credentials, 12>,
        "scmsg::FixedControl::as_bytes" => FixedControl::<0>::as_bytes,
        "scmsg::FixedControl::as_bytes" => FixedControl::<{ CMSG_LEN(3) }>::as_bytes,
        "<scmsg::FixedControl as Clone>::clone" => <FixedControl<{ CMSG_LEN(3) }> as Clone>::clone,
        // message
        "<scmsg::Credentials as Encode>::encode" => <Credentials as Encode>::encode,
        "<scmsg::Credentials as Encode>::payload_len" => <Credentials as Encode>::payload_len,
        "<scmsg::Ipv4PacketInfo as Encode>::encode" => <Ipv4PacketInfo as Encode>::encode,
        "<scmsg::Ipv4PacketInfo as Encode>::payload_len" => <Ipv4PacketInfo as Encode>::payload_len,
        "<scmsg::Ipv6PacketInfo as Encode>::encode" => <Ipv6PacketInfo as Encode>::encode,
        "<scmsg::Ipv6PacketInfo as Encode>::payload_len" => <Ipv6PacketInfo as Encode>::payload_len,
        "scmsg::PidFd::number" => PidFd::number,
        "scmsg::Rights::space" => Rights::space,
        "scmsg::Rights::len_of" => Rights::len_of,
        "scmsg::space_of" => space_of::<Credentials>,
        "scmsg::space_of" => space_of::<Unseen>,
        "scmsg::Rights::numbers" => { fn run(rights: &Rights<'_>) { to_the_end(rights.numbers()) } run },
        "scmsg::SecurityLabel::as_bytes" => SecurityLabel::as_bytes,
        // control
        "scmsg::Control::as_bytes" => Control::as_bytes,
        "scmsg::Control::descriptors" => Control::descriptors,
        "scmsg::Control::from_raw" => Control::from_raw,
        "<scmsg::Control as From<&scmsg::Encoder>>::from" => <Control<'_> as From<&Encoder<'_, '_>>>::from,
        "<scmsg::Control as From<scmsg::Encoder>>::from" => <Control<'_> as From<Encoder<'_, '_>>>::from,
        "<scmsg::Control as From<&scmsg::FixedControl>>::from" => <Control<'_> as From<&FixedControl<0>>>::from,
        "<scmsg::Control as From<&scmsg::FixedControl>>::from"
            => <Control<'_> as From<&FixedControl<{ CMSG_LEN(3) }>>>::from,
        "scmsg::Encoder::push_raw" => Encoder::push_raw,
        // addr
        "scmsg::SocketAddr::abstract_name" => SocketAddr::abstract_name,
        "scmsg::SocketAddr::address" => SocketAddr::address,
        "scmsg::SocketAddr::as_bytes" => SocketAddr::as_bytes,
        "scmsg::SocketAddr::family" => SocketAddr::family,
        "scmsg::SocketAddr::raw" => SocketAddr::raw,
        "scmsg::SocketAddr::raw_unchecked" => SocketAddr::raw_unchecked,
        "scmsg::SocketAddr::unix" => SocketAddr::unix,
        "scmsg::SocketAddr::unnamed" => SocketAddr::unnamed,
        "<scmsg::SocketAddr as From<SocketAddr>>::from" => <SocketAddr as From<net::SocketAddr>>::from,
        "<scmsg::SocketAddr as From<SocketAddrV4>>::from" => <SocketAddr as From<net::SocketAddrV4>>::from,
        "<scmsg::SocketAddr as From<SocketAddrV6>>::from" => <SocketAddr as From<net::SocketAddrV6>>::from,
        // raw
        "scmsg::raw::accept4" => raw::accept4,
        "scmsg::raw::bind" => raw::bind,
        "scmsg::raw::close" => raw::close,
        "scmsg::raw::close_range" => raw::close_range,
        "scmsg::raw::connect" => raw::connect,
        "scmsg::raw::getpeername" => raw::getpeername,
        "scmsg::raw::getsockname" => raw::getsockname,
        "scmsg::raw::getsockopt" => raw::getsockopt,
        "scmsg::raw::listen" => raw::listen,
        "scmsg::raw::ppoll" => raw::ppoll,
        "scmsg::raw::recvmmsg" => raw::recvmmsg,
        "scmsg::raw::recvmsg" => raw::recvmsg,
        "scmsg::raw::sendmmsg" => raw::sendmmsg,
        "scmsg::raw::sendmsg" => raw::sendmsg,
        "scmsg::raw::setsockopt" => raw::setsockopt,
        "scmsg::raw::shutdown" => raw::shutdown,
        "scmsg::raw::socket" => raw::socket,
        "scmsg::raw::socketpair" => raw::socketpair,
        // fd
        "scmsg::OwnedFd::as_raw_fd" => OwnedFd::as_raw_fd,
        "scmsg::OwnedFd::from_raw_fd" => OwnedFd::from_raw_fd,
        "scmsg::OwnedFd::into_raw_fd" => OwnedFd::into_raw_fd,
        "<scmsg::OwnedFd as AsFd>::as_fd" => <OwnedFd as AsFd>::as_fd,
        "<scmsg::OwnedFd as Drop>::drop" => ptr::drop_in_place::<OwnedFd>,
        "scmsg::close" => close,
        // set
        "scmsg::FdSet::new" => FdSet::<Borrowed>::new,
        "scmsg::FdSet::new" => FdSet::<[RawFd; 0]>::new,
        "scmsg::FdSet::new" => FdSet::<[RawFd; 300]>::new,
        "scmsg::FdSet::len" => FdSet::<Borrowed>::len,
        "scmsg::FdSet::len" => FdSet::<[RawFd; 300]>::len,
        "scmsg::FdSet::is_empty" => FdSet::<Borrowed>::is_empty,
        "scmsg::FdSet::is_empty" => FdSet::<[RawFd; 300]>::is_empty,
        "scmsg::FdSet::room" => FdSet::<Borrowed>::room,
        "scmsg::FdSet::room" => FdSet::<[RawFd; 300]>::room,
        "scmsg::FdSet::fds" => FdSet::<Borrowed>::fds,
        "scmsg::FdSet::fds" => FdSet::<[RawFd; 300]>::fds,
        "scmsg::FdSet::push" => FdSet::<Borrowed>::push,
        "scmsg::FdSet::push" => FdSet::<[RawFd; 0]>::push,
        "scmsg::FdSet::push" => FdSet::<[RawFd; 300]>::push,
        "scmsg::FdSet::pop" => FdSet::<Borrowed>::pop,
        "scmsg::FdSet::pop" => FdSet::<[RawFd; 300]>::pop,
        "scmsg::FdSet::take_fds" => { fn run(set: &mut FdSet<Borrowed>) { to_the_end(set.take_fds()) } run },
        "scmsg::FdSet::take_fds" => { fn run(set: &mut FdSet<[RawFd; 300]>) { to_the_end(set.take_fds()) } run },
        "scmsg::FdSet::clear" => FdSet::<Borrowed>::clear,
        "scmsg::FdSet::clear" => FdSet::<[RawFd; 300]>::clear,
        "scmsg::FdSet::split" => FdSet::<Borrowed>::split,
        "<scmsg::FdSet as Drop>::drop" => ptr::drop_in_place::<FdSet<Borrowed>>,
        "<scmsg::FdSet as Drop>::drop" => ptr::drop_in_place::<FdSet<[RawFd; 0]>>,
        "<scmsg::FdSet as Drop>::drop" => ptr::drop_in_place::<FdSet<[RawFd; 300]>>,
        // ancillary
        "scmsg::Ancillary::fds" => { fn run(control: &Ancillary<'_>) { to_the_end(control.fds()) } run },
        "scmsg::Ancillary::from_kernel" => Ancillary::from_kernel,
        "scmsg::Ancillary::messages" => Ancillary::messages,
        "scmsg::Ancillary::get" => Ancillary::get::<Credentials>,
        "scmsg::Ancillary::get" => Ancillary::get::<Unseen>,
        "scmsg::Ancillary::pidfd" => Ancillary::pidfd,
        "scmsg::Ancillary::take_exact" => Ancillary::take_exact::<0>,
        "scmsg::Ancillary::take_exact" => Ancillary::take_exact::<1>,
        "scmsg::Ancillary::take_exact" => Ancillary::take_exact::<3>,
        "scmsg::Ancillary::take_exact" => Ancillary::take_exact::<253>,
        "scmsg::Ancillary::take_fd" => Ancillary::take_fd,
        "scmsg::Ancillary::take_fds" => Ancillary::take_fds,
        "scmsg::Ancillary::take_into" => Ancillary::take_into::<Borrowed>,
        "scmsg::Ancillary::take_into" => Ancillary::take_into::<[RawFd; 0]>,
        "scmsg::Ancillary::take_into" => Ancillary::take_into::<[RawFd; 300]>,
        "scmsg::Ancillary::take_pidfd" => Ancillary::take_pidfd,
        "scmsg::Ancillary::truncation" => Ancillary::truncation,
        "<scmsg::Ancillary as Drop>::drop" => ptr::drop_in_place::<Ancillary<'_>>,
        "<scmsg::TakeFds as Iterator>::next" => <TakeFds<'_> as Iterator>::next,
        // send, recv
        "scmsg::SendMsg::as_ptr" => SendMsg::as_ptr,
        "scmsg::SendMsg::control" => SendMsg::control::<Control<'_>>,
        "scmsg::SendMsg::control" => SendMsg::control::<&Encoder<'_, '_>>,
        "scmsg::SendMsg::control" => SendMsg::control::<Encoder<'_, '_>>,
        "scmsg::SendMsg::control" => SendMsg::control::<&FixedControl<{ CMSG_LEN(3) }>>,
        "scmsg::SendMsg::control" => SendMsg::control::<Unseen>,
        "scmsg::SendMsg::control_on_packets" => SendMsg::control_on_packets::<Control<'_>>,
        "scmsg::SendMsg::control_on_packets" => SendMsg::control_on_packets::<&Encoder<'_, '_>>,
        "scmsg::SendMsg::control_on_packets" => SendMsg::control_on_packets::<Unseen>,
        "scmsg::SendMsg::new" => SendMsg::new,
        "scmsg::SendMsg::to" => SendMsg::to,
        "scmsg::RecvMsg::as_mut_ptr" => RecvMsg::as_mut_ptr,
        "scmsg::RecvMsg::control" => RecvMsg::control,
        "scmsg::RecvMsg::from" => RecvMsg::from,
        "scmsg::RecvMsg::limit" => RecvMsg::limit,
        "scmsg::RecvMsg::new" => RecvMsg::new,
        "scmsg::RecvMsg::received" => RecvMsg::received,
        "scmsg::Received::data" => Received::data,
        "scmsg::Received::from" => Received::from,
        "scmsg::Received::is_end" => Received::is_end,
        "scmsg::Received::sender" => Received::sender,
        "<scmsg::Data as Iterator>::next" => <Data<'_> as Iterator>::next,
        "scmsg::sendmsg" => sendmsg::<OwnedFd>,
        "scmsg::sendmsg" => sendmsg::<&Unseen>,
        "scmsg::recvmsg" => recvmsg::<OwnedFd>,
        "scmsg::recvmsg" => recvmsg::<&Unseen>,
        // batch
        "scmsg::SendBatch::new" => SendBatch::<0>::new,
        "scmsg::SendBatch::new" => SendBatch::<64>::new,
        "<scmsg::SendBatch as Default>::default" => <SendBatch<'_, 0> as Default>::default,
        "<scmsg::SendBatch as Default>::default" => <SendBatch<'_, 64> as Default>::default,
        "scmsg::SendBatch::push" => SendBatch::<0>::push,
        "scmsg::SendBatch::push" => SendBatch::<64>::push,
        "scmsg::SendBatch::len" => SendBatch::<64>::len,
        "scmsg::SendBatch::is_empty" => SendBatch::<64>::is_empty,
        "scmsg::SendBatch::skip" => SendBatch::<64>::skip,
        "scmsg::SendBatch::rewind" => SendBatch::<64>::rewind,
        "scmsg::SendBatch::clear" => SendBatch::<64>::clear,
        "scmsg::SendBatch::sent_bytes" => { fn run(batch: &mut SendBatch<'_, 64>) { to_the_end(batch.sent_bytes()) } run },
        "scmsg::SendBatch::as_ptrs" => { fn run(batch: &mut SendBatch<'_, 64>) { to_the_end(batch.as_ptrs()) } run },
        "scmsg::RecvBatch::new" => RecvBatch::<0>::new,
        "scmsg::RecvBatch::new" => RecvBatch::<64>::new,
        "<scmsg::RecvBatch as Default>::default" => <RecvBatch<'_, 0> as Default>::default,
        "<scmsg::RecvBatch as Default>::default" => <RecvBatch<'_, 64> as Default>::default,
        "scmsg::RecvBatch::push" => RecvBatch::<0>::push,
        "scmsg::RecvBatch::push" => RecvBatch::<64>::push,
        "scmsg::RecvBatch::len" => RecvBatch::<64>::len,
        "scmsg::RecvBatch::is_empty" => RecvBatch::<64>::is_empty,
        "<scmsg::Batch as Iterator>::next" => <Batch<'_> as Iterator>::next,
        "<scmsg::Batch as Iterator>::size_hint" => <Batch<'_> as Iterator>::size_hint,
        "<scmsg::Batch as Drop>::drop" => ptr::drop_in_place::<Batch<'_>>,
        "scmsg::sendmmsg" => sendmmsg::<OwnedFd, 0>,
        "scmsg::sendmmsg" => sendmmsg::<&Unseen, 64>,
        "scmsg::sendmmsg" => sendmmsg::<&Unseen, 2000>,
        "scmsg::recvmmsg" => recvmmsg::<OwnedFd, 0>,
        "scmsg::recvmmsg" => recvmmsg::<&Unseen, 64>,
        "scmsg::recvmmsg" => recvmmsg::<&Unseen, 2000>,
        // socket
        "scmsg::PollFd::events" => PollFd::events,
        "scmsg::PollFd::new" => PollFd::new::<OwnedFd>,
        "scmsg::PollFd::new" => PollFd::new::<Unseen>,
        "scmsg::accept" => accept::<OwnedFd>,
        "scmsg::accept" => accept::<&Unseen>,
        "scmsg::accept_from" => accept_from::<OwnedFd>,
        "scmsg::accept_from" => accept_from::<&Unseen>,
        "scmsg::bind" => bind::<OwnedFd>,
        "scmsg::bind" => bind::<&Unseen>,
        "scmsg::connect" => connect::<OwnedFd>,
        "scmsg::connect" => connect::<&Unseen>,
        "scmsg::getpeername" => getpeername::<OwnedFd>,
        "scmsg::getpeername" => getpeername::<&Unseen>,
        "scmsg::getsockname" => getsockname::<OwnedFd>,
        "scmsg::getsockname" => getsockname::<&Unseen>,
        "scmsg::listen" => listen::<OwnedFd>,
        "scmsg::listen" => listen::<&Unseen>,
        "scmsg::poll" => poll,
        "scmsg::shutdown" => shutdown::<OwnedFd>,
        "scmsg::shutdown" => shutdown::<&Unseen>,
        "scmsg::socket" => socket,
        "scmsg::socketpair" => socketpair,
        // sockopt
        "scmsg::getsockopt" => getsockopt::<&Unseen, PeerPidFd>,
        "scmsg::setsockopt" => setsockopt::<&Unseen, PassCred>,
        "scmsg::getsockopt_raw" => getsockopt_raw,
        "scmsg::setsockopt_raw" => setsockopt_raw,
        "scmsg::peer_label" => peer_label::<OwnedFd>,
        "scmsg::peer_label" => peer_label::<&Unseen>,
        // fds
        "scmsg::send_with_fds" => send_with_fds::<OwnedFd>,
        "scmsg::send_with_fds" => send_with_fds::<&Unseen>,
        "scmsg::recv_with_fds" => recv_with_fds::<0> as fn(OwnedFd, &mut [u8]) -> _,
        "scmsg::recv_with_fds" => recv_with_fds::<1> as fn(&'static Unseen, &mut [u8]) -> _,
        "scmsg::recv_with_fds" => recv_with_fds::<253> as fn(&'static Unseen, &mut [u8]) -> _,
        "<scmsg::SendError as From<scmsg::Errno>>::from" => <SendError as From<Errno>>::from,
        "<scmsg::SendError as From<scmsg::NoData>>::from" => <SendError as From<NoData>>::from,
        "<scmsg::SendError as From<scmsg::NoSpace>>::from" => <SendError as From<NoSpace>>::from,
        "<scmsg::RecvError as From<scmsg::Errno>>::from" => <RecvError as From<Errno>>::from,
        // packets
        "scmsg::Packets::new" => Packets::<OwnedFd>::new,
        "scmsg::Packets::new" => Packets::<&Unseen>::new,
        "scmsg::Packets::into_inner" => Packets::<OwnedFd>::into_inner,
        "scmsg::Packets::into_inner" => Packets::<&Unseen>::into_inner,
        "scmsg::Packets::send_fds" => Packets::<OwnedFd>::send_fds,
        "scmsg::Packets::send_fds" => Packets::<&Unseen>::send_fds,
        "scmsg::Packets::recv_fds" => Packets::<OwnedFd>::recv_fds::<1>,
        "scmsg::Packets::recv_fds" => Packets::<&Unseen>::recv_fds::<1>,
        "scmsg::Packets::recv_fds" => Packets::<&Unseen>::recv_fds::<253>,
        "<scmsg::Packets as AsFd>::as_fd" => <Packets<OwnedFd> as AsFd>::as_fd,
        "<scmsg::Packets as AsFd>::as_fd" => <Packets<&Unseen> as AsFd>::as_fd,
        // bulk
        "scmsg::bulk::send_fds" => bulk::send_fds::<OwnedFd>,
        "scmsg::bulk::send_fds" => bulk::send_fds::<&Unseen>,
        "scmsg::bulk::recv_fds" => bulk::recv_fds::<OwnedFd, Borrowed>,
        "scmsg::bulk::recv_fds" => bulk::recv_fds::<&Unseen, [RawFd; 0]>,
        "scmsg::bulk::recv_fds" => bulk::recv_fds::<&Unseen, [RawFd; 300]>,
    },
    #[cfg(feature = "prove-it-can-fail")]
    keep! {
        "the negative control" => { fn index(bytes: &[u8], at: usize) -> u8 { bytes[at] } index },
    },
];

/// The storage of a set that borrows it.
type Borrowed = &'static mut [RawFd];

/// Runs an iterator, whose items the compiler must not drop.
fn to_the_end<I: Iterator>(items: I) {
    items.for_each(|item| {
        black_box(item);
    });
}

/// What a user of the crate brings: code of which the compiler knows nothing.
#[derive(Clone, Copy)]
struct Unseen(usize);

impl AsFd for Unseen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the program lends nothing to anybody: it is linked, and calls none of this.
        unsafe { BorrowedFd::borrow_raw(black_box(-1)) }
    }
}

impl Hasher for Unseen {
    fn write(&mut self, bytes: &[u8]) {
        black_box((self, bytes));
    }

    fn finish(&self) -> u64 {
        black_box(0)
    }
}

impl Message for Unseen {
    const LEVEL: i32 = 0;
    const TYPE: i32 = 0;
}

impl Encode for Unseen {
    fn payload_len(&self) -> usize {
        black_box(self.0)
    }

    fn encode(&self, out: &mut [u8]) {
        black_box(out);
    }
}

impl<'a> Decode<'a> for Unseen {
    const MAX_RECEIVED: Option<usize> = None;

    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        black_box(payload);
        black_box(Ok(Self(0)))
    }
}

impl From<Unseen> for Control<'_> {
    fn from(_: Unseen) -> Self {
        black_box(Control::EMPTY)
    }
}
