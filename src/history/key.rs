//! Where in the history a report lies: `<application>/<branch>/<commit>/<start>-<run>.json`.

use std::fmt::Write as _;

use jiff::Timestamp;
use object_store::path::{Path, PathPart};
use openssl::sha::sha256;

use super::Error;
use crate::report::Report;
use crate::step::hex;

/// What stands for a name that nobody gave. No branch of git is called so.
const NOBODY: &str = "-";
/// The longest name that is kept as it is, in bytes: a file's name may have 255, an object's key 1024.
const LONGEST: usize = 160;
/// How much of a longer one is kept, with the beginning of its digest behind it.
const KEPT: usize = 120;

/// A report's place. The names are as [`segment`] writes them; what they stand for is in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// The application.
    pub app: String,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: String,
    /// When the run began, so that the names in order are the runs in order; and the run.
    pub name: String,
}

impl Key {
    /// The place of a report; `part` is the application's name in a run that tests several.
    pub fn of(report: &Report, part: &str) -> Result<Self, Error> {
        let run = report.run.as_ref().ok_or(Error::NoTime)?;
        let begin = run.started_at.or(run.finished_at).ok_or(Error::NoTime)?;
        let part = if part.is_empty() { String::new() } else { format!(".{}", segment(part)) };
        Ok(Self {
            app: segment(report.app.as_ref().map_or("", |app| &app.name)),
            branch: segment(&run.branch),
            commit: segment(&run.commit),
            name: format!("{}-{}{part}", stamp(begin), segment(&run.id)),
        })
    }

    /// The place that a path below the history names; none for what is no report.
    pub fn parse<'a>(parts: impl Iterator<Item = PathPart<'a>>) -> Option<Self> {
        let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        let [app, branch, commit, file] = parts.try_into().ok()?;
        let name = file.strip_suffix(".json")?.to_owned();
        Some(Self { app, branch, commit, name })
    }

    /// The path of the report, or of its page, without what is before it.
    pub fn path(&self, extension: &str) -> String {
        format!("{}/{}/{}/{}.{extension}", self.app, self.branch, self.commit, self.name)
    }

    /// The same as an object's path below a prefix.
    pub fn below(&self, prefix: &Path, extension: &str) -> Result<Path, object_store::path::Error> {
        Path::parse(format!("{prefix}/{}", self.path(extension)))
    }

    /// When the run began, in letters whose order is that of the times.
    pub fn begin(&self) -> &str {
        self.name.split_once('-').map_or("", |(begin, _)| begin)
    }

    /// Whether it is of the run with this id.
    pub fn is_of(&self, run: &str) -> bool {
        let rest = self.name.split_once('-').and_then(|(_, rest)| rest.strip_prefix(&segment(run)));
        rest.is_some_and(|part| part.is_empty() || part.starts_with('.'))
    }
}

/// A time as the names of reports begin with it: `20260105T101200.000Z`.
pub(super) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// Text of others as one segment of a path: letters, digits, `-`, `_` and dots as they are, all else percent-encoded. So
/// `feature/x` is one folder, `..` is none above, and no two names are one, however long they are.
pub(super) fn segment(text: &str) -> String {
    if text.is_empty() {
        return NOBODY.to_owned();
    }
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            b'.' if !out.is_empty() => out.push('.'),
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    if out.len() <= LONGEST {
        return out;
    }
    let digest = sha256(text.as_bytes());
    format!("{}%{}", &out[..KEPT], hex(&digest[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{App, Run};

    #[test]
    fn a_hostile_name_stays_one_segment() {
        let said: Vec<String> = ["main", "feature/x", "..", ".", "", "a b%#1", "v1.2", "größe"].map(segment).into();
        assert_eq!(said, ["main", "feature%2Fx", "%2E.", "%2E", "-", "a%20b%25%231", "v1.2", "gr%C3%B6%C3%9Fe"]);
        let long = |end: &str| segment(&format!("{}{end}", "/".repeat(300)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() <= LONGEST);
    }

    #[test]
    fn a_key_says_what_was_tested_and_when() {
        let run = Run {
            id: "perf-x7k".into(),
            branch: "feature/x".into(),
            commit: "c0ffee".into(),
            started_at: Some("2026-01-05T10:12:00.25Z".parse().unwrap()),
            ..Run::default()
        };
        let app = App { name: "preprocessor".into(), ..App::default() };
        let report = Report { run: Some(run), app: Some(app), ..Report::default() };
        let key = Key::of(&report, "").unwrap();
        assert_eq!(key.path("json"), "preprocessor/feature%2Fx/c0ffee/20260105T101200.250Z-perf-x7k.json");
        assert_eq!(key.begin(), "20260105T101200.250Z");
        let part = Key::of(&report, "flink").unwrap();
        assert_eq!(part.name, "20260105T101200.250Z-perf-x7k.flink");
        assert!(key.is_of("perf-x7k") && part.is_of("perf-x7k") && !key.is_of("perf-x7"));
        let path = key.below(&Path::from("some/where"), "json").unwrap();
        assert_eq!(Key::parse(path.prefix_match(&Path::from("some/where")).unwrap()), Some(key.clone()));
        assert_eq!(Key::parse(key.below(&Path::default(), "html").unwrap().parts()), None);
        assert!(matches!(Key::of(&Report::default(), ""), Err(Error::NoTime)));
    }
}
