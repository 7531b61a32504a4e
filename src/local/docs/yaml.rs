//! YAML as a person would have written it: block style, keys in the order given, every text that could be taken for
//! something else in quotes.

use serde_json::Value;

/// A document with a line that says where it comes from.
pub fn made_from(origin: &str, document: &Value) -> String {
    let mut out = format!("# Made from {origin} by `streamgauge docs`.\n");
    block(document, 0, &mut out);
    out
}

/// Writes the lines of a map or list.
fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&format!("{pad}{}:", scalar(key)));
                below(value, indent + 2, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut lines = String::new();
                match item {
                    Value::Object(map) if !map.is_empty() => block(item, indent + 2, &mut lines),
                    _ => lines = format!("{pad}  {}\n", inline(item)),
                }
                // The first line's indentation becomes the dash.
                out.push_str(&format!("{pad}- {}", &lines[indent + 2..]));
            }
        }
        _ => out.push_str(&format!("{pad}{}\n", inline(value))),
    }
}

/// Writes a key's value: beside it, or in the lines below.
fn below(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(value, indent, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, indent, out);
        }
        Value::String(text) if text.contains('\n') => {
            let chomp = if text.ends_with('\n') { "" } else { "-" };
            out.push_str(&format!(" |{chomp}\n"));
            for line in text.lines() {
                let pad = if line.is_empty() { String::new() } else { " ".repeat(indent) };
                out.push_str(&format!("{pad}{line}\n"));
            }
        }
        _ => out.push_str(&format!(" {}\n", inline(value))),
    }
}

/// A value in one line. JSON is YAML too.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        _ => value.to_string(),
    }
}

/// A text, bare where YAML 1.1 and 1.2 both read it back as the same text.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-()$[]*=,;' ".contains(c);
    let start = |c: char| c.is_ascii_alphabetic() || "/$".contains(c);
    // A flag starts with dashes, which mean nothing to YAML in front of a letter.
    let begins = text.trim_start_matches("--").starts_with(start);
    let word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&text.to_lowercase().as_str());
    // A colon is harmless where no blank follows it, as in an address.
    let harmless = text.chars().all(|c| plain(c) || c == ':') && !text.contains(": ") && !text.ends_with([':', ' ']);
    if harmless && begins && !word { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let value = serde_json::json!({
            "kind": "Task", "text": "two\n\nparts", "version": "0.1.0", "one": "1", "yes": "yes", "empty": "", "none": [], "no": {},
            "url": "http://heron:9000", "colon": "Path: of", "dash": "--", "flag": "--x", "dashes": "---", "minus": "-x", "owner": "its owner's; all", "hash": "a #b", "channel": "#perf", "quote": "say \"x\"",
            "end": "last\n", "number": 5, "bool": true, "time": "12:30:00", "date": "2026-01-01",
            "list": ["$(params.args[*])", {"name": "a", "sub": {"x": ["ALL"]}}, {"only": []}, "--x=$(params.y)", "- z", "~"],
        });
        let text = made_from("x.yaml", &value);
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), value, "{text}");
    }
}
