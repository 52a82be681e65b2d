//! The reference walkers of `oracle::walk` see what the kernel, glibc and musl see: compared with the running kernel and with
//! the real macros, compiled here; and where they differ, they differ as the table in the documents says.

// Compilers make the programs of every layout, so one width of this test is enough.
#![cfg(all(feature = "oracle", any(target_pointer_width = "64", miri)))]

mod c;

use std::path::Path;

use scmsg::oracle::{
    Abi, ByteOrder, ControlArea, ForeignCmsgs, ForeignMalformed, Header, Layout, Outcome, Send, Stop, Walk, Walker,
    send,
};

/// Every layout there is.
fn layouts() -> impl Iterator<Item = Layout> {
    [Abi::Native64, Abi::Native32, Abi::Compat]
        .into_iter()
        .flat_map(|abi| [ByteOrder::Little, ByteOrder::Big].map(|order| Layout { abi, order }))
}

/// The offsets and lengths a walker comes to, which of them have a payload, and why it stops.
fn walk(walker: Walker, layout: Layout, bytes: &[u8]) -> (Vec<(usize, u64, bool)>, Stop) {
    let mut walk = Walk::new(walker, layout, bytes);
    let mut seen = Vec::new();
    for step in walk.by_ref() {
        let end = usize::try_from(step.header.len).ok().and_then(|len| step.offset.checked_add(len));
        let inside = end.and_then(|end| bytes.get(step.offset + layout.header()..end));
        assert_eq!(step.payload.map(<[u8]>::as_ptr_range), inside.map(<[u8]>::as_ptr_range));
        seen.push((step.offset, step.header.len, step.payload.is_some()));
    }
    assert!(walk.next().is_none(), "fused");
    (seen, walk.stop().expect("a walk that ended says why"))
}

/// Bytes with one header at each offset; 0xff between them.
fn bytes(layout: Layout, total: usize, headers: &[(usize, u64)]) -> Vec<u8> {
    let mut bytes = vec![0xff; total];
    for (offset, len) in headers {
        layout.write_header(&mut bytes[*offset..], Header { len: *len, level: 41, kind: 7 }).expect("room");
    }
    bytes
}

/// What the four columns of the table say about some bytes: how many headers each comes to, and why it stops.
struct Row {
    bytes: Vec<u8>,
    kernel: (usize, Stop),
    compat: (usize, Stop),
    glibc: (usize, Stop),
    musl: (usize, Stop),
}

/// The rows of the table, in a layout.
fn rows(layout: Layout) -> Vec<Row> {
    let (h, a) = (layout.header(), layout.alignment());
    let end = |offset, left| Stop::End { offset, left };
    let cut = |offset, left| Stop::Cut { offset, left };
    let malformed = |offset, claimed, left| Stop::Malformed(ForeignMalformed { offset, claimed, left });
    let build = |total, headers: &[(usize, u64)]| bytes(layout, total, headers);
    let len = h as u64;
    let two = h + 8;
    let same = |bytes, seen, stop| Row {
        bytes,
        kernel: (seen, stop),
        compat: (seen, stop),
        glibc: (seen, stop),
        musl: (seen, stop),
    };
    let mut rows = vec![
        same(Vec::new(), 0, end(0, 0)),
        same(build(h, &[(0, len)]), 1, end(h, 0)),
        // Without its padding.
        same(build(two + h + 1, &[(0, len + 8), (two, len + 1)]), 2, end(two + h + 1, 0)),
        same(build(two + h + a, &[(0, len + 8), (two, len + 1)]), 2, end(two + h + a, 0)),
        Row { compat: (0, cut(0, h - 1)), ..same(vec![0; h - 1], 0, end(0, h - 1)) },
        Row { compat: (1, cut(two, h - 1)), ..same(build(two + h - 1, &[(0, len + 8)]), 1, end(two, h - 1)) },
        Row { musl: (1, end(two, h)), ..same(build(two + h, &[(0, len + 8), (two, len)]), 2, end(two + h, 0)) },
        same(build(two + h + 1, &[(0, len + 8), (two, len)]), 2, end(two + h, 1)).at_a_tail(two + h, 1),
    ];
    for claimed in [0, 1, len - 1] {
        let stop = malformed(two, claimed, h + 4);
        let row = same(build(two + h + 4, &[(0, len + 8), (two, claimed)]), 2, stop);
        rows.push(Row { kernel: (1, stop), compat: (1, stop), ..row });
    }
    for claimed in [len + 5, 1 << 31, 0xffff_ffe0, 0xffff_fff0] {
        let stop = malformed(two, claimed, h + 4);
        let row = same(build(two + h + 4, &[(0, len + 8), (two, claimed)]), 2, stop);
        rows.push(Row { kernel: (1, stop), compat: (1, stop), ..row });
    }
    rows
}

impl Row {
    /// A compat kernel reads the `left` bytes at `offset` as a header.
    fn at_a_tail(self, offset: usize, left: usize) -> Self {
        Self { compat: (self.compat.0, Stop::Cut { offset, left }), ..self }
    }
}

#[test]
fn the_table_is_true() {
    for layout in layouts() {
        for (number, row) in rows(layout).into_iter().enumerate() {
            let kernel = if layout.abi == Abi::Compat { row.compat } else { row.kernel };
            for (walker, (count, stop)) in
                [(Walker::Kernel, kernel), (Walker::Glibc, row.glibc), (Walker::Musl, row.musl)]
            {
                let (seen, found) = walk(walker, layout, &row.bytes);
                assert_eq!(
                    (seen.len(), found),
                    (count, stop),
                    "{walker:?}, {layout:?}, row {number}: {:02x?}",
                    row.bytes
                );
            }
            let right = matches!(kernel.1, Stop::End { .. });
            assert_eq!(Walk::kernel_accepts(layout, &row.bytes), right, "{layout:?}, row {number}");
        }
    }
}

#[test]
fn musl_does_not_look_at_the_upper_half() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let layout = Layout { abi: Abi::Native64, order };
        let bytes = bytes(layout, 48, &[(0, 7 << 32 | 24), (24, 1 << 63 | 20)]);
        let stop = Stop::Malformed(ForeignMalformed { offset: 0, claimed: 7 << 32 | 24, left: 48 });
        assert_eq!(walk(Walker::Kernel, layout, &bytes), (vec![], stop));
        assert_eq!(walk(Walker::Glibc, layout, &bytes), (vec![(0, 7 << 32 | 24, false)], stop));
        let all = vec![(0, 24, true), (24, 20, true)];
        assert_eq!(walk(Walker::Musl, layout, &bytes), (all, Stop::End { offset: 48, left: 0 }));
    }
}

#[test]
fn musl_goes_back_where_32_bits_wrap() {
    for layout in layouts().filter(|layout| layout.alignment() == 4) {
        for claimed in 0xffff_ffe0..=0xffff_ffff_u64 {
            for total in (33..=64).step_by(if cfg!(miri) { 10 } else { 1 }) {
                let bytes = bytes(layout, total, &[(0, 20), (20, claimed)]);
                let (seen, stop) = walk(Walker::Musl, layout, &bytes);
                assert_eq!(seen, [(0, 20, true), (20, claimed, false)]);
                let back = (1 << 32) - claimed.next_multiple_of(4);
                let left = total - 20;
                // 12 bytes more wrap to what is compared with the bytes left.
                let wraps = back <= 12 && 12 - back < left as u64;
                let malformed = Stop::Malformed(ForeignMalformed { offset: 20, claimed, left });
                assert_eq!(stop, if wraps { Stop::Wraps { offset: 20, claimed, back } } else { malformed });
            }
        }
    }
}

/// Numbers that look random and are always the same.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A `cmsg_len` at `offset` of `total` bytes that should be `right`.
fn some_len(rng: &mut Rng, layout: Layout, offset: usize, total: usize, right: usize) -> u64 {
    let near = rng.below(5) as u64;
    let h = layout.header() as u64;
    match rng.below(40) {
        0 => near,
        1 => h - 2 + near,
        2 | 3 => ((total - offset) as u64).wrapping_sub(2).wrapping_add(near),
        4 => 0xffff_fff0 + rng.below(16) as u64,
        5 => u64::MAX - rng.below(32) as u64,
        6 => (near << 32) + right as u64,
        7 => 1 << 31,
        8 => rng.next() >> rng.below(64),
        _ => right as u64,
    }
}

/// Control bytes as nobody, or nearly everybody, builds them: no message of `SOL_SOCKET`.
fn some_bytes(rng: &mut Rng, layout: Layout) -> Vec<u8> {
    let mut headers = Vec::new();
    let mut total = 0;
    for _ in 0..rng.below(5) {
        let right = layout.header() + rng.below(20);
        headers.push((total, right));
        total += if rng.below(16) == 0 { right } else { right.next_multiple_of(layout.alignment()) };
    }
    // The end: padded, right after the payload, with trailing bytes, or in the midst of anything.
    let last = headers.last().map_or(0, |(offset, right)| offset + right);
    total = match rng.below(8) {
        0 | 1 => last,
        2 => total + rng.below(layout.header() + 2),
        3 => rng.below(total + 1),
        _ => total,
    };
    let mut bytes: Vec<u8> = (0..total).map(|_| rng.next() as u8).collect();
    if rng.below(3) == 0 {
        bytes.fill(0);
    }
    let mut levels = [0, 6, 41, -1, 0x0100_0000].into_iter().cycle().skip(rng.below(5));
    for (offset, right) in headers {
        let len = some_len(rng, layout, offset.min(total), total, right);
        let header = Header { len, level: levels.next().expect("endless"), kind: rng.below(5) as i32 };
        let _does_not_fit = layout.write_header(bytes.get_mut(offset..).unwrap_or_default(), header);
    }
    // What stands where a walk comes to can be of any level but this one, whose messages the kernel looks into.
    while let Some(at) = (0..total).find(|at| is_socket(layout, bytes.get(*at..).unwrap_or_default())) {
        bytes[at + layout.alignment() + 1] ^= 0x55;
    }
    bytes
}

/// Whether a header of level `SOL_SOCKET` could be read here.
fn is_socket(layout: Layout, bytes: &[u8]) -> bool {
    bytes.get(layout.alignment()..).and_then(|bytes| layout.read_u32(bytes)) == Some(1)
}

#[test]
fn the_walkers_agree_where_the_bytes_are_right() {
    let mut rng = Rng(1);
    for round in 0..if cfg!(miri) { 4 } else { 40_000 } {
        for layout in layouts() {
            let bytes = some_bytes(&mut rng, layout);
            let (kernel, stop) = walk(Walker::Kernel, layout, &bytes);
            let ours: Vec<_> =
                ForeignCmsgs::new(layout, &bytes).map_while(Result::ok).map(|m| m.payload.as_ptr_range()).collect();
            let seen: Vec<_> =
                Walk::new(Walker::Kernel, layout, &bytes).filter_map(|s| s.payload).map(<[u8]>::as_ptr_range).collect();
            assert_eq!(seen, ours, "round {round}: {layout:?} {bytes:02x?}");
            // The oracle of `sendmsg(2)` has a walk of its own. What lies behind the bytes can be read.
            let room = [&bytes[..], &[0; 16]].concat();
            let control = ControlArea { readable: Some(&room), len: bytes.len() as u64 };
            let sent = matches!(send(&Send { layout, control, ..Send::ordinary() }).outcome, Outcome::Sent { .. });
            assert_eq!(sent, matches!(stop, Stop::End { .. }), "round {round}: {layout:?} {bytes:02x?}");
            // glibc sees all of that, and the malformed one.
            let (glibc, glibc_stop) = walk(Walker::Glibc, layout, &bytes);
            let and_one = usize::from(matches!(stop, Stop::Malformed(_)));
            assert_eq!(glibc[..kernel.len()], kernel, "round {round}: {layout:?} {bytes:02x?}");
            assert_eq!(glibc.len(), kernel.len() + and_one, "round {round}: {layout:?} {bytes:02x?}");
            assert!(stop == glibc_stop || matches!(stop, Stop::Cut { .. }), "round {round}: {layout:?} {bytes:02x?}");
            // musl sees a part of that, unless a cmsg_len has an upper half.
            let (musl, _) = walk(Walker::Musl, layout, &bytes);
            if layout.alignment() == 4 {
                assert!(glibc.starts_with(&musl), "round {round}: {layout:?} {bytes:02x?}");
            }
        }
    }
}

/// What a driver prints for these bytes if the walker is right.
fn expected(walker: Walker, layout: Layout, bytes: &[u8]) -> String {
    let (seen, stop) = walk(walker, layout, bytes);
    let mut line = String::new();
    for (offset, len, _) in seen {
        line.push_str(&format!("{offset}:{len} "));
    }
    match stop {
        Stop::Wraps { back, .. } => format!("{line}back {back}"),
        _ => format!("{line}end"),
    }
}

/// The first line of a driver: the version of glibc, if it is that, and the layout.
fn about(line: &str, narrow: Abi) -> (Option<(u32, u32)>, Layout) {
    let words: Vec<_> = line.split(' ').collect();
    let [version, header, order] = words[..] else { panic!("{line}") };
    let abi = if header == "16" { Abi::Native64 } else { narrow };
    let order = if order == "little" { ByteOrder::Little } else { ByteOrder::Big };
    let version = version.split_once('.').map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap()));
    (version, Layout { abi, order })
}

/// How many buffers each driver gets.
const BUFFERS: usize = 30_000;

/// Buffers for a layout, and as lines.
fn buffers(layout: Layout) -> (Vec<Vec<u8>>, String) {
    let mut rng = Rng(7);
    let mut all: Vec<_> = rows(layout).into_iter().map(|row| row.bytes).collect();
    all.extend((0..BUFFERS).map(|_| some_bytes(&mut rng, layout)));
    let lines = all.iter().map(|bytes| c::hex(bytes)).collect();
    (all, lines)
}

/// Buffers, each with the line it was answered with.
type Answers = Vec<(Vec<u8>, String)>;

/// Asks a driver about every buffer: what it says about itself, and a line for each.
fn ask(runner: Option<&str>, program: &Path, narrow: Abi) -> Option<(String, Layout, Answers)> {
    let said = c::run(runner, program, String::new())?;
    let about_it = String::from_utf8(said.stdout).unwrap();
    if about_it.is_empty() {
        println!("SKIPPED: {} does not run on this kernel: {}", program.display(), said.status);
        return None;
    }
    let (_, layout) = about(about_it.trim_end(), narrow);
    let (all, lines) = buffers(layout);
    let output = c::run(runner, program, lines)?;
    assert!(output.status.success(), "{}: {}", program.display(), output.status);
    let said = String::from_utf8(output.stdout).unwrap();
    let (first, lines) = said.split_once('\n').unwrap();
    assert_eq!(lines.lines().count(), all.len(), "{}", program.display());
    let answers = all.into_iter().zip(lines.lines().map(str::to_owned)).collect();
    Some((first.to_owned(), layout, answers))
}

/// Compares the macros in `program` with a walker.
fn macros_are(walker: Walker, name: &str, runner: Option<&str>, program: &Path) {
    let Some((first, layout, answers)) = ask(runner, program, Abi::Native32) else { return };
    if let (Walker::Glibc, (Some(version), _)) = (walker, about(&first, Abi::Native32)) {
        if version < (2, 36) {
            return println!("SKIPPED: {name} is glibc {version:?}, and the walker is of 2.36");
        }
    }
    let mut ends = std::collections::BTreeMap::<&str, usize>::new();
    for (bytes, answer) in &answers {
        assert_eq!(*answer, expected(walker, layout, bytes), "{name}: {bytes:02x?}");
        let end = answer.split(' ').find(|word| matches!(*word, "end" | "back")).unwrap();
        *ends.entry(end).or_default() += 1;
    }
    println!("{name}: {first}: {} buffers agree, {ends:?}", answers.len());
}

/// Compiles the macros with the headers and the driver with the library of one compiler, and compares.
fn with_compiler(walker: Walker, compiler: &str, runner: Option<&str>, optimise: &str) {
    let name = format!("{compiler}{optimise}");
    let program = c::folder("walkers").join(&name);
    let files = [c::source("macros.c"), c::source("drive.c")];
    let arguments = files.iter().map(|f| f.as_os_str()).chain(["-static", optimise, "-o"].map(AsRef::as_ref));
    if c::compile(compiler, arguments.chain([program.as_os_str()])) {
        macros_are(walker, &name, runner, &program);
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn the_real_glibc_agrees() {
    // Inline in the header, and the function in the library.
    with_compiler(Walker::Glibc, "gcc", None, "-O2");
    with_compiler(Walker::Glibc, "gcc", None, "-O0");
    with_compiler(Walker::Glibc, "i686-linux-gnu-gcc", None, "-O2");
    with_compiler(Walker::Glibc, "s390x-linux-gnu-gcc", Some("qemu-s390x"), "-O2");
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn the_real_musl_agrees() {
    with_compiler(Walker::Musl, "musl-gcc", None, "-O2");
    with_compiler(Walker::Musl, "musl-gcc", None, "-O0");
}

/// Where Debian puts musl's headers.
const MUSL: &str = "/usr/include/x86_64-linux-musl";

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn the_real_macros_of_musl_agree_in_32_bits() {
    if !Path::new(MUSL).exists() {
        return println!("SKIPPED: missing tool: musl's headers in {MUSL}");
    }
    // The macros are the same text on every architecture; what differs is the size of a long, which one header holds.
    let folder = c::folder("walkers");
    std::fs::create_dir_all(folder.join("narrow/bits")).unwrap();
    let narrow = "#include_next <bits/alltypes.h>\n#undef __LONG_MAX\n#define __LONG_MAX 0x7fffffffL\n";
    std::fs::write(folder.join("narrow/bits/alltypes.h"), narrow).unwrap();
    let (object, program) = (folder.join("musl32.o"), folder.join("musl32"));
    let compiler = "i686-linux-gnu-gcc";
    for optimise in ["-O2", "-O0"] {
        let headers =
            ["-nostdinc", "-isystem", folder.join("narrow").to_str().unwrap(), "-isystem", MUSL].map(str::to_owned);
        let files = [c::source("macros.c"), object.clone()].map(|path| path.to_str().unwrap().to_owned());
        let how = ["-c", optimise, "-o"].map(str::to_owned);
        let [macros, object] = files;
        let drive = c::source("drive.c").to_str().unwrap().to_owned();
        if !c::compile(compiler, headers.iter().chain([&macros]).chain(&how).chain([&object])) {
            return;
        }
        let link = ["-static", optimise, "-o", program.to_str().unwrap()].map(str::to_owned);
        if c::compile(compiler, [&drive, &object].into_iter().chain(&link)) {
            macros_are(Walker::Musl, &format!("musl in 32 bits {optimise}"), None, &program);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn the_running_kernel_agrees() {
    for (compiler, narrow) in [("gcc", Abi::Native32), ("i686-linux-gnu-gcc", Abi::Compat)] {
        let program = c::folder("walkers").join(format!("{compiler}-send"));
        let send = c::source("send.c");
        if !c::compile(compiler, [send.as_os_str(), "-static".as_ref(), "-o".as_ref(), program.as_os_str()]) {
            continue;
        }
        let Some((_, layout, answers)) = ask(None, &program, narrow) else { continue };
        let mut refused = 0;
        for (bytes, answer) in &answers {
            let right = Walk::kernel_accepts(layout, bytes);
            let errno = if right { "0".to_owned() } else { libc::EINVAL.to_string() };
            assert_eq!(*answer, errno, "{layout:?}: {bytes:02x?}");
            refused += usize::from(!right);
        }
        println!("{compiler}: {layout:?}: the kernel took {} buffers and refused {refused}", answers.len() - refused);
        assert!(refused > BUFFERS / 10 && refused < BUFFERS * 9 / 10, "{refused} show little");
    }
}
