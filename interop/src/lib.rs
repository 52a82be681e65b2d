//! What the examples and tests of this package share: a ring or the reason why there is none, entries run to their end, a
//! pool of provided buffers, and what a multishot receive leaves in one of them.
//!
//! Law: a buffer goes back to the kernel only after the [`Ancillary`] over it is gone. The borrow checker
//! holds it:
//! ```compile_fail,E0499
//! fn f(pool: &mut interop::Pool, header: &scmsg::raw::msghdr) {
//!     let arrived = unsafe { interop::adopt(pool.buffer(0), header) };
//!     let entry = pool.give_back(0); // its descriptors would be overwritten before they are closed
//!     drop((arrived, entry));
//! }
//! ```

use std::io;
use std::ptr::{self, NonNull};

use io_uring::squeue::{Entry, Flags};
use io_uring::types::RecvMsgOut;
use io_uring::{IoUring, opcode};
use scmsg::raw::msghdr;
use scmsg::{Ancillary, Errno, MsgFlags};

/// A ring; or `None`, after printing why io_uring is off here: the kernel has none (`ENOSYS`), or the sysctl
/// `kernel.io_uring_disabled`, a container or a security module forbids it (`EPERM`).
///
/// # Errors
/// Whatever else the kernel answers.
pub fn ring(entries: u32) -> io::Result<Option<IoUring>> {
    match IoUring::new(entries) {
        Ok(ring) => Ok(Some(ring)),
        Err(e) if [Some(Errno::ENOSYS.raw()), Some(Errno::EPERM.raw())].contains(&e.raw_os_error()) => {
            println!("SKIPPED: io_uring is off here: {e}");
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// What a completion says: a number, or the errno it carries as a negative one.
///
/// # Errors
/// The errno.
pub fn result(number: i32) -> Result<usize, Errno> {
    usize::try_from(number).map_err(|_| Errno::from_raw(number.saturating_neg()).unwrap_or(Errno::EINVAL))
}

/// Submits entries in this order and waits until every one has completed: their results, in the same order.
///
/// # Safety
/// What the entries point to is valid for what they do with it until this returns. The ring has nothing else to do.
///
/// # Errors
/// No room for so many entries. The entries' own errors are in the array. Should the ring fail while they are under way,
/// nothing can say when the kernel is done with the memory, so the process ends.
pub unsafe fn run<const N: usize>(ring: &mut IoUring, entries: [Entry; N]) -> io::Result<[Result<usize, Errno>; N]> {
    let entries: Vec<_> = entries.into_iter().zip(0..).map(|(entry, number)| entry.user_data(number)).collect();
    // SAFETY: the caller vouches for what they point to.
    unsafe { ring.submission().push_multiple(&entries) }.map_err(io::Error::other)?;
    let mut results = [Err(Errno::EINPROGRESS); N];
    let mut left = N;
    while left != 0 {
        if let Err(e) = wait(ring, left) {
            eprintln!("io_uring failed with entries under way: {e}");
            std::process::abort();
        }
        for completion in ring.completion() {
            results[usize::try_from(completion.user_data()).unwrap_or(N)] = result(completion.result());
            left -= 1;
        }
    }
    Ok(results)
}

/// Submits what was pushed and waits for `count` completions; again when interrupted.
///
/// # Errors
/// Whatever the ring answers.
pub fn wait(ring: &IoUring, count: usize) -> io::Result<()> {
    loop {
        match ring.submit_and_wait(count) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

/// Buffers that a ring may fill, all of one size. Their memory is the kernel's until a completion hands one over.
///
/// Dropping it frees nothing: an early return must not free what the kernel can still write to. [`free`](Self::free) does.
#[derive(Debug)]
pub struct Pool {
    memory: NonNull<[u64]>,
    count: u16,
    size: usize,
    group: u16,
}

impl Pool {
    /// `count` buffers of `size` bytes for the buffer group `group`. Each starts at a multiple of 8 if `size` is one.
    #[must_use]
    pub fn new(group: u16, count: u16, size: usize) -> Self {
        let words = vec![0; (size * usize::from(count)).div_ceil(8)].into_boxed_slice();
        Self { memory: NonNull::from(Box::leak(words)), count, size, group }
    }

    /// An entry that gives all buffers to the ring.
    pub fn give_all(&mut self) -> Entry {
        self.give(0, self.count)
    }

    /// An entry that gives one buffer back. It borrows the pool, so nothing can borrow the buffer any more.
    pub fn give_back(&mut self, id: u16) -> Entry {
        self.give(id, 1)
    }

    fn give(&mut self, id: u16, count: u16) -> Entry {
        let size = i32::try_from(self.size).expect("a buffer under 2 GiB");
        // No completion unless it fails.
        opcode::ProvideBuffers::new(self.start(id), size, count, self.group, id).build().flags(Flags::SKIP_SUCCESS)
    }

    /// A buffer that a completion has handed over.
    ///
    /// # Safety
    /// A completion has named this buffer, and it was not given back since.
    pub unsafe fn buffer(&mut self, id: u16) -> &mut [u8] {
        // SAFETY: `start` points to `size` initialised bytes, which are not the kernel's now, and `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start(id), self.size) }
    }

    /// Frees the memory.
    ///
    /// # Safety
    /// The ring is done with it: every receive that uses the group has ended, with a completion that says so, and no other
    /// will be made.
    pub unsafe fn free(self) {
        // SAFETY: it was leaked from a box, and the caller vouches that the kernel writes there no more.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }

    fn start(&self, id: u16) -> *mut u8 {
        assert!(id < self.count, "buffer {id} of {}", self.count);
        self.memory.as_ptr().cast::<u8>().wrapping_add(self.size * usize::from(id))
    }
}

/// What one completion of a multishot receive left in a provided buffer. Dropping it closes the descriptors that were not
/// taken from [`control`](Self::control).
///
/// ```text
/// 0        16               16 + msg_namelen        .. + msg_controllen
/// | header | name, as given | control, any alignment | data ..
/// ```
#[must_use = "dropping it closes the descriptors that arrived"]
#[derive(Debug)]
pub struct Arrived<'b> {
    /// The sender's address, cut to what there was room for; `SocketAddr::raw` reads it.
    pub name: &'b [u8],
    /// The control messages, and the owner of every descriptor.
    pub control: Ancillary<'b>,
    /// The data, cut to what there was room for.
    pub data: &'b [u8],
    /// What the kernel reported.
    pub flags: MsgFlags,
}

/// Bytes in front of the name: `struct io_uring_recvmsg_out` (`include/uapi/linux/io_uring.h`).
pub const OUT_HEADER: usize = 16;

/// Adopts what a completion of a multishot receive with this `header` left in `buffer`. `None` if the buffer is too short
/// for the areas that the header names; a receive into it fails with `EFAULT`, and opens nothing.
///
/// # Safety
/// The kernel completed a multishot receive into this buffer, in the native layout, and nothing has owned its descriptors
/// yet.
pub unsafe fn adopt<'b>(buffer: &'b mut [u8], header: &msghdr) -> Option<Arrived<'b>> {
    // SAFETY: both are the kernel's `msghdr`, and only two lengths are read.
    let libc_header = unsafe { &*ptr::from_ref(header).cast() };
    let out = RecvMsgOut::parse(buffer, libc_header).ok()?;
    let [name_len, control_len, data_len] = [out.name_data(), out.control_data(), out.payload_data()].map(<[u8]>::len);
    let flags = MsgFlags::from_kernel(out.flags());
    // It lends shared bytes, and the descriptors' owner marks in them what was taken: so the areas are cut once more.
    let (name, rest) = buffer.get_mut(OUT_HEADER..)?.split_at_mut_checked(usize::try_from(header.msg_namelen).ok()?)?;
    let (control, data) = rest.split_at_mut_checked(header.msg_controllen)?;
    // SAFETY: the caller vouches for the bytes; the pool cannot give the buffer back while they are borrowed.
    let control = unsafe { Ancillary::from_kernel(control.get_mut(..control_len)?, header.msg_controllen, flags) };
    Some(Arrived { name: name.get(..name_len)?, control, data: data.get(..data_len)?, flags })
}
