//! A page about a file's form, from its JSON Schema.

use minijinja::Environment;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Error, readme};

/// The form of the page.
const TEMPLATE: &str = include_str!("schema.md.j2");

/// An object of the schema.
#[derive(Debug, Serialize)]
struct Section {
    name: String,
    description: String,
    fields: Vec<Field>,
}

/// A field of an object.
#[derive(Debug, Serialize)]
struct Field {
    name: String,
    r#type: String,
    optional: bool,
    description: String,
}

/// The page about this file, whose schema is the text of this other one.
pub fn page(file: &str, origin: &str, text: &str) -> Result<String, Error> {
    let wrong = |reason| Error::Yaml { path: origin.into(), reason };
    let schema: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let whole = file.split('.').next().unwrap_or(file);
    let sections = Schema { root: &schema }.sections(whole).map_err(wrong)?;
    let mut environment = Environment::new();
    environment.add_filter("cell", readme::cell);
    let context = minijinja::context! {
        file => file,
        origin => origin,
        description => schema["description"].as_str().unwrap_or_default(),
        sections => minijinja::value::Serde(sections),
    };
    let filled = environment.render_str(TEMPLATE, context);
    filled.map_err(|source| Error::Template { name: file.to_owned(), source })
}

/// A whole schema, to which its parts refer.
struct Schema<'a> {
    root: &'a Value,
}

impl<'a> Schema<'a> {
    /// Every object with named fields: the file itself, then those that it is made of, in the schema's order.
    fn sections(&self, whole: &str) -> Result<Vec<Section>, String> {
        let mut sections = Vec::new();
        self.object(whole, "", self.root, &mut sections)?;
        for (name, part) in self.root["$defs"].as_object().into_iter().flatten() {
            let description = part["description"].as_str().unwrap_or_default();
            self.object(name, description, part, &mut sections)?;
        }
        Ok(sections)
    }

    /// An object as a section, and those inside it.
    fn object(&self, name: &str, description: &str, part: &Value, sections: &mut Vec<Section>) -> Result<(), String> {
        let Some(properties) = part["properties"].as_object() else { return Ok(()) };
        let fields = properties.iter().map(|(field, form)| self.field(name, field, form, part));
        let fields = fields.collect::<Result<Vec<Field>, String>>()?;
        sections.push(Section { name: name.to_owned(), description: description.to_owned(), fields });
        for (field, form) in properties {
            let description = form["description"].as_str().unwrap_or_default();
            self.object(&format!("{name}.{field}"), description, form, sections)?;
        }
        Ok(())
    }

    fn field(&self, object: &str, name: &str, form: &Value, part: &Value) -> Result<Field, String> {
        let description = form["description"].as_str();
        let description =
            description.ok_or_else(|| format!("{name} of {object} has no description: say what it means"))?;
        let required = part["required"].as_array().into_iter().flatten().any(|one| one == name);
        let words = if form["properties"].is_object() { link(&format!("{object}.{name}")) } else { self.words(form) };
        Ok(Field { name: name.to_owned(), r#type: words, optional: !required, description: description.to_owned() })
    }

    /// What a value may be, in words.
    fn words(&self, form: &'a Value) -> String {
        if let Some((name, meant)) = self.meant(form) {
            return if meant["properties"].is_object() { link(name) } else { self.words(meant) };
        }
        let list = |key: &str| form[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let all = |forms: &'a [Value]| forms.iter().map(|one| self.words(one)).collect::<Vec<_>>();
        let of = |key: &str| Some(&form[key]).filter(|inner| inner.is_object()).map(|inner| self.words(inner));
        if let Some(title) = form["title"].as_str() {
            return title.to_owned();
        }
        if let Some(only) = form.get("const") {
            return format!("`{only}`");
        }
        if let Some(forms) = form["anyOf"].as_array() {
            return all(forms).join(" or ");
        }
        if let Some(values) = form["enum"].as_array() {
            return values.iter().map(literal).collect::<Vec<_>>().join(", ");
        }
        if let Some(types) = form["type"].as_array() {
            return types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ");
        }
        match (form["type"].as_str().unwrap_or("anything"), of("items"), of("additionalProperties")) {
            ("array", _, _) if !list("prefixItems").is_empty() => format!("[{}]", all(list("prefixItems")).join(", ")),
            ("array", Some(items), _) => format!("list of {items}"),
            ("object", _, Some(values)) => format!("object of {values}"),
            ("boolean", _, _) => "true or false".to_owned(),
            ("integer", _, _) => "whole number".to_owned(),
            (plain, _, _) => plain.to_owned(),
        }
    }

    /// The part that a form refers to, and its name.
    fn meant(&self, form: &'a Value) -> Option<(&'a str, &'a Value)> {
        let name = form["$ref"].as_str()?.strip_prefix("#/$defs/")?;
        let parts: Option<&Map<String, Value>> = self.root["$defs"].as_object();
        Some((name, parts?.get(name)?))
    }
}

/// A value as it stands in the file.
fn literal(value: &Value) -> String {
    match value.as_str() {
        Some("") => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
        None => format!("`{value}`"),
    }
}

/// A link to the section of an object, where GitHub puts it.
fn link(section: &str) -> String {
    let anchor: String = section.chars().filter(|letter| *letter != '.').collect::<String>().to_lowercase();
    format!("[{section}](#{anchor})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "description": "A file.",
        "required": ["version"],
        "properties": {
            "version": { "const": 1, "description": "Its version." },
            "parts": { "type": "array", "items": { "$ref": "#/$defs/part" }, "description": "What it has | is." }
        },
        "$defs": {
            "time": { "title": "time", "type": "string" },
            "part": {
                "description": "A part.",
                "properties": {
                    "at": { "anyOf": [{ "$ref": "#/$defs/time" }, { "type": "null" }], "description": "When." },
                    "kind": { "enum": ["", "a"], "description": "What." },
                    "pair": { "type": "array", "prefixItems": [{ "type": "number" }, { "type": "integer" }], "description": "Two." },
                    "inner": { "type": "object", "description": "More.", "properties": { "open": { "type": "boolean", "description": "Whether." } } },
                    "labels": { "type": "object", "additionalProperties": { "type": ["string", "null"] }, "description": "By name." }
                }
            }
        }
    }"##;

    #[test]
    fn every_field_is_told_with_what_it_may_be() {
        let page = page("file.json", "schema.json", SCHEMA).unwrap();
        insta::assert_snapshot!(page.split_once("to people.\n").unwrap().1, @r"
        ## file

        | field | type | meaning |
        |---|---|---|
        | `version` | `1` | Its version. |
        | `parts` | list of [part](#part), optional | What it has \| is. |

        ## part

        A part.

        | field | type | meaning |
        |---|---|---|
        | `at` | time or null, optional | When. |
        | `kind` | empty, `a`, optional | What. |
        | `pair` | [number, whole number], optional | Two. |
        | `inner` | [part.inner](#partinner), optional | More. |
        | `labels` | object of string or null, optional | By name. |

        ## part.inner

        More.

        | field | type | meaning |
        |---|---|---|
        | `open` | true or false, optional | Whether. |
        ");
    }

    #[test]
    fn a_field_that_says_nothing_about_itself_is_refused() {
        let silent = SCHEMA.replace(r#", "description": "When.""#, "");
        let error = page("file.json", "schema.json", &silent).unwrap_err().to_string();
        assert_eq!(error, "schema.json: at of part has no description: say what it means");
    }
}
