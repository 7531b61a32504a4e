//! `set-github-status`: a commit's status, pending while the run goes and then what it came to.

use super::access::Access;
use super::client::{Client, CommitStatus};
use super::error::Error;
use crate::report::ending::{Beginning, Ending, Phase, shorten};
use crate::report::{Report, Status};
use crate::step::{Exit, Failure, Step, StepArgs};

/// The most characters of a status' description that GitHub takes.
const DESCRIPTION: usize = 140;

/// Set a commit's status on GitHub: pending at the start of a run, success, failure or error at its end
#[derive(Debug, clap::Parser)]
#[command(name = "set-github-status")]
pub struct Args {
    /// Full SHA of the commit; the report's when it is empty
    #[arg(long, value_name = "SHA", default_value = "", allow_hyphen_values = true)]
    pub commit: String,

    /// What tells this status from others of the commit
    #[arg(long, value_name = "NAME", default_value = "streamgauge")]
    pub context: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub access: Access,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub beginning: Beginning,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub ending: Ending,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// Sets the status. Result: `state`.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let (report, _) = args.ending.read(step);
    let of_report = report.run.clone().unwrap_or_default();
    let sha = if args.commit.is_empty() { &of_report.commit } else { &args.commit };
    let is_sha = sha.len() == 40 && sha.chars().all(|c| c.is_ascii_hexdigit());
    let sha = if is_sha { sha.to_lowercase() } else { return Err(Error::Sha { sha: sha.clone() }.into()) };
    let status = status(&args, &report);
    let client = Client::connect(&args.access, &of_report.repository, "statuses", step.timeout()).await?;
    client.set_status(&sha, &status).await?;
    step.results().write("state", status.state)?;
    tracing::info!("commit {}: {}, {}", &sha[..8], status.state, status.description);
    Ok(Exit::Done)
}

/// The status of a run. Only a verdict makes it green: what could not be judged is an error.
fn status(args: &Args, report: &Report) -> CommitStatus {
    let (state, description) = match (args.beginning.phase, args.ending.verdict(report)) {
        (Phase::Start, _) => ("pending", format!("running: {}", args.beginning.load())),
        (Phase::End, Some(verdict)) => {
            let state = match verdict.status {
                Status::Pass | Status::Warn => "success",
                Status::Fail => "failure",
                Status::Inconclusive => "error",
            };
            (state, verdict.summary())
        }
        (Phase::End, None) => ("error", failed(args, report)),
    };
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let url = reqwest::Url::parse(&args.ending.link).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    CommitStatus {
        state,
        description: shorten(line.trim_end_matches(':'), DESCRIPTION),
        context: args.context.clone(),
        target_url: url.map(String::from),
    }
}

/// Why a run has no verdict, as far as a line holds it.
fn failed(args: &Args, report: &Report) -> String {
    let reasons = args.ending.reasons(report, None, ToOwned::to_owned);
    format!("{}: {}", args.ending.without_verdict(), reasons.join("; ").replace('`', ""))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::report::Verdict;

    fn of(words: &[&str], verdict: Option<(Status, &str)>) -> CommitStatus {
        let verdict = verdict.map(|(status, cause)| Verdict { status, cause: cause.to_owned() });
        let args = Args::parse_from([&["set-github-status"], words].concat());
        status(&args, &Report { verdict, ..Report::default() })
    }

    #[test]
    fn only_a_verdict_makes_a_commit_green() {
        let state = |words: &[&str], verdict| of(words, verdict).state;
        let ended = ["--status=Succeeded"];
        assert_eq!(state(&ended, Some((Status::Pass, "carried"))), "success");
        assert_eq!(state(&ended, Some((Status::Warn, "carried"))), "success");
        assert_eq!(state(&ended, Some((Status::Fail, "saturated"))), "failure");
        assert_eq!(state(&ended, Some((Status::Inconclusive, "no data"))), "error");
        assert_eq!(state(&ended, None), "error");
        assert_eq!(state(&["--status=Failed"], Some((Status::Pass, "carried"))), "error");
        assert_eq!(state(&["--phase=start"], None), "pending");
    }

    #[test]
    fn the_description_says_what_it_came_to_in_one_short_line() {
        let said = |words: &[&str], verdict| of(words, verdict).description;
        assert_eq!(
            said(&["--phase=start", "--duration-min=30", "--data-count-per-second=10000"], None),
            "running: 30 min, 18,000,000 records at 10,000/s"
        );
        assert_eq!(said(&["--phase=start"], None), "running");
        assert_eq!(said(&[], Some((Status::Fail, "transformer\nsaturated"))), "failed: transformer saturated");
        assert_eq!(
            said(&["--status=Failed", "--tasks", "load=Failed/StepOOM"], None),
            "the run failed: task load: Failed (StepOOM: killed, it needed more memory than its limit)"
        );
        let long = said(&[], Some((Status::Fail, &"ö".repeat(500))));
        assert_eq!(long.chars().count(), 140);
    }

    #[test]
    fn only_an_address_of_the_web_is_linked() {
        let link = |link: &str| of(&["--link", link], None).target_url;
        assert_eq!(link("https://tekton/run/1").unwrap(), "https://tekton/run/1");
        for wrong in ["javascript:alert(1)", "run-1", ""] {
            assert_eq!(link(wrong), None, "{wrong}");
        }
    }
}
