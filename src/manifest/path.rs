//! One place in an object: `spec.containers[name=app].image`, `metadata.labels["app.kubernetes.io/name"]`.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};

/// A step on the way to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// A field of a map.
    Field(String),
    /// An item of a list, counted from 0.
    Index(usize),
    /// The items of a list whose field has this value.
    Item(String, String),
    /// All items of a list.
    Each,
    /// A new item behind the last.
    New,
}

/// The way to a place, or to several alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

/// What is done at the place: it gets the old value, and gives the new one, or none for it to go.
pub type Change<'a> = dyn Fn(Option<&Value>) -> Option<Value> + 'a;

/// Where a path has no way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// How many steps of it were there.
    pub depth: usize,
    /// Where it stops and what is there.
    pub why: String,
}

impl Path {
    /// Reads the path before the first `=` that is not part of it, and returns it with the text behind.
    pub fn before_value(text: &str) -> Result<(Self, &str), String> {
        let mut reader = Reader { rest: text.chars().peekable(), left: text.len() };
        let mut segments = Vec::new();
        loop {
            match reader.peek() {
                Some('=') => break,
                Some('[') => segments.push(reader.brackets()?),
                // One at the start is jq's and yq's way to begin.
                Some('.') => {
                    reader.next();
                }
                Some(_) => segments.push(Segment::Field(reader.field()?)),
                None => return Err("there is no '='".to_owned()),
            }
        }
        if segments.is_empty() {
            return Err("there is no path".to_owned());
        }
        Ok((Self(segments), &text[text.len() - reader.left + 1..]))
    }

    /// Changes the value at this place. With `make`, maps and items that are missing on the way are made.
    pub fn change(&self, root: &mut Value, make: bool, change: &Change<'_>) -> Result<(), Stop> {
        self.walk(root, 0, make, change)
    }

    /// Whether the place is in one of these fields, as the labels of any object.
    pub fn passes(&self, fields: &[&str]) -> bool {
        let passed = self.0.len().saturating_sub(1);
        self.0[..passed]
            .iter()
            .any(|segment| matches!(segment, Segment::Field(name) if fields.contains(&name.as_str())))
    }

    fn walk(&self, value: &mut Value, depth: usize, make: bool, change: &Change<'_>) -> Result<(), Stop> {
        let Some(segment) = self.0.get(depth) else {
            *value = change(Some(value)).unwrap_or_default();
            return Ok(());
        };
        if make && value.is_null() {
            *value = match segment {
                Segment::Field(_) => Value::Object(Map::new()),
                _ => Value::Array(Vec::new()),
            };
        }
        let missing = self.stop(value, depth);
        match (segment, value) {
            (Segment::Field(name), Value::Object(map)) => {
                self.field(map, name, depth, make, change).unwrap_or(Err(missing))
            }
            (Segment::New, Value::Array(items)) if make => {
                let mut item = Value::Null;
                self.walk(&mut item, depth + 1, make, change)?;
                items.push(item);
                Ok(())
            }
            (_, Value::Array(items)) => {
                let chosen = items.iter_mut().enumerate().filter(|(index, item)| segment.chooses(*index, item));
                let outcomes: Vec<_> = chosen.map(|(_, item)| self.walk(item, depth + 1, make, change)).collect();
                // Where several are meant, those that have the field are enough.
                match outcomes.iter().any(Result::is_ok) {
                    true => Ok(()),
                    false => Err(outcomes.into_iter().find_map(Result::err).unwrap_or(missing)),
                }
            }
            _ => Err(missing),
        }
    }

    /// Goes on in a field; none when it is not there.
    fn field(
        &self,
        map: &mut Map<String, Value>,
        name: &str,
        depth: usize,
        make: bool,
        change: &Change<'_>,
    ) -> Option<Result<(), Stop>> {
        let old = map.get_mut(name);
        if depth + 1 < self.0.len() {
            let inside = match old {
                Some(inside) => inside,
                None if make => map.entry(name).or_insert(Value::Null),
                None => return None,
            };
            return Some(self.walk(inside, depth + 1, make, change));
        }
        if old.is_none() && !make {
            return None;
        }
        match change(old.as_deref()) {
            Some(new) => map.insert(name.to_owned(), new),
            None => map.shift_remove(name),
        };
        Some(Ok(()))
    }

    fn stop(&self, value: &Value, depth: usize) -> Stop {
        let here = if depth == 0 { "it".to_owned() } else { Self(self.0[..depth].to_vec()).to_string() };
        let wanted = Self(self.0[depth..=depth].to_vec());
        Stop { depth, why: format!("{here} {}, and no {wanted}", there(value)) }
    }
}

/// What is there, in few words.
fn there(value: &Value) -> String {
    match value {
        Value::Object(map) if map.is_empty() => "is an empty map".to_owned(),
        Value::Object(map) => format!("has {}", listed(map.keys().cloned())),
        Value::Array(items) if items.is_empty() => "is an empty list".to_owned(),
        Value::Array(items) => {
            let name = |(index, item): (usize, &Value)| match item.get("name").and_then(Value::as_str) {
                Some(name) => format!("[name={name}]"),
                None => format!("[{index}]"),
            };
            format!("has {}", listed(items.iter().enumerate().map(name)))
        }
        Value::Null => "is empty".to_owned(),
        Value::String(_) => "is a string".to_owned(),
        Value::Number(_) => "is a number".to_owned(),
        Value::Bool(_) => "is true or false".to_owned(),
    }
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    const MOST: usize = 20;
    let more = names.len().saturating_sub(MOST);
    let shown = names.take(MOST).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

impl Segment {
    fn chooses(&self, index: usize, item: &Value) -> bool {
        match self {
            Self::Index(wanted) => *wanted == index,
            Self::Item(key, wanted) => match item.get(key) {
                Some(Value::String(text)) => text == wanted,
                Some(Value::Bool(value)) => wanted.parse() == Ok(*value),
                Some(Value::Number(number)) => number.to_string().as_str() == wanted,
                _ => false,
            },
            Self::Each => true,
            Self::Field(_) | Self::New => false,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if name.contains(['.', '[', ']', '=', '"', ' ']) => write!(f, "[{name:?}]")?,
                Segment::Field(name) if number == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Item(key, value) => write!(f, "[{key}={value}]")?,
                Segment::Each => f.write_str("[*]")?,
                Segment::New => f.write_str("[+]")?,
            }
        }
        Ok(())
    }
}

/// A path's text, and how many bytes of it are left.
struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    left: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.left -= next.len_utf8();
        Some(next)
    }

    fn field(&mut self) -> Result<String, String> {
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            return self.quoted(quote);
        }
        self.until(&['.', '[', '='])
    }

    fn until(&mut self, ends: &[char]) -> Result<String, String> {
        let mut word = String::new();
        while let Some(next) = self.peek().filter(|next| !ends.contains(next)) {
            self.next();
            word.push(if next == '\\' { self.next().ok_or("it ends in a backslash")? } else { next });
        }
        Ok(word)
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        self.next();
        let mut word = String::new();
        while let Some(next) = self.next() {
            match next {
                _ if next == quote => return Ok(word),
                '\\' => word.extend(self.next()),
                _ => word.push(next),
            }
        }
        Err(format!("a {quote} is not closed"))
    }

    fn brackets(&mut self) -> Result<Segment, String> {
        self.next();
        let quoted = matches!(self.peek(), Some('"' | '\''));
        let word = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.until(&['=', ']'])?,
        };
        let segment = match (self.next(), word.as_str()) {
            (Some(']'), "*") if !quoted => Segment::Each,
            (Some(']'), "+") if !quoted => Segment::New,
            (Some(']'), _) if quoted => Segment::Field(word),
            (Some(']'), _) => {
                let index = word.parse();
                Segment::Index(
                    index.map_err(|_| format!("[{word}] is neither [0], [\"key\"], [name=value], [*] nor [+]"))?,
                )
            }
            (Some('='), _) => {
                let value = match self.peek() {
                    Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                    _ => self.until(&[']'])?,
                };
                if self.next() != Some(']') {
                    return Err("a [ is not closed".to_owned());
                }
                Segment::Item(word, value)
            }
            _ => return Err("a [ is not closed".to_owned()),
        };
        Ok(segment)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Value {
        json!({
            "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web"}},
            "spec": {"replicas": 1, "containers": [
                {"name": "app", "image": "a:1", "ports": [{"containerPort": 80}]},
                {"name": "side", "image": "s:1"}]},
        })
    }

    /// The object after this path has been set to "new".
    fn set(path: &str, make: bool) -> Result<Value, Stop> {
        let text = format!("{path}=x=y");
        let (path, value) = Path::before_value(&text).unwrap();
        assert_eq!(value, "x=y");
        let mut object = object();
        path.change(&mut object, make, &|_| Some(json!("new")))?;
        Ok(object)
    }

    fn at(path: &str, pointer: &str) {
        assert_eq!(set(path, false).unwrap().pointer(pointer), Some(&json!("new")), "{path}");
    }

    #[test]
    fn places_are_found_as_users_of_yq_and_helm_write_them() {
        at("spec.replicas", "/spec/replicas");
        at(".spec.replicas", "/spec/replicas");
        at("spec.containers[0].image", "/spec/containers/0/image");
        at("spec.containers[name=side].image", "/spec/containers/1/image");
        at("spec.containers[image=\"a:1\"].name", "/spec/containers/0/name");
        at("spec.containers[*].ports[containerPort=80].containerPort", "/spec/containers/0/ports/0/containerPort");
        at("metadata.labels[\"app.kubernetes.io/name\"]", "/metadata/labels/app.kubernetes.io~1name");
        at("metadata.labels.\"app.kubernetes.io/name\"", "/metadata/labels/app.kubernetes.io~1name");
        at(r"metadata.labels.app\.kubernetes\.io/name", "/metadata/labels/app.kubernetes.io~1name");
    }

    #[test]
    fn all_items_are_set_where_all_are_meant() {
        let after = set("spec.containers[*].image", false).unwrap();
        assert_eq!(after["spec"]["containers"][0]["image"], "new");
        assert_eq!(after["spec"]["containers"][1]["image"], "new");
    }

    #[test]
    fn a_path_that_leads_nowhere_says_where_it_stops_and_what_is_there() {
        let why = |path| set(path, false).unwrap_err().why;
        assert_eq!(why("spec.replica"), "spec has replicas, containers, and no replica");
        assert_eq!(
            why("spec.containers[name=ap].image"),
            "spec.containers has [name=app], [name=side], and no [name=ap]"
        );
        assert_eq!(why("spec.containers[2].image"), "spec.containers has [name=app], [name=side], and no [2]");
        assert_eq!(why("spec.replicas.x"), "spec.replicas is a number, and no x");
        assert_eq!(why("status"), "it has metadata, spec, and no status");
        assert_eq!(
            why("metadata.labels.app\\.kubernetes\\.io/part"),
            "metadata.labels has app.kubernetes.io/name, and no [\"app.kubernetes.io/part\"]"
        );
    }

    #[test]
    fn what_is_missing_is_made_when_that_is_asked_for() {
        let after = set("metadata.annotations.a\\.b/c", true).unwrap();
        assert_eq!(after["metadata"]["annotations"]["a.b/c"], "new");
        let after = set("spec.containers[name=app].args[+]", true).unwrap();
        assert_eq!(after["spec"]["containers"][0]["args"], json!(["new"]));
        let after = set("spec.containers[name=app].ports[+].containerPort", true).unwrap();
        assert_eq!(after["spec"]["containers"][0]["ports"][1], json!({"containerPort": "new"}));
        assert!(set("spec.containers[name=other].image", true).is_err());
    }

    #[test]
    fn a_field_can_be_taken_away() {
        let (path, _) = Path::before_value("spec.replicas=").unwrap();
        let mut object = object();
        path.change(&mut object, false, &|_| None).unwrap();
        assert_eq!(object["spec"].get("replicas"), None);
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        let why = |text| Path::before_value(text).unwrap_err();
        assert_eq!(why("spec.replicas"), "there is no '='");
        assert_eq!(why("=3"), "there is no path");
        assert_eq!(why("a[x]=3"), "[x] is neither [0], [\"key\"], [name=value], [*] nor [+]");
        assert_eq!(why("a[\"x=3"), "a \" is not closed");
        assert_eq!(why("a[name=x"), "a [ is not closed");
    }
}
