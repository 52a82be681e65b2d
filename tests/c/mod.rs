//! Turns C source into running programs, where there is a compiler for them, and bytes into the lines they read.

#![allow(dead_code, reason = "each test uses a part")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

#[cfg(feature = "oracle")]
use scmsg::oracle::{Abi, ByteOrder, Layout};

/// A folder for what this test program compiles.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A file beside this one.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name)
}

/// Runs a compiler. `false`, after saying so, if there is none of that name; whatever it says against the source is a failure.
#[must_use]
pub fn compile<S: AsRef<OsStr>>(compiler: &str, arguments: impl IntoIterator<Item = S>) -> bool {
    let mut command = Command::new(compiler);
    match command.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror"]).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(error) => {
            println!("SKIPPED: missing tool: {compiler}: {error}");
            false
        }
    }
}

/// Gives `program` its standard input. `None`, after saying so, if it cannot run here.
pub fn run(runner: Option<&str>, program: &Path, input: String) -> Option<Output> {
    let mut command = match runner {
        Some(runner) => Command::new(runner),
        None => Command::new(program),
    };
    command.args(runner.map(|_| program));
    let mut child = match command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            match runner {
                Some(runner) => println!("SKIPPED: missing tool: {runner}: {error}"),
                None => println!("SKIPPED: {} cannot run here: {error}", program.display()),
            }
            return None;
        }
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that ends early closes its end; what it said tells more than the broken pipe.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("its end");
    writer.join().expect("written");
    Some(output)
}

/// The bytes as a line of hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect()
}

/// What a program is compiled with, and the layout that gives.
#[cfg(feature = "oracle")]
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub compiler: &'static str,
    pub layout: Layout,
}

/// A 64-bit program.
#[cfg(feature = "oracle")]
pub const NATIVE: Machine =
    Machine { compiler: "gcc", layout: Layout { abi: Abi::Native64, order: ByteOrder::Little } };

/// A 32-bit program on a 64-bit kernel.
#[cfg(feature = "oracle")]
pub const COMPAT: Machine =
    Machine { compiler: "i686-linux-gnu-gcc", layout: Layout { abi: Abi::Compat, order: ByteOrder::Little } };

/// The other C library.
#[cfg(feature = "oracle")]
pub const MUSL: Machine = Machine { compiler: "musl-gcc", ..NATIVE };

#[cfg(feature = "oracle")]
impl Machine {
    /// Compiles a reproducer and runs it. `None`, after saying so, if that cannot be done here.
    pub fn reproduce(self, name: &str, text: &str) -> Option<Output> {
        let folder = folder("reproducers").join(self.compiler);
        fs::create_dir_all(&folder).expect("a folder");
        let (source, program) = (folder.join(name.to_owned() + ".c"), folder.join(name));
        fs::write(&source, text).expect("written");
        // A foreign program finds no shared library here.
        let link = if self.compiler == "gcc" { "-O0" } else { "-static" };
        if !compile(self.compiler, [link.as_ref(), source.as_os_str(), "-o".as_ref(), program.as_os_str()]) {
            return None;
        }
        let output = run(None, &program, String::new())?;
        if output.status.code() == Some(2) {
            let said = String::from_utf8_lossy(&output.stdout);
            println!("SKIPPED: {name} with {}: {}", self.compiler, said.lines().last().unwrap_or_default());
            return None;
        }
        Some(output)
    }
}
