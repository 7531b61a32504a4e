//! The REST API of Flink's JobManager (Flink 1.20 to 2.3).
//!
//! It ignores fields that it does not know and falls back to other defaults, so requests are built from structs only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use openssl::sha::Sha256;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::Error;
use super::job::{Exception, Job, State, Summary, time};
use super::stack::summary;
use crate::report::number;
use crate::step;

/// For what Flink answers at once.
const LIMIT: Duration = Duration::from_secs(60);
/// The most of a jar's own name that goes into its name at Flink, beside the 64 digits of its content.
const LONGEST_NAME: usize = 100;

/// A client of a JobManager.
#[derive(Debug, Clone)]
pub struct Rest {
    /// The argument that names it, for errors.
    flag: &'static str,
    base: Url,
    http: Client,
}

/// What a JobManager tells about itself (`/config`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Config {
    /// Flink's version, as `2.2.1`.
    pub flink_version: String,
    /// What it may be asked to do.
    #[serde(default)]
    pub features: Features,
}

/// What a JobManager may be asked to do.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Features {
    /// Take jars (`web.submit.enable`); an application cluster does not.
    pub web_submit: bool,
}

/// The cluster's slots (`/overview`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Overview {
    /// How many TaskManagers there are.
    pub taskmanagers: u32,
    /// How many subtasks of one vertex fit into the cluster.
    pub slots_total: u32,
    /// How many of the slots no job has.
    pub slots_available: u32,
}

#[derive(Deserialize)]
struct TaskManagers {
    taskmanagers: Vec<TaskManager>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskManager {
    slots_number: u32,
    hardware: Hardware,
    memory_configuration: Memory,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hardware {
    cpu_cores: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    /// In bytes; none where only parts of it are configured.
    total_process_memory: Option<u64>,
}

impl TaskManagers {
    /// Their sizes, each said once: `4 slots, 2 cores, 1,280 MiB`.
    fn sizes(&self) -> String {
        let said = |manager: &TaskManager| {
            let memory = manager.memory_configuration.total_process_memory;
            let memory = memory.map(|bytes| format!(", {} MiB", number(bytes as f64 / 1_048_576.0)));
            let (slots, cores) = (manager.slots_number, manager.hardware.cpu_cores);
            format!("{slots} slots, {cores} cores{}", memory.unwrap_or_default())
        };
        let sizes: BTreeSet<String> = self.taskmanagers.iter().map(said).collect();
        sizes.into_iter().collect::<Vec<_>>().join("; ")
    }
}

/// A jar that was uploaded.
#[derive(Debug, Clone, Deserialize)]
pub struct Jar {
    /// Its id, `<uuid>_<name>`.
    pub id: String,
    /// The name it was uploaded under.
    #[serde(default)]
    pub name: String,
}

/// How a jar's main is to be run. What is left out Flink takes from the jar's manifest and from its own configuration.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// The class whose main makes the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_class: Option<String>,
    /// The arguments of main. (A single string, `programArgs`, is ignored since Flink 2.0.)
    pub program_args_list: Vec<String>,
    /// The parallelism of all operators that main gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// The job's id, 32 hex digits: known before there is an answer, so that the job can be found whatever becomes of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The savepoint that the job begins from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_path: Option<String>,
    /// Whether state in the savepoint that no operator wants is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_non_restored_state: Option<bool>,
    /// Settings of Flink for this job.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub flink_configuration: BTreeMap<String, String>,
}

/// The job that main makes, without it being run (`/jars/:id/plan`).
#[derive(Debug, Clone, Deserialize)]
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// Its vertices.
    #[serde(default)]
    pub nodes: Vec<PlanNode>,
}

/// A vertex of a plan.
#[derive(Debug, Clone, Deserialize)]
pub struct PlanNode {
    /// How many subtasks it will have.
    pub parallelism: u32,
}

impl Plan {
    /// How many slots the job needs where all operators share them, which is Flink's default.
    pub fn slots(&self) -> u32 {
        self.nodes.iter().map(|node| node.parallelism).max().unwrap_or_default()
    }
}

/// A job that was asked for by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// When it was submitted, in Unix milliseconds.
    pub start_time: i64,
}

impl Named {
    /// When it was submitted.
    pub fn started_at(&self) -> Timestamp {
        time(self.start_time)
    }
}

/// A savepoint that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Savepoint {
    /// It is being written.
    InProgress,
    /// It is complete.
    Done {
        /// Where.
        location: String,
    },
    /// It was not written.
    Failed {
        /// Why, in a line.
        cause: String,
    },
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Summary>,
}

#[derive(Deserialize)]
struct Statuses {
    jobs: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    id: String,
    status: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exceptions {
    exception_history: History,
}

#[derive(Deserialize)]
struct History {
    entries: Vec<Exception>,
}

#[derive(Deserialize)]
struct Files {
    files: Vec<Jar>,
}

#[derive(Deserialize)]
struct Uploaded {
    filename: String,
}

#[derive(Deserialize)]
struct Run {
    jobid: String,
}

#[derive(Deserialize)]
struct Planned {
    plan: Plan,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Trigger {
    request_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Accumulators {
    user_task_accumulators: Vec<Accumulator>,
}

#[derive(Deserialize)]
struct Accumulator {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Metric {
    id: String,
    #[serde(default)]
    value: String,
}

impl Rest {
    /// A client of the JobManager at the address that `--rest-url` says.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::of("--rest-url", url)
    }

    /// A client of the JobManager at the address that an argument says.
    pub fn of(flag: &'static str, url: &str) -> Result<Self, Error> {
        let wrong = || Error::Address { flag, value: url.to_owned() };
        let base = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        Ok(Self { flag, base, http: step::client(LIMIT).map_err(Error::Client)? })
    }

    /// What the JobManager tells about itself.
    pub async fn config(&self) -> Result<Config, Error> {
        self.get("ask for the version", &["config"]).await
    }

    /// The cluster's slots.
    pub async fn overview(&self) -> Result<Overview, Error> {
        self.get("ask for the slots", &["overview"]).await
    }

    /// How large the TaskManagers are, each size said once.
    pub async fn task_managers(&self) -> Result<String, Error> {
        Ok(self.get::<TaskManagers>("ask for the TaskManagers", &["taskmanagers"]).await?.sizes())
    }

    /// The jars that were uploaded.
    pub async fn jars(&self) -> Result<Vec<Jar>, Error> {
        Ok(self.get::<Files>("list the jars", &["jars"]).await?.files)
    }

    /// Uploads a jar unless one of the same content is there; returns its id.
    pub async fn upload(&self, jar: &Path, limit: Duration) -> Result<String, Error> {
        let name = content_name(jar).await?;
        if let Some(known) = self.jars().await?.into_iter().find(|known| known.name == name) {
            return Ok(known.id);
        }
        let part = Part::file(jar).await.map_err(|source| unreadable(jar, source))?.file_name(name);
        let part = part.mime_str("application/java-archive").map_err(Error::Client)?;
        let form = Form::new().part("jarfile", part);
        let request = self.request(Method::POST, &["jars", "upload"]).multipart(form).timeout(limit);
        let answer: Uploaded = self.ask(&format!("upload {}", jar.display()), request).await?;
        Ok(answer.filename.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// Runs main without running the job that it makes. `limit` bounds main too.
    pub async fn plan(&self, jar: &str, program: &Program, limit: Duration) -> Result<Plan, Error> {
        let request = self.request(Method::POST, &["jars", jar, "plan"]).json(program).timeout(limit);
        Ok(self.ask::<Planned>("run main", request).await?.plan)
    }

    /// Runs main and the job that it makes; returns the job's id. Flink then has the job, which does not mean that it runs.
    pub async fn run(&self, jar: &str, program: &Program, limit: Duration) -> Result<String, Error> {
        let request = self.request(Method::POST, &["jars", jar, "run"]).json(program).timeout(limit);
        Ok(self.ask::<Run>("run the job", request).await?.jobid)
    }

    /// All jobs that the JobManager remembers.
    pub async fn jobs(&self) -> Result<Vec<Summary>, Error> {
        Ok(self.get::<Jobs>("list the jobs", &["jobs", "overview"]).await?.jobs)
    }

    /// The jobs of this name that have not ended. The overview would show those of up to 3 s ago.
    pub async fn alive(&self, name: &str) -> Result<Vec<Named>, Error> {
        let mut named = Vec::new();
        for Status { id, status } in self.get::<Statuses>("list the jobs", &["jobs"]).await?.jobs {
            if status.is_terminal() {
                continue;
            }
            match self.job(&id).await {
                Ok(job) if job.name == name => named.push(Named { id, start_time: job.start_time }),
                Err(error) if !error.is_unknown() => return Err(error),
                _ => {}
            }
        }
        named.sort_by_key(|job| (job.start_time, job.id.clone()));
        Ok(named)
    }

    /// A job; up to 3 s old.
    pub async fn job(&self, job: &str) -> Result<Job, Error> {
        self.get(&format!("ask for job {job}"), &["jobs", job]).await
    }

    /// How a job is doing right now.
    pub async fn status(&self, job: &str) -> Result<State, Error> {
        Ok(self.get::<Status>(&format!("ask for job {job}"), &["jobs", job, "status"]).await?.status)
    }

    /// Asks for a job's end; it has ended when its status says so. A job that has ended already is no error.
    pub async fn cancel(&self, job: &str) -> Result<(), Error> {
        let request = self.request(Method::PATCH, &["jobs", job]).query(&[("mode", "cancel")]);
        match self.ask::<Value>(&format!("cancel job {job}"), request).await {
            Err(Error::Refused { status: 409, .. }) => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// Asks for a savepoint in `directory` (Flink's own setting when there is none) and the job's end behind it, which is then
    /// FINISHED; returns what [`Rest::savepoint`] asks for.
    pub async fn stop(&self, job: &str, directory: Option<&str>) -> Result<String, Error> {
        let body = json!({ "targetDirectory": directory, "drain": false });
        let request = self.request(Method::POST, &["jobs", job, "stop"]).json(&body);
        Ok(self.ask::<Trigger>(&format!("stop job {job} with a savepoint"), request).await?.request_id)
    }

    /// What has become of a savepoint.
    pub async fn savepoint(&self, job: &str, trigger: &str) -> Result<Savepoint, Error> {
        let operation = format!("ask for the savepoint of job {job}");
        let answer: Value = self.get(&operation, &["jobs", job, "savepoints", trigger]).await?;
        let (flag, url) = (self.flag, self.base.to_string());
        let strange = || Error::Strange { operation, url, words: answer.to_string(), flag };
        savepoint(&answer).ok_or_else(strange)
    }

    /// A job's newest exceptions, newest first.
    pub async fn exceptions(&self, job: &str, most: u32) -> Result<Vec<Exception>, Error> {
        let operation = format!("ask for the exceptions of job {job}");
        let request = self.request(Method::GET, &["jobs", job, "exceptions"]).query(&[("maxExceptions", most)]);
        Ok(self.ask::<Exceptions>(&operation, request).await?.exception_history.entries)
    }

    /// A job's accumulators in their own words, by name. Of one that runs, as its TaskManagers told last: with each heartbeat
    /// (heartbeat.interval, 10 s), and when a task ends.
    pub async fn accumulators(&self, job: &str) -> Result<BTreeMap<String, String>, Error> {
        let operation = format!("ask for the accumulators of job {job}");
        let found: Accumulators = self.get(&operation, &["jobs", job, "accumulators"]).await?;
        Ok(found.user_task_accumulators.into_iter().map(|found| (found.name, found.value)).collect())
    }

    /// Metrics of the job itself, as `numRestarts`; those that Flink has not got are left out.
    pub async fn job_metrics(&self, job: &str, names: &[&str]) -> Result<BTreeMap<String, f64>, Error> {
        let operation = format!("ask for metrics of job {job}");
        let request = self.request(Method::GET, &["jobs", job, "metrics"]).query(&[("get", names.join(","))]);
        let metrics: Vec<Metric> = self.ask(&operation, request).await?;
        Ok(metrics.into_iter().filter_map(|metric| Some((metric.id, metric.value.parse().ok()?))).collect())
    }

    /// The names of the metrics that the subtasks of a vertex have; none before Flink has collected them.
    pub async fn vertex_metric_names(&self, job: &str, vertex: &str) -> Result<Vec<String>, Error> {
        let path = ["jobs", job, "vertices", vertex, "subtasks", "metrics"];
        let named: Vec<Metric> = self.get(&format!("ask for metrics of job {job}"), &path).await?;
        Ok(named.into_iter().map(|metric| metric.id).collect())
    }

    /// The address that was given.
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.http.request(method, url)
    }

    async fn get<T: DeserializeOwned>(&self, operation: &str, path: &[&str]) -> Result<T, Error> {
        self.ask(operation, self.request(Method::GET, path)).await
    }

    /// A good answer; a bad one is an error with the useful part of Flink's own words.
    async fn ask<T: DeserializeOwned>(&self, operation: &str, request: RequestBuilder) -> Result<T, Error> {
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            operation: operation.to_owned(),
            url: self.base.to_string(),
            words: step::describe_http_error(&error),
            flag: self.flag,
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.text().await.map_err(unreachable)?;
        understand(status.as_u16(), &body).map_err(|wrong| match wrong {
            Wrong::Refused(words) => {
                let hint = hint(&words);
                Error::Refused { operation: operation.to_owned(), status: status.as_u16(), words, hint }
            }
            Wrong::Strange => Error::Strange {
                operation: operation.to_owned(),
                url: self.base.to_string(),
                words: format!("{} {}", status.as_u16(), summary(&body)),
                flag: self.flag,
            },
        })
    }
}

/// What is wrong with an answer.
#[derive(Debug)]
enum Wrong {
    Refused(String),
    Strange,
}

fn understand<T: DeserializeOwned>(status: u16, body: &str) -> Result<T, Wrong> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    if (200..300).contains(&status) {
        return serde_json::from_str(body).map_err(|_| Wrong::Strange);
    }
    match serde_json::from_str::<Errors>(body) {
        Ok(said) => Err(Wrong::Refused(summary(&said.errors.join("\n")))),
        Err(_) => Err(Wrong::Strange),
    }
}

/// What to do about it, where Flink's words do not say.
fn hint(words: &str) -> &'static str {
    if words.contains("was not found in the jar file") {
        "; check --entry-class"
    } else if words.contains("savepoint-dir") || words.contains("savepoint directory") {
        "; name a directory, as --stop-with-savepoint=s3://bucket/savepoints"
    } else {
        ""
    }
}

/// `COMPLETED` says only that it is over: whether there is a location or a cause tells how.
fn savepoint(answer: &Value) -> Option<Savepoint> {
    match answer.pointer("/status/id")?.as_str()? {
        "IN_PROGRESS" => Some(Savepoint::InProgress),
        _ => match answer.pointer("/operation/location").and_then(Value::as_str) {
            Some(location) => Some(Savepoint::Done { location: location.to_owned() }),
            None => {
                let cause = answer.pointer("/operation/failure-cause")?;
                let trace = cause.get("stack-trace").or_else(|| cause.get("class")).and_then(Value::as_str)?;
                Some(Savepoint::Failed { cause: super::stack::root_cause(trace) })
            }
        },
    }
}

/// The name that a jar is uploaded under: its content's SHA-256 tells whether it is there already.
async fn content_name(jar: &Path) -> Result<String, Error> {
    let failed = |source| unreadable(jar, source);
    let mut file = tokio::fs::File::open(jar).await.map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).await.map_err(failed)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let digits = step::hex(&hash.finish());
    let stem = jar.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let stem: String = stem.chars().take(LONGEST_NAME).map(plain).collect();
    Ok(format!("{stem}-{digits}.jar"))
}

fn unreadable(jar: &Path, source: std::io::Error) -> Error {
    Error::File { what: "the job's jar", path: jar.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! recorded {
        ($name:literal) => {
            include_str!(concat!("../../tests/data/flink/", $name, ".json"))
        };
    }

    fn known<T: DeserializeOwned>(body: &str) -> T {
        understand(200, body).unwrap()
    }

    fn refused(status: u16, body: &str) -> String {
        match understand::<Value>(status, body) {
            Err(Wrong::Refused(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn recorded_answers_are_understood() {
        let config: Config = known(recorded!("config"));
        assert_eq!((config.flink_version.as_str(), config.features.web_submit), ("2.2.1", true));
        let overview: Overview = known(recorded!("overview"));
        assert_eq!(overview, Overview { taskmanagers: 1, slots_total: 4, slots_available: 2 });
        assert_eq!(known::<TaskManagers>(recorded!("taskmanagers")).sizes(), "4 slots, 2 cores, 1,280 MiB");
        assert_eq!(known::<Files>(recorded!("jars-list")).files[0].name, "copyjob.jar");
        let plan = known::<Planned>(recorded!("jars-plan-ok")).plan;
        assert_eq!((plan.name.as_str(), plan.slots()), ("live-copy", 2));
        assert_eq!(known::<Run>(recorded!("jars-run-ok")).jobid, "5c3951681c8f5952a1b08b7d6128f831");
        assert_eq!(known::<Trigger>(recorded!("savepoint-trigger")).request_id, "83ae7c820b7d1c7652a0078bd26b0f11");
        let states: Vec<_> =
            known::<Jobs>(recorded!("jobs-overview-mixed")).jobs.iter().take(3).map(|job| job.state).collect();
        assert_eq!(states, [State::Finished, State::Running, State::Canceled]);
        let all = known::<Statuses>(recorded!("jobs")).jobs;
        assert!(all.iter().any(|job| !job.status.is_terminal() && job.id.len() == 32));
        assert_eq!(known::<Job>(recorded!("job-failed")).state, State::Failed);
        assert!(known::<Exceptions>(recorded!("job-exceptions-none")).exception_history.entries.is_empty());
        let failed = known::<Exceptions>(recorded!("job-failed-exceptions")).exception_history.entries;
        assert_eq!(
            (failed[0].at().to_string().as_str(), failed[0].component().as_str()),
            ("2026-11-23T09:13:22.551Z", "")
        );
    }

    #[test]
    fn of_a_refusal_the_useful_line_is_told() {
        assert_eq!(refused(400, recorded!("jars-upload-error-not-jar")), "Only Jar files are allowed.");
        insta::assert_snapshot!(refused(500, recorded!("jars-run-error-bad-entry-class")), @"The program's entry point class 'NoSuch' was not found in the jar file.");
        insta::assert_snapshot!(refused(400, recorded!("jars-run-error-missing-arg")), @"The main method caused an error: No data for required key 'src'");
        insta::assert_snapshot!(refused(500, recorded!("jars-run-error-unknown-jar")), @"Jar file /opt/flink/upload/flink-web-upload/deadbeef_nope.jar does not exist");
        insta::assert_snapshot!(refused(404, recorded!("job-not-found")), @"Job 00000000000000000000000000000000 not found; cause: Could not find Flink job (00000000000000000000000000000000)");
    }

    #[test]
    fn what_is_not_flinks_answer_is_told_from_a_refusal() {
        assert!(matches!(understand::<Config>(200, "<html>Sign in</html>"), Err(Wrong::Strange)));
        assert!(matches!(understand::<Config>(502, "Bad Gateway"), Err(Wrong::Strange)));
    }

    #[test]
    fn a_savepoint_that_failed_is_told_from_a_complete_one() {
        let answer = |text: &str| savepoint(&serde_json::from_str(text).unwrap());
        let location = "file:/opt/flink/ckpt/savepoint-5c3951-2ccf394b0047".to_owned();
        assert_eq!(answer(recorded!("savepoint-status")), Some(Savepoint::Done { location }));
        assert_eq!(answer(r#"{"status":{"id":"IN_PROGRESS"},"operation":null}"#), Some(Savepoint::InProgress));
        let failed = r#"{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"class":"x.Y","stack-trace":"x.Y: disk full\n\tat z","serialized-throwable":""}}}"#;
        assert_eq!(answer(failed), Some(Savepoint::Failed { cause: "Y: disk full".into() }));
        assert_eq!(answer("{}"), None);
    }

    #[test]
    fn only_what_is_given_is_sent() {
        let program = Program { program_args_list: vec!["--a=b c".into()], ..Program::default() };
        assert_eq!(serde_json::to_string(&program).unwrap(), r#"{"programArgsList":["--a=b c"]}"#);
    }

    #[tokio::test]
    async fn the_same_jar_has_the_same_name_whatever_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("a b.jar"), folder.path().join("other.jar"));
        std::fs::write(&one, "abc").unwrap();
        std::fs::write(&other, "abd").unwrap();
        let name = content_name(&one).await.unwrap();
        assert_eq!(name, "a_b-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.jar");
        assert_ne!(content_name(&other).await.unwrap()[6..], name[4..]);
        let error = content_name(&folder.path().join("none.jar")).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot read the job's jar /"), "{error}");
    }

    #[test]
    fn an_address_must_be_one() {
        let error = Rest::new("jobmanager:8081").unwrap_err();
        insta::assert_snapshot!(error, @r#"--rest-url "jobmanager:8081" is not an address such as http://flink-jobmanager:8081"#);
    }
}
