//! Blocks within Slack's limits (docs.slack.dev/reference/block-kit, as of November 2026).

use serde_json::{Value, json};

/// The most characters of a header.
const HEADER: usize = 150;
/// The most characters of a section's text.
const SECTION: usize = 3000;
/// The most fields of a section.
const FIELDS: usize = 10;
/// The most characters of a field; Slack takes 2000.
const FIELD: usize = 300;
/// The most elements of a context block.
const ELEMENTS: usize = 10;
/// The most characters of such an element.
const ELEMENT: usize = 3000;
/// The most sections that a table of numbers takes: a whole message may hold about 13,000 characters (slackapi/bolt-js issue 2509).
const CODE_BLOCKS: usize = 2;
/// What stands around code.
const FENCES: usize = "``````".len();

/// The first line, in large letters. Signs as `:x:` are shown as such, any other text as it is, but for what begins a mention elsewhere:
/// Slack does not say that a header has none.
pub fn header(text: &str) -> Option<Value> {
    let plain = |letter: char| match letter {
        '<' => '‹',
        '>' => '›',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let line: String = text.chars().map(plain).collect();
    let text = crate::report::ending::shorten(&line, HEADER);
    (!text.is_empty()).then(|| json!({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": true}}))
}

/// A paragraph of mrkdwn, in which foreign text is escaped.
pub fn section(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!({"type": "section", "text": mrkdwn(text, SECTION)}))
}

/// Names and values side by side; those without a value are left out. Values are foreign text.
pub fn fields(pairs: &[(&str, &String)]) -> Option<Value> {
    let known = pairs.iter().filter(|(_, value)| !value.is_empty());
    let fields: Vec<Value> =
        known.take(FIELDS).map(|(name, value)| mrkdwn(&format!("*{name}*\n{}", escape(value)), FIELD)).collect();
    (!fields.is_empty()).then(|| json!({"type": "section", "fields": fields}))
}

/// Foreign text in letters of one width, in as many sections as it needs; a text that is far too long ends early.
pub fn code(text: &str) -> Vec<Value> {
    let room = SECTION - FENCES;
    let mut chunks = vec![String::new()];
    for line in text.lines().map(|line| clip(&escape(line), room - 1)) {
        let full = chunks.last().is_some_and(|chunk| chunk.chars().count() + line.chars().count() + 1 > room);
        if full {
            chunks.push(String::new());
        }
        if let Some(chunk) = chunks.last_mut() {
            chunk.push_str(&line);
            chunk.push('\n');
        }
    }
    let shown = chunks.iter().filter(|chunk| !chunk.trim().is_empty()).take(CODE_BLOCKS);
    shown.filter_map(|chunk| section(&format!("```{}```", chunk.trim_end()))).collect()
}

/// A line in small letters.
pub fn context(parts: &[String]) -> Option<Value> {
    let elements: Vec<Value> = parts.iter().take(ELEMENTS).map(|part| mrkdwn(part, ELEMENT)).collect();
    (!elements.is_empty()).then(|| json!({"type": "context", "elements": elements}))
}

/// `verbatim`: addresses and names of channels in the text do not become links, only `<…>` that we wrote does.
fn mrkdwn(text: &str, longest: usize) -> Value {
    json!({"type": "mrkdwn", "text": clip(text, longest), "verbatim": true})
}

/// Escapes foreign text: the three characters that Slack asks for, so that `<!channel>` and links stay text, and the
/// fence of a code block.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("```", "'''")
}

/// Escaped text cut to so many characters, and never inside of an escape.
pub fn clip(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(longest.saturating_sub(1)).collect();
    if let Some(at) = cut.rfind('&').filter(|at| !cut[*at..].contains(';')) {
        cut.truncate(at);
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cut_goes_through_an_escape() {
        assert_eq!(clip("a &lt; b", 8), "a &lt; b");
        assert_eq!(clip("a &lt; b", 5), "a …");
        assert_eq!(clip("a &lt; b", 7), "a &lt;…");
    }

    #[test]
    fn every_block_keeps_its_limit_whatever_it_is_given() {
        let long = "&".repeat(9000);
        let length = |value: &Value| value.as_str().unwrap().chars().count();
        assert!(length(&header(&long).unwrap()["text"]["text"]) <= HEADER);
        assert!(length(&section(&long).unwrap()["text"]["text"]) <= SECTION);
        let many = vec![("name", &long); 30];
        let fields = fields(&many).unwrap();
        assert_eq!(fields["fields"].as_array().unwrap().len(), FIELDS);
        assert!(length(&fields["fields"][0]["text"]) <= FIELD);
        assert_eq!(context(&vec![long.clone(); 30]).unwrap()["elements"].as_array().unwrap().len(), ELEMENTS);
        let table = format!("{long}\n").repeat(5);
        let sections = code(&table);
        assert_eq!(sections.len(), CODE_BLOCKS);
        assert!(sections.iter().all(|section| length(&section["text"]["text"]) <= SECTION));
    }

    #[test]
    fn what_is_empty_makes_no_block() {
        assert_eq!(
            (header(""), section(""), fields(&[("Lag", &String::new())]), context(&[])),
            (None, None, None, None)
        );
        assert!(code("").is_empty() && code("\n").is_empty());
    }

    #[test]
    fn a_table_is_cut_between_its_lines() {
        let table = "0123456789\n".repeat(600);
        let sections = code(&table);
        let lines = |section: &Value| {
            let text = section["text"]["text"].as_str().unwrap();
            text.trim_matches('`').lines().map(str::len).collect::<Vec<_>>()
        };
        assert_eq!(sections.len(), CODE_BLOCKS);
        assert!(sections.iter().flat_map(lines).all(|length| length == 10));
    }
}
