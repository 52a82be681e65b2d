//! `fuzz/src/kernel_receive.rs` under libFuzzer or AFL++; built without either, it replays the files it is given.
#![cfg_attr(fuzzing, no_main)]
scmsg_fuzz::target!(kernel_receive);
