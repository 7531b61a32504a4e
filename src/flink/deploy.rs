//! `deploy-flink-app`: runs a job with its settings on a session cluster and waits until it is truly running.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::end::{How, end, how};
use super::events::Address;
use super::job::State;
use super::ready::{self, Wanted};
use super::rest::{Named, Plan, Program};
use super::wait::Wait;
use super::{Error, Rest};
use crate::report::App;
use crate::step::{Exit, Failure, KeyValue, Seconds, Step, StepArgs, flag, hex};

/// How long a job must be up without a break unless the user says otherwise.
const HOLD: &str = "10s";

/// Settings of the cluster's own processes: a session cluster has started them already, and ignores these in a job.
const CLUSTERS_OWN: [&str; 7] =
    ["env.", "jobmanager.", "taskmanager.", "rest.", "web.", "high-availability.", "kubernetes."];

/// Runs a Flink job with the settings of a commit on a session cluster, replaces an old one, and waits until it is truly running.
///
/// Flink runs the jar's main twice: first without running the job, to see its name and parallelism before anything is ended.
#[derive(Debug, clap::Parser)]
#[command(name = "deploy-flink-app")]
pub struct Args {
    /// Address of the JobManager's REST API, as http://flink-jobmanager:8081
    #[arg(long, value_name = "URL", help_heading = "Job")]
    rest_url: String,

    /// Name of the job, as its main gives it
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = "Job")]
    name: String,

    /// The job's jar, with all it needs in it; a jar that the cluster has already is not uploaded again
    #[arg(long, value_name = "FILE", help_heading = "Job")]
    jar: PathBuf,

    /// Class whose main makes the job; the jar's manifest names it otherwise
    #[arg(long, value_name = "CLASS", default_value = "", hide_default_value = true, help_heading = "Job")]
    entry_class: String,

    /// Parallelism of the operators that main gives none; 0 leaves it to the cluster
    #[arg(long, value_name = "N", value_parser = parallelism, default_value = "0", help_heading = "Job")]
    parallelism: u32,

    /// Settings of Flink for this job, each as key=value
    #[arg(long, value_name = "K=V", num_args = 0.., help_heading = "Job")]
    config: Vec<KeyValue>,

    /// Savepoint that the job begins from
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true, help_heading = "Job")]
    savepoint: String,

    /// Drop state of the savepoint that no operator of the job wants
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Job")]
    allow_non_restored_state: bool,

    /// End all jobs of the same name first
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Job")]
    replace: bool,

    /// End the job that is replaced with a savepoint, in this directory or, as true, where the cluster's configuration says, and begin from it
    #[arg(long, value_name = "DIR", value_parser = how, num_args = 0..=1, default_value = "",
          default_missing_value = "true", hide_default_value = true, help_heading = "Job")]
    stop_with_savepoint: How,

    /// How long the job must be up and well without a break
    #[arg(long, value_name = "TIME", value_parser = hold, default_value = HOLD, help_heading = "Job")]
    ready_hold: Seconds,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,

    /// Arguments of main
    #[arg(last = true, value_name = "ARGS")]
    main_args: Vec<String>,
}

/// A time; an empty value means that it was not given.
fn hold(text: &str) -> Result<Seconds, String> {
    if text.is_empty() { HOLD.parse() } else { text.parse() }
}

/// A number; an empty value means that it was not given.
fn parallelism(text: &str) -> Result<u32, String> {
    if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| format!("{text:?} is not a number of subtasks")) }
}

/// Runs the job and waits until it is truly running.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    step.update_report(|report| report.begin_app(args.app()))?;
    args.check()?;
    let mut wait = Wait::within(step.timeout());
    let rest = Rest::new(&args.rest_url)?;
    let config = rest.config().await?;
    tracing::info!("Flink {} at {}", config.flink_version, args.rest_url);
    step.update_report(|report| report.note_environment("flink", config.flink_version.clone()))?;
    if !config.features.web_submit {
        return Err(Error::NoSession { version: config.flink_version, url: args.rest_url }.into());
    }
    args.refuse_others(&rest).await?;

    let jar = rest.upload(&args.jar, wait.request_limit()).await?;
    let mut program = args.program()?;
    let plan = rest.plan(&jar, &program, wait.request_limit()).await?;
    args.check_name(&plan.name, "nothing was run")?;

    if let Some(savepoint) = args.make_room(&rest, &mut wait).await? {
        step.results().write("savepoint", &savepoint)?;
        program.savepoint_path = Some(savepoint);
    }
    let slots = slots(&rest, &plan).await?;
    let id = program.job_id.clone().unwrap_or_default();
    let address = |restarts| Address { rest_url: args.rest_url.clone(), job: id.clone(), restarts }.to_map();
    // From here on it may run, whatever becomes of the answer: noted first, so that it is deleted in any case.
    update_app(step, |app| (app.deployed_at, app.address) = (Some(Timestamp::now()), address(0)))?;
    step.results().write("job-id", &id)?;
    if let Err(error) = rest.run(&jar, &program, wait.request_limit()).await {
        if matches!(error, Error::Refused { .. }) && !clear(&rest, &id, &mut wait).await? {
            update_app(step, |app| app.deployed_at = None)?;
        }
        return Err(error.into());
    }
    let submitted = Timestamp::now();
    update_app(step, |app| app.deployed_at = Some(submitted))?;
    step.results().write("submitted-at", &format!("{submitted:.3}"))?;
    tracing::info!("job {} is submitted as {id}", args.name);

    let began = Instant::now();
    let up = args.wait(&rest, &id, &slots, &mut wait).await?;
    let ready = Timestamp::now();
    tracing::info!(
        "job {} is running: {} subtasks, {:.1} s after it was submitted",
        args.name,
        up.job.subtasks(),
        began.elapsed().as_secs_f64()
    );
    update_app(step, |app| {
        (app.components, app.ready_at) = (up.job.components(), Some(ready));
        (app.submission_time, app.address) = (Some(up.job.started_at().as_second()), address(up.restarts));
    })?;
    // Not before: some clusters start TaskManagers when they are needed.
    match rest.task_managers().await {
        Ok(sizes) => step.update_report(|report| report.note_environment("flink.taskmanagers", sizes))?,
        Err(error) => tracing::warn!("the report does not say how large the TaskManagers are: {error}"),
    }
    step.results().write("ready-at", &format!("{ready:.3}"))?;
    Ok(Exit::Done)
}

impl Args {
    /// Refuses all that can be known to be wrong before anything is done.
    fn check(&self) -> Result<(), Error> {
        Rest::new(&self.rest_url)?;
        check_jar(&self.jar)?;
        self.check_config()
    }

    fn check_config(&self) -> Result<(), Error> {
        let refuse = |entry: &KeyValue, why| Err(Error::Setting { flag: "--config", value: entry.key.clone(), why });
        for (number, entry) in self.config.iter().enumerate() {
            if CLUSTERS_OWN.iter().any(|prefix| entry.key.starts_with(prefix)) {
                return refuse(
                    entry,
                    "it is a setting of the cluster's processes, which run already, so it would be ignored",
                );
            }
            if entry.key == "pipeline.name" {
                return refuse(entry, "the name that main gives the job wins over it");
            }
            if self.config[..number].iter().any(|other| other.key == entry.key && other.value != entry.value) {
                return refuse(entry, "it is given twice, with different values");
            }
        }
        if !self.savepoint.is_empty() && self.stop_with_savepoint != How::Cancel {
            let why = "a job can begin from one savepoint only, and --stop-with-savepoint makes another";
            return Err(Error::Setting { flag: "--savepoint", value: self.savepoint.clone(), why });
        }
        Ok(())
    }

    fn program(&self) -> Result<Program, Error> {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let config: BTreeMap<_, _> = self.config.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        Ok(Program {
            entry_class: given(&self.entry_class),
            program_args_list: self.main_args.clone(),
            parallelism: (self.parallelism > 0).then_some(self.parallelism),
            job_id: Some(new_id()?),
            savepoint_path: given(&self.savepoint),
            allow_non_restored_state: self.allow_non_restored_state.then_some(true),
            flink_configuration: config,
        })
    }

    /// Flink calls a job what main calls it, and would call several jobs the same.
    fn check_name(&self, made: &str, state: &'static str) -> Result<(), Error> {
        match made == self.name {
            true => Ok(()),
            false => Err(Error::WrongName { made: made.to_owned(), asked: self.name.clone(), state }),
        }
    }

    async fn refuse_others(&self, rest: &Rest) -> Result<(), Error> {
        match rest.alive(&self.name).await?.into_iter().next() {
            Some(job) if !self.replace => {
                Err(Error::Exists { name: self.name.clone(), at: job.started_at(), job: job.id })
            }
            _ => Ok(()),
        }
    }

    /// Ends all jobs of the same name; returns the savepoint of the one, where that is wanted.
    async fn make_room(&self, rest: &Rest, wait: &mut Wait) -> Result<Option<String>, Error> {
        self.refuse_others(rest).await?;
        let old = rest.alive(&self.name).await?;
        if self.stop_with_savepoint != How::Cancel && old.len() > 1 {
            return Err(Error::Several { name: self.name.clone(), count: old.len() });
        }
        let mut savepoint = None;
        for job in old {
            tracing::info!("ending job {} ({}) of {}", self.name, job.id, job.started_at());
            let began = Instant::now();
            savepoint = end(rest, &job.id, &self.stop_with_savepoint, wait).await?;
            let place = savepoint.as_ref().map(|place| format!(", its savepoint is {place}")).unwrap_or_default();
            tracing::info!("job {} has ended after {:.1} s{place}", job.id, began.elapsed().as_secs_f64());
        }
        Ok(savepoint)
    }

    /// Waits for the job. Of two that were deployed at the same time the later one is cancelled, by its own deployment.
    async fn wait(&self, rest: &Rest, id: &str, slots: &str, wait: &mut Wait) -> Result<ready::Ready, Error> {
        let wanted = Wanted { job: id, name: &self.name, slots, hold: self.ready_hold.0 };
        let up = ready::wait(rest, wanted, wait).await?;
        if let Err(error) = self.check_name(&up.job.name, "it was cancelled") {
            end(rest, id, &How::Cancel, wait).await?;
            return Err(error);
        }
        let ours = (up.job.start_time, id.to_owned());
        let earlier = |job: &Named| job.id != id && (job.start_time, job.id.clone()) < ours;
        if let Some(other) = rest.alive(&self.name).await?.into_iter().find(earlier) {
            end(rest, id, &How::Cancel, wait).await?;
            return Err(Error::Overtaken { name: self.name.clone(), at: other.started_at(), job: other.id });
        }
        Ok(up)
    }

    /// What is known of the application before anything can fail.
    fn app(&self) -> App {
        let mut properties = properties(&self.main_args);
        properties.extend(self.config.iter().map(|entry| (entry.key.clone(), Value::from(entry.shown()))));
        if self.parallelism > 0 {
            properties.insert("parallelism".to_owned(), Value::from(self.parallelism));
        }
        App { engine: "flink".to_owned(), name: self.name.clone(), properties, ..App::default() }
    }
}

/// Flink takes any file whose name ends in .jar, and stumbles over it later.
fn check_jar(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { what: "the job's jar", path: path.to_owned(), source };
    let mut first = Vec::new();
    File::open(path).and_then(|file| file.take(2).read_to_end(&mut first)).map_err(failed)?;
    if first == b"PK" { Ok(()) } else { Err(Error::NotJar { path: path.to_owned() }) }
}

/// Main's arguments as a report shows them: `--key=value` and `--key value` by their keys, any other by its place.
fn properties(args: &[String]) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut rest = args.iter().enumerate().peekable();
    while let Some((place, arg)) = rest.next() {
        let name = arg.trim_start_matches('-');
        let entry = match name.parse::<KeyValue>() {
            Ok(entry) => entry,
            Err(_) if name.is_empty() || name == arg => {
                KeyValue { key: format!("argument {}", place + 1), value: arg.clone() }
            }
            Err(_) => {
                let value = rest.next_if(|(_, next)| !next.starts_with("--")).map(|(_, value)| value.clone());
                KeyValue { key: name.to_owned(), value: value.unwrap_or_default() }
            }
        };
        shown.insert(entry.key.clone(), Value::from(entry.shown()));
    }
    shown
}

/// Makes sure that nothing of a run that Flink refused goes on: main may fail after it has submitted its job. Whether there was a
/// job.
async fn clear(rest: &Rest, id: &str, wait: &mut Wait) -> Result<bool, Error> {
    match rest.status(id).await {
        Ok(state) if state != State::Failed => {
            end(rest, id, &How::Cancel, wait).await?;
            Ok(true)
        }
        Ok(_) => Ok(true),
        Err(error) if error.is_unknown() => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many slots the job needs and the cluster has. That they are too few is no error yet: some clusters start TaskManagers when
/// they are needed.
async fn slots(rest: &Rest, plan: &Plan) -> Result<String, Error> {
    let there = rest.overview().await?;
    let (needed, total, free) = (plan.slots(), there.slots_total, there.slots_available);
    let told = format!("it needs {needed} slots, the cluster has {total}, of which {free} were free");
    if needed > free {
        tracing::warn!("the job may not start: {told}");
    }
    Ok(told)
}

/// An id for a job, so that it is known before Flink has answered.
fn new_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes).map_err(Error::Random)?;
    Ok(hex(&bytes))
}

fn update_app(step: &Step, change: impl FnOnce(&mut App)) -> Result<(), Failure> {
    Ok(step.update_report(|report| change(report.app.get_or_insert_with(App::default)))?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    fn args(more: &[&str]) -> Args {
        let jar = "--jar=none.jar".to_owned();
        Args::parse_from([&["deploy-flink-app", "--rest-url=http://h:8081", "--name=n", jar.as_str()], more].concat())
    }

    #[test]
    fn empty_parameters_of_a_task_are_not_given() {
        let empty = args(&[
            "--entry-class=",
            "--parallelism=",
            "--savepoint=",
            "--stop-with-savepoint=",
            "--ready-hold=",
            "--config",
            "--",
        ]);
        empty.check_config().unwrap();
        let program = Program { job_id: None, ..empty.program().unwrap() };
        assert_eq!(serde_json::to_string(&program).unwrap(), r#"{"programArgsList":[]}"#);
        assert_eq!(empty.ready_hold.0, Duration::from_secs(10));
        assert_eq!(args(&["--stop-with-savepoint"]).stop_with_savepoint, How::Savepoint { directory: None });
    }

    #[test]
    fn settings_that_flink_would_ignore_are_refused_by_name() {
        let refused = |more: &[&str]| args(more).check_config().unwrap_err().to_string();
        insta::assert_snapshot!(refused(&["--config", "env.java.opts.all=-Da=b"]), @r#"--config "env.java.opts.all" cannot be used: it is a setting of the cluster's processes, which run already, so it would be ignored"#);
        insta::assert_snapshot!(refused(&["--config", "pipeline.name=x"]), @r#"--config "pipeline.name" cannot be used: the name that main gives the job wins over it"#);
        insta::assert_snapshot!(refused(&["--config", "a=1", "a=2"]), @r#"--config "a" cannot be used: it is given twice, with different values"#);
        insta::assert_snapshot!(refused(&["--savepoint=s3://a", "--stop-with-savepoint"]), @r#"--savepoint "s3://a" cannot be used: a job can begin from one savepoint only, and --stop-with-savepoint makes another"#);
    }

    #[test]
    fn a_report_shows_mains_arguments_by_their_keys_and_no_secrets() {
        let given = args(&[
            "--parallelism=2",
            "--config",
            "state.backend=rocksdb",
            "--",
            "--kafka.topic=a=b",
            "--rate",
            "5",
            "-v",
            "file",
            "--db.password",
            "x",
            "in.csv",
        ]);
        let shown = serde_json::to_string(&given.app().properties).unwrap();
        assert_eq!(
            shown,
            r#"{"kafka.topic":"a=b","rate":"5","v":"file","db.password":"***","argument 8":"in.csv","state.backend":"rocksdb","parallelism":2}"#
        );
    }

    #[test]
    fn a_file_that_is_no_jar_is_refused_before_flink_sees_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(check_jar(file.path()), Err(Error::NotJar { .. })));
        std::fs::write(file.path(), b"PK\x03\x04...").unwrap();
        assert!(check_jar(file.path()).is_ok());
        assert!(matches!(check_jar(Path::new("none.jar")), Err(Error::File { .. })));
    }

    #[test]
    fn ids_are_flinks_and_never_the_same() {
        let id = new_id().unwrap();
        assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
        assert_ne!(id, new_id().unwrap());
    }
}
