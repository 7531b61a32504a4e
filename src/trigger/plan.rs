//! From an event and Pipelines to the runs that it starts, or to the reasons why not.

use std::collections::BTreeMap;

use super::error::Error;
use super::event::{Event, Subject, text};
use super::git::Words;
use super::parameters::Allowed;
use super::pipelines::Pipeline;
use crate::local::{ParamSpec, Type, Value, read_param};
use crate::step::KeyValue;

/// The annotation that carries the commit's message to the report.
const MESSAGE: &str = "streamgauge.dev/commit-message";
/// The annotation that carries the commit's author to the report.
const AUTHOR: &str = "streamgauge.dev/author";

/// What is known beside the event.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The commit's message and author.
    pub words: Option<Words>,
    /// The files that the event's commits change.
    pub files: Option<Vec<String>>,
    /// The commit from which the branch forked.
    pub fork_point: Option<String>,
}

/// Which pull requests of forks may run: none without somebody's approval, for their commits run in the staging environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Forks {
    /// All.
    pub allowed: bool,
    /// Those with this label.
    pub label: Option<String>,
}

/// A Pipeline, and whether it runs.
#[derive(Debug)]
pub(super) struct Decision {
    pub pipeline: Pipeline,
    /// Why it does not.
    pub refusal: Option<String>,
}

/// Which Pipelines run.
pub(super) fn decide(
    event: &Event,
    facts: &Facts,
    forks: &Forks,
    pipelines: Vec<Pipeline>,
) -> Result<Vec<Decision>, Error> {
    let decided = pipelines.into_iter().map(|pipeline| {
        let mut refusal = pipeline.on.refusal(event);
        if refusal.is_none() && pipeline.on.looks_at_files(event) {
            let files = facts.files.as_deref().ok_or_else(|| Error::NoFiles { name: pipeline.name.clone() })?;
            refusal = pipeline.on.refusal_of_files(event, files);
        }
        let refusal = refusal.or_else(|| forks.refusal(event));
        Ok(Decision { pipeline, refusal })
    });
    decided.collect()
}

impl Forks {
    /// The event, with whether it approves a fork's pull request.
    pub fn approve(&self, mut event: Event) -> Event {
        if let Subject::PullRequest(pull) = &mut event.subject
            && pull.fork.is_some()
            && pull.action == "labeled"
            && self.label.is_some()
            && pull.label == self.label
        {
            pull.approved = true;
        }
        event
    }

    fn refusal(&self, event: &Event) -> Option<String> {
        let pull = event.pull_request()?;
        let fork = pull.fork.as_ref()?;
        let approved = self.label.as_ref().is_some_and(|label| pull.labels.contains(label));
        if self.allowed || approved {
            return None;
        }
        let how = match &self.label {
            Some(label) => format!("give it the label {label:?}, or start it with --allow-forks"),
            None => "start it with --allow-forks".to_owned(),
        };
        Some(format!("needs approval: the pull request comes from {fork}; {how}"))
    }
}

/// A Pipeline that takes parameters from the commit's message, when nobody knows that.
pub(super) fn lacks_message<'a>(facts: &Facts, running: &[&'a Pipeline]) -> Option<&'a Pipeline> {
    running.iter().find(|pipeline| facts.words.is_none() && pipeline.allowed.is_some()).copied()
}

/// What a run is given.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub params: BTreeMap<String, Value>,
    pub annotations: BTreeMap<String, String>,
}

/// What the runs of these Pipelines are given by the event and by the commit's message.
pub(super) struct Source<'a> {
    pub event: &'a Event,
    pub facts: &'a Facts,
    /// What the commit's message sets.
    settings: Vec<KeyValue>,
}

impl<'a> Source<'a> {
    /// Reads the commit's message for these Pipelines. All that it sets must be allowed by one of them.
    pub fn new(event: &'a Event, facts: &'a Facts, running: &[&Pipeline]) -> Result<Self, Error> {
        let allowed: Vec<&Allowed> = running.iter().filter_map(|pipeline| pipeline.allowed.as_ref()).collect();
        let settings = match &facts.words {
            Some(words) if !running.is_empty() => super::parameters::settings(&words.message)?,
            _ => Vec::new(),
        };
        if let Some(setting) =
            settings.iter().find(|setting| !allowed.iter().any(|allowed| allowed.knows(&setting.key)))
        {
            let names: Vec<&str> = running.iter().map(|pipeline| pipeline.name.as_str()).collect();
            let may: Vec<String> = allowed.iter().map(|allowed| allowed.names()).collect();
            let may = if may.is_empty() { "nothing".to_owned() } else { may.join(", ") };
            let why = format!(
                "it sets {:?}, and {} may be set for {}, as streamgauge.dev/commit-parameters says there",
                setting.key,
                may,
                names.join(", ")
            );
            return Err(Error::Message { why });
        }
        Ok(Self { event, facts, settings })
    }

    /// What a run is given: its template's parameters, those of the command line, the event's and the message's, the later before
    /// the earlier. What the message sets of an array comes after what is there.
    pub fn given(
        &self,
        pipeline: &Pipeline,
        template: BTreeMap<String, Value>,
        command: &[KeyValue],
    ) -> Result<Given, Error> {
        let mut params = template;
        for param in &pipeline.spec.params {
            params.extend(on_command_line(param, command)?.map(|value| (param.name.clone(), value)));
        }
        let declared = |name: &str| pipeline.spec.params.iter().find(|param| param.name == name);
        for (name, value) in self.of_event() {
            if declared(name).is_some_and(|param| param.kind() == Type::String) {
                params.insert(name.to_owned(), Value::String(value));
            }
        }
        let settings = pipeline.allowed.as_ref().map(|allowed| allowed.check(&self.settings)).transpose()?;
        for setting in settings.into_iter().flatten() {
            match declared(&setting.key) {
                Some(param) if param.kind() == Type::Array => {
                    let before = params.get(&setting.key).or(param.default.as_ref());
                    let before = before.map(Value::strings).unwrap_or_default();
                    let items = before.into_iter().map(str::to_owned).chain([setting.value]).collect();
                    params.insert(setting.key, Value::Array(items));
                }
                _ => drop(params.insert(setting.key, Value::String(setting.value))),
            }
        }
        Ok(Given { params, annotations: self.annotations() })
    }

    /// The event's parameters that have a value.
    pub fn of_event(&self) -> Vec<(&'static str, String)> {
        let mut params = vec![("repository", self.event.url.clone())];
        params.extend(self.event.commit.clone().map(|commit| ("commit", commit)));
        match &self.event.subject {
            Subject::PullRequest(pull) => {
                let point = self.facts.fork_point.as_ref().unwrap_or(&pull.base_commit);
                params.push(("branch", pull.branch.clone()));
                params.push(("base-branch", pull.base_branch.clone()));
                params.push(("fork-point", point.clone()));
                params.push(("pull-request", pull.number.to_string()));
            }
            Subject::Branch(name) => params.push(("branch", name.clone())),
            Subject::Tag(_) => {}
        }
        params
    }

    /// What strangers wrote.
    fn annotations(&self) -> BTreeMap<String, String> {
        let words = self.facts.words.as_ref();
        let author = words.map(|words| words.author.as_str()).filter(|author| !author.is_empty());
        let message = text(words.map(|words| words.message.as_str()).unwrap_or_default());
        let author = text(author.unwrap_or(&self.event.author));
        let all = [(MESSAGE, message), (AUTHOR, author)];
        all.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), text)).collect()
    }
}

fn on_command_line(param: &ParamSpec, command: &[KeyValue]) -> Result<Option<Value>, Error> {
    let texts: Vec<&str> = command.iter().filter(|one| one.key == param.name).map(|one| one.value.as_str()).collect();
    read_param(param.kind(), &texts).map_err(|why| Error::Given(format!("--param {}: {why}", param.name)))
}
