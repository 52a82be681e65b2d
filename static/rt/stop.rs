//! Turns a panic into exit status 101, without a word: printing would cost more bytes than all the rest.
//!
//! A program whose panics the compiler can rule out does not contain this.

use core::panic::PanicInfo;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(bare)]
    {
        unsafe extern "C" {
            safe fn a_panic_can_be_reached() -> !;
        }
        a_panic_can_be_reached()
    }
    #[cfg(not(bare))]
    super::exit(101)
}

/// The core library was compiled for unwinding, and its tables name this. Nothing unwinds here, so nothing calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
