//! The text of a run's message, in Slack's mrkdwn.

use std::fmt::Write;

use crate::report::{Report, Run, Status, Verdict, render};
use crate::step::KeyValue;

/// Slack cuts texts at about 40,000 characters and advises 4,000.
const LONGEST: usize = 4000;

/// The most of an error that a message shows; the log has the rest.
const LONGEST_ERROR: usize = 600;

/// How the run ended, as the Pipeline knows it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// `$(tasks.status)`.
    pub status: String,
    /// How single tasks ended: their names in the Pipeline, and Tekton's words Succeeded, Failed or None (never started), with the
    /// reason behind a slash where it is known.
    pub tasks: Vec<KeyValue>,
    /// The run's name, for when there is no report.
    pub run_id: String,
    /// The run's page.
    pub link: String,
    /// Why the report could not be read.
    pub unreadable: Option<String>,
}

/// The message of a run: the verdict or what went wrong, what was run, and the numbers.
pub fn text(report: &Report, outcome: &Outcome) -> String {
    let verdict = verdict(report, outcome);
    let mut text = headline(report, verdict, outcome);
    text.push_str(&run_line(report.run.as_ref(), outcome));
    if verdict.is_none() {
        text.push_str(&failure_lines(report, outcome));
    }
    let mut text = shorten(text.trim_end(), LONGEST);
    let numbers = render::numbers(report);
    if !numbers.is_empty() {
        let room = LONGEST.saturating_sub(text.chars().count() + "\n``````".len());
        if room > 0 {
            let _ = write!(text, "\n```{}```", shorten(&escape(numbers.trim_end()), room));
        }
    }
    text
}

/// The report's verdict, unless the run failed for another reason after all was judged well.
fn verdict<'a>(report: &'a Report, outcome: &Outcome) -> Option<&'a Verdict> {
    let good = |verdict: &&Verdict| matches!(verdict.status, Status::Pass | Status::Warn);
    report.verdict.as_ref().filter(|verdict| outcome.status != "Failed" || !good(verdict))
}

fn headline(report: &Report, verdict: Option<&Verdict>, outcome: &Outcome) -> String {
    let subject = escape(&subject(report));
    match verdict {
        Some(verdict) => {
            let sign = match verdict.status {
                Status::Pass => ":white_check_mark:",
                Status::Warn => ":warning:",
                Status::Fail => ":x:",
                Status::Inconclusive => ":grey_question:",
            };
            format!("{sign} *{subject}: {}*\n{}\n", verdict.status.as_str(), escape(&verdict.cause))
        }
        None if outcome.status == "Succeeded" || outcome.status == "Completed" => {
            format!(":grey_question: *{subject}: the run ended without a verdict*\n")
        }
        None => format!(":x: *{subject}: the run failed*\n"),
    }
}

/// The application, or all of them.
fn subject(report: &Report) -> String {
    let apps = report.app.iter().chain(report.parts.iter().filter_map(|part| part.app.as_ref()));
    let names: Vec<&str> = apps.map(|app| app.name.as_str()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "performance test".to_owned() } else { names.join(", ") }
}

/// Which run of which commit this was; what nobody said is left out.
fn run_line(run: Option<&Run>, outcome: &Outcome) -> String {
    let run = run.cloned().unwrap_or_default();
    let id = if run.id.is_empty() { &outcome.run_id } else { &run.id };
    let mut parts = Vec::new();
    match (id.as_str(), outcome.link.as_str()) {
        ("", "") => {}
        ("", link) => parts.push(linked(link, "run")),
        (id, "") => parts.push(escape(id)),
        (id, link) => parts.push(linked(link, id)),
    }
    if !run.commit.is_empty() {
        let short: String = run.commit.chars().take(8).collect();
        let subject = run.message.lines().next().unwrap_or_default();
        parts.push(format!("`{}` {}", escape(&short), escape(subject)).trim_end().to_owned());
    }
    if !run.author.is_empty() {
        parts.push(format!("by {}", escape(&run.author)));
    }
    if !run.pull_request.is_empty() {
        parts.push(format!("pull request {}", escape(&run.pull_request)));
    }
    if parts.is_empty() { String::new() } else { parts.join(" · ") + "\n" }
}

/// Which tasks failed, and why, as far as the report tells.
fn failure_lines(report: &Report, outcome: &Outcome) -> String {
    let mut lines = String::new();
    let mut explained = false;
    for task in &outcome.tasks {
        let (status, reason) = task.value.split_once('/').unwrap_or((&task.value, ""));
        if matches!(status, "Succeeded" | "None" | "") {
            continue;
        }
        let _ = write!(lines, "• task `{}`: {}", escape(&task.key), escape(status));
        if !matches!(reason, "" | "Failed" | "StepFailed") {
            let _ = write!(
                lines,
                " ({}{})",
                escape(reason),
                meaning(reason).map(|is| format!(": {is}")).unwrap_or_default()
            );
            explained = true;
        }
        lines.push('\n');
    }
    let errors = || report.errors.iter().chain(report.parts.iter().flat_map(|part| &part.errors));
    for error in errors() {
        let message = shorten(&error.message, LONGEST_ERROR);
        let _ = writeln!(lines, "• {} (exit {}): {}", escape(&error.program), error.exit_code, escape(&message));
    }
    if let Some(reason) = &outcome.unreadable {
        let _ = writeln!(lines, "• the report cannot be read: {}", escape(reason));
    } else if errors().next().is_none() && !explained {
        lines.push_str(
            "• no step left a reason in the report, as when its pod is deleted: see the run's status and log\n",
        );
    }
    lines
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

fn linked(url: &str, text: &str) -> String {
    // `|` and `>` end a link early.
    let url: String = url.chars().filter(|c| !matches!(c, '|' | '<' | '>') && !c.is_whitespace()).collect();
    format!("<{}|{}>", url.replace('&', "&amp;"), escape(text).replace('|', "/"))
}

/// Escapes foreign text: the three characters that Slack asks for, so that `<!channel>` and links stay text, and the
/// fence of a code block.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("```", "'''")
}

fn shorten(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{App, Load, Metric, StepError};

    fn failed() -> Outcome {
        let tasks = vec!["deploy=Failed".parse().unwrap(), "load=None".parse().unwrap()];
        Outcome { status: "Failed".into(), tasks, ..Outcome::default() }
    }

    #[test]
    fn a_verdict_comes_first_then_the_run_then_the_numbers() {
        let report = Report {
            run: Some(Run {
                id: "performance-test-x7".into(),
                commit: "c0ffee1234567".into(),
                message: "Use <28> transformers & more\n\nbody".into(),
                author: "ads".into(),
                pull_request: "12".into(),
                ..Run::default()
            }),
            app: Some(App { name: "preprocessor".into(), ..App::default() }),
            load: Some(Load {
                source: "ads-events".into(),
                target: "ads-events-test".into(),
                planned: 600_000,
                acked: 600_000,
                rate: 10_000.0,
                achieved_rate: 9_999.0,
                ..Load::default()
            }),
            metrics: vec![
                Metric {
                    name: "tps".into(),
                    component: "transformer".into(),
                    unit: "records/s".into(),
                    value: Some(9800.4),
                    ..Metric::default()
                },
                Metric { name: "lag".into(), unit: "records".into(), ..Metric::default() },
            ],
            verdict: Some(Verdict { status: Status::Fail, cause: "transformer saturated: 9,800/s < 10,000/s".into() }),
            ..Report::default()
        };
        let outcome = Outcome { link: "https://tekton/run?a=1&b=2".into(), ..failed() };
        insta::assert_snapshot!(text(&report, &outcome), @r"
        :x: *preprocessor: fail*
        transformer saturated: 9,800/s &lt; 10,000/s
        <https://tekton/run?a=1&amp;b=2|performance-test-x7> · `c0ffee12` Use &lt;28&gt; transformers &amp; more · by ads · pull request 12
        ```load  600,000 of 600,000 records at 10,000/s (reached 9,999/s), ads-events → ads-events-test

        component    parallelism      TPS  TPS/instance  busy  capacity  back-pressure
        transformer            –  9,800/s             –     –         –              –

        metric  value  samples
        lag         –        0```
        ");
    }

    #[test]
    fn without_a_verdict_it_says_which_task_failed_and_why() {
        let mut report = Report::default();
        report.errors.push(StepError::now(
            "deploy-heron-app",
            5,
            "topology \"preprocessor\" is not running\n  because: transformer: 20 of 28".into(),
        ));
        insta::assert_snapshot!(text(&report, &failed()), @r#"
        :x: *performance test: the run failed*
        • task `deploy`: Failed
        • deploy-heron-app (exit 5): topology "preprocessor" is not running
          because: transformer: 20 of 28
        "#);
    }

    #[test]
    fn a_run_that_failed_is_never_told_as_passed() {
        let verdict = Some(Verdict { status: Status::Pass, cause: "carried 10,000/s".into() });
        let said = text(&Report { verdict, ..Report::default() }, &failed());
        assert!(said.starts_with(":x: *performance test: the run failed*") && !said.contains("pass"), "{said}");
    }

    #[test]
    fn a_missing_report_becomes_a_message_that_says_where_to_look() {
        let outcome = Outcome { run_id: "performance-test-x7".into(), ..failed() };
        insta::assert_snapshot!(text(&Report::default(), &outcome), @r"
        :x: *performance test: the run failed*
        performance-test-x7
        • task `deploy`: Failed
        • no step left a reason in the report, as when its pod is deleted: see the run's status and log
        ");
    }

    #[test]
    fn tekton_s_reason_stands_in_for_a_program_that_was_killed() {
        let killed = |value: &str| Outcome { tasks: vec![value.parse().unwrap()], ..failed() };
        let said = |value: &str| text(&Report::default(), &killed(value)).lines().nth(1).map(ToOwned::to_owned);
        assert_eq!(
            said("load=Failed/StepOOM").unwrap(),
            "• task `load`: Failed (StepOOM: killed, it needed more memory than its limit)"
        );
        assert_eq!(said("load=Failed/<Odd>").unwrap(), "• task `load`: Failed (&lt;Odd&gt;)");
        for without in ["load=Failed", "load=Failed/Failed", "load=Failed/StepFailed"] {
            assert_eq!(said(without).unwrap(), "• task `load`: Failed");
        }
    }

    #[test]
    fn foreign_text_cannot_ring_the_channel_or_leave_its_fence() {
        let report = Report {
            app: Some(App { name: "<!channel>```".into(), ..App::default() }),
            metrics: vec![Metric { name: "```<!here>".into(), value: Some(1.0), ..Metric::default() }],
            ..Report::default()
        };
        let text = text(&report, &Outcome::default());
        assert!(!text.contains("<!"), "{text}");
        assert_eq!(text.matches("```").count(), 2, "{text}");
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_inside_its_fence() {
        let metric = Metric { name: "x".repeat(5000), ..Metric::default() };
        let cut = text(&Report { metrics: vec![metric], ..Report::default() }, &failed());
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(cut.ends_with("…```"), "{cut}");
    }
}
