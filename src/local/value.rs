//! Values of parameters and results: strings, arrays of strings, objects of strings.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The value of a parameter or a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A string.
    String(String),
    /// An array of strings.
    Array(Vec<String>),
    /// An object whose values are strings.
    Object(BTreeMap<String, String>),
}

/// The type of a parameter or a result, as `type:` declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// A string.
    #[default]
    String,
    /// An array of strings.
    Array,
    /// An object whose values are strings.
    Object,
}

impl Type {
    /// The type that Tekton tells from a result's text.
    pub fn of(text: &str) -> Self {
        let is = |kind| Value::parse(text, kind).is_some();
        if is(Self::Array) {
            Self::Array
        } else if is(Self::Object) {
            Self::Object
        } else {
            Self::String
        }
    }
}

impl Value {
    /// The value's type.
    pub fn kind(&self) -> Type {
        match self {
            Self::String(_) => Type::String,
            Self::Array(_) => Type::Array,
            Self::Object(_) => Type::Object,
        }
    }

    /// Reads JSON text as this type; `None` when it is not of the type.
    pub fn parse(text: &str, kind: Type) -> Option<Self> {
        match kind {
            Type::String => Some(Self::String(text.to_owned())),
            Type::Array => serde_json::from_str(text).ok().map(Self::Array),
            Type::Object => serde_json::from_str(text).ok().map(Self::Object),
        }
    }

    /// The strings in it.
    pub fn strings(&self) -> Vec<&str> {
        match self {
            Self::String(text) => vec![text],
            Self::Array(items) => items.iter().map(String::as_str).collect(),
            Self::Object(map) => map.values().map(String::as_str).collect(),
        }
    }
}

/// Tekton takes a bare number or boolean for its text. A decimal is refused: YAML to JSON turns `1.0` into `1` on a
/// cluster, which nobody means.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self::String(text)),
            serde_json::Value::Bool(value) => Ok(Self::String(value.to_string())),
            serde_json::Value::Number(number) if !number.is_f64() => Ok(Self::String(number.to_string())),
            value @ serde_json::Value::Array(_) => {
                serde_json::from_value(value).map(Self::Array).map_err(|_| Error::custom("array items must be strings"))
            }
            value @ serde_json::Value::Object(_) => serde_json::from_value(value)
                .map(Self::Object)
                .map_err(|_| Error::custom("object values must be strings")),
            other => Err(Error::custom(format!("{other} is not a string: put it in quotes"))),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            other => f.write_str(&serde_json::to_string(other).unwrap_or_default()),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        })
    }
}
