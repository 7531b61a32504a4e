//! How a run began and ended, as its Pipeline knows it: what those are told who do not read the report.

use std::fmt::Write as _;

use clap::ValueEnum;

use super::{Report, Status, Verdict, number};
use crate::step::{KeyValue, Step};

/// The most characters of an error that people are told; the log has the rest.
const LONGEST_ERROR: usize = 600;

/// What a Pipeline knows of a run that its report need not say.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Run")]
pub struct Ending {
    /// How all tasks together ended, as $(tasks.status): Succeeded, Completed, Failed or None
    #[arg(long, default_value = "")]
    pub status: String,

    /// How single tasks ended, as NAME=$(tasks.NAME.status)/$(tasks.NAME.reason); the reason may be left out
    #[arg(long, value_name = "NAME=STATUS/REASON", num_args(0..))]
    pub tasks: Vec<KeyValue>,

    /// Name of the run, said when there is no report to take it from
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub run_id: String,

    /// Address of the run's page, linked from what is said
    #[arg(long, value_name = "URL", default_value = "", allow_hyphen_values = true)]
    pub link: String,
}

/// When people are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// The run has begun
    Start,
    /// The run has ended
    #[default]
    End,
}

impl Phase {
    /// The word of the flag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

/// What is said when a run begins.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Run")]
pub struct Beginning {
    /// When it is told: start, the run has begun; end, it has ended
    #[arg(long, value_enum, default_value_t)]
    pub phase: Phase,

    /// How many minutes the load is to take, said at the start
    #[arg(long, value_name = "MINUTES", default_value = "", value_parser = amount)]
    pub duration_min: String,

    /// How many records a second are to be sent, said at the start
    #[arg(long, value_name = "RATE", default_value = "", value_parser = amount)]
    pub data_count_per_second: String,
}

/// A number that a Task passes on as it was given, or an empty text.
fn amount(text: &str) -> Result<String, String> {
    let number = text.parse().is_ok_and(|number: f64| number.is_finite() && number >= 0.0);
    if number || text.is_empty() { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a number")) }
}

impl Beginning {
    /// The load in a few words: `30 min, 18,000,000 records at 10,000/s`; empty when nobody said.
    pub fn load(&self) -> String {
        let minutes: Option<f64> = self.duration_min.parse().ok();
        let rate: Option<f64> = self.data_count_per_second.parse().ok();
        let records = minutes.zip(rate).map(|(minutes, rate)| minutes * 60.0 * rate);
        match (minutes, rate, records) {
            (Some(minutes), Some(rate), Some(records)) => {
                format!("{} min, {} records at {}/s", number(minutes), number(records.round()), number(rate))
            }
            (Some(minutes), ..) => format!("{} min", number(minutes)),
            (None, Some(rate), _) => format!("{}/s", number(rate)),
            (None, None, _) => String::new(),
        }
    }
}

impl Ending {
    /// The step's report as far as it is of this run, and why it cannot be read: people must hear of a run all the more when its
    /// report is broken.
    pub fn read(&self, step: &Step) -> (Report, Option<String>) {
        match step.read_report() {
            Ok(report) => (self.of_run(report), None),
            Err(error) => (Report::default(), Some(error.to_string())),
        }
    }

    /// The report, as far as it is of this run: in a folder that was used before, the last error is all that a run has left which
    /// never got to begin a report of its own.
    fn of_run(&self, report: Report) -> Report {
        let id = &self.run_id;
        let other = report.run.as_ref().is_some_and(|run| !id.is_empty() && !run.id.is_empty() && run.id != *id);
        match other {
            true => Report { errors: report.errors.into_iter().next_back().into_iter().collect(), ..Report::default() },
            false => report,
        }
    }

    /// The report's verdict, unless the run failed for another reason after all was judged well.
    pub fn verdict<'a>(&self, report: &'a Report) -> Option<&'a Verdict> {
        let good = |verdict: &&Verdict| matches!(verdict.status, Status::Pass | Status::Warn);
        report.verdict.as_ref().filter(|verdict| self.status != "Failed" || !good(verdict))
    }

    /// What a run without a verdict came to.
    pub fn without_verdict(&self) -> &'static str {
        match self.status.as_str() {
            "Succeeded" | "Completed" => "the run ended without a verdict",
            _ => "the run failed",
        }
    }

    /// Which tasks failed, and why, as far as the report tells; foreign text goes through `escape`.
    pub fn reasons(&self, report: &Report, unreadable: Option<&str>, escape: impl Fn(&str) -> String) -> Vec<String> {
        let mut lines = Vec::new();
        let mut explained = false;
        for task in &self.tasks {
            let (status, reason) = task.value.split_once('/').unwrap_or((&task.value, ""));
            if matches!(status, "Succeeded" | "None" | "") {
                continue;
            }
            let mut line = format!("task `{}`: {}", escape(&task.key), escape(status));
            if !matches!(reason, "" | "Failed" | "StepFailed") {
                let meaning = meaning(reason).map(|is| format!(": {is}")).unwrap_or_default();
                _ = write!(line, " ({}{meaning})", escape(reason));
                explained = true;
            }
            lines.push(line);
        }
        let mut errors = report.errors.iter().chain(report.parts.iter().flat_map(|part| &part.errors)).peekable();
        let silent = errors.peek().is_none();
        lines.extend(errors.map(|error| {
            let message = shorten(&error.message, LONGEST_ERROR);
            format!("{} (exit {}): {}", escape(&error.program), error.exit_code, escape(&message))
        }));
        if let Some(reason) = unreadable {
            lines.push(format!("the report cannot be read: {}", escape(reason)));
        } else if silent && !explained {
            lines.push(
                "no step left a reason in the report, as when its pod is deleted: see the run's status and log"
                    .to_owned(),
            );
        }
        lines
    }
}

/// What Tekton's reason for the end of a task means (Tekton 1.15, TaskRunReason), where the program was not there to tell.
fn meaning(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "StepOOM" => "killed, it needed more memory than its limit",
        "TaskRunTimeout" => "not done within the task's timeout",
        "TaskRunCancelled" => "the run was cancelled, or its time was over",
        "PodEvicted" => "its pod was evicted, the node was short of memory or disk",
        "PodCreationFailed" => "its pod could not be made",
        "TaskRunImagePullFailed" => "its image could not be pulled",
        "CreateContainerConfigError" => "its container could not be made, is a Secret missing?",
        _ => return None,
    })
}

/// The application's name, or the names of all of them.
pub fn subject(report: &Report) -> String {
    let apps = report.app.iter().chain(report.parts.iter().filter_map(|part| part.app.as_ref()));
    let names: Vec<&str> = apps.map(|app| app.name.as_str()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "performance test".to_owned() } else { names.join(", ") }
}

/// The text cut to so many characters, the last of them an ellipsis.
pub fn shorten(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_to_come_is_said_as_far_as_it_is_known() {
        let said = |minutes: &str, rate: &str| {
            Beginning { duration_min: minutes.into(), data_count_per_second: rate.into(), ..Beginning::default() }
                .load()
        };
        assert_eq!(said("30", "10000"), "30 min, 18,000,000 records at 10,000/s");
        assert_eq!(said("0.5", ""), "0.5 min");
        assert_eq!(said("", "10000"), "10,000/s");
        assert_eq!(said("", ""), "");
        for wrong in ["many", "-1", "NaN"] {
            assert!(amount(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn a_run_that_failed_is_never_told_as_passed() {
        let verdict = Some(Verdict { status: Status::Pass, cause: "carried 10,000/s".into() });
        let report = Report { verdict, ..Report::default() };
        let ending = |status: &str| Ending { status: status.into(), ..Ending::default() };
        assert!(ending("Failed").verdict(&report).is_none());
        assert!(ending("Succeeded").verdict(&report).is_some());
    }

    #[test]
    fn a_text_is_cut_by_characters() {
        assert_eq!(shorten("größer", 6), "größer");
        assert_eq!(shorten("größer", 4), "grö…");
    }
}
