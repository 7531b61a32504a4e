//! The runs of a pull request as rows: the commit log as a test log. They are kept in the comment itself, where nobody sees them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::report::ending::{Ending, shorten};
use crate::report::render::escape_markdown as escape;
use crate::report::{App, Figures, Report, Status};

/// The most characters of a commit's message in a row.
const MESSAGE: usize = 80;
/// The most characters of any other text in a row.
const TEXT: usize = 100;
/// The most settings of a run that are kept.
const SETTINGS: usize = 80;
/// The most settings that a row shows as changed.
const CHANGES: usize = 6;
/// The most rows that are shown at once.
const OPEN_ROWS: usize = 20;
/// What stands where there is nothing.
const NONE: &str = "–";

/// A run in the table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// The run's name.
    pub id: String,
    /// When it began; rows are in this order.
    pub at: Option<Timestamp>,
    /// The commit.
    pub commit: String,
    /// The first line of its message.
    pub message: String,
    /// The load.
    pub load: String,
    /// What the application took in.
    pub tps: String,
    /// How long a record took through it.
    pub latency: String,
    /// How far it was behind.
    pub lag: String,
    /// The verdict's word; empty when there is none.
    pub verdict: String,
    /// How it compares with its baseline.
    pub change: String,
    /// The run's page.
    pub link: String,
    /// The settings it was made with. Where rows are kept they are written as what differs from the row before.
    #[serde(skip)]
    pub settings: BTreeMap<String, String>,
}

impl Row {
    /// The row of a run.
    pub fn of(report: &Report, ending: &Ending) -> Self {
        let run = report.run.clone().unwrap_or_default();
        let figures = Figures::of(report);
        let line = |text: &str, longest: usize| shorten(text.lines().next().unwrap_or_default().trim(), longest);
        let id = line(if run.id.is_empty() { &ending.run_id } else { &run.id }, TEXT);
        // A run that has lost its report is told as it ends, and is the newest then.
        let at = run.started_at.or_else(|| (!id.is_empty()).then(Timestamp::now));
        Self {
            id,
            at,
            commit: line(&run.commit, 64),
            message: line(&run.message, MESSAGE),
            load: line(&figures.load, TEXT),
            tps: line(&figures.tps, TEXT),
            latency: line(&figures.latency, TEXT),
            lag: line(&figures.lag, TEXT),
            verdict: ending.verdict(report).map(|verdict| verdict.status.as_str().to_owned()).unwrap_or_default(),
            change: line(&figures.change, 2 * TEXT),
            link: http(&ending.link).unwrap_or_default(),
            settings: settings(report),
        }
    }

    /// Whether it is of the same run.
    fn is_of(&self, other: &Self) -> bool {
        match (self.id.as_str(), other.id.as_str()) {
            ("", "") => self.at == other.at && self.commit == other.commit,
            (a, b) => a == b,
        }
    }
}

/// An address that a link may lead to: of the web, and without what would end the link.
fn http(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let url = url.as_str().replace('(', "%28").replace(')', "%29").replace('|', "%7C");
    (url.len() <= 1000).then_some(url)
}

/// What the application, or each of them, was made with: its properties and its components' parallelism.
fn settings(report: &Report) -> BTreeMap<String, String> {
    let own = report.app.iter().flat_map(|app| of_app("", app));
    let parts = report.parts.iter().flat_map(|part| part.app.iter().flat_map(|app| of_app(&part.name, app)));
    own.chain(parts).take(SETTINGS).collect()
}

fn of_app<'a>(part: &'a str, app: &'a App) -> impl Iterator<Item = (String, String)> + 'a {
    let named =
        move |name: &str| if part.is_empty() { shorten(name, TEXT) } else { shorten(&format!("{part} {name}"), TEXT) };
    let properties = app.properties.iter().map(move |(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        (named(name), shorten(&value, TEXT))
    });
    let planned =
        app.components.iter().filter(|component| component.parallelism > 0).map(move |component| {
            (named(&format!("{}.parallelism", component.name)), component.parallelism.to_string())
        });
    properties.chain(planned)
}

/// The runs of a pull request, the newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<Row>,
    /// How many older ones there was no room for.
    pub left_out: usize,
}

/// The rows as they are kept: the oldest first, each with the settings that differ from those of the one before.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    rows: Vec<KeptRow>,
    #[serde(default, skip_serializing_if = "is_zero")]
    left_out: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptRow {
    #[serde(flatten)]
    row: Row,
    /// Settings that are new or other, and none for those that are gone.
    #[serde(default, rename = "set", skip_serializing_if = "BTreeMap::is_empty")]
    changed: BTreeMap<String, Option<String>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What differs from the settings before, with none for a setting that is gone.
fn changed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let other = now.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    other
        .map(|(name, value)| (name.clone(), Some(value.clone())))
        .chain(gone.map(|name| (name.clone(), None)))
        .collect()
}

impl Rows {
    /// Takes rows in; of two of the same run the later one given stays.
    pub fn add(&mut self, more: impl IntoIterator<Item = Row>) {
        for row in more {
            self.rows.retain(|known| !known.is_of(&row));
            self.rows.push(row);
        }
        self.rows.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    }

    /// Takes in what another comment has.
    pub fn merge(&mut self, other: Self) {
        // Of those that the other had no room for, these are known here.
        let oldest = other.rows.last().and_then(|row| row.at);
        let known = self.rows.iter().filter(|row| oldest.is_some() && row.at < oldest).count();
        self.left_out = self.left_out.max(other.left_out.saturating_sub(known));
        self.add(other.rows);
    }

    /// The newest so many rows; the others are left out.
    pub fn newest(&self, count: usize) -> Self {
        let rows: Vec<Row> = self.rows.iter().take(count).cloned().collect();
        Self { left_out: self.left_out + self.rows.len() - rows.len(), rows }
    }

    /// The rows for a place where nobody sees them: JSON without any letter that could end or start something.
    pub fn encode(&self) -> String {
        let none = BTreeMap::new();
        let oldest_first: Vec<&Row> = self.rows.iter().rev().collect();
        let before = std::iter::once(&none).chain(oldest_first.iter().map(|row| &row.settings));
        let rows = oldest_first
            .iter()
            .zip(before)
            .map(|(row, before)| KeptRow { row: (*row).clone(), changed: changed(before, &row.settings) });
        let kept = Kept { rows: rows.collect(), left_out: self.left_out };
        let text = serde_json::to_string(&kept).unwrap_or_default();
        // All of these stand inside of strings only, where JSON takes them in this form too.
        let hidden = [("<", "\\u003c"), (">", "\\u003e"), ("--", "-\\u002d"), ("@", "\\u0040"), ("#", "\\u0023")];
        hidden.into_iter().fold(text, |text, (letter, code)| text.replace(letter, code))
    }

    /// Reads rows again; none when somebody has changed them into something else.
    pub fn decode(text: &str) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text).ok()?;
        let mut settings: BTreeMap<String, String> = BTreeMap::new();
        let mut rows = Vec::new();
        for KeptRow { row, changed } in kept.rows {
            for (name, value) in changed {
                match value {
                    Some(value) => settings.insert(name, value),
                    None => settings.remove(&name),
                };
            }
            rows.push(Row { settings: settings.clone(), ..row });
        }
        rows.reverse();
        Some(Self { rows, left_out: kept.left_out })
    }

    /// The table for people: the newest run first, all beyond twenty folded.
    pub fn table(&self) -> String {
        let lines: Vec<String> =
            (0..self.rows.len()).map(|index| line(&self.rows[index], self.rows.get(index + 1))).collect();
        let (open, folded) = lines.split_at(lines.len().min(OPEN_ROWS));
        let mut out = String::from("### Runs of this pull request\n\n");
        out += &with_head(open);
        if !folded.is_empty() {
            _ = write!(
                out,
                "\n<details><summary>{} earlier</summary>\n\n{}\n</details>\n",
                folded.len(),
                with_head(folded)
            );
        }
        if self.left_out > 0 {
            _ = write!(out, "\nThere was no room here for {} still earlier.\n", self.left_out);
        }
        out
    }
}

fn with_head(lines: &[String]) -> String {
    let head = "| commit | settings changed | load | TPS | latency | lag | verdict | against the baseline |\n\
                |---|---|---:|---:|---:|---:|---|---|\n";
    format!("{head}{}", lines.concat())
}

fn line(row: &Row, before: Option<&Row>) -> String {
    let cell = |text: &str| if text.is_empty() { NONE.to_owned() } else { escape(text) };
    let cells = [
        cell(format!("{} {}", row.commit, row.message).trim()),
        before.map_or(NONE.to_owned(), |before| differences(&before.settings, &row.settings)),
        cell(&row.load),
        cell(&row.tps),
        cell(&row.latency),
        cell(&row.lag),
        verdict(row),
        cell(&row.change),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn verdict(row: &Row) -> String {
    let sign = match row.verdict.as_str() {
        word if word == Status::Pass.as_str() => "✅",
        word if word == Status::Warn.as_str() => "⚠️",
        word if word == Status::Inconclusive.as_str() => "❔",
        _ => "❌",
    };
    let word = if row.verdict.is_empty() { "no verdict" } else { &row.verdict };
    // Rows may come from a comment that others have changed: their addresses are no better than any other text.
    match http(&row.link) {
        Some(link) => format!("{sign} [{}]({link})", escape(word)),
        None => format!("{sign} {}", escape(word)),
    }
}

/// The settings that are not those of the run before.
fn differences(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> String {
    let none = || NONE.to_owned();
    let changed = changed(before, now);
    let shown = changed.iter().take(CHANGES).map(|(name, value)| {
        let (was, is) =
            (before.get(name).map_or_else(none, |was| escape(was)), value.as_ref().map_or_else(none, |is| escape(is)));
        format!("{} {was} → {is}", escape(name))
    });
    let more = changed.len().saturating_sub(CHANGES);
    let more = (more > 0).then(|| format!("{more} more"));
    let told: Vec<String> = shown.chain(more).collect();
    if told.is_empty() { none() } else { told.join("<br>") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Component, Load, Metric, Run, Verdict};

    pub fn row(number: i64, transformers: u32) -> Row {
        Row {
            id: format!("run-{number}"),
            at: Some(Timestamp::from_second(1_767_607_800 + number * 3600).unwrap()),
            commit: format!("{number:040x}"),
            message: format!("Use {transformers} transformers"),
            load: "10,000/s".into(),
            tps: "9,803/s".into(),
            latency: "812 ms".into(),
            lag: "11,900 records".into(),
            verdict: "fail".into(),
            settings: [("transformer.parallelism".to_owned(), transformers.to_string())].into(),
            ..Row::default()
        }
    }

    #[test]
    fn a_run_becomes_a_row() {
        let app = App {
            properties: [("kafka.input.topic".to_owned(), "ads".into())].into_iter().collect(),
            components: vec![Component { name: "transformer".into(), parallelism: 28, ..Component::default() }],
            ..App::default()
        };
        let report = Report {
            run: Some(Run { id: "run-1".into(), message: "Use 28\n\nbody".into(), ..Run::default() }),
            app: Some(app),
            load: Some(Load { rate: 10_000.0, ..Load::default() }),
            metrics: vec![Metric { name: "lag".into(), unit: "records".into(), value: Some(3.0), ..Metric::default() }],
            verdict: Some(Verdict { status: Status::Pass, cause: "ok".into() }),
            ..Report::default()
        };
        let row = Row::of(&report, &Ending { link: "javascript:alert(1)".into(), ..Ending::default() });
        assert_eq!((row.id.as_str(), row.message.as_str(), row.lag.as_str()), ("run-1", "Use 28", "3 records"));
        assert_eq!((row.verdict.as_str(), row.link.as_str()), ("pass", ""));
        assert_eq!(row.settings["transformer.parallelism"], "28");
        assert_eq!(row.settings["kafka.input.topic"], "ads");
        let failed = Row::of(&report, &Ending { status: "Failed".into(), ..Ending::default() });
        assert_eq!(failed.verdict, "");
    }

    #[test]
    fn the_table_tells_what_changed_from_run_to_run() {
        let mut rows = Rows::default();
        rows.add([row(2, 29), row(1, 28)]);
        rows.rows[0].verdict = "pass".into();
        rows.rows[0].change = "spout TPS +2 % better".into();
        rows.rows[0].link = "https://tekton.example/run(2)".into();
        insta::assert_snapshot!(rows.table(), @r"
        ### Runs of this pull request

        | commit | settings changed | load | TPS | latency | lag | verdict | against the baseline |
        |---|---|---:|---:|---:|---:|---|---|
        | 0000000000000000000000000000000000000002 Use 29 transformers | transformer.parallelism 28 → 29 | 10,000/s | 9,803/s | 812 ms | 11,900 records | ✅ [pass](https://tekton.example/run%282%29) | spout TPS +2 % better |
        | 0000000000000000000000000000000000000001 Use 28 transformers | – | 10,000/s | 9,803/s | 812 ms | 11,900 records | ❌ fail | – |
        ");
    }

    #[test]
    fn rows_survive_being_hidden_whatever_they_hold() {
        let mut rows = Rows { left_out: 3, ..Rows::default() };
        rows.add((1..30).map(|number| row(number, 28)));
        rows.rows[3].message = "--> <script> @all #1 --- \"quoted\" \\ 変換".into();
        rows.rows[3].settings = [("a".to_owned(), "--".to_owned())].into();
        let hidden = rows.encode();
        for forbidden in ["--", "<", ">", "@", "#", "\n"] {
            assert!(!hidden.contains(forbidden), "{forbidden} in {hidden}");
        }
        assert_eq!(Rows::decode(&hidden).unwrap(), rows);
        assert_eq!(Rows::decode("{\"rows\": 1}"), None);
    }

    #[test]
    fn settings_are_kept_as_what_changed() {
        let many: BTreeMap<String, String> =
            (0..50).map(|n| (format!("setting.number.{n}"), "value".to_owned())).collect();
        let mut rows = Rows::default();
        rows.add((1..100).map(|number| Row { settings: many.clone(), ..row(number, 28) }));
        assert!(rows.encode().len() < 30_000, "{} bytes", rows.encode().len());
    }

    #[test]
    fn more_than_twenty_rows_are_folded() {
        let mut rows = Rows::default();
        rows.add((1..=23).map(|number| row(number, 28)));
        let (open, folded) = rows
            .table()
            .split_once("<details><summary>3 earlier</summary>")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert_eq!(open.matches("transformers |").count(), 20);
        assert_eq!(folded.matches("transformers |").count(), 3);
        assert!(open.contains("00017 Use 28") && folded.contains("00001 Use 28"));
    }

    #[test]
    fn of_the_same_run_the_newest_word_counts() {
        let mut rows = Rows::default();
        rows.add([row(1, 28), row(2, 28), Row { verdict: "pass".into(), ..row(1, 28) }]);
        assert_eq!(rows.rows.iter().map(|row| row.verdict.as_str()).collect::<Vec<_>>(), ["fail", "pass"]);
    }

    #[test]
    fn what_others_wrote_stays_text_within_its_cell() {
        let mut rows = Rows::default();
        let hostile = "a | b <img src=x> @all [x](http://evil) `c`";
        rows.add([Row { message: hostile.into(), link: "https://x/) | [a](b".into(), ..row(1, 1) }]);
        let table = rows.table();
        assert!(table.contains(r"a \| b &lt;img src=x> &#64;all \[x\](http://evil) \`c\`"), "{table}");
        assert_eq!(table.lines().last().unwrap().matches(" | ").count(), 7, "{table}");
    }
}
