//! In what two runs differ: their circumstances, which make them comparable or not, and the application's settings, which are
//! what is tested.

use serde_json::Value;

use crate::report::{Component, Difference, Load, Report, number, quantity};

/// Loads whose numbers differ by less than this share are the same: those of a replay are what the records made them.
const SAME: f64 = 0.01;

/// Where the records came from. A load that kept its schedule is the same from whichever computer, and pods move between them.
const LOADER: &str = "node.loader";

/// In what the environment and the load of two runs differ. Numbers of runs with such a difference are not to be compared.
pub fn circumstances(baseline: &Report, this: &Report) -> Vec<Difference> {
    let environment = |report: &Report| {
        let known = report.environment.iter().flat_map(|environment| &environment.fingerprint);
        known.filter(|(name, _)| *name != LOADER).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut found = different(environment(baseline), environment(this));
    let (Some(before), Some(now)) = (&baseline.load, &this.load) else { return found };
    found.extend(different(words(before), words(now)));
    for (name, unit, of) in NUMBERS {
        let (before, now) = (of(before), of(now));
        if (before - now).abs() > SAME * before.abs().max(now.abs()) {
            let said = |value| quantity(value, unit);
            found.push(Difference { name: name.to_owned(), baseline: said(before), this: said(now) });
        }
    }
    found
}

/// In what the application's own settings differ: its properties, and how many instances of which size it has.
pub fn settings(baseline: &Report, this: &Report) -> Vec<Difference> {
    different(own(baseline), own(this))
}

/// A number of the load: its name, its unit, and where it is.
type Number = (&'static str, &'static str, fn(&Load) -> f64);

const NUMBERS: [Number; 3] = [
    ("load.rate", "records/s", |load| load.rate),
    ("load.duration", "s", |load| if load.rate > 0.0 { load.planned as f64 / load.rate } else { 0.0 }),
    ("load.warm-up", "s", |load| load.warm_up),
];

fn words(load: &Load) -> Vec<(String, String)> {
    let known = [
        ("load.engine", &load.engine),
        ("load.profile", &load.profile),
        ("load.source", &load.source),
        ("load.compression", &load.compression),
    ];
    known.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn own(report: &Report) -> Vec<(String, String)> {
    let Some(app) = &report.app else { return Vec::new() };
    let id = report.run.as_ref().map_or("", |run| run.id.as_str());
    let said = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        without(&text, id)
    };
    let properties = app.properties.iter().map(|(name, value)| (name.clone(), said(value)));
    properties.chain(app.components.iter().flat_map(size)).collect()
}

/// The text without the run's id where that is a word of it: a group or a topic that is called after the run is another in each,
/// and tells nothing. An id of digits alone is no such name, any number may hold it.
fn without(text: &str, id: &str) -> String {
    if id.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(id) {
        out += before;
        let is_word = !out.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        out += if is_word { "(this run)" } else { id };
        rest = after;
    }
    out + rest
}

fn size(component: &Component) -> Vec<(String, String)> {
    let mebibytes = |bytes: u64| format!("{} MiB", number(bytes as f64 / 1_048_576.0));
    let known = [
        ("parallelism", Some(component.parallelism.to_string())),
        ("cpu", component.cpu.map(number)),
        ("ram", component.ram_bytes.map(mebibytes)),
        ("disk", component.disk_bytes.map(mebibytes)),
    ];
    known.into_iter().filter_map(|(what, value)| Some((format!("{}.{what}", component.name), value?))).collect()
}

/// The names with different values, in the order of this run's; what one side lacks is different too, and empty there.
fn different(baseline: Vec<(String, String)>, this: Vec<(String, String)>) -> Vec<Difference> {
    let of = |known: &[(String, String)], name: &str| {
        known.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let gone = baseline.iter().filter(|(name, _)| !this.iter().any(|(known, _)| known == name));
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in this.iter().chain(gone) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let pair = |name: &String| {
        let (baseline, this) = (of(&baseline, name), of(&this, name));
        Difference { name: name.clone(), baseline, this }
    };
    names.into_iter().map(pair).filter(|difference| difference.baseline != difference.this).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::{App, Run};

    fn report(id: &str, properties: Value, components: &[(&str, u32)]) -> Report {
        let component = |(name, parallelism): &(&str, u32)| Component {
            name: (*name).to_owned(),
            parallelism: *parallelism,
            ram_bytes: Some(1 << 30),
            ..Component::default()
        };
        Report {
            run: Some(Run { id: id.into(), ..Run::default() }),
            app: Some(App {
                properties: properties.as_object().unwrap().clone(),
                components: components.iter().map(component).collect(),
                ..App::default()
            }),
            load: Some(Load { rate: 10_000.0, planned: 600_000, profile: "constant".into(), ..Load::default() }),
            ..Report::default()
        }
    }

    fn said(differences: Vec<Difference>) -> Vec<String> {
        differences
            .into_iter()
            .map(|Difference { name, baseline, this }| format!("{name}: {baseline:?} → {this:?}"))
            .collect()
    }

    #[test]
    fn settings_are_properties_and_components_and_not_the_runs_own_name() {
        let before = report("run-1", json!({"a": 1, "group": "perf-run-1", "old": true}), &[("transformer", 28)]);
        let now = report("run-2", json!({"a": 2, "group": "perf-run-2"}), &[("transformer", 29), ("audit", 1)]);
        assert_eq!(
            said(settings(&before, &now)),
            [
                r#"a: "1" → "2""#,
                r#"transformer.parallelism: "28" → "29""#,
                r#"audit.parallelism: "" → "1""#,
                r#"audit.ram: "" → "1,024 MiB""#,
                r#"old: "true" → """#
            ]
        );
        assert_eq!(settings(&now, &now), []);
    }

    #[test]
    fn a_runs_id_is_left_out_where_it_is_a_word() {
        assert_eq!(without("perf-run-2, run-2.out", "run-2"), "perf-(this run), (this run).out");
        assert_eq!(without("run-29 prerun-2", "run-2"), "run-29 prerun-2");
        assert_eq!(without("30000", "3"), "30000");
        assert_eq!(without("3 of 30", "3"), "3 of 30");
        assert_eq!(without("any", ""), "any");
    }

    #[test]
    fn circumstances_are_the_environment_and_the_load() {
        let mut before = report("run-1", json!({"a": 1}), &[]);
        let mut now = report("run-2", json!({"a": 2}), &[]);
        before.note_environment("kafka", "metadata.version 25");
        now.note_environment("kafka", "metadata.version 29");
        now.note_environment("node", "x");
        now.note_environment(LOADER, "another computer");
        let load = now.load.as_mut().unwrap();
        (load.rate, load.planned, load.profile) = (20_000.0, 1_200_000, "ramp:1000".into());
        assert_eq!(
            said(circumstances(&before, &now)),
            [
                r#"kafka: "metadata.version 25" → "metadata.version 29""#,
                r#"node: "" → "x""#,
                r#"load.profile: "constant" → "ramp:1000""#,
                r#"load.rate: "10,000/s" → "20,000/s""#
            ]
        );
    }

    #[test]
    fn loads_that_differ_by_a_few_records_are_the_same() {
        let before = report("run-1", json!({}), &[]);
        let mut now = before.clone();
        (now.load.as_mut().unwrap().rate, now.load.as_mut().unwrap().planned) = (10_040.0, 602_100);
        assert_eq!(circumstances(&before, &now), []);
    }
}
