//! Turns rows into lines for people, and into a record that is kept: `benches/record/*.csv`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// One result. No value: the contestant cannot do that.
#[derive(Clone, Debug)]
pub struct Row {
    pub workload: String,
    pub contestant: String,
    pub metric: String,
    pub value: Option<f64>,
    /// To the floor.
    pub ratio: Option<f64>,
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| if value < 10.0 { format!("{value:.3}") } else { format!("{value:.1}") })
}

impl Row {
    /// Workload, contestant, metric, value, ratio, separated by tabs or commas.
    #[must_use]
    pub fn line(&self, separator: char) -> String {
        let ratio = self.ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"));
        let cells = [&self.workload, &self.contestant, &self.metric, &number(self.value), &ratio];
        cells.map(String::as_str).join(&separator.to_string())
    }
}

/// Where a record is kept.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("record").join(name)
}

/// What a command prints, or `?`.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "?".into(), |output| String::from_utf8_lossy(&output.stdout).trim().replace('\n', " "))
}

/// Writes a record, with the machine it was made on.
///
/// # Errors
/// The file cannot be written.
pub fn write(name: &str, how: &str, rows: &[Row]) -> std::io::Result<()> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("?", |rest| rest.trim_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = String::new();
    for (key, value) in [
        ("made by", how.to_owned()),
        ("date", said("date", &["-u", "+%Y-%m-%d"])),
        ("kernel", said("uname", &["-srm"])),
        ("machine", format!("{model}, {cores} cores, RLIMIT_NOFILE {}", crate::workload::nofile())),
        ("compiler", said("rustc", &["--version"])),
        ("profile", "release: opt-level 3, 16 codegen units, no LTO".into()),
        ("peers", peers()),
    ] {
        let _ = writeln!(text, "# {key}: {value}");
    }
    text.push_str("workload,contestant,metric,value,ratio\n");
    for row in rows {
        let _ = writeln!(text, "{}", row.line(','));
    }
    fs::write(path(name), text)
}

/// The peers' versions, from the lock file this was built with.
fn peers() -> String {
    let lock = include_str!("../../Cargo.lock");
    let version = |name: &&str| {
        let at = lock.find(&format!("name = \"{name}\"\nversion = \""))?;
        let version = lock[at..].split('"').nth(3)?;
        Some(format!("{name} {version}"))
    };
    let names = ["libc", "rustix", "nix", "sendfd", "uds", "passfd", "tokio-seqpacket", "tokio"];
    names.iter().filter_map(version).collect::<Vec<_>>().join(", ")
}

/// Reads a record back.
///
/// # Errors
/// There is none.
pub fn read(name: &str) -> std::io::Result<Vec<Row>> {
    let text = fs::read_to_string(path(name))?;
    let row = |line: &str| {
        let [workload, contestant, metric, value, ratio] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
        let metric: &str = metric;
        Some(Row {
            workload: String::from(workload),
            contestant: String::from(contestant),
            metric: metric.into(),
            value: str::parse(value).ok(),
            ratio: str::parse(ratio).ok(),
        })
    };
    Ok(text.lines().filter(|line| !line.starts_with('#')).skip(1).filter_map(row).collect())
}
