//! Heron's API server: the side that acts. It cannot list topologies; the tracker can.

use std::path::Path;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde::Deserialize;

use super::answer::words;
use super::packing::Plan;
use super::target::{base, join};
use super::update::Parallelism;
use super::{Error, Target};
use crate::step::{self, KeyValue};

const FLAG: &str = "--service-url";
const SERVER: &str = "API server";
/// For what the server answers at once.
const LIMIT: Duration = Duration::from_secs(60);

/// What makes a request a dry run: the first counts by being there, the second must be in upper case.
const DRY_RUN: [(&str, &str); 2] = [("dry_run", "true"), ("dry_run_format", "TABLE")];

/// The form fields that are not config overrides. `dry_run` counts by being there, whatever its value.
const FORM: [&str; 11] = [
    "name",
    "cluster",
    "role",
    "environment",
    "user",
    "definition",
    "topology",
    "dry_run",
    "dry_run_format",
    "verbose",
    "verbose_gc",
];

/// A client of Heron's API server.
#[derive(Debug, Clone)]
pub struct Api {
    base: Url,
    http: Client,
}

/// What a submission consists of.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The `.defn` file that main wrote; its name in it must be the target's.
    pub definition: &'a Path,
    /// The topology's jar.
    pub jar: &'a Path,
    /// Overrides of Heron's own config for this topology.
    pub config: &'a [KeyValue],
}

/// What the server is built from.
#[derive(Debug, Deserialize)]
struct Version {
    #[serde(rename = "heron.build.version", default)]
    version: String,
}

impl Api {
    /// A client of the API server of this target.
    pub fn new(target: &Target) -> Result<Self, Error> {
        Ok(Self { base: base(FLAG, &target.service_url)?, http: step::client(LIMIT).map_err(Error::Client)? })
    }

    /// Refuses a config override that the API server would take for one of its form's own fields.
    pub fn check_config(config: &[KeyValue]) -> Result<(), Error> {
        match config.iter().find(|entry| FORM.contains(&entry.key.as_str())) {
            Some(entry) => Err(Error::Property {
                key: entry.key.clone(),
                why: "the API server's form has a field of this name, so it is no config override".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The version of Heron, as `0.20.5-incubating`.
    pub async fn version(&self) -> Result<String, Error> {
        let operation = "ask for the version";
        let wrong = |status, words| Error::Refused {
            operation: operation.to_owned(),
            server: SERVER,
            status,
            words,
            hint: "; is --service-url the API server's address?",
        };
        let body = self.ask(operation, self.request(Method::GET, &["version"])).await.map_err(|error| match error {
            Error::Refused { status, words, .. } => wrong(status, words),
            error => error,
        })?;
        let version: Version =
            serde_json::from_str(&body).map_err(|_| wrong(200, words(reqwest::StatusCode::OK, &body)))?;
        Ok(version.version)
    }

    /// Submits a topology. A success means that Heron has taken it, not that it runs.
    pub async fn submit(&self, target: &Target, submission: Submission<'_>, limit: Duration) -> Result<(), Error> {
        let operation = format!("submit topology {:?}", target.topology);
        let request = self.submission(target, submission, &[]).await?.timeout(limit);
        self.ask(&operation, request).await.map(|_| ())
    }

    /// The packing plan that a submission would lead to. Nothing changes.
    pub async fn plan(&self, target: &Target, submission: Submission<'_>, limit: Duration) -> Result<Plan, Error> {
        let operation = format!("try topology {:?} in a dry run", target.topology);
        let request = self.submission(target, submission, &DRY_RUN).await?.timeout(limit);
        response(&operation, &self.ask(&operation, request).await?)
    }

    async fn submission(
        &self,
        target: &Target,
        submission: Submission<'_>,
        more: &[(&'static str, &'static str)],
    ) -> Result<RequestBuilder, Error> {
        let name = &target.topology;
        // The server reads the form's own fields by name and takes every other for config. Both files need file names,
        // and different ones, for it to tell them from text and from one another.
        let definition = file_part("the topology's definition", submission.definition, format!("{name}.defn")).await?;
        let jar_name = submission.jar.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let jar = file_part("the topology's jar", submission.jar, jar_name).await?;
        let mut form = Form::new()
            .text("name", name.clone())
            .text("cluster", target.cluster.clone())
            .text("role", target.role.clone())
            .text("environment", target.environment.clone())
            .text("user", target.role.clone())
            .part("definition", definition)
            .part("topology", jar);
        for entry in submission.config {
            form = form.text(entry.key.clone(), entry.value.clone());
        }
        for (key, value) in more {
            form = form.text(*key, *value);
        }
        Ok(self.request(Method::POST, &["topologies"]).multipart(form))
    }

    /// Kills a topology; the answer comes when the scheduler has done its part. It is gone when the tracker no longer
    /// knows it.
    pub async fn kill(&self, target: &Target, limit: Duration) -> Result<(), Error> {
        let request = self.request(Method::DELETE, &path(target)).timeout(limit);
        self.ask(&format!("kill topology {:?}", target.topology), request).await.map(|_| ())
    }

    /// Lets its spouts emit. It is done again without harm.
    pub async fn activate(&self, target: &Target, limit: Duration) -> Result<(), Error> {
        self.act("activate", target, None, limit).await.map(|_| ())
    }

    /// Holds its spouts. It is done again without harm.
    pub async fn deactivate(&self, target: &Target, limit: Duration) -> Result<(), Error> {
        self.act("deactivate", target, None, limit).await.map(|_| ())
    }

    /// Starts a container's processes anew, or those of all.
    pub async fn restart(&self, target: &Target, container: Option<u32>, limit: Duration) -> Result<(), Error> {
        // Without a form the server fails.
        let id = container.map_or("-1".to_owned(), |id| id.to_string());
        self.act("restart", target, Some(vec![("container_id", id)]), limit).await.map(|_| ())
    }

    /// Changes how many instances components have. The server answers when it is done, which may take more than ten minutes.
    pub async fn update(&self, target: &Target, wanted: &[Parallelism], limit: Duration) -> Result<(), Error> {
        self.act("update", target, Some(update_form(wanted)), limit).await.map(|_| ())
    }

    /// The packing plan that such an update would lead to. Nothing changes.
    pub async fn update_plan(&self, target: &Target, wanted: &[Parallelism], limit: Duration) -> Result<Plan, Error> {
        let mut form = update_form(wanted);
        form.extend(DRY_RUN.map(|(key, value)| (key, value.to_owned())));
        let body = self.act("update", target, Some(form), limit).await?;
        response(&format!("update topology {:?} in a dry run", target.topology), &body)
    }

    async fn act(
        &self,
        verb: &'static str,
        target: &Target,
        form: Option<Vec<(&'static str, String)>>,
        limit: Duration,
    ) -> Result<String, Error> {
        let path = [path(target).as_slice(), &[verb]].concat();
        let request = self.request(Method::POST, &path).timeout(limit);
        let request = match form {
            Some(form) => request.form(&form),
            None => request,
        };
        self.ask(&format!("{verb} topology {:?}", target.topology), request).await
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let path = [&["api", "v1"], path].concat();
        self.http.request(method, join(&self.base, &path))
    }

    /// The body of a good answer; a bad one is an error with the server's own words.
    async fn ask(&self, operation: &str, request: RequestBuilder) -> Result<String, Error> {
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            operation: operation.to_owned(),
            server: SERVER,
            url: self.base.to_string(),
            words: step::describe_http_error(&error),
            flag: FLAG,
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(body);
        }
        let words = words(status, &body);
        let hint = hint(&words);
        Err(Error::Refused { operation: operation.to_owned(), server: SERVER, status: status.as_u16(), words, hint })
    }
}

fn update_form(wanted: &[Parallelism]) -> Vec<(&'static str, String)> {
    wanted.iter().map(|wanted| ("component_parallelism", wanted.to_string())).collect()
}

/// The text of a dry run's answer.
fn response(operation: &str, body: &str) -> Result<Plan, Error> {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    match json.get("response").and_then(serde_json::Value::as_str) {
        Some(text) => Ok(Plan::parse(text)),
        None => Err(Error::Refused {
            operation: operation.to_owned(),
            server: SERVER,
            status: 200,
            words: words(reqwest::StatusCode::OK, body),
            hint: "; that is no answer to a dry run",
        }),
    }
}

/// What to do about it, where the server's words do not say.
pub(super) fn hint(words: &str) -> &'static str {
    if words.contains("already exists") {
        "; it may run under another role or environment"
    } else if words.contains("Unknown cluster") {
        "; check --cluster"
    } else if words.contains("does not match") {
        "; check --cluster, --role and --environment"
    } else if words.contains("upper case") {
        "; name it in lower case, in its main and in --topology"
    } else if words.contains("scheduler location") {
        "; if this stays, its state has to be taken out of Heron by hand"
    } else {
        ""
    }
}

fn path(target: &Target) -> [&str; 5] {
    ["topologies", &target.cluster, &target.role, &target.environment, &target.topology]
}

/// A file as a part of a form; it is read while it is sent, for jars are large.
async fn file_part(what: &'static str, path: &Path, name: String) -> Result<Part, Error> {
    let part = Part::file(path).await.map_err(|source| Error::File { what, path: path.to_owned(), source })?;
    Ok(part.file_name(name))
}
