//! Where there is no system call yet: a new architecture is one file beside this one and one line in `raw.rs`.

compile_error!("scmsg has no system call instruction for this architecture");
