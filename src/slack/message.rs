//! A run's message: text in Slack's mrkdwn, and the same as blocks.

use std::fmt::Write;

use serde_json::Value;

use super::blocks::{self, clip, escape};
use crate::report::ending::{Beginning, Ending, Phase, subject};
use crate::report::{Figures, Report, Run, Status, Verdict, render, short};

/// Slack cuts texts at about 40,000 characters and advises 4,000.
const LONGEST: usize = 4000;

/// The most characters of one piece of foreign text in the line that says which run it was.
const LONGEST_PIECE: usize = 300;

/// The longest address that is linked; Slack takes 3000 characters.
const LONGEST_URL: usize = 1000;

/// A message as Slack takes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// The whole message as text: what notifications show, and all there is where blocks are not taken.
    pub text: String,
    /// The message as blocks.
    pub blocks: Vec<Value>,
}

/// What a message is made of.
#[derive(Debug)]
pub struct Content<'a> {
    /// The run's report.
    pub report: &'a Report,
    /// Why the report could not be read.
    pub unreadable: Option<&'a str>,
    /// How the run began.
    pub beginning: &'a Beginning,
    /// How it ended.
    pub ending: &'a Ending,
}

impl Content<'_> {
    /// The message of the run.
    pub fn message(&self) -> Message {
        let blocks = match self.beginning.phase {
            Phase::Start => self.start_blocks(),
            Phase::End => self.end_blocks(),
        };
        Message { text: self.text(), blocks }
    }

    /// The message as text: the verdict or what went wrong, what was run, and the numbers.
    fn text(&self) -> String {
        let (sign, title) = self.headline();
        let mut text = format!("{sign} *{}*\n", escape(&title));
        let lines = self.cause().into_iter().chain([self.run_line().join(" · ")]).chain(self.reasons());
        lines.filter(|line| !line.is_empty()).for_each(|line| text = format!("{text}{line}\n"));
        let mut text = clip(text.trim_end(), LONGEST);
        let numbers = self.numbers();
        let room = LONGEST.saturating_sub(text.chars().count() + "\n``````".len());
        if !numbers.is_empty() && room > 0 {
            let _ = write!(text, "\n```{}```", clip(&escape(&numbers), room));
        }
        text
    }

    fn start_blocks(&self) -> Vec<Value> {
        let (sign, title) = self.headline();
        let cause = self.cause().unwrap_or_default();
        [blocks::header(&format!("{sign} {title}")), blocks::section(&cause), blocks::context(&self.run_line())]
            .into_iter()
            .flatten()
            .collect()
    }

    fn end_blocks(&self) -> Vec<Value> {
        let (sign, title) = self.headline();
        let figures = Figures::of(self.report);
        let fields = [
            ("Load", &figures.load),
            ("TPS", &figures.tps),
            ("Latency", &figures.latency),
            ("Lag", &figures.lag),
            ("Against the baseline", &figures.change),
        ];
        let reasons = self.reasons().join("\n");
        let first = [
            blocks::header(&format!("{sign} {title}")),
            blocks::section(&self.cause().unwrap_or_default()),
            blocks::section(&reasons),
            blocks::fields(&fields),
        ];
        let numbers = blocks::code(&self.numbers());
        first.into_iter().flatten().chain(numbers).chain(blocks::context(&self.run_line())).collect()
    }

    /// The verdict on the run; none where there is none, or none that counts.
    fn verdict(&self) -> Option<&Verdict> {
        self.ending.verdict(self.report).filter(|_| self.beginning.phase == Phase::End)
    }

    /// The sign and the words of the first line.
    fn headline(&self) -> (&'static str, String) {
        let subject = subject(self.report);
        match (self.beginning.phase, self.verdict()) {
            (Phase::Start, _) => (":hourglass_flowing_sand:", format!("{subject}: running")),
            (_, Some(verdict)) => (sign(verdict.status), format!("{subject}: {}", verdict.status.as_str())),
            (_, None) => {
                let words = self.ending.without_verdict();
                let sign = if words.ends_with("failed") { ":x:" } else { ":grey_question:" };
                (sign, format!("{subject}: {words}"))
            }
        }
    }

    /// The line below the first one: why it is so or, at the start, what is to come.
    fn cause(&self) -> Option<String> {
        match self.beginning.phase {
            Phase::Start => Some(self.beginning.load()),
            Phase::End => self.verdict().map(|verdict| escape(&verdict.cause)),
        }
    }

    /// Why a run without a verdict has none, a line each.
    fn reasons(&self) -> Vec<String> {
        if self.beginning.phase == Phase::Start || self.verdict().is_some() {
            return Vec::new();
        }
        let reasons = self.ending.reasons(self.report, self.unreadable, escape);
        reasons.into_iter().map(|reason| format!("• {reason}")).collect()
    }

    fn numbers(&self) -> String {
        match self.beginning.phase {
            Phase::Start => String::new(),
            Phase::End => render::numbers(self.report).trim_end().to_owned(),
        }
    }

    /// Which run of which commit this is; what nobody said is left out.
    fn run_line(&self) -> Vec<String> {
        let run = self.report.run.as_ref().cloned().unwrap_or_default();
        let id = if run.id.is_empty() { &self.ending.run_id } else { &run.id };
        let piece = |text: &str| clip(&escape(text), LONGEST_PIECE);
        let mut parts = Vec::new();
        match (id.as_str(), self.ending.link.as_str()) {
            ("", "") => {}
            ("", link) => parts.push(linked(link, "run")),
            (id, "") => parts.push(piece(id)),
            (id, link) => parts.push(linked(link, id)),
        }
        parts.extend(commit(&run));
        if !run.author.is_empty() {
            parts.push(format!("by {}", piece(&run.author)));
        }
        if !run.pull_request.is_empty() {
            parts.push(format!("pull request {}", piece(&run.pull_request)));
        }
        parts
    }
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Pass => ":white_check_mark:",
        Status::Warn => ":warning:",
        Status::Fail => ":x:",
        Status::Inconclusive => ":grey_question:",
    }
}

/// The commit and the first line of its message.
fn commit(run: &Run) -> Option<String> {
    let commit = escape(short(&run.commit, 8));
    let subject = clip(&escape(run.message.lines().next().unwrap_or_default()), LONGEST_PIECE);
    (!commit.is_empty()).then(|| format!("`{commit}` {subject}").trim_end().to_owned())
}

fn linked(url: &str, text: &str) -> String {
    // `|` and `>` end a link early.
    let url: String = url.chars().filter(|c| !matches!(c, '|' | '<' | '>') && !c.is_whitespace()).collect();
    let text = clip(&escape(text), LONGEST_PIECE).replace('|', "/");
    let url = url.replace('&', "&amp;");
    if url.chars().count() > LONGEST_URL { text } else { format!("<{url}|{text}>") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{App, Load, Metric, StepError};

    fn message(report: &Report, ending: &Ending) -> Message {
        Content { report, unreadable: None, beginning: &Beginning::default(), ending }.message()
    }

    fn text(report: &Report, ending: &Ending) -> String {
        message(report, ending).text
    }

    fn failed() -> Ending {
        let tasks = vec!["deploy=Failed".parse().unwrap(), "load=None".parse().unwrap()];
        Ending { status: "Failed".into(), tasks, ..Ending::default() }
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
        let outcome = Ending { link: "https://tekton/run?a=1&b=2".into(), ..failed() };
        insta::assert_snapshot!(text(&report, &outcome), @r"
        :x: *preprocessor: fail*
        transformer saturated: 9,800/s &lt; 10,000/s
        <https://tekton/run?a=1&amp;b=2|performance-test-x7> · `c0ffee12` Use &lt;28&gt; transformers &amp; more · by ads · pull request 12
        ```load  600,000 of 600,000 records at 10,000/s (reached 9,999/s), ads-events → ads-events-test

        metric  value  samples
        lag         –        0

        component    parallelism      TPS  TPS/instance  busy  capacity  back-pressure
        transformer            –  9,800/s             –     –         –              –```
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
        let outcome = Ending { run_id: "performance-test-x7".into(), ..failed() };
        insta::assert_snapshot!(text(&Report::default(), &outcome), @r"
        :x: *performance test: the run failed*
        performance-test-x7
        • task `deploy`: Failed
        • no step left a reason in the report, as when its pod is deleted: see the run's status and log
        ");
    }

    #[test]
    fn tekton_s_reason_stands_in_for_a_program_that_was_killed() {
        let killed = |value: &str| Ending { tasks: vec![value.parse().unwrap()], ..failed() };
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
        let text = text(&report, &Ending::default());
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
