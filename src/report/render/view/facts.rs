//! The circumstances of a run: for which commit, under which load, beside which baseline.

use reqwest::Url;

use crate::report::{Baseline, Load, Report, Run, Status, number, quantity, short};

/// A circumstance.
#[derive(Debug)]
pub(in super::super) struct Fact {
    /// Its name.
    pub name: &'static str,
    /// What is known.
    pub value: String,
    /// The page that has more.
    pub link: Option<String>,
}

/// The circumstances that are known.
pub(super) fn of(report: &Report) -> Vec<Fact> {
    let mut facts = report.run.as_ref().map(of_run).unwrap_or_default();
    facts.extend(report.load.as_ref().map(of_load).unwrap_or_default());
    facts.extend(report.baseline.as_ref().map(|baseline| fact("baseline", line(baseline))));
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

fn fact(name: &'static str, value: String) -> Fact {
    Fact { name, value, link: None }
}

fn of_run(run: &Run) -> Vec<Fact> {
    let subject = run.message.lines().next().unwrap_or_default();
    let branch = match (run.branch.as_str(), run.base_branch.as_str()) {
        ("", _) | (_, "") => run.branch.clone(),
        (branch, base) => format!("{branch} → {base}"),
    };
    vec![
        Fact {
            link: commit_page(run),
            ..fact("commit", [short(&run.commit, 12), subject].join(" ").trim().to_owned())
        },
        fact("author", run.author.clone()),
        fact("branch", branch),
        Fact { link: pull_request_page(run), ..fact("pull request", run.pull_request.clone()) },
        fact("run", run.id.clone()),
    ]
}

fn of_load(load: &Load) -> Vec<Fact> {
    let window = load.window.map(|window| format!("{:.0} – {:.0}", window.start, window.end));
    let delay = load.send_delay.map(|delay| {
        let [p50, p99, max] = [delay.p50, delay.p99, delay.max].map(|value| quantity(value, "ms"));
        format!("p50 {p50}, p99 {p99}, max {max}")
    });
    vec![
        fact("load", load_line(load)),
        fact("window", window.unwrap_or_default()),
        fact("send delay", delay.unwrap_or_default()),
    ]
}

fn load_line(load: &Load) -> String {
    let mut line =
        format!("{} of {} records at {}/s", number(load.acked as f64), number(load.planned as f64), number(load.rate));
    if load.achieved_rate > 0.0 {
        line += &format!(" (reached {}/s)", number(load.achieved_rate));
    }
    if !load.source.is_empty() {
        line += &format!(", {} → {}", load.source, load.target);
    }
    match &load.verdict {
        Some(verdict) if verdict.status != Status::Pass => {
            line + &format!(", {}: {}", verdict.status.as_str(), verdict.cause)
        }
        _ => line,
    }
}

/// What the baseline is, on which runs it stands, beside which, and what is to be known about the choice.
fn line(baseline: &Baseline) -> String {
    let note = if baseline.note.is_empty() { String::new() } else { format!("; {}", baseline.note) };
    let Some(name) = baseline.name(12) else { return format!("none for {}{note}", baseline.asked) };
    let on = if baseline.branch.is_empty() { String::new() } else { format!(" of {}", baseline.branch) };
    let mut line = format!("{name}{on} ({}), {}", baseline.asked, runs(&baseline.runs));
    if baseline.own_runs.len() > 1 {
        line += &format!("; beside it {}", runs(&baseline.own_runs));
    }
    line + &note
}

fn runs(ids: &[String]) -> String {
    let count = if ids.len() == 1 { "run".to_owned() } else { format!("{} runs:", ids.len()) };
    format!("{count} {}", ids.join(", "))
}

fn commit_page(run: &Run) -> Option<String> {
    let is_hash = !run.commit.is_empty() && run.commit.chars().all(|letter| letter.is_ascii_hexdigit());
    is_hash.then(|| page(&run.repository, &format!("commit/{}", run.commit)))?
}

/// Some say a pull request's number, some its page.
fn pull_request_page(run: &Run) -> Option<String> {
    let is_number = !run.pull_request.is_empty() && run.pull_request.chars().all(|letter| letter.is_ascii_digit());
    match is_number {
        true => page(&run.repository, &format!("pull/{}", run.pull_request)),
        false => web(&run.pull_request).map(Into::into),
    }
}

/// A page of a repository whose address is one of the web, where GitHub has it.
fn page(repository: &str, path: &str) -> Option<String> {
    let mut url = web(repository)?;
    let root = url.path().trim_end_matches('/').trim_end_matches(".git").to_owned();
    url.set_path(&format!("{root}/{path}"));
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

/// An address that a browser may be sent to, without the name and password that a clone's address may have.
fn web(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(repository: &str, commit: &str, pull_request: &str) -> Run {
        Run {
            repository: repository.into(),
            commit: commit.into(),
            pull_request: pull_request.into(),
            ..Run::default()
        }
    }

    #[test]
    fn pages_are_known_where_the_repository_is_on_the_web() {
        let known = run("https://bot:secret@git.example/ads/preprocessor.git", "c0ffee", "12");
        assert_eq!(commit_page(&known).unwrap(), "https://git.example/ads/preprocessor/commit/c0ffee");
        assert_eq!(pull_request_page(&known).unwrap(), "https://git.example/ads/preprocessor/pull/12");
        let page = run("", "", "https://git.example/ads/preprocessor/-/merge_requests/12");
        assert_eq!(pull_request_page(&page).unwrap(), page.pull_request);
    }

    #[test]
    fn nothing_leads_where_nobody_knows_or_a_stranger_says() {
        for repository in [
            "",
            "ads/preprocessor",
            "git@git.example:ads/preprocessor.git",
            "javascript:alert(1)",
            "ssh://git.example/a",
        ] {
            assert_eq!(commit_page(&run(repository, "c0ffee", "")), None, "{repository}");
        }
        let hostile = run("https://git.example/ads/preprocessor", "../../evil", "javascript:alert(1)");
        assert_eq!((commit_page(&hostile), pull_request_page(&hostile)), (None, None));
    }

    #[test]
    fn a_baseline_says_what_it_stands_on_or_why_there_is_none() {
        let mut baseline = Baseline {
            asked: "fork-point".into(),
            branch: "main".into(),
            commit: "0123456789abcdef".into(),
            runs: vec!["run-2".into(), "run-1".into()],
            own_runs: vec!["run-9".into(), "run-8".into()],
            note: "the fork point itself was never measured".into(),
            ..Baseline::default()
        };
        assert_eq!(
            line(&baseline),
            "0123456789ab of main (fork-point), 2 runs: run-2, run-1; beside it 2 runs: run-9, run-8; the fork point itself was never measured"
        );
        baseline.commit.clear();
        assert!(line(&baseline).starts_with("run-2 of main (fork-point), 2 runs: "), "{}", line(&baseline));
        baseline.runs.clear();
        assert_eq!(line(&baseline), "none for fork-point; the fork point itself was never measured");
    }
}
