//! `--check`: runs every query once and says what it finds; where one finds nothing, what of it matches nothing and what is near.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::client::Client;
use super::detect::detect;
use super::measure::measure;
use super::over::{ask, newest};
use super::pack::{Filled, Pack, Spec};
use super::promql::{self, Matcher, Selector};
use super::window::{Asked, Pace};
use crate::report::{Metric, Window, quantity};
use crate::step::{Exit, Failure, near};

/// How many exports the queries are run over.
const EXPORTS: u32 = 6;

/// So many near names are told.
const TOLD: usize = 5;

/// A line of the table: a metric, and what is to be said of it below.
struct Line {
    cells: [String; 5],
    notes: Vec<String>,
}

/// How a check ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    All,
    NotAll,
    Mistakes,
}

/// Runs every query of the packs over the last exports before `end`, or before now, and shows what it finds; `rate` is the load's in
/// records a second, where there is one. The exit code is 0 when all found something, 3 when one found nothing, 2 when one cannot be run.
pub(super) async fn run(
    client: &Client,
    packs: Vec<(&Pack, Filled)>,
    end: Option<Timestamp>,
    rate: Option<f64>,
) -> Result<Exit, Failure> {
    let end = end.unwrap_or_else(Timestamp::now);
    let mut worst = Found::All;
    for (pack, mut filled) in packs {
        let mut text = String::new();
        filled.add_window(EXPORTS * filled.export_interval, rate);
        let asked = window(client, pack, &mut filled, end, &mut text).await?;
        filled.add_window(asked.length(), rate);
        let mut lines = Vec::new();
        for spec in &pack.metrics {
            let (found, mut of_metric) = check(client, pack, spec, &filled, &asked).await?;
            worst = worst.max(found);
            lines.append(&mut of_metric);
        }
        text.push_str(&table(&lines));
        show(&text);
    }
    Ok(match worst {
        Found::All => Exit::Done,
        Found::NotAll => Exit::Inconclusive,
        Found::Mistakes => Exit::Usage,
    })
}

/// The time to run the queries over, and what is to be said of how it was chosen.
async fn window(
    client: &Client,
    pack: &Pack,
    filled: &mut Filled,
    end: Timestamp,
    text: &mut String,
) -> Result<Asked, Error> {
    let found = detect(client, &pack.heartbeat(filled)?, &pack.heartbeat_by, end).await?;
    let notes = match pack.learn(filled, &found) {
        Ok(warnings) => warnings,
        Err(trouble) => vec![trouble],
    };
    let (export, scrape) = (filled.export_interval, filled.scrape_interval);
    let pace = Pace { export, scrape, ..Pace::default() };
    // Long enough that it cannot be refused.
    let start = end - (2 * export + 2 * scrape + EXPORTS * export.max(scrape));
    let asked = Asked::of(Window { start, end }, pace).map_err(|reason| Error::Param { reason })?;
    _ = writeln!(text, "{}\nvalues are {}; asked at {end:.0}", pack.description, filled.intervals());
    for note in notes {
        _ = writeln!(text, "  {note}");
    }
    text.push('\n');
    Ok(asked)
}

/// Runs a metric's query.
async fn check(
    client: &Client,
    pack: &Pack,
    spec: &Spec,
    filled: &Filled,
    asked: &Asked,
) -> Result<(Found, Vec<Line>), Error> {
    let (query, weight) = match pack.queries(spec, filled) {
        Ok(queries) => queries,
        Err(error) => return Ok((Found::Mistakes, vec![Line::empty(spec, "wrong", vec![error.to_string()])])),
    };
    let answer = match ask(client, &query, weight.as_deref(), asked).await {
        Ok(answer) => answer,
        Err(error @ (Error::Query { .. } | Error::Failed { .. })) => {
            return Ok((Found::Mistakes, vec![Line::empty(spec, "wrong", lines(&error.to_string()))]));
        }
        Err(error) => return Err(error),
    };
    if answer.series.is_empty() {
        let found = if spec.optional { Found::All } else { Found::NotAll };
        let mut notes: Vec<String> =
            answer.warnings.iter().map(|warning| format!("Prometheus warns: {warning}")).collect();
        notes.extend(why_nothing(client, &query, asked).await?);
        let word = if spec.optional { "nothing (optional)" } else { "nothing" };
        return Ok((found, vec![Line::empty(spec, word, notes)]));
    }
    let mut age = None;
    for selector in promql::selectors(&query) {
        let time = newest(client, &selector.text, asked.end).await?;
        age = age.max(time.map(|time| asked.age(time).round() as i64));
    }
    let several = spec.by.is_none() && answer.series.len() > 1;
    let metrics = measure(spec, &query, &answer, asked);
    let series = if spec.by.is_none() { answer.series.len() } else { 1 };
    let found = if several { Found::NotAll } else { Found::All };
    Ok((found, metrics.iter().map(|metric| Line::of(metric, series, age)).collect()))
}

impl Line {
    fn of(metric: &Metric, series: usize, age: Option<i64>) -> Self {
        let name = match metric.component.as_str() {
            "" => metric.name.clone(),
            component => format!("{}{{{component}}}", metric.name),
        };
        let age = age.map_or("–".to_owned(), |age| format!("{age} s"));
        let value = metric.value.map_or("unknown".to_owned(), |value| quantity(value, &metric.unit));
        let cells = [name, series.to_string(), metric.samples.to_string(), age, value];
        Self { cells, notes: metric.warnings.clone() }
    }

    fn empty(spec: &Spec, word: &str, notes: Vec<String>) -> Self {
        let nothing = || "–".to_owned();
        Self { cells: [spec.name.clone(), "0".to_owned(), "0".to_owned(), nothing(), word.to_owned()], notes }
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// What of a query that finds nothing matches nothing, selector by selector.
async fn why_nothing(client: &Client, query: &str, asked: &Asked) -> Result<Vec<String>, Error> {
    let window = Window { start: asked.start, end: asked.end };
    let mut notes = Vec::new();
    let mut seen = BTreeSet::new();
    for selector in promql::selectors(query) {
        if !seen.insert(selector.text.clone()) || exists(client, &selector.text, window).await? {
            continue;
        }
        notes.push(why(client, &selector, window).await?);
    }
    if notes.is_empty() {
        notes.push(match seen.is_empty() {
            true => "the query reads no series".to_owned(),
            false => {
                "every selector of the query finds series, but what is made of them is empty: do their labels match?"
                    .to_owned()
            }
        });
    }
    Ok(notes)
}

/// Why a selector finds nothing.
async fn why(client: &Client, selector: &Selector, window: Window) -> Result<String, Error> {
    let named = |matcher: &&Matcher| matcher.label == "__name__" && !matcher.operator.starts_with('!');
    let names: Vec<&Matcher> = selector.matchers.iter().filter(named).collect();
    let of_name = braces(names.iter().copied());
    if let Some(name) = names.first()
        && !exists(client, &of_name, window).await?
    {
        let all = client.values("__name__", "", window).await?;
        return Ok(format!("no metric {}{}", shown(name), suggestion(&name.value, &all)));
    }
    for matcher in selector.matchers.iter().filter(|matcher| matcher.label != "__name__") {
        let with = braces(names.iter().copied().chain([matcher]));
        if exists(client, &with, window).await? {
            continue;
        }
        let of = match names.first() {
            Some(name) => format!("no series {} has", name.value),
            None => "no series has".to_owned(),
        };
        let values = client.values(&matcher.label, &of_name, window).await?;
        if values.is_empty() {
            let labels = client.labels(&of_name, window).await?;
            let near = suggestion(&matcher.label, &labels);
            let near = if near.is_empty() { format!("; there is {}", some(&labels)) } else { near };
            return Ok(format!("{of} a label {}{near}", matcher.label));
        }
        let near = suggestion(&matcher.value, &values);
        let near = if near.is_empty() { format!("; there is {}", some(&values)) } else { near };
        return Ok(format!("{of} {}{near}", shown(matcher)));
    }
    Ok(format!("each part of {} matches something, but no series all of them", selector.text))
}

/// Whether there are samples of a selector in this time.
async fn exists(client: &Client, selector: &str, window: Window) -> Result<bool, Error> {
    let length = Duration::try_from(window.end.duration_since(window.start)).unwrap_or_default();
    let query = format!("count(last_over_time({selector}[{}ms]))", length.as_millis().max(1));
    Ok(!client.query(&query, window.end).await?.series.is_empty())
}

fn braces<'a>(matchers: impl Iterator<Item = &'a Matcher>) -> String {
    let matchers: Vec<String> = matchers.map(shown).collect();
    if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) }
}

/// A matcher as PromQL has it: JSON's escapes are a part of Go's.
fn shown(matcher: &Matcher) -> String {
    format!("{}{}{}", matcher.label, matcher.operator, serde_json::Value::from(matcher.value.as_str()))
}

/// The names most like a wanted one, for the end of a sentence; of a regular expression, like its longest plain part.
fn suggestion(wanted: &str, names: &[String]) -> String {
    let plain = |letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | ':' | '-' | '/' | ' '));
    let part = wanted.split(plain).max_by_key(|part| part.len()).unwrap_or(wanted);
    let all = || names.iter().map(String::as_str);
    let mut found = near(wanted, all());
    if found.is_empty() {
        found = near(part, all());
    }
    if found.is_empty() && part.len() > 2 {
        found =
            all().filter(|name| name.contains(part) || (name.len() > 2 && part.contains(name))).take(TOLD).collect();
    }
    if found.is_empty() { String::new() } else { format!("; near: {}", found.join(", ")) }
}

fn some(names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != "__name__").collect();
    let more = names.len().saturating_sub(TOLD);
    let told = names.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

/// The lines in columns, each with its notes below.
fn table(lines: &[Line]) -> String {
    let head = ["metric", "series", "samples", "newest", "value"].map(str::to_owned);
    let rows = || std::iter::once(&head).chain(lines.iter().map(|line| &line.cells));
    let width = |column: usize| rows().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let row = |cells: &[String; 5]| {
        let [name, numbers @ .., value] = cells;
        let mut text = format!("{name:<0$}", widths[0]);
        for (cell, width) in numbers.iter().zip(&widths[1..]) {
            _ = write!(text, "  {cell:>width$}");
        }
        format!("{text}  {value}\n")
    };
    let mut text = row(&head);
    for line in lines {
        text.push_str(&row(&line.cells));
        for note in &line.notes {
            _ = writeln!(text, "    {note}");
        }
    }
    text
}

#[expect(clippy::print_stdout, reason = "what is found is what a check is for")]
fn show(text: &str) {
    print!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_those_of_a_letter_or_two_or_of_a_part() {
        let names = ["heron_execute_count", "heron_emit_count", "up", "heron_jvm_uptime_secs"].map(str::to_owned);
        assert_eq!(suggestion("heron_emit_cout", &names), "; near: heron_emit_count");
        assert_eq!(
            suggestion("heron_execute_count(_default)?", &names),
            "; near: heron_execute_count, heron_emit_count"
        );
        assert_eq!(suggestion("uptime", &names), "; near: heron_jvm_uptime_secs");
        assert_eq!(suggestion("kafka_consumergroup_lag", &names), "");
    }

    #[test]
    fn a_table_has_columns_and_notes() {
        let line = |cells: [&str; 5], notes: &[&str]| Line {
            cells: cells.map(str::to_owned),
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
        };
        let lines = [
            line(["tps{transformer}", "1", "20", "4 s", "1,000/s"], &[]),
            line(["lag", "0", "0", "–", "nothing"], &["no metric __name__=\"lg\""]),
        ];
        insta::assert_snapshot!(table(&lines), @r#"
        metric            series  samples  newest  value
        tps{transformer}       1       20     4 s  1,000/s
        lag                    0        0       –  nothing
            no metric __name__="lg"
        "#);
    }
}
