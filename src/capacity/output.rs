//! The plan as people read it, on a terminal and in Markdown, and as files beside the report.

use std::fmt::Write as _;
use std::path::Path;

use super::estimate::CONFIDENCE;
use super::plan::{Combination, Plan, Planned, ratio};
use crate::report::{self, number, part_path, quantity};

/// The most runs that are named where several were refused for the same reason.
const NAMED: usize = 3;

/// A table: names of columns, and rows.
struct Table {
    title: &'static str,
    head: &'static [&'static str],
    /// Which columns are text.
    text: &'static [usize],
    rows: Vec<Vec<String>>,
}

/// Writes plan.json and plan.md into this folder, with the part's name as the report's is.
pub(super) fn write(folder: &Path, part: &str, plan: &Plan) -> Result<(), report::Error> {
    let path = part_path(&folder.join("plan.json"), part);
    report::write(&path, plan, true)?;
    let path = path.with_extension("md");
    std::fs::write(&path, markdown(plan)).map_err(|source| report::Error::Write { path, source })
}

/// The plan for a terminal.
pub(super) fn text(plan: &Plan) -> String {
    let mut out = format!("{}\n", clean(&plan.answer));
    for table in tables(plan) {
        _ = write!(out, "\n{}", columns(&table));
    }
    for (title, lines) in lists(plan) {
        _ = write!(out, "\n{}\n", title.to_lowercase());
        lines.iter().for_each(|line| _ = writeln!(out, "  {}", clean(line)));
    }
    out
}

/// The plan as Markdown.
pub(super) fn markdown(plan: &Plan) -> String {
    let app = if plan.app.is_empty() { String::new() } else { format!(" of {}", escape(&plan.app)) };
    let mut out = format!("## Component plan{app}\n\n**{}**\n", escape(&plan.answer));
    for table in tables(plan) {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = (0..table.head.len()).map(|at| if table.text.contains(&at) { "---" } else { "---:" });
        _ = write!(out, "\n### {}\n\n", table.title);
        out += &row(table.head.iter().map(|name| escape(name)).collect());
        _ = writeln!(out, "|{}|", rule.collect::<Vec<_>>().join("|"));
        table.rows.iter().for_each(|cells| out += &row(cells.iter().map(|cell| escape(cell)).collect()));
    }
    for (title, lines) in lists(plan) {
        _ = write!(out, "\n### {title}\n\n");
        lines.iter().for_each(|line| _ = writeln!(out, "- {}", escape(line)));
    }
    out
}

fn tables(plan: &Plan) -> Vec<Table> {
    let components = Table {
        title: "Components",
        head: &["component", "capacity/instance", "needed", "parallelism", "range", "busy", "why"],
        text: &[0, 6],
        rows: plan.components.iter().map(component).collect(),
    };
    let combinations = Table {
        title: "Combinations",
        head: &["combination", "carries", "", "bottleneck", ""],
        text: &[0, 2, 3, 4],
        rows: plan.combinations.iter().map(combination).collect(),
    };
    let checks = Table {
        title: "Predictions",
        head: &["run", "combination", "load", "predicted", "measured", "error"],
        text: &[0, 1],
        rows: plan
            .checks
            .iter()
            .map(|check| {
                let rate = |rate: f64| quantity(rate, "records/s");
                let error = format!("{:+.1} %", check.error);
                let combination = ratio(&check.parallelism);
                vec![
                    check.run.clone(),
                    combination,
                    rate(check.rate),
                    rate(check.predicted),
                    rate(check.measured),
                    error,
                ]
            })
            .collect(),
    };
    [components, combinations, checks].into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn component(one: &Planned) -> Vec<String> {
    let capacity = match (one.basis, one.interval) {
        (basis, _) if basis.is_lower_bound() => format!("≥ {}/s", number(one.capacity)),
        (_, Some((_, high))) => format!("{}/s ± {}", number(one.capacity), number(high - one.capacity)),
        (_, None) => format!("{}/s", number(one.capacity)),
    };
    let range = match one.range {
        Some((low, Some(high))) if low == high => low.to_string(),
        Some((low, Some(high))) => format!("{low} to {high}"),
        Some((low, None)) => format!("{low} or more"),
        None => "–".to_owned(),
    };
    vec![
        one.name.clone(),
        capacity,
        quantity(one.needed, "records/s"),
        one.parallelism.to_string(),
        range,
        quantity(one.busy, "%"),
        one.why.clone(),
    ]
}

fn combination(one: &Combination) -> Vec<String> {
    let kind = match one.kind {
        "plan" => "the plan",
        "one less" => "one instance less",
        "asked" => "asked for",
        kind => kind,
    };
    let least = if one.at_least { "≥ " } else { "" };
    let enough = match (one.enough, one.at_least) {
        (true, _) => "enough",
        (false, true) => "not known to be enough",
        (false, false) => "too little",
    };
    let carries = format!("{least}{}", quantity(one.carries, "records/s"));
    vec![ratio(&one.parallelism), carries, enough.to_owned(), one.bottleneck.clone(), kind.to_owned()]
}

fn lists(plan: &Plan) -> Vec<(&'static str, Vec<String>)> {
    let mut resources = vec![format!("{} instances", number(f64::from(plan.totals.instances)))];
    resources.extend(plan.totals.containers.map(|count| format!("{} containers", number(f64::from(count)))));
    resources.extend(plan.totals.cpu.map(|cpu| format!("{} CPU cores", number(cpu))));
    resources
        .extend(plan.totals.ram_bytes.map(|bytes| format!("{} GiB of RAM", number(bytes as f64 / f64::from(1 << 30)))));
    let mut next = plan.params.iter().map(|param| format!("--param {param}")).collect::<Vec<_>>();
    if !next.is_empty() {
        next.push(format!("--param data-count-per-second={}", plan.rate));
    }
    let next = if next.is_empty() { Vec::new() } else { vec![next.join(" ")] };
    let mut notes = plan.notes.clone();
    if plan.components.iter().any(|one| one.interval.is_some()) {
        notes.push(format!("± and range are at {CONFIDENCE} % confidence"));
    }
    let lists = [
        ("Resources", vec![resources.join(", ")]),
        ("Next experiment", next),
        ("To look at", notes),
        ("Not planned from", refused(plan)),
    ];
    lists.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

/// What was refused, a line for each reason.
fn refused(plan: &Plan) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for one in &plan.refused {
        let why = if one.component.is_empty() { one.why.clone() } else { format!("{}: {}", one.component, one.why) };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, runs)) => runs.push(&one.run),
            None => reasons.push((why, vec![&one.run])),
        }
    }
    let line = |(why, runs): (String, Vec<&str>)| {
        let more = if runs.len() > NAMED { format!(" and {} more", runs.len() - NAMED) } else { String::new() };
        format!("{}{more}: {why}", runs.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
    };
    reasons.into_iter().map(line).collect()
}

/// Columns of fixed width.
fn columns(table: &Table) -> String {
    let head = table.head.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(table.rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()))
        .collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| match table.text.contains(&at) {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// One line without control characters: names and causes are text of others.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Text of others as text in Markdown.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for letter in clean(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '@' | '#' => _ = write!(out, "&#{};", letter as u32),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => out.extend(['\\', letter]),
            letter => out.push(letter),
        }
    }
    out
}
