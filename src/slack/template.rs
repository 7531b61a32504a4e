//! Messages in a user's own words: a template in the language of Jinja, given the report.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, context, escape_formatter};

use super::blocks::{clip, escape};
use super::message::{Content, Message};
use crate::report::ending::subject;
use crate::report::{Figures, render};

/// The most characters that Slack takes as a message's text.
const LONGEST: usize = 40_000;

/// How text is escaped in a template that is no JSON.
const MRKDWN: AutoEscape = AutoEscape::Custom(Cow::Borrowed("mrkdwn"));

/// Why a template could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the template {}", path.display())]
    Read {
        /// The template.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It is wrong, or went wrong on this report.
    #[error("the template {}: {reason}", path.display())]
    Wrong {
        /// The template.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// It says nothing.
    #[error("the template {} made an empty message", path.display())]
    Empty {
        /// The template.
        path: PathBuf,
    },
}

/// The message that a template makes of a run. A template named `….json` or `….json.j2` makes an object with `text` and `blocks`,
/// any other one mrkdwn text; what it prints of the report is escaped as either needs it.
pub fn render(path: &Path, content: &Content<'_>) -> Result<Message, Error> {
    let source = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let wrong = |reason: String| Error::Wrong { path: path.to_owned(), reason };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let made = environment().render_named_str(&name, &source, facts(content));
    let made = made.map_err(|error| wrong(error.to_string()))?;
    let message = match is_json(&name) {
        true => {
            let value: serde_json::Value =
                serde_json::from_str(&made).map_err(|error| wrong(format!("it made no JSON: {error}")))?;
            let text = value["text"].as_str().unwrap_or_default();
            let blocks = value["blocks"].as_array().cloned().unwrap_or_default();
            Message { text: clip(text, LONGEST), blocks }
        }
        false => Message { text: clip(made.trim(), LONGEST), blocks: Vec::new() },
    };
    match message.text.is_empty() {
        true => Err(Error::Empty { path: path.to_owned() }),
        false => Ok(message),
    }
}

fn is_json(name: &str) -> bool {
    name.trim_end_matches(".j2").ends_with(".json")
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A run that failed early has half a report: what is not there prints nothing.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|name| if is_json(name) { AutoEscape::Json } else { MRKDWN });
    environment.set_formatter(print);
    environment.add_filter("mrkdwn", |text: String| escape(&text));
    environment
}

fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    if *state.auto_escape() != MRKDWN {
        return escape_formatter(out, state, value);
    }
    let text = if value.is_undefined() || value.is_none() { String::new() } else { value.to_string() };
    let text = if value.is_safe() { text } else { escape(&text) };
    out.write_str(&text).map_err(minijinja::Error::from)
}

/// What a template knows.
fn facts(content: &Content<'_>) -> Value {
    let Content { report, unreadable, beginning, ending } = content;
    let figures = Figures::of(report);
    context! {
        phase => beginning.phase.as_str(),
        planned => beginning.load(),
        status => &ending.status,
        link => &ending.link,
        run_id => &ending.run_id,
        subject => subject(report),
        verdict => ending.verdict(report).map(Serde),
        reasons => ending.reasons(report, *unreadable, ToOwned::to_owned),
        numbers => render::numbers(report),
        figures => context! {
            load => figures.load, tps => figures.tps, latency => figures.latency, lag => figures.lag, change => figures.change,
        },
        report => Serde(report),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ending::{Beginning, Ending};
    use crate::report::{App, Report, Run, Status, Verdict};

    fn made(name: &str, template: &str) -> Result<Message, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, template).unwrap();
        let report = Report {
            run: Some(Run { message: "Use <28> \"more\" & <!channel>".into(), ..Run::default() }),
            app: Some(App { name: "preprocessor".into(), ..App::default() }),
            verdict: Some(Verdict { status: Status::Fail, cause: "saturated".into() }),
            ..Report::default()
        };
        let (beginning, ending) =
            (Beginning::default(), Ending { link: "https://tekton/1".into(), ..Ending::default() });
        let content = Content { report: &report, unreadable: None, beginning: &beginning, ending: &ending };
        let folder = folder.path().display().to_string();
        render(&path, &content).map_err(|error| error.to_string().replace(&folder, "DIR"))
    }

    #[test]
    fn a_template_has_the_report_and_what_it_prints_is_text() {
        let template = "*{{ report.app.name }}* {{ verdict.status }}: {{ verdict.cause }}\n{{ report.run.message }} {{ figures.tps }}\n\
                        {{ ('<' ~ link ~ '|run>') | safe }}\n";
        assert_eq!(
            made("message.j2", template).unwrap().text,
            "*preprocessor* fail: saturated\nUse &lt;28&gt; \"more\" &amp; &lt;!channel&gt; \n<https://tekton/1|run>"
        );
    }

    #[test]
    fn a_template_of_json_makes_blocks() {
        let template = r#"{"text": {{ subject }}, "blocks": [{"type": "section", "text":
            {"type": "mrkdwn", "text": {{ "*" ~ (report.run.message | mrkdwn) ~ "*" }}}}]}"#;
        let message = made("message.json.j2", template).unwrap();
        assert_eq!(message.text, "preprocessor");
        assert_eq!(message.blocks[0]["text"]["text"], "*Use &lt;28&gt; \"more\" &amp; &lt;!channel&gt;*");
    }

    #[test]
    fn what_a_run_has_not_got_prints_nothing() {
        assert_eq!(made("m.j2", "lag {{ report.load.window.start }}{{ nothing.at.all }}.").unwrap().text, "lag .");
    }

    #[test]
    fn a_template_that_cannot_be_used_is_named_with_what_is_wrong() {
        insta::assert_snapshot!(made("m.j2", "{{ 1 +").unwrap_err(), @"the template DIR/m.j2: syntax error: unexpected end of input, expected expression (in m.j2:1)");
        insta::assert_snapshot!(made("m.json", "{").unwrap_err(), @"the template DIR/m.json: it made no JSON: EOF while parsing an object at line 1 column 1");
        insta::assert_snapshot!(made("m.j2", "{{ nothing }}").unwrap_err(), @"the template DIR/m.j2 made an empty message");
    }
}
