//! The README of a Task, StepAction or Pipeline.

use minijinja::Environment;

use super::{Entry, Error, tkn};

/// The form of a README; what it shows comes from the YAML beside it.
const TEMPLATE: &str = include_str!("readme.md.j2");

/// The README of this entry.
pub fn of(entry: &Entry) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.add_filter("cell", cell);
    let sample = entry.samples.get(&format!("{}.yaml", entry.name));
    let context = minijinja::context! {
        manifest => minijinja::value::Serde(entry.manifest.clone()),
        samples => entry.samples.keys().cloned().collect::<Vec<String>>(),
        start => sample.map(|run| tkn::start(&entry.manifest, run)),
    };
    let filled = environment.render_str(TEMPLATE, context);
    filled.map_err(|source| Error::Template { name: entry.name.clone(), source })
}

/// A value as a cell of a Markdown table.
pub(super) fn cell(value: minijinja::Value) -> String {
    value.to_string().replace('|', "\\|").replace('\n', " ")
}
