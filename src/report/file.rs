//! Reports as files: read, changed and written by the steps of a run, one after the other or at one time.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Error, Report, SCHEMA_VERSION};

/// Where the report of one application of a run lies: `report-NAME.json` beside `report.json`; without a name, the report itself.
pub fn part_path(path: &Path, name: &str) -> PathBuf {
    if name.is_empty() {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{name}.json"))
}

/// Reads a report; none when there is no such file.
pub fn read(path: &Path) -> Result<Option<Report>, Error> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    let report: Report =
        serde_json::from_slice(&text).map_err(|source| Error::Form { path: path.to_owned(), source })?;
    if report.schema_version > SCHEMA_VERSION {
        return Err(Error::Version { path: path.to_owned(), version: report.schema_version });
    }
    Ok(Some(report))
}

/// Changes a report, or makes one. The file is replaced in one move, so that nobody reads half of it.
pub fn update(path: &Path, change: impl FnOnce(&mut Report)) -> Result<(), Error> {
    let _held = hold(path);
    let mut report = read(path)?.unwrap_or_default();
    change(&mut report);
    write(path, &report, true)
}

/// Lets one step of a run after the other change the reports of a folder, until it is dropped. Where the file system knows no locks
/// they change them all the same.
fn hold(path: &Path) -> Option<std::fs::File> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let folder = std::fs::File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

/// Writes a file beside a report, in one move and so that the users of other steps may read it and go on with it. Without
/// `replace` a file that is there stays, which is an error.
pub fn write(path: &Path, content: &impl Serialize, replace: bool) -> Result<(), Error> {
    move_in(path, content, replace).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn move_in(path: &Path, content: &impl Serialize, replace: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    // Steps of one run may have different users: all may read and go on writing the file.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o666))?;
    serde_json::to_writer_pretty(&mut file, content)?;
    std::io::Write::write_all(&mut file, b"\n")?;
    let moved = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    moved.map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::{Metric, Run, Status, StepError, Verdict};

    #[test]
    fn a_step_keeps_what_other_steps_and_other_versions_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/report.json");
        update(&path, |report| report.run = Some(Run { commit: "c0ffee".into(), ..Run::default() })).unwrap();
        let mut text: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        text["tomorrow"] = Value::from(1);
        std::fs::write(&path, text.to_string()).unwrap();
        update(&path, |report| report.verdict = Some(Verdict { status: Status::Pass, cause: "ok".into() })).unwrap();
        let report = read(&path).unwrap().unwrap();
        assert_eq!(report.run.unwrap().commit, "c0ffee");
        assert_eq!(report.other["tomorrow"], 1);
        assert_eq!(report.verdict.unwrap().status, Status::Pass);
    }

    #[test]
    fn a_number_keeps_its_last_digit_when_a_report_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        let values: Vec<f64> = (1..1000).map(|number| f64::from(number) / 7.0).collect();
        let metric = |value: &f64| Metric { value: Some(*value), ..Metric::default() };
        update(&path, |report| report.metrics = values.iter().map(metric).collect()).unwrap();
        update(&path, |_| ()).unwrap();
        let kept = read(&path).unwrap().unwrap().metrics;
        assert_eq!(kept.iter().flat_map(|metric| metric.value).collect::<Vec<_>>(), values);
    }

    #[test]
    fn steps_that_write_at_one_time_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        std::thread::scope(|scope| {
            for number in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    (0..10).for_each(|_| {
                        update(path, |report| report.errors.push(StepError::now("x", number, String::new()))).unwrap()
                    });
                });
            }
        });
        assert_eq!(read(&path).unwrap().unwrap().errors.len(), 40);
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        std::fs::write(&path, r#"{"schemaVersion": 2}"#).unwrap();
        assert!(matches!(read(&path), Err(Error::Version { version: 2, .. })));
    }
}
