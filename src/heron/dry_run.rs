//! `--dry-run`: what would be deployed, in what form Heron would run it, and what it would replace.

use std::fmt::Write;
use std::time::Duration;

use super::build::Built;
use super::deploy::{Args, update_app};
use super::packing::Plan;
use super::tracker::Info;
use crate::report::{Component, DryRun};
use crate::step::{Failure, Step};

/// Shows it on stdout and in the report.
pub(super) async fn show(
    args: &Args,
    built: &Built,
    there: Option<&Info>,
    step: &Step,
    limit: Duration,
) -> Result<(), Failure> {
    let plan = built.plan(args, limit).await?;
    let components = completed(&built.components, &plan);
    let replaces = replaces(args, there);
    print(&told(args, &components, &plan, &replaces));
    update_app(step, |app| {
        app.components = components;
        app.dry_run = Some(DryRun { packing_plan: plan.text, replaces });
    })?;
    step.results().write("topology", &built.name)?;
    Ok(())
}

/// The components with what the plan gives one instance where main left that to Heron.
fn completed(components: &[Component], plan: &Plan) -> Vec<Component> {
    let planned = plan.components();
    let complete = |component: &Component| match planned.iter().find(|planned| planned.name == component.name) {
        Some(planned) => Component {
            cpu: component.cpu.or(planned.cpu),
            ram_bytes: component.ram_bytes.or(planned.ram_bytes),
            disk_bytes: component.disk_bytes.or(planned.disk_bytes),
            ..component.clone()
        },
        None => component.clone(),
    };
    components.iter().map(complete).collect()
}

fn replaces(args: &Args, there: Option<&Info>) -> String {
    let Some(state) = there.map(|info| &info.execution_state) else { return String::new() };
    let who = format!(
        "{} of {}, submitted by {}, {}",
        args.target.topology,
        state.submitted_at(),
        state.submission_user,
        state.status
    );
    if args.replace { who } else { format!("{who}: without --replace the deployment would be refused") }
}

fn told(args: &Args, components: &[Component], plan: &Plan, replaces: &str) -> String {
    let target = &args.target;
    let mut text = format!(
        "topology {} would be submitted to {}/{}/{}{}\n",
        target.topology,
        target.cluster,
        target.role,
        target.environment,
        if args.deploy_deactivated { ", paused" } else { "" }
    );
    for (title, settings) in [("properties", &args.properties), ("config", &args.config_properties)] {
        for setting in settings {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{title:<12}{}", setting.to_shown());
        }
    }
    let replaced = if replaces.is_empty() { "nothing" } else { replaces };
    let _ = writeln!(text, "replaces    {replaced}\n");
    text + &table(components) + "\n" + &plan.text + "\n"
}

/// The components as main made them, a line each.
fn table(components: &[Component]) -> String {
    let megabytes = |bytes: Option<u64>| bytes.map_or("–".to_owned(), |bytes| format!("{} MB", bytes >> 20));
    let mut rows = vec![["component", "kind", "parallelism", "cpu", "ram", "disk"].map(ToOwned::to_owned)];
    rows.extend(components.iter().map(|component| {
        [
            component.name.clone(),
            component.kind.clone(),
            component.parallelism.to_string(),
            component.cpu.map_or("–".to_owned(), |cpu| cpu.to_string()),
            megabytes(component.ram_bytes),
            megabytes(component.disk_bytes),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[expect(clippy::print_stdout, reason = "it is what a dry run is for")]
fn print(text: &str) {
    print!("{text}");
}
