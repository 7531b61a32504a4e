//! When a Pipeline runs: its annotation `pipe.linecorp.com/event`, in the syntax of `on` in a workflow of GitHub Actions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::event::{Event, PullRequest, Subject};
use super::pattern::Patterns;

/// What a pull request's workflow runs for when it names no types.
const TYPES: [&str; 3] = ["opened", "synchronize", "reopened"];

/// When a Pipeline runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct On {
    /// The events, by GitHub's names; others than those of pull requests and pushes are somebody else's.
    events: BTreeMap<String, Filter>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct RawFilter {
    types: Option<Words>,
    branches: Option<Words>,
    branches_ignore: Option<Words>,
    tags: Option<Words>,
    tags_ignore: Option<Words>,
    paths: Option<Words>,
    paths_ignore: Option<Words>,
}

/// One word, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "not a name or a list of names")]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn list(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// What an event must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filter {
    types: Vec<String>,
    branches: Option<Names>,
    tags: Option<Names>,
    paths: Option<Names>,
}

/// What is in, or what is out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    Of(Patterns),
    But(Patterns),
}

impl Names {
    fn read(key: &str, of: Option<&Words>, but: Option<&Words>) -> Result<Option<Self>, String> {
        let wrong = |why: String| format!("{key}: {why}");
        match (of, but) {
            (Some(_), Some(_)) => {
                Err(format!("{key} and {key}-ignore exclude each other: put patterns with ! into {key}"))
            }
            (Some(of), None) => Patterns::including(of.list()).map(Self::Of).map(Some).map_err(wrong),
            (None, Some(but)) => Patterns::ignoring(but.list()).map(Self::But).map(Some).map_err(wrong),
            (None, None) => Ok(None),
        }
    }

    fn take(&self, name: &str) -> bool {
        match self {
            Self::Of(patterns) => patterns.select(name),
            Self::But(patterns) => !patterns.select(name),
        }
    }

    /// Why `what` is not taken.
    fn refusal(&self, what: &str, name: &str) -> String {
        match self {
            Self::Of(patterns) => format!("{what} {name:?} is none of {patterns}"),
            Self::But(patterns) => format!("{what} {name:?} is one of {patterns}, which are ignored"),
        }
    }
}

impl On {
    /// Reads the annotation: an event, a list of events, or events with their filters.
    pub fn read(annotation: &str) -> Result<Self, String> {
        let value: Value = serde_saphyr::from_str(annotation).map_err(|error| format!("it is not YAML: {error}"))?;
        let none =
            |name: &Value| name.as_str().map(|name| (name.to_owned(), Value::Null)).ok_or("it does not name events");
        let raw: Vec<(String, Value)> = match value {
            Value::String(_) => vec![none(&value)?],
            Value::Array(names) => names.iter().map(none).collect::<Result<_, _>>()?,
            Value::Object(map) => map.into_iter().collect(),
            _ => return Err("it does not name events".to_owned()),
        };
        let mut events = BTreeMap::new();
        for (name, filter) in raw {
            if ["pull_request", "push"].contains(&name.as_str()) {
                let read = Filter::read(&name, filter).map_err(|why| format!("{name}: {why}"))?;
                events.insert(name, read);
            } else {
                events.insert(name, Filter::default());
            }
        }
        Ok(Self { events })
    }

    /// Whether it matters which files are changed by this event.
    pub fn looks_at_files(&self, event: &Event) -> bool {
        let filter = self.events.get(event.kind());
        filter.is_some_and(|filter| filter.paths.is_some() && !matches!(event.subject, Subject::Tag(_)))
    }

    /// Why it does not run for this event, whatever files are changed; nothing when it does.
    pub fn refusal(&self, event: &Event) -> Option<String> {
        let Some(filter) = self.events.get(event.kind()) else {
            let names: Vec<&str> = self.events.keys().map(String::as_str).collect();
            return Some(format!("it runs for {}, not for {}", names.join(", "), event.kind()));
        };
        if event.commit.is_none() {
            return Some("what was pushed is a deletion".to_owned());
        }
        match &event.subject {
            Subject::PullRequest(pull) => filter.refuse_pull_request(pull),
            Subject::Branch(name) => filter.refuse_push(name, "branch", &filter.branches, &filter.tags),
            Subject::Tag(name) => filter.refuse_push(name, "tag", &filter.tags, &filter.branches),
        }
    }

    /// Why it does not run for changes of these files; nothing when it does.
    pub fn refusal_of_files(&self, event: &Event, files: &[String]) -> Option<String> {
        let names = self.events.get(event.kind())?.paths.as_ref()?;
        match files {
            [] => Some("no file is changed".to_owned()),
            _ if files.iter().any(|file| names.take(file)) => None,
            [file] => Some(names.refusal("the changed file", file)),
            [file, more @ ..] => {
                Some(format!("{}, and so it is with {} more", names.refusal("the changed file", file), more.len()))
            }
        }
    }
}

impl Filter {
    fn read(event: &str, value: Value) -> Result<Self, String> {
        let raw: RawFilter = match value {
            Value::Null => RawFilter::default(),
            value => serde_json::from_value(value).map_err(|error| error.to_string())?,
        };
        let pull_request = event == "pull_request";
        if pull_request && (raw.tags.is_some() || raw.tags_ignore.is_some()) {
            return Err("a pull request has no tags".to_owned());
        }
        if !pull_request && raw.types.is_some() {
            return Err("a push has no types".to_owned());
        }
        let types = raw.types.as_ref().map_or_else(|| TYPES.map(str::to_owned).to_vec(), |types| types.list().to_vec());
        Ok(Self {
            types,
            branches: Names::read("branches", raw.branches.as_ref(), raw.branches_ignore.as_ref())?,
            tags: Names::read("tags", raw.tags.as_ref(), raw.tags_ignore.as_ref())?,
            paths: Names::read("paths", raw.paths.as_ref(), raw.paths_ignore.as_ref())?,
        })
    }

    fn refuse_pull_request(&self, pull: &PullRequest) -> Option<String> {
        // To approve a fork's pull request starts what its commits could not.
        let starts = |kind: &String| *kind == pull.action || pull.approved && TYPES.contains(&kind.as_str());
        if !self.types.iter().any(starts) {
            return Some(format!("the action {:?} is none of [{}]", pull.action, self.types.join(", ")));
        }
        let names = self.branches.as_ref().filter(|names| !names.take(&pull.base_branch))?;
        Some(names.refusal("the base branch", &pull.base_branch))
    }

    /// A push of one kind does not run what is filtered by the other kind only.
    fn refuse_push(&self, name: &str, what: &str, own: &Option<Names>, other: &Option<Names>) -> Option<String> {
        match own {
            Some(names) if names.take(name) => None,
            Some(names) => Some(names.refusal(&format!("the {what}"), name)),
            None if other.is_some() => Some(format!("it names none of the {what}s that it runs for")),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trigger::event::tests::{payload, push, read};

    const STAGING: &str = "pull_request: {branches: [staging/**], types: [synchronize]}";

    /// Whether it runs; why not, when it does not.
    fn runs(annotation: &str, payload: &Value) -> String {
        let on = On::read(annotation).unwrap();
        on.refusal(&read(payload).unwrap()).unwrap_or_else(|| "runs".to_owned())
    }

    fn pull_request(action: &str, base: &str) -> Value {
        let mut payload = payload();
        payload["action"] = json!(action);
        payload["pull_request"]["base"]["ref"] = json!(base);
        payload
    }

    #[test]
    fn a_pull_request_into_a_staging_branch_runs_when_commits_are_pushed() {
        assert_eq!(runs(STAGING, &payload()), "runs");
        assert_eq!(runs(STAGING, &pull_request("synchronize", "staging/ads/eu")), "runs");
        assert_eq!(
            runs(STAGING, &pull_request("opened", "staging/ads")),
            "the action \"opened\" is none of [synchronize]"
        );
        assert_eq!(
            runs(STAGING, &pull_request("synchronize", "main")),
            "the base branch \"main\" is none of [staging/**]"
        );
        assert_eq!(runs(STAGING, &push("refs/heads/staging/ads")), "it runs for pull_request, not for push");
    }

    #[test]
    fn to_approve_a_fork_starts_what_its_commits_could_not_and_what_asks_for_a_label() {
        let mut event = read(&pull_request("labeled", "staging/ads")).unwrap();
        let Subject::PullRequest(pull) = &mut event.subject else { panic!("{event:?}") };
        pull.approved = true;
        let refusal = |types: &str| On::read(&format!("pull_request: {{types: [{types}]}}")).unwrap().refusal(&event);
        for types in ["synchronize", "opened, reopened", "labeled"] {
            assert_eq!(refusal(types), None, "{types}");
        }
        assert_eq!(refusal("closed").as_deref(), Some("the action \"labeled\" is none of [closed]"));
    }

    #[test]
    fn an_annotation_may_be_a_word_a_list_or_a_map() {
        for annotation in
            ["pull_request", "[push, pull_request]", "pull_request:", "{push: {branches: main}, pull_request: }"]
        {
            assert_eq!(runs(annotation, &payload()), "runs", "{annotation}");
        }
        assert_eq!(
            runs("pull_request", &pull_request("labeled", "main")),
            "the action \"labeled\" is none of [opened, synchronize, reopened]"
        );
        assert_eq!(runs("{schedule: [{cron: '1 2 * * *'}]}", &payload()), "it runs for schedule, not for pull_request");
    }

    #[test]
    fn branches_and_tags_of_a_push_are_told_apart() {
        let branches = "push: {branches: ['**', '!wip/**']}";
        assert_eq!(runs(branches, &push("refs/heads/a/b")), "runs");
        assert_eq!(runs(branches, &push("refs/heads/wip/a")), "the branch \"wip/a\" is none of [**, !wip/**]");
        assert_eq!(runs(branches, &push("refs/tags/v1")), "it names none of the tags that it runs for");
        assert_eq!(
            runs("push: {tags-ignore: ['v0*']}", &push("refs/tags/v0.1")),
            "the tag \"v0.1\" is one of [v0*], which are ignored"
        );
        assert_eq!(runs("push: {branches-ignore: main}", &push("refs/heads/x")), "runs");
        assert_eq!(runs("push", &push("refs/tags/v1")), "runs");
        let mut deleted = push("refs/heads/x");
        deleted["deleted"] = json!(true);
        assert_eq!(runs("push", &deleted), "what was pushed is a deletion");
    }

    #[test]
    fn files_count_where_the_annotation_names_paths() {
        let refusal = |annotation: &str, files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            let event = read(&payload()).unwrap();
            let on = On::read(annotation).unwrap();
            assert!(on.looks_at_files(&event));
            on.refusal_of_files(&event, &files).unwrap_or_else(|| "runs".to_owned())
        };
        let paths = "pull_request: {paths: ['src/**', '!src/docs/**']}";
        assert_eq!(refusal(paths, &["README.md", "src/a.rs"]), "runs");
        let told = "the changed file \"src/docs/a.md\" is none of [src/**, !src/docs/**], and so it is with 1 more";
        assert_eq!(refusal(paths, &["src/docs/a.md", "x"]), told);
        let ignore = "pull_request: {paths-ignore: ['docs/**']}";
        assert_eq!(refusal(ignore, &["docs/a", "src/b"]), "runs");
        assert_eq!(refusal(ignore, &["docs/a"]), "the changed file \"docs/a\" is one of [docs/**], which are ignored");
        assert_eq!(refusal(ignore, &[]), "no file is changed");
        assert!(!On::read("push: {paths: [a]}").unwrap().looks_at_files(&read(&push("refs/tags/v1")).unwrap()));
    }

    #[test]
    fn what_github_would_refuse_is_refused() {
        let told = [
            "pull_request: {branch: [main]}",
            "pull_request: {branches: [a], branches-ignore: [b]}",
            "pull_request: {branches: ['!main']}",
            "pull_request: {branches: ['+']}",
            "pull_request: {tags: [a]}",
            "push: {types: [a]}",
            "[[push]]",
            "",
            "push: {branches: **}",
        ];
        insta::assert_snapshot!(told.map(|annotation| On::read(annotation).unwrap_err()).join("\n"), @r#"
        pull_request: unknown field `branch`, expected one of `types`, `branches`, `branches-ignore`, `tags`, `tags-ignore`, `paths`, `paths-ignore`
        pull_request: branches and branches-ignore exclude each other: put patterns with ! into branches
        pull_request: branches: it has only patterns with !, which exclude nothing as long as none includes anything
        pull_request: branches: the pattern "+" has a + with no character before it
        pull_request: a pull request has no tags
        push: a push has no types
        it does not name events
        it does not name events
        it is not YAML: error: line 1 column 18: alias references unknown anchor
         --> <input>:1:18
          |
        1 | push: {branches: **}
          |                  ^ alias references unknown anchor
        "#);
    }
}
