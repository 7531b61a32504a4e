//! Checks of Tasks, StepActions and their steps.

use std::collections::BTreeSet;

use super::{Notes, catalog};
use crate::local::model::{ParamSpec, StepSpec, TaskSpec, WorkspaceSpec};
use crate::local::value::Type;
use crate::local::vars;

pub fn declarations(params: &[ParamSpec], workspaces: &[WorkspaceSpec], notes: &mut Notes) {
    let mut seen = BTreeSet::new();
    for (index, param) in params.iter().enumerate() {
        let path = format!("spec.params[{index}]");
        if !seen.insert(&param.name) {
            notes.wrong(&path, format!("{:?} is declared twice", param.name));
        }
        if let (Some(kind), Some(default)) = (param.declared, &param.default)
            && kind != default.kind()
        {
            notes.wrong(format!("{path}.default"), format!("is {}, but the type is {kind}", default.kind()));
        }
        catalog::described(&path, &param.description, notes);
    }
    for (index, workspace) in workspaces.iter().enumerate() {
        catalog::described(&format!("spec.workspaces[{index}]"), &workspace.description, notes);
    }
}

/// A variable's name and what follows it: `params.x[*]` is `x` and `[*]`.
fn named<'a>(variable: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let rest = variable.strip_prefix(prefix)?;
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(['[', '.']).unwrap_or(rest.len());
        return Some((&rest[..end], &rest[end..]));
    }
    let quoted = rest.strip_prefix("[\"").or_else(|| rest.strip_prefix("['"))?;
    let end = quoted.find(['"', '\''])?;
    Some((&quoted[..end], quoted.get(end + 2..)?))
}

/// The declared parameter that a variable names; parameters' own names may hold dots.
pub fn param_of<'a>(params: &'a [ParamSpec], variable: &str) -> Option<&'a ParamSpec> {
    let (name, _) = named(variable, "params")?;
    let dotted = variable.strip_prefix("params.").unwrap_or(name);
    params.iter().find(|param| param.name == dotted).or_else(|| params.iter().find(|param| param.name == name))
}

pub fn task(spec: &TaskSpec, at: &str, programs: &[clap::Command], notes: &mut Notes) {
    declarations(&spec.params, &spec.workspaces, notes);
    for (index, result) in spec.results.iter().enumerate() {
        catalog::described(&format!("{at}.results[{index}]"), &result.description, notes);
    }
    if spec.steps.is_empty() {
        notes.wrong(format!("{at}.steps"), "a Task needs at least one step");
    }
    let mut used: BTreeSet<String> = BTreeSet::new();
    let template = spec.step_template.as_ref();
    for (index, step) in template
        .iter()
        .map(|step| (None, *step))
        .chain(spec.steps.iter().enumerate().map(|(index, step)| (Some(index), step)))
    {
        let path = index.map_or(format!("{at}.stepTemplate"), |index| format!("{at}.steps[{index}]"));
        variables(spec, step, &path, &mut used, notes);
        if index.is_some() {
            catalog::secure(step, template, &path, notes);
            catalog::limited(step, template, &path, notes);
            flags(step, &path, programs, notes);
        }
    }
    unused(spec, at, &used, notes);
}

/// A StepAction: a step that brings its own parameters and results.
pub fn step_action(spec: &TaskSpec, step: &StepSpec, programs: &[clap::Command], notes: &mut Notes) {
    declarations(&spec.params, &[], notes);
    let mut used = BTreeSet::new();
    variables(spec, step, "spec", &mut used, notes);
    catalog::secure(step, None, "spec", notes);
    flags(step, "spec", programs, notes);
    for (index, mount) in step.volume_mounts.iter().enumerate() {
        if vars::whole(&mount.name).is_none_or(|name| !name.starts_with("params.")) {
            notes.wrong(format!("spec.volumeMounts[{index}].name"), "must be a parameter: the Task has the volumes");
        }
    }
    unused(spec, "spec", &used, notes);
}

/// What is declared and then left alone.
fn unused(spec: &TaskSpec, at: &str, used: &BTreeSet<String>, notes: &mut Notes) {
    for (index, param) in
        spec.params.iter().enumerate().filter(|(_, param)| !used.contains(&format!("params {}", param.name)))
    {
        notes.wrong(format!("{at}.params[{index}]"), format!("{:?} is never used; remove it", param.name));
    }
    for (index, workspace) in spec.workspaces.iter().enumerate() {
        if !used.contains(&format!("workspaces {}", workspace.name)) {
            notes.wrong(format!("{at}.workspaces[{index}]"), format!("{:?} is never used; remove it", workspace.name));
        }
    }
    for (index, result) in spec.results.iter().enumerate() {
        if !used.contains(&format!("results {}", result.name)) {
            notes.wrong(format!("{at}.results[{index}]"), format!("no step is given $(results.{}.path)", result.name));
        }
    }
}

/// Checks every variable of a step, and that values come as whole arguments.
fn variables(spec: &TaskSpec, step: &StepSpec, at: &str, used: &mut BTreeSet<String>, notes: &mut Notes) {
    let command = step.command.iter().enumerate().map(|(index, text)| (format!("{at}.command[{index}]"), text));
    let args = step.args.iter().enumerate().map(|(index, text)| (format!("{at}.args[{index}]"), text));
    let env = step.env.iter().enumerate().map(|(index, var)| (format!("{at}.env[{index}]"), &var.value));
    let single = [(format!("{at}.image"), &step.image), (format!("{at}.workingDir"), &step.working_dir)];
    let mounts = step.volume_mounts.iter().enumerate();
    let mounts = mounts.map(|(index, mount)| (format!("{at}.volumeMounts[{index}].name"), &mount.name));
    for (path, text) in command.chain(args).chain(env).chain(single).chain(mounts) {
        for variable in vars::names(text) {
            if variable.starts_with("params") {
                let Some(param) = param_of(&spec.params, variable) else {
                    notes.wrong(&path, format!("$({variable}): no such parameter is declared"));
                    continue;
                };
                used.insert(format!("params {}", param.name));
                // A StepAction's folder is no text from outside, and has something before and behind it.
                if vars::whole(text).is_none() && !param.name.ends_with("-path") {
                    notes.style(&path, format!("$({variable}) must be the whole value, not a part of it"));
                }
                let list = variable.ends_with("[*]");
                if param.kind() == Type::Array && !variable.contains('[') || list && param.kind() == Type::String {
                    notes.wrong(&path, format!("$({variable}): the parameter is {}", param.kind()));
                }
            } else if let Some((name, _)) = named(variable.strip_prefix("step.").unwrap_or(variable), "results") {
                used.insert(format!("results {name}"));
                if !spec.results.iter().any(|result| result.name == name) {
                    notes.wrong(&path, format!("$({variable}): no such result is declared"));
                }
            } else if let Some((name, _)) = named(variable, "workspaces") {
                used.insert(format!("workspaces {name}"));
                if !spec.workspaces.iter().any(|workspace| workspace.name == name) {
                    notes.wrong(&path, format!("$({variable}): no such workspace is declared"));
                }
            }
        }
    }
}

/// Every `--flag` must exist in the program; programs that are not ours are not known here.
pub fn flags(step: &StepSpec, at: &str, programs: &[clap::Command], notes: &mut Notes) {
    let words: Vec<&str> = step.command.iter().chain(&step.args).map(String::as_str).collect();
    let Some(name) = words.first().and_then(|program| program.rsplit('/').next()) else { return };
    let Some(mut program) = programs.iter().find(|program| program.get_name() == name) else { return };
    for (index, word) in words.iter().enumerate().skip(1).take_while(|(_, word)| **word != "--") {
        let place = match index.checked_sub(step.command.len()) {
            Some(index) => format!("{at}.args[{index}]"),
            None => format!("{at}.command[{index}]"),
        };
        let Some(flag) = word.strip_prefix("--") else {
            program = program.find_subcommand(word).unwrap_or(program);
            continue;
        };
        let flag = flag.split('=').next().unwrap_or_default();
        let known = program.get_arguments().any(|arg| {
            arg.get_long() == Some(flag) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&flag))
        });
        if !known && !["help", "version"].contains(&flag) {
            notes.wrong(place, format!("{} has no flag --{flag}", program.get_name()));
        }
    }
}
