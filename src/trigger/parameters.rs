//! Parameters in a commit's message: the trailer `streamgauge: transformer-parallelism=29 duration-min=10`, as far as the Pipeline
//! allows it.

use std::collections::BTreeMap;
use std::fmt;

use super::error::Error;
use crate::local::{ParamSpec, Type};
use crate::step::{KeyValue, Seconds};

/// The trailer's key, in any case.
const KEY: &str = "streamgauge";
/// The most that a value may hold, in bytes.
const LONGEST: usize = 200;

/// What a parameter may be set to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A whole number in these bounds.
    Integer(Option<i64>, Option<i64>),
    /// A decimal number in these bounds.
    Number(Option<f64>, Option<f64>),
    /// A duration, as the programs take it.
    Duration,
    /// Letters, digits and `._-`.
    Word,
    /// The same and `:/=,@%+`.
    Text,
    /// One of these words.
    OneOf(Vec<String>),
}

impl Shape {
    /// Reads `integer`, `number 0.1..60`, `duration`, `word`, `text`, or a list of words.
    pub fn read(value: &serde_json::Value) -> Result<Self, String> {
        let wrong =
            || format!("{value} is none of integer, integer 1..100, number, duration, word, text, or a list of words");
        if let Some(list) = value.as_array() {
            let words: Option<Vec<String>> =
                list.iter().map(|one| one.as_str().filter(|word| is_word(word)).map(str::to_owned)).collect();
            return words.filter(|words| !words.is_empty()).map(Self::OneOf).ok_or_else(wrong);
        }
        let (kind, bounds) = value.as_str().map(|text| text.split_once(' ').unwrap_or((text, ""))).ok_or_else(wrong)?;
        match kind {
            "integer" => range(bounds).map(|(low, high)| Self::Integer(low, high)),
            "number" => range(bounds).map(|(low, high)| Self::Number(low, high)),
            "duration" if bounds.is_empty() => Some(Self::Duration),
            "word" if bounds.is_empty() => Some(Self::Word),
            "text" if bounds.is_empty() => Some(Self::Text),
            _ => None,
        }
        .ok_or_else(wrong)
    }

    fn takes(&self, value: &str) -> bool {
        // What all numbers here look like; Rust's own reading takes inf, NaN, +1 and 1e9 too.
        let plain = |value: &str| value.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        let digits = |value: &str, more: &str| value.chars().all(|c| c.is_ascii_digit() || more.contains(c));
        match self {
            Self::Integer(low, high) => {
                plain(value) && digits(value, "-") && value.parse().is_ok_and(|number| within(number, *low, *high))
            }
            Self::Number(low, high) => {
                plain(value) && digits(value, "-.") && value.parse().is_ok_and(|number| within(number, *low, *high))
            }
            Self::Duration => !value.starts_with('-') && value.parse::<Seconds>().is_ok(),
            Self::Word => is_word(value),
            Self::Text => is_of(value, "._-:/=,@%+"),
            Self::OneOf(words) => words.iter().any(|word| word == value),
        }
    }
}

fn is_word(text: &str) -> bool {
    is_of(text, "._-")
}

/// Whether a text is of letters, digits and these. A program would take one that begins with `-` for an option of its own.
fn is_of(text: &str, more: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn within<T: PartialOrd>(number: T, low: Option<T>, high: Option<T>) -> bool {
    low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high)
}

/// `1..100`, `1..`, `..100` or nothing.
fn range<T: std::str::FromStr>(text: &str) -> Option<(Option<T>, Option<T>)> {
    if text.is_empty() {
        return Some((None, None));
    }
    let (low, high) = text.split_once("..")?;
    let end = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
    Some((end(low)?, end(high)?))
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn bounds<T: fmt::Display>(
            f: &mut fmt::Formatter<'_>,
            what: &str,
            low: &Option<T>,
            high: &Option<T>,
        ) -> fmt::Result {
            match (low, high) {
                (None, None) => f.write_str(what),
                (Some(low), None) => write!(f, "{what} from {low} on"),
                (None, Some(high)) => write!(f, "{what} up to {high}"),
                (Some(low), Some(high)) => write!(f, "{what} from {low} to {high}"),
            }
        }
        match self {
            Self::Integer(low, high) => bounds(f, "a whole number", low, high),
            Self::Number(low, high) => bounds(f, "a number", low, high),
            Self::Duration => f.write_str("a duration, as 30s or 5m"),
            Self::Word => f.write_str("a word of letters, digits and ._- that begins with no -"),
            Self::Text => f.write_str("a text of letters, digits and ._-:/=,@%+ that begins with no -"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

/// What a Pipeline allows a commit's message to set.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Allowed(BTreeMap<String, (Shape, Type)>);

impl Allowed {
    /// Reads the annotation: YAML of names and shapes. `reserved` are the parameters that the event sets.
    pub fn read(annotation: &str, declared: &[ParamSpec], reserved: &[&str]) -> Result<Self, String> {
        let map: BTreeMap<String, serde_json::Value> = serde_saphyr::from_str(annotation)
            .map_err(|error| format!("it is not YAML of names and types: {error}"))?;
        let mut allowed = BTreeMap::new();
        for (name, shape) in map {
            let kind = declared.iter().find(|param| param.name == name).map(ParamSpec::kind);
            match kind {
                None => return Err(format!("the Pipeline has no parameter {name:?}")),
                Some(Type::Object) => return Err(format!("{name:?} is an object: a message cannot set it")),
                Some(_) if reserved.contains(&name.as_str()) => return Err(format!("{name:?} is what the event says")),
                Some(kind) => {
                    let shape = Shape::read(&shape).map_err(|why| format!("{name}: {why}"))?;
                    allowed.insert(name, (shape, kind));
                }
            }
        }
        Ok(Self(allowed))
    }

    /// Whether a parameter of this name may be set.
    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Of the settings, those that this Pipeline knows, or what is wrong with one of these.
    pub fn check(&self, settings: &[KeyValue]) -> Result<Vec<KeyValue>, Error> {
        let known: Vec<&KeyValue> = settings.iter().filter(|setting| self.knows(&setting.key)).collect();
        for (index, setting) in known.iter().enumerate() {
            let Some((shape, kind)) = self.0.get(&setting.key) else { continue };
            let wrong = |why: String| Err(Error::Message { why });
            if setting.value.len() > LONGEST || !shape.takes(&setting.value) {
                let value: String = setting.value.chars().take(LONGEST).collect();
                return wrong(format!("{} is {value:?}, not {shape}", setting.key));
            }
            if *kind == Type::String && known[..index].iter().any(|before| before.key == setting.key) {
                return wrong(format!("{} is set twice", setting.key));
            }
        }
        Ok(known.into_iter().cloned().collect())
    }

    /// The names, for people.
    pub fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// What a commit's message sets, in its order.
pub(super) fn settings(message: &str) -> Result<Vec<KeyValue>, Error> {
    let (body, trailers) = split(message);
    // A setting that git does not take for a trailer would be lost without a word, and the wrong thing measured.
    if let Some(line) = body.iter().find(|line| ours(line).is_some_and(is_settings)) {
        let why = format!(
            "{line:?} does not stand where git looks for trailers: in the last paragraph, after an empty line, with other \
             trailers only. git commit --trailer puts it there"
        );
        return Err(Error::Message { why });
    }
    let mut settings = Vec::new();
    for word in trailers.iter().filter_map(|trailer| ours(trailer)).flat_map(str::split_whitespace) {
        settings.push(word.parse::<KeyValue>().map_err(|why| Error::Message { why })?);
    }
    Ok(settings)
}

/// The value of a line that is our trailer.
fn ours(line: &str) -> Option<&str> {
    let (key, value) = line.split_once(':')?;
    key.trim_end().eq_ignore_ascii_case(KEY).then(|| value.trim())
}

/// Whether that is what the trailer is for, and not the subject of a commit to this project.
fn is_settings(value: &str) -> bool {
    value.split_whitespace().next().is_some_and(|word| word.contains('='))
}

/// The lines that are no trailers, and the trailers, each as one line, as git-interpret-trailers tells them apart: the last
/// paragraph, never the first one, when all its lines are trailers, or when one is of git's own making and at least a quarter are.
fn split(message: &str) -> (Vec<&str>, Vec<String>) {
    let lines: Vec<&str> = message.lines().map(str::trim_end).collect();
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1);
    let lines = &lines[..last];
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    let begin = match lines.iter().rposition(|line| line.is_empty()) {
        Some(blank) if blank > first => blank + 1,
        _ => return (lines.to_vec(), Vec::new()),
    };
    let mut trailers: Vec<String> = Vec::new();
    let (mut others, mut of_git) = (Vec::new(), false);
    let mut continues = false;
    for line in &lines[begin..] {
        let cherry_picked = line.starts_with("(cherry picked from commit ");
        of_git |= cherry_picked || line.starts_with("Signed-off-by: ");
        match trailers.last_mut() {
            Some(trailer) if continues && line.starts_with([' ', '\t']) => {
                trailer.push(' ');
                trailer.push_str(line.trim());
            }
            _ if cherry_picked || is_trailer(line) => {
                continues = true;
                trailers.push((*line).to_owned());
            }
            _ => {
                continues = false;
                others.push(*line);
            }
        }
    }
    let enough = others.is_empty() || (of_git && trailers.len() * 3 >= others.len());
    match enough {
        true => (lines[..begin].iter().copied().chain(others).collect(), trailers),
        false => (lines.to_vec(), Vec::new()),
    }
}

fn is_trailer(line: &str) -> bool {
    let key = line.split_once(':').map(|(key, _)| key.trim_end_matches([' ', '\t']));
    key.is_some_and(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use serde_json::json;

    use super::*;

    fn read(message: &str) -> Result<Vec<String>, String> {
        let found = settings(message).map_err(|error| error.to_string())?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    const MESSAGES: [&str; 12] = [
        "Try 29\n\nstreamgauge: transformer-parallelism=29 duration-min=10\n",
        "Try 29\n\nBecause 28 are saturated.\n\nSigned-off-by: Mona <m@example.com>\nStreamgauge: a=1\nstreamgauge : b=2\n",
        "Try 29\n\nstreamgauge: a=1\n  b=2\n\tc=3\nReviewed-by: x\n\n\n",
        "Try 29\n\nNo trailer here.\nSigned-off-by: x\nstreamgauge: a=1\n",
        "Try 29\r\n\r\nstreamgauge: a=1\r\n",
        "Try 29\n\n(cherry picked from commit c0ffee)\nstreamgauge: a=1\n",
        "streamgauge: a word on the subject",
        "Try 29\n\nreviewed-by: x\n",
        "Try 29\n   \nstreamgauge: a=1\n",
        "\n\nTry 29\n\nstreamgauge: a=1",
        "Try 29\n\na\nb\nc\nd\ne\nf\ng\nSigned-off-by: x\nstreamgauge: 2\n",
        "",
    ];

    #[test]
    fn trailers_are_those_that_git_itself_finds() {
        for message in MESSAGES {
            let mut git = Command::new("git")
                .args(["interpret-trailers", "--parse", "--no-divider"])
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            git.stdin.take().unwrap().write_all(message.replace('\r', "").as_bytes()).unwrap();
            let output = String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap();
            let theirs: Vec<String> = output.lines().filter_map(ours).map(str::to_owned).collect();
            let (_, trailers) = split(message);
            let own: Vec<String> = trailers.iter().filter_map(|trailer| ours(trailer)).map(str::to_owned).collect();
            assert_eq!(own, theirs, "{message:?}");
        }
    }

    #[test]
    fn settings_are_read_in_their_order() {
        assert_eq!(read(MESSAGES[0]).unwrap(), ["transformer-parallelism=29", "duration-min=10"]);
        assert_eq!(read(MESSAGES[1]).unwrap(), ["a=1", "b=2"]);
        assert_eq!(read(MESSAGES[2]).unwrap(), ["a=1", "b=2", "c=3"]);
        assert_eq!(read(MESSAGES[6]).unwrap(), [""; 0]);
    }

    #[test]
    fn settings_that_git_takes_for_no_trailer_are_told_and_not_lost() {
        for message in [
            "streamgauge: transformer-parallelism=29",
            "Try 29\nstreamgauge: transformer-parallelism=29",
            "Try 29\n\nstreamgauge: transformer-parallelism=29\nbecause I say so\n",
            "Try 29\n\nstreamgauge: transformer-parallelism=29\n\nSigned-off-by: x\n",
        ] {
            let told = read(message).unwrap_err();
            assert!(told.contains("does not stand where git looks for trailers"), "{told}");
        }
        assert!(read("Try\n\nstreamgauge: 29 transformers\n").unwrap_err().contains("\"29\" is not key=value"));
    }

    fn allowed() -> Allowed {
        let declared = json!([{"name": "transformer-parallelism"}, {"name": "duration-min"}, {"name": "transformer-ram"}, {"name": "warm-up"},
            {"name": "properties", "type": "array"}, {"name": "engine"}, {"name": "commit"}, {"name": "labels", "type": "object"}]);
        let declared: Vec<ParamSpec> = serde_json::from_value(declared).unwrap();
        let annotation = "{transformer-parallelism: integer 1..200, duration-min: number 0.1.., transformer-ram: word, warm-up: duration, \
                          properties: text, engine: [heron, flink]}";
        let told = |annotation: &str| Allowed::read(annotation, &declared, &["commit"]).unwrap_err();
        assert_eq!(told("{jar: word}"), "the Pipeline has no parameter \"jar\"");
        assert_eq!(told("{commit: word}"), "\"commit\" is what the event says");
        assert_eq!(told("{labels: word}"), "\"labels\" is an object: a message cannot set it");
        assert!(told("{engine: string}").contains("engine: \"string\" is none of integer"));
        assert!(told("{engine: integer 5}").contains("none of integer"));
        Allowed::read(annotation, &declared, &["commit"]).unwrap()
    }

    #[test]
    fn values_are_of_the_type_that_the_pipeline_names() {
        let allowed = allowed();
        let check = |text: &str| {
            let settings: Vec<KeyValue> = text.split(' ').map(|word| word.parse().unwrap()).collect();
            let checked = allowed.check(&settings).map_err(|error| error.to_string());
            checked.map(|known| known.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        let right = "transformer-parallelism=29 duration-min=0.5 transformer-ram=2GB warm-up=1m30s properties=a.b=1 properties=c=d engine=flink";
        assert_eq!(check(right).unwrap(), right);
        let wrong = [
            "transformer-parallelism=0",
            "transformer-parallelism=201",
            "transformer-parallelism=+29",
            "transformer-parallelism=29.0",
            "transformer-parallelism=",
            "transformer-parallelism=$(params.jar)",
            "transformer-parallelism=1 transformer-parallelism=2",
            "duration-min=inf",
            "duration-min=1e3",
            "duration-min=-1",
            "warm-up=5min",
            "warm-up=-5s",
            "transformer-ram=2GB;reboot",
            "transformer-ram=--help",
            "properties=a=$(id)",
            "properties=a=1 properties=--java=/bin/sh",
            "engine=spark",
        ];
        insta::assert_snapshot!(wrong.map(|text| check(text).unwrap_err()).join("\n"), @r#"
        the commit's message cannot be followed: transformer-parallelism is "0", not a whole number from 1 to 200
        the commit's message cannot be followed: transformer-parallelism is "201", not a whole number from 1 to 200
        the commit's message cannot be followed: transformer-parallelism is "+29", not a whole number from 1 to 200
        the commit's message cannot be followed: transformer-parallelism is "29.0", not a whole number from 1 to 200
        the commit's message cannot be followed: transformer-parallelism is "", not a whole number from 1 to 200
        the commit's message cannot be followed: transformer-parallelism is "$(params.jar)", not a whole number from 1 to 200
        the commit's message cannot be followed: transformer-parallelism is set twice
        the commit's message cannot be followed: duration-min is "inf", not a number from 0.1 on
        the commit's message cannot be followed: duration-min is "1e3", not a number from 0.1 on
        the commit's message cannot be followed: duration-min is "-1", not a number from 0.1 on
        the commit's message cannot be followed: warm-up is "5min", not a duration, as 30s or 5m
        the commit's message cannot be followed: warm-up is "-5s", not a duration, as 30s or 5m
        the commit's message cannot be followed: transformer-ram is "2GB;reboot", not a word of letters, digits and ._- that begins with no -
        the commit's message cannot be followed: transformer-ram is "--help", not a word of letters, digits and ._- that begins with no -
        the commit's message cannot be followed: properties is "a=$(id)", not a text of letters, digits and ._-:/=,@%+ that begins with no -
        the commit's message cannot be followed: properties is "--java=/bin/sh", not a text of letters, digits and ._-:/=,@%+ that begins with no -
        the commit's message cannot be followed: engine is "spark", not one of heron, flink
        "#);
    }
}
