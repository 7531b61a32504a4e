//! What became different: the fields of an object before and after it was applied.

use serde_json::{Map, Value};

use crate::step::KeyValue;

/// How many fields are told; the rest is counted.
const MOST: usize = 12;
/// How much of a value is told, in characters.
const LENGTH: usize = 60;
/// What the API server, controllers and other tools keep in every object.
const BOOKKEEPING: [&str; 7] = [
    "/metadata/managedFields",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/uid",
    "/metadata/creationTimestamp",
    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    "/metadata/annotations/deployment.kubernetes.io~1revision",
];

/// What applying did to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was different, in these fields.
    Configured(Vec<String>),
    /// It was just so.
    Unchanged,
}

impl Outcome {
    /// Compares an object before and after, but for the label `ours`, which tells whose it is.
    pub fn of(before: Option<&Value>, after: &Value, ours: &str) -> Self {
        let Some(before) = before else { return Self::Created };
        let hide = text_of(after, "kind") == "Secret";
        let mut differences = Differences { found: Vec::new(), hide };
        differences.compare(String::new(), Some(&content(before, ours)), Some(&content(after, ours)));
        match differences.found.is_empty() {
            true => Self::Unchanged,
            false => Self::Configured(differences.found),
        }
    }

    /// Whether anything is different.
    pub fn changed(&self) -> bool {
        *self != Self::Unchanged
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Unchanged => f.write_str("unchanged"),
            Self::Configured(fields) => {
                write!(f, "configured: {}", fields[..fields.len().min(MOST)].join(", "))?;
                match fields.len().saturating_sub(MOST) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// An object without its status and without what is kept in every object.
fn content(object: &Value, ours: &str) -> Value {
    let mut content = object.clone();
    if let Value::Object(map) = &mut content {
        map.shift_remove("status");
    }
    for pointer in BOOKKEEPING {
        remove(&mut content, pointer);
    }
    remove(&mut content, &format!("/metadata/labels/{}", ours.replace('/', "~1")));
    content
}

/// Takes a field away, and the map it was alone in.
fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, field)) = pointer.rsplit_once('/') else { return };
    let Some(Value::Object(map)) = value.pointer_mut(parent) else { return };
    let removed = map.shift_remove(&field.replace("~1", "/")).is_some();
    if removed && map.is_empty() {
        remove(value, parent);
    }
}

struct Differences {
    found: Vec<String>,
    hide: bool,
}

impl Differences {
    fn compare(&mut self, path: String, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(before), Some(after)) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => self.maps(&path, before, after),
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.lists(&path, before, after),
            (before, after) => {
                let told = format!("{path} {} → {}", self.told(&path, before), self.told(&path, after));
                self.found.push(told);
            }
        }
    }

    fn maps(&mut self, path: &str, before: &Map<String, Value>, after: &Map<String, Value>) {
        let new = after.keys().filter(|key| !before.contains_key(*key));
        for key in before.keys().chain(new) {
            self.compare(inside(path, key), before.get(key), after.get(key));
        }
    }

    /// Items that have names are the same when their names are, wherever they stand.
    fn lists(&mut self, path: &str, before: &[Value], after: &[Value]) {
        let (Some(old), Some(new)) = (names(before), names(after)) else {
            for index in 0..before.len().max(after.len()) {
                self.compare(format!("{path}[{index}]"), before.get(index), after.get(index));
            }
            return;
        };
        let item = |list: &[&str], name: &str| list.iter().position(|one| *one == name);
        let added = new.iter().filter(|name| !old.contains(name));
        for name in old.iter().chain(added) {
            let (before, after) = (item(&old, name).map(|at| &before[at]), item(&new, name).map(|at| &after[at]));
            self.compare(format!("{path}[name={name}]"), before, after);
        }
    }

    fn told(&self, path: &str, value: Option<&Value>) -> String {
        let Some(value) = value else { return "nothing".to_owned() };
        let whole = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Maps and lists that come or go as a whole may hold anything.
        let named = KeyValue { key: format!("{path} {}", if value.is_string() { "" } else { &whole }), value: whole };
        let shown = if self.hide { "***" } else { named.shown() };
        match shown.char_indices().nth(LENGTH) {
            Some((end, _)) => format!("{:?}…", &shown[..end]),
            None if value.is_string() && shown != "***" => format!("{shown:?}"),
            None => shown.to_owned(),
        }
    }
}

fn inside(path: &str, key: &str) -> String {
    match (path, key.contains(['.', '[', ']', '='])) {
        (_, true) => format!("{path}[{key:?}]"),
        ("", false) => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// The items' names, when each has one of its own.
fn names(items: &[Value]) -> Option<Vec<&str>> {
    let names: Vec<&str> = items.iter().map(|item| item.get("name").and_then(Value::as_str)).collect::<Option<_>>()?;
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (sorted.len() == names.len()).then_some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(before: Value, after: Value) -> String {
        Outcome::of(Some(&before), &after, "streamgauge.dev/run").to_string()
    }

    #[test]
    fn fields_are_told_as_they_would_be_set() {
        let object = |replicas: u32, image: &str, more: Value| {
            json!({"kind": "Deployment", "metadata": {"labels": {"a.b/c": image}}, "spec": {"replicas": replicas, "containers": [
                {"name": "app", "image": image}, more]}})
        };
        assert_eq!(
            told(object(1, "a:1", json!({"name": "x"})), object(3, "a:2", json!({"name": "y"}))),
            "configured: metadata.labels[\"a.b/c\"] \"a:1\" → \"a:2\", spec.replicas 1 → 3, \
             spec.containers[name=app].image \"a:1\" → \"a:2\", spec.containers[name=x] {\"name\":\"x\"} → nothing, \
             spec.containers[name=y] nothing → {\"name\":\"y\"}"
        );
    }

    #[test]
    fn what_only_the_server_and_this_program_keep_is_no_change() {
        let object = |version: &str, run: Value| {
            json!({"kind": "ConfigMap", "data": {"a": "b"}, "status": {"seen": version},
            "metadata": {"name": "m", "resourceVersion": version, "generation": version, "labels": run}})
        };
        let run = |id: &str| json!({"streamgauge.dev/run": id});
        assert_eq!(told(object("1", run("a")), object("2", run("b"))), "unchanged");
        let unlabelled = json!({"kind": "ConfigMap", "data": {"a": "b"}, "metadata": {"name": "m"}});
        assert_eq!(told(unlabelled, object("2", run("b"))), "unchanged");
    }

    #[test]
    fn values_of_secrets_are_not_told() {
        let secret = |value: &str| json!({"kind": "Secret", "data": {"a": value}});
        assert_eq!(told(secret("aGk="), secret("aHU=")), "configured: data.a *** → ***");
        let env = |value: &str| json!({"kind": "Pod", "env": [{"name": "REDIS_PASSWORD", "value": value}]});
        assert_eq!(told(env("a"), env("b")), "configured: env[name=REDIS_PASSWORD].value *** → ***");
        let none = json!({"kind": "Pod", "env": []});
        assert_eq!(told(none, env("hush")), "configured: env[name=REDIS_PASSWORD] nothing → ***");
    }

    #[test]
    fn much_is_cut_short() {
        let map = |value: &str| {
            let fields = (0..14).map(|number| (format!("k{number}"), json!(value)));
            json!({"kind": "ConfigMap", "data": fields.collect::<Map<_, _>>()})
        };
        let told = told(map("a"), map(&"b".repeat(100)));
        assert!(told.contains(&format!("data.k0 \"a\" → \"{}\"…", "b".repeat(60))), "{told}");
        assert!(told.ends_with(" and 2 more"), "{told}");
    }
}
