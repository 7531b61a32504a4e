//! The comment's text: the newest result, the table of runs, and the rows again for the next run to read.

use super::row::Rows;
use crate::report::Report;
use crate::report::ending::{Ending, shorten};
use crate::report::render::{self, escape_markdown as escape};

/// The most that GitHub takes of a comment: 65,536 characters. Held in bytes, which are never fewer.
pub const LONGEST: usize = 65_536;

/// The most characters that it says of why a run failed; the log and the report have the rest.
const LONGEST_REASONS: usize = 1_000;

/// What begins the comment, before its name.
const BEGIN: &str = "<!-- streamgauge comment: ";
/// What stands before the rows for the next run.
const ROWS: &str = "<!-- streamgauge rows: ";
/// What ends it.
const END: &str = "<!-- streamgauge end -->";
/// What ends the first two.
const CLOSE: &str = " -->";
/// What stands between the newest result and the table.
const TABLE: &str = "<!-- streamgauge table -->";

/// A comment in its parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Body {
    /// What people have written above ours.
    pub above: String,
    /// The newest result.
    pub top: String,
    /// The runs; none when they cannot be read any more.
    pub rows: Option<Rows>,
    /// What people have written below ours.
    pub below: String,
}

/// What tells this comment from any other, hidden in its text.
pub fn marker(name: &str) -> String {
    // Nothing that could end the mark, or call anybody.
    let letter = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '/' | ' ' | ',') { c } else { '_' };
    format!("{BEGIN}{}{CLOSE}", name.chars().map(letter).collect::<String>().trim())
}

impl Body {
    /// Reads a comment; none when it is not the one of this mark.
    pub fn read(text: &str, marker: &str) -> Option<Self> {
        // A browser sends each line's end as two characters.
        let text = text.replace("\r\n", "\n");
        let (above, rest) = text.split_once(marker)?;
        let (own, below) = rest.split_once(END).unwrap_or((rest, ""));
        let (shown, hidden) = own.split_once(ROWS).unwrap_or((own, ""));
        let rows = hidden.split_once(CLOSE).and_then(|(rows, _)| Rows::decode(rows));
        let top = shown.split_once(TABLE).map_or("", |(top, _)| top);
        Some(Self { above: above.trim().to_owned(), top: top.trim().to_owned(), rows, below: below.trim().to_owned() })
    }

    /// The comment's text. Where it would be too long the oldest rows are left out, then what people have written beside it.
    pub fn write(&self, marker: &str) -> String {
        let rows = self.rows.clone().unwrap_or_default();
        let text = |count: usize| self.with(marker, &rows.newest(count));
        let whole = text(rows.rows.len());
        if whole.len() <= LONGEST {
            return whole;
        }
        // The more rows, the longer: the most that there is room for lies between none and all.
        let (mut fits, mut too_many) = (0, rows.rows.len());
        while too_many - fits > 1 {
            let count = usize::midpoint(fits, too_many);
            if text(count).len() <= LONGEST { fits = count } else { too_many = count }
        }
        match fits {
            0 => Self { top: self.top.clone(), ..Self::default() }.with(marker, &rows.newest(1)),
            fits => text(fits),
        }
    }

    fn with(&self, marker: &str, rows: &Rows) -> String {
        let hidden = format!("{ROWS}{}{CLOSE}", rows.encode());
        let table = rows.table();
        let parts = [self.above.as_str(), marker, &self.top, TABLE, &table, &hidden, END, &self.below];
        parts.map(str::trim).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

/// The newest result, in the form in which a pull request shows it.
pub fn result(report: &Report, ending: &Ending, unreadable: Option<&str>) -> String {
    let verdict = ending.verdict(report).cloned();
    let mut out = String::new();
    if verdict.is_none() {
        let reasons = ending.reasons(report, unreadable, escape);
        let lines: Vec<String> = reasons.iter().map(|reason| reason.replace('\n', " ")).collect();
        let reasons = shorten(&lines.join("\n- "), LONGEST_REASONS);
        out = format!("**{}**\n\n- {reasons}\n\n", ending.without_verdict());
    }
    let link = reqwest::Url::parse(&ending.link).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let link =
        link.map(|url| format!("\n[The run's page](<{}>)\n", url.as_str().replace('>', "%3E"))).unwrap_or_default();
    // A verdict that does not count must not be shown as if it did.
    let shown = Report { verdict, ..report.clone() };
    format!("{}\n{out}{link}", render::markdown(&shown).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::row::Row;
    use crate::report::{Check, Status, StepError, Verdict};

    /// What the newest result may take of a comment, so that the table has the rest.
    const LONGEST_TOP: usize = 25_000;

    fn rows(count: u32, message: &str) -> Rows {
        let mut rows = Rows::default();
        rows.add((0..count).map(|number| Row {
            id: format!("run-{number:04}"),
            message: message.to_owned(),
            ..Row::default()
        }));
        rows
    }

    #[test]
    fn a_comment_is_read_as_it_was_written() {
        let body = Body {
            above: "A note of mine.".into(),
            top: "## PASS".into(),
            rows: Some(rows(3, "x")),
            below: "See also the wiki.".into(),
        };
        let mark = marker("performance-test preprocessor");
        assert_eq!(Body::read(&body.write(&mark), &mark).unwrap(), body);
        let from_a_browser = body.write(&mark).replace('\n', "\r\n");
        assert_eq!(Body::read(&from_a_browser, &mark).unwrap(), body);
        assert_eq!(Body::read(&body.write(&mark), &marker("performance-test")), None);
        let broken = body.write(&mark).replace("\"id\":", "\"id:");
        assert_eq!(Body::read(&broken, &mark).unwrap().rows, None);
    }

    #[test]
    fn a_name_cannot_end_its_mark() {
        assert_eq!(marker("a --> <!-- @b"), "<!-- streamgauge comment: a ___ ____ _b -->");
    }

    #[test]
    fn a_comment_is_never_too_long_and_the_newest_rows_stay() {
        let mark = marker("x");
        let body =
            Body { top: "t".repeat(LONGEST_TOP), rows: Some(rows(900, "変換器を増やす")), ..Body::default() };
        let text = body.write(&mark);
        assert!(text.len() <= LONGEST && text.len() > LONGEST - 2_000, "{} bytes", text.len());
        let read = Body::read(&text, &mark).unwrap().rows.unwrap();
        assert_eq!(read.rows[0].id, "run-0899");
        assert_eq!(read.left_out + read.rows.len(), 900);
        assert!(text.contains("There was no room here for"));
        let crowded = Body { above: "a".repeat(LONGEST), rows: Some(rows(2, "x")), ..Body::default() };
        assert!(crowded.write(&mark).len() <= LONGEST);
    }

    #[test]
    fn the_newest_result_is_the_report_and_never_shows_a_verdict_that_does_not_count() {
        let verdict = Verdict { status: Status::Pass, cause: "carried 10,000/s".into() };
        let report = Report { verdict: Some(verdict), ..Report::default() };
        let ending = |status: &str| Ending {
            status: status.into(),
            tasks: vec!["load=Failed/StepOOM".parse().unwrap()],
            link: "https://tekton/x>y".into(),
            ..Ending::default()
        };
        let passed = result(&report, &ending("Succeeded"), None);
        assert!(passed.starts_with("## PASS: performance test\n\n**carried 10,000/s**"), "{passed}");
        assert!(passed.contains("[The run's page](<https://tekton/x%3Ey>)"), "{passed}");
        let failed = result(&report, &ending("Failed"), None);
        assert!(failed.contains("NO VERDICT") && !failed.contains("PASS"), "{failed}");
        assert!(failed.contains("**the run failed**\n\n- task `load`: Failed (StepOOM: killed"), "{failed}");
    }

    #[test]
    fn a_result_leaves_room_for_the_table_however_long_the_report_is() {
        let check = Check {
            metric: "tps".into(),
            component: String::new(),
            criterion: ">= 1".into(),
            value: None,
            limit: None,
            baseline: None,
            interval: None,
            weight: 1.0,
            status: Status::Fail,
            cause: "x".repeat(500),
        };
        let error = StepError::now("deploy-heron-app", 4, "z".repeat(500));
        let report = Report { checks: vec![check; 100], errors: vec![error; 100], ..Report::default() };
        let told = result(&report, &Ending { status: "Failed".into(), ..Ending::default() }, None);
        assert!(told.len() <= LONGEST_TOP && told.starts_with("## NO VERDICT"), "{} bytes", told.len());
    }
}
