//! What a run sets in its manifests: `spec.replicas=3`, `Deployment/web:spec.replicas=3`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::Error;
use super::documents::{Manifest, yaml};
use super::path::{Path, Stop};
use crate::step::KeyValue;

/// Maps whose values are strings in every kind: a number there is meant as its text.
const STRING_MAPS: [&str; 6] = ["labels", "annotations", "matchLabels", "nodeSelector", "stringData", "data"];

/// A change to all objects that have the place, or to those of one kind or name.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// As it was given, without the value.
    place: String,
    kind: Option<String>,
    name: Option<String>,
    path: Path,
    value: String,
}

impl FromStr for Setting {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Setting { setting: left_of(given).to_owned(), why };
        let (selector, rest) = match given.split_once(':') {
            Some((selector, rest)) if is_selector(selector) => (Some(selector), rest),
            _ => (None, given),
        };
        let (path, value) = Path::before_value(rest).map_err(wrong)?;
        let (kind, name) = match selector.map(|selector| selector.split_once('/').ok_or(selector)) {
            Some(Ok((kind, name))) => (Some(kind.to_owned()), Some(name.to_owned())),
            Some(Err(kind)) => (Some(kind.to_owned()), None),
            None => (None, None),
        };
        let place = given[..given.len() - value.len() - 1].to_owned();
        Ok(Self { place, kind, name, path, value: value.to_owned() })
    }
}

/// What stands before the value, for messages: the value may be a secret.
fn left_of(given: &str) -> &str {
    let end = given.rfind("]=").map(|at| at + 1).or_else(|| given.find('='));
    &given[..end.unwrap_or(given.len())]
}

/// `Kind` or `Kind/name`. Kinds begin with a capital, fields of an object do not.
fn is_selector(text: &str) -> bool {
    let (kind, name) = text.split_once('/').unwrap_or((text, "x"));
    kind.starts_with(|first: char| first.is_ascii_uppercase())
        && kind.chars().all(|letter| letter.is_ascii_alphanumeric())
        && !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._:".contains(letter))
}

impl Setting {
    /// Makes the change. With `make`, what is missing on the way is made. Returns whether it touched a Secret.
    pub fn apply(&self, manifests: &mut [Manifest], make: bool) -> Result<bool, Error> {
        let option = if make { "--add" } else { "--set" };
        let unmatched = |why| Error::Unmatched { option, setting: self.place.clone(), why };
        let value = Typed::read(&self.value)
            .map_err(|why| Error::Setting { setting: self.place.clone(), why: format!("the value {why}") })?;
        let always_text = self.path.passes(&STRING_MAPS);
        let mut farthest: Option<(Stop, String)> = None;
        let (mut touched, mut secret) = (0, false);
        for manifest in manifests.iter_mut().filter(|manifest| self.chooses(manifest)) {
            let changed = self.path.change(&mut manifest.content, make, &|old| value.instead_of(old, always_text));
            match changed {
                Ok(()) => (touched, secret) = (touched + 1, secret || manifest.is_secret()),
                Err(stop) if farthest.as_ref().is_none_or(|(far, _)| far.depth < stop.depth) => {
                    farthest = Some((stop, manifest.to_string()));
                }
                Err(_) => {}
            }
        }
        match farthest {
            _ if touched > 0 => Ok(secret),
            Some((stop, object)) => Err(unmatched(format!("in {object}, {}", stop.why))),
            None => {
                let all: Vec<String> = manifests.iter().map(ToString::to_string).collect();
                Err(unmatched(format!("there are only {}", all.join(", "))))
            }
        }
    }

    fn chooses(&self, manifest: &Manifest) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == manifest.kind())
            && self.name.as_deref().is_none_or(|name| name == manifest.name())
    }

    /// As logs and reports may show it.
    pub fn shown(&self, secret: bool) -> (String, String) {
        let pair = KeyValue { key: self.place.clone(), value: self.value.clone() };
        let value = if secret { "***" } else { pair.shown() };
        (self.place.clone(), value.to_owned())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// A value as YAML reads it, and as it was written.
struct Typed {
    text: String,
    /// None for text that is not YAML, as `*/5 * * * *`.
    value: Option<Value>,
    /// Whether it is `null`: the place is to go.
    nothing: bool,
    /// Whether the type was said, as in `!!int 8080`.
    tagged: bool,
}

impl Typed {
    fn read(text: &str) -> Result<Self, String> {
        let value = serde_saphyr::from_str_with_options(text, yaml()).ok();
        let tagged = text.starts_with("!!");
        if tagged && value.is_none() {
            return Err(format!("{text:?} is not of the type it names"));
        }
        Ok(Self { text: text.to_owned(), value, nothing: matches!(text, "null" | "~"), tagged })
    }

    /// The value for a place that held `old`: where there was a string there will be one, so that a tag `1.10`, an argument
    /// `true` and JSON in a ConfigMap stay what they are.
    fn instead_of(&self, old: Option<&Value>, always_text: bool) -> Option<Value> {
        if self.nothing {
            return None;
        }
        let string = always_text || matches!(old, Some(Value::String(_)));
        Some(match &self.value {
            Some(Value::String(unquoted)) if self.text.starts_with(['"', '\'', '|', '>', '!']) => {
                Value::String(unquoted.clone())
            }
            Some(Value::String(_) | Value::Null) | None => Value::String(self.text.clone()),
            Some(value) if self.tagged || !string => value.clone(),
            Some(_) => Value::String(self.text.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifests() -> Vec<Manifest> {
        let object = |content| Manifest { origin: "web.yaml".to_owned(), content };
        vec![
            object(json!({"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1, "image": "a:1",
                "port": "http", "env": [{"name": "X", "value": "1"}]}})),
            object(json!({"kind": "Deployment", "metadata": {"name": "api"}, "spec": {"replicas": 1}})),
            object(json!({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "x"}})),
        ]
    }

    fn set(setting: &str, make: bool) -> Result<Vec<Manifest>, Error> {
        let mut manifests = manifests();
        setting.parse::<Setting>()?.apply(&mut manifests, make)?;
        Ok(manifests)
    }

    fn web(setting: &str, pointer: &str) -> Value {
        set(setting, false).unwrap()[0].content.pointer(pointer).cloned().unwrap_or_default()
    }

    #[test]
    fn values_are_typed_and_where_there_was_a_string_there_will_be_one() {
        assert_eq!(web("spec.replicas=3", "/spec/replicas"), json!(3));
        assert_eq!(web("spec.replicas=true", "/spec/replicas"), json!(true));
        assert_eq!(web("spec.replicas={\"a\": [1]}", "/spec/replicas"), json!({"a": [1]}));
        assert_eq!(web("spec.image=1.10", "/spec/image"), json!("1.10"));
        assert_eq!(web("spec.image='1.10'", "/spec/image"), json!("1.10"));
        assert_eq!(web("spec.image=a:2=b", "/spec/image"), json!("a:2=b"));
        assert_eq!(web("spec.image=*/5 * * * *", "/spec/image"), json!("*/5 * * * *"));
        assert_eq!(web("spec.image={\"a\": 1}", "/spec/image"), json!("{\"a\": 1}"));
        assert_eq!(web("spec.image=", "/spec/image"), json!(""));
        assert_eq!(web("spec.port=!!int 8080", "/spec/port"), json!(8080));
        assert_eq!(web("spec.env[name=X].value=2", "/spec/env/0/value"), json!("2"));
        assert_eq!(web("spec.image=null", "/spec/image"), Value::Null);
    }

    #[test]
    fn labels_and_data_that_are_added_are_strings() {
        let made = set("Deployment:metadata.labels.build=1234", true).unwrap();
        assert_eq!(made[0].content["metadata"]["labels"]["build"], "1234");
        assert_eq!(made[2].content["metadata"].get("labels"), None);
        assert_eq!(set("Secret/s:stringData.pin=12", true).unwrap()[2].content["stringData"]["pin"], "12");
    }

    #[test]
    fn a_setting_can_be_for_one_kind_or_one_object() {
        let replicas = |setting| {
            let all = set(setting, false).unwrap();
            (all[0].content["spec"]["replicas"].clone(), all[1].content["spec"]["replicas"].clone())
        };
        assert_eq!(replicas("spec.replicas=3"), (json!(3), json!(3)));
        assert_eq!(replicas("Deployment:spec.replicas=3"), (json!(3), json!(3)));
        assert_eq!(replicas("Deployment/api:spec.replicas=3"), (json!(1), json!(3)));
    }

    #[test]
    fn a_setting_that_matches_nothing_is_refused() {
        let why = |setting| set(setting, false).unwrap_err().to_string();
        assert_eq!(
            why("spec.replica=3"),
            "--set \"spec.replica\" matches nothing: in Deployment/web, spec has replicas, image, port, env, and no replica"
        );
        assert_eq!(
            why("Deployment/wbe:spec.replicas=3"),
            "--set \"Deployment/wbe:spec.replicas\" matches nothing: there are only Deployment/web, Deployment/api, Secret/s"
        );
        assert_eq!(why("spec.replicas"), "\"spec.replicas\" is not [Kind[/name]:]path=value: there is no '='");
    }

    #[test]
    fn secrets_are_told_by_name_only() {
        let setting: Setting = "Secret/s:stringData.password=hush".parse().unwrap();
        let secret = setting.apply(&mut manifests(), false).unwrap();
        assert_eq!(setting.shown(secret), ("Secret/s:stringData.password".to_owned(), "***".to_owned()));
        let setting: Setting = "spec.replicas=3".parse().unwrap();
        let secret = setting.apply(&mut manifests(), false).unwrap();
        assert_eq!(setting.shown(secret).1, "3");
        let refused = "stringData[x]=hush".parse::<Setting>().unwrap_err().to_string();
        assert!(!refused.contains("hush"), "{refused}");
    }
}
