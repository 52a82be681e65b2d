//! `oracle::receive` against the running kernel: every byte, length, flag and descriptor number is what the oracle says.
//!
//! Input: one byte that chooses the lane (bit 0 compat, bit 1 root); then the decisions of a case, one byte for a small one.

use scmsg::oracle::Side;

pub fn run(data: &[u8]) {
    crate::kernel::case(Side::Receive, data);
}
