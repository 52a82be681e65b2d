//! Turns the hot paths of this crate into functions whose assembly can be read: `tests/assembly_is_golden.rs` compares it
//! with what is committed beside this file, and looks for calls that a program without libc would have to supply.

#![no_std]

use scmsg::{
    Ancillary, BorrowedFd, ControlBuf, Encoder, Errno, NoSpace, OwnedFd, Received, RecvFlags, RecvMsg, Rights,
    SendFlags, SendMsg, WrongCount, recvmsg, sendmsg,
};

/// Encodes one descriptor.
#[unsafe(no_mangle)]
pub fn encode(buf: &mut ControlBuf<[u8; Rights::space(1)]>, fd: BorrowedFd<'_>) -> Result<usize, NoSpace> {
    Ok(Encoder::new(buf).push_rights(&[fd])?.as_bytes().len())
}

/// Sends a message that is ready.
#[unsafe(no_mangle)]
pub fn send(socket: BorrowedFd<'_>, message: &SendMsg<'_>) -> Result<usize, Errno> {
    sendmsg(socket, message, SendFlags::empty())
}

/// Receives a message.
#[unsafe(no_mangle)]
pub fn receive<'b>(socket: BorrowedFd<'_>, message: &'b mut RecvMsg<'_>) -> Result<Received<'b>, Errno> {
    recvmsg(socket, message, RecvFlags::empty())
}

/// Takes one descriptor, and closes what else there is.
#[unsafe(no_mangle)]
pub fn take(mut control: Ancillary<'_>) -> Result<[OwnedFd; 1], WrongCount> {
    control.take_exact()
}

macro_rules! arrays {
    ($($name:ident $n:literal,)*) => {$(
        /// Encodes a constant number of descriptors.
        #[unsafe(no_mangle)]
        pub fn $name(buf: &mut ControlBuf<[u8; Rights::space($n)]>, fds: &[BorrowedFd<'_>; $n]) -> Result<usize, NoSpace> {
            Ok(Encoder::new(buf).push_rights_array(fds)?.as_bytes().len())
        }
    )*};
}

arrays! {
    encode_4 4,
    encode_16 16,
    encode_64 64,
    encode_253 253,
}
