//! The end of a run as a person reads it, in the manner of `tkn pipelinerun describe`.

use std::fmt::Write;

use jiff::Timestamp;

use super::outcome::{RunReport, TaskReport, TaskState};
use super::value::Value;
use crate::step::KeyValue;

/// How long a parameter's or result's value may be before it is cut.
const VALUE_WIDTH: usize = 100;

/// A parameter without what speaks of a secret: many are `key=value` settings.
fn shown(value: &Value) -> Value {
    let of = |text: &String| text.parse().map_or_else(|_| text.clone(), |pair: KeyValue| pair.to_shown());
    match value {
        Value::String(text) => Value::String(of(text)),
        Value::Array(items) => Value::Array(items.iter().map(of).collect()),
        object @ Value::Object(_) => object.clone(),
    }
}

/// Tells of a run that has ended.
pub fn describe(report: &RunReport) -> String {
    let mut out = String::new();
    let kind = if report.kind == "TaskRun" { "Task" } else { "Pipeline" };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "Name:      {}", report.name);
    let _ = writeln!(out, "{:<10} {}", format!("{kind}:"), report.pipeline);
    let _ = writeln!(out, "Status:    {}", report.reason);
    let _ = writeln!(out, "Message:   {}", report.message);
    let _ = writeln!(out, "Started:   {}", report.started.strftime("%Y-%m-%dT%H:%M:%SZ"));
    let _ = writeln!(out, "Duration:  {}", length(report.started, report.finished));
    let params = report.params.iter().map(|(name, value)| [name.clone(), cut(&shown(value).to_string())]);
    section(&mut out, "Params", ["NAME", "VALUE"], params.collect());
    let results = report.results.iter().map(|(name, value)| [name.clone(), cut(&value.to_string())]);
    section(&mut out, "Results", ["NAME", "VALUE"], results.collect());
    let tasks = report.tasks.iter().map(|task| {
        [
            task.run.clone(),
            task.name.clone(),
            task.started.strftime("%H:%M:%S").to_string(),
            length(task.started, task.finished),
            status(task),
        ]
    });
    section(&mut out, "TaskRuns", ["NAME", "TASK NAME", "STARTED", "DURATION", "STATUS"], tasks.collect());
    for task in report.tasks.iter().filter(|task| task.state == TaskState::Failed) {
        let _ = writeln!(out, "  {}: {}", task.name, task.message);
        if let Some(line) = &task.last_line {
            let _ = writeln!(out, "    {line}");
        }
    }
    let skipped = report.skipped.iter().map(|task| [task.name.clone(), task.reason.clone()]);
    section(&mut out, "Skipped Tasks", ["NAME", "REASON"], skipped.collect());
    if let Some(folder) = &report.folder {
        let _ = writeln!(out, "\nFolder:    {}", folder.display());
    }
    out
}

fn status(task: &TaskReport) -> String {
    let tries = if task.attempts > 1 { format!(", {} attempts", task.attempts) } else { String::new() };
    let code = task.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
    let ignored = if task.ignored { ", ignored" } else { "" };
    format!("{}{code}{tries}{ignored}", task.reason)
}

fn length(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = seconds.round() as u64;
    format!("{}m{}s", whole / 60, whole % 60)
}

/// One line of at most so many letters; a value from outside must not move the terminal's cursor.
fn cut(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => '⏎',
        c if c.is_control() => '·',
        c => c,
    };
    let line: String = text.chars().map(shown).collect();
    if line.chars().count() <= VALUE_WIDTH {
        return line;
    }
    line.chars().take(VALUE_WIDTH - 1).chain(['…']).collect()
}

/// A titled table; nothing when it has no rows.
fn section<const N: usize>(out: &mut String, title: &str, head: [&str; N], rows: Vec<[String; N]>) {
    if rows.is_empty() {
        return;
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let _ = writeln!(out, "\n{title}");
    let head = head.map(str::to_owned);
    for row in std::iter::once(&head).chain(&rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(out, "  {}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}
