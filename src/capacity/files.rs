//! The reports that are planned from, as files and as folders of them.

use std::path::{Path, PathBuf};

use super::Error;
use super::evidence::Run;
use crate::report::{self, part_path};

/// How deep folders are searched; a history has application, branch, commit and run.
const DEPTH: usize = 8;

/// A report, or a component in it, that was not planned from.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Refused {
    /// The run's id, or the report's file.
    pub run: String,
    /// The component; empty for the whole report.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// Why, in a few words.
    pub why: String,
}

/// What the reports at these paths say, the newest first, and those that can say nothing. A file was meant, so it has to be a
/// report; what a folder holds beside reports is told.
pub fn runs(paths: &[PathBuf], part: &str) -> Result<(Vec<Run>, Vec<Refused>), Error> {
    let mut runs: Vec<Run> = Vec::new();
    let mut refused = Vec::new();
    for (file, named) in files(paths, part, &mut refused)? {
        let label = file.display().to_string();
        let read = match report::read(&file) {
            Ok(Some(report)) => Run::of(&report, &label),
            Ok(None) => continue,
            Err(error) if named => return Err(error.into()),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(run) if runs.iter().any(|other| is_same(other, &run)) => {}
            Ok(run) => runs.push(run),
            Err(why) => refused.push(Refused { run: label, component: String::new(), why }),
        }
    }
    runs.sort_by_key(|run| std::cmp::Reverse(run.at));
    Ok((runs, refused))
}

/// Whether two reports are copies of one. Not every run has an id of its own: that of a demonstration is the same each time.
fn is_same(one: &Run, other: &Run) -> bool {
    let named = |run: &Run| (run.label.clone(), run.app.clone(), run.engine.clone(), run.at);
    named(one) == named(other)
}

/// The files, each with whether it was named itself. A history may still be empty, so a folder without reports is only told.
fn files(paths: &[PathBuf], part: &str, refused: &mut Vec<Refused>) -> Result<Vec<(PathBuf, bool)>, Error> {
    let mut files: Vec<(PathBuf, bool)> = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|source| Error::Path { path: path.clone(), source })?;
        if !metadata.is_dir() {
            files.push((path.clone(), true));
            continue;
        }
        let mut found = Vec::new();
        collect(path, part, DEPTH, &mut found)?;
        if found.is_empty() {
            let (run, why) = (path.display().to_string(), "there is no report in it, nor in a folder below".to_owned());
            refused.push(Refused { run, component: String::new(), why });
        }
        found.sort();
        files.extend(found.into_iter().map(|file| (file, false)));
    }
    Ok(files)
}

fn collect(folder: &Path, part: &str, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source| Error::Path { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), part, depth - 1, found)?;
        } else if !kind.is_dir() && entry.file_name().to_str().is_some_and(|name| is_report(name, part)) {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// A run's folder has one report beside the parts of it, a history has each run's under a name of its own.
fn is_report(name: &str, part: &str) -> bool {
    let own = part_path(Path::new("report.json"), part);
    let beside =
        name == "report.json" || name == "plan.json" || name.starts_with("report-") || name.starts_with("plan-");
    name.ends_with(".json") && (!beside || own == Path::new(name))
}

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::{carrying, saturated};
    use super::*;
    use crate::report::{Report, write};

    fn named(mut report: Report, id: &str) -> Report {
        report.run.get_or_insert_default().id = id.to_owned();
        report
    }

    #[test]
    fn folders_are_searched_for_reports_and_each_run_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, report: &Report| write(&folder.path().join(name), report, true).unwrap();
        put("out/report.json", &named(saturated(), "run-28"));
        put("out/report-heron.json", &named(saturated(), "part"));
        put("history/preprocessor/main/c0ffee/20260105T101200.250Z-run-28.json", &named(saturated(), "run-28"));
        put("history/preprocessor/main/beef/20260105T111200.250Z-run-29.json", &named(carrying(), "run-29"));
        put("history/other.json", &Report::default());
        std::fs::write(folder.path().join("plan.json"), "{}").unwrap();
        std::fs::write(folder.path().join("notes.json"), "[]").unwrap();
        let labels = |part| {
            let (runs, refused) = runs(&[folder.path().to_owned()], part).unwrap();
            let mut labels: Vec<String> = runs.into_iter().map(|run| run.label).collect();
            labels.sort();
            (labels, refused.into_iter().map(|refused| refused.why).collect::<Vec<_>>())
        };
        let (found, refused) = labels("");
        assert_eq!(found, ["run-28", "run-29"]);
        assert!(refused[0].contains("names no components") && refused[1].contains("is not a report"), "{refused:?}");
        assert_eq!(labels("heron").0, ["part", "run-28", "run-29"]);
    }

    #[test]
    fn runs_of_one_name_at_different_times_or_on_different_engines_are_several() {
        let folder = tempfile::tempdir().unwrap();
        let mut later = named(saturated(), "run-1");
        later.run.as_mut().unwrap().finished_at = Some("2026-01-05T10:12:00Z".parse().unwrap());
        let mut flink = named(saturated(), "run-1");
        flink.app.as_mut().unwrap().engine = "flink".into();
        for (name, report) in [("a.json", named(saturated(), "run-1")), ("b.json", later), ("c.json", flink)] {
            write(&folder.path().join(name), &report, true).unwrap();
        }
        assert_eq!(runs(&[folder.path().to_owned()], "").unwrap().0.len(), 3);
    }

    #[test]
    fn a_path_that_leads_to_no_report_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let empty = runs(&[folder.path().to_owned()], "").unwrap();
        assert_eq!((empty.0.len(), empty.1[0].why.as_str()), (0, "there is no report in it, nor in a folder below"));
        let said = |path: PathBuf| {
            runs(&[path], "").unwrap_err().to_string().replace(&folder.path().display().to_string(), "FOLDER")
        };
        insta::assert_snapshot!(said(folder.path().join("no")), @"--reports FOLDER/no: cannot be read");
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "hello").unwrap();
        insta::assert_snapshot!(said(text), @"FOLDER/notes.txt is not a report of version 1");
    }
}
