//! System calls through the `sc` crate, where it has a sound port: x86_64, aarch64 without SVE, riscv64 without V.
//!
//! Its assembly clobbers memory and flags and, on x86_64, rcx and r11. It does not name the SVE and vector registers,
//! which the kernel may discard at a system call: targets that use them have a file of their own here.

pub(super) use sc::{syscall1, syscall2, syscall3, syscall4, syscall5};
