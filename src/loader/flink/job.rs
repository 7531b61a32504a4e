//! Runs the job and watches it to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::super::batch::Codec;
use super::super::outcome::Outcome;
use super::super::plan::Share;
use super::super::{Error as LoadError, Job};
use super::parts::{self, Parts};
use super::{Error, Site, program};
use crate::flink::job::{Exception, State};
use crate::flink::rest::Program;

/// The job's main.
const ENTRY_CLASS: &str = "streamgauge.dataloader.Main";

/// How long Flink may take to take the jar, and to run main.
const SUBMIT: Duration = Duration::from_secs(120);

/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How often it is asked how far it is: TaskManagers tell that every 10 s.
const ASK: Duration = Duration::from_secs(2);

/// How long a cancelled job may take to end: records under way have 5 s.
const CANCEL: Duration = Duration::from_secs(9);

/// How old Flink's picture of a job may be, and a little more.
const PICTURE: Duration = Duration::from_secs(4);

/// What Flink says of a job that got too few slots: none of its tasks has begun.
const NO_ROOM: [&str; 2] = ["Could not acquire the minimum required resources", "NoResourceAvailable"];

/// What came of a load that was handed to Flink.
#[derive(Debug)]
pub struct Carried {
    /// What happened, as far as the job told.
    pub outcome: Outcome,
    /// Over how many subtasks it was spread; 0 when nobody told.
    pub subtasks: u32,
    /// Whether the target topic gives records a timestamp of its own.
    pub restamped: bool,
    /// Why it ended early, if it did.
    pub failure: Option<LoadError>,
}

/// Runs the load as a Flink job. An error means that nothing was sent.
pub async fn run(
    job: &Job,
    site: &Site,
    shares: &[Share],
    partitions: Option<usize>,
    codec: Codec,
) -> Result<Carried, LoadError> {
    let jar = tokio::select! {
        jar = site.rest.upload(&site.jar, SUBMIT) => jar.map_err(Error::Rest)?,
        () = job.cancel.wait() => return Err(LoadError::Stopped),
    };
    let now = Timestamp::now();
    if let Some(start_at) = job.start_at.filter(|start_at| *start_at < now) {
        return Err(LoadError::NotReady { start_at, now });
    }
    let id = new_id()?;
    let program = Program {
        entry_class: Some(ENTRY_CLASS.to_owned()),
        program_args_list: program::arguments(job, site, shares, partitions, codec),
        parallelism: site.parallelism.map(Into::into),
        job_id: Some(id.clone()),
        ..Program::default()
    };
    let mut watch = Watch { job, site, id: &id, told: BTreeMap::new(), silent: None };
    watch.begin(&jar, &program).await?;
    tracing::info!("Flink job {id}: {}", program::name(job));
    let failure = watch.until_end().await.err();
    if let Some(LoadError::Flink(error @ Error::NoSlots { .. })) = failure {
        return Err(error.into());
    }
    let parts = parts::read(&watch.told);
    let failure = failure.or_else(|| untold(&id, &parts));
    let mut outcome = parts.outcome.unwrap_or_else(|| Outcome::new(Timestamp::now()));
    // A TaskManager that was lost told the last time what it had done by then.
    outcome.acked = outcome.acked.max(parts::acked(&watch.told).unwrap_or(0));
    outcome.read = outcome.read.max(outcome.acked);
    outcome.failure = failure.as_ref().map(ToString::to_string);
    Ok(Carried { outcome, subtasks: parts.of, restamped: parts.restamped, failure })
}

/// An id for a job: known before Flink answers, the job can be ended whatever becomes of the answer.
fn new_id() -> Result<String, LoadError> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes).map_err(|_| LoadError::Vanished)?;
    Ok(crate::step::hex(&bytes))
}

/// Numbers of which some are missing are none.
fn untold(id: &str, parts: &Parts) -> Option<LoadError> {
    let &Parts { told, of, .. } = parts;
    (told == 0 || told != of).then(|| Error::Untold { job: id.to_owned(), told, of }.into())
}

/// The eyes on a job.
struct Watch<'a> {
    job: &'a Job,
    site: &'a Site,
    id: &'a str,
    /// Its accumulators, as they were told last.
    told: BTreeMap<String, String>,
    /// Since when Flink does not answer.
    silent: Option<Instant>,
}

impl Watch<'_> {
    /// Hands the job to Flink. Without a word that it has it, it must not have it.
    async fn begin(&self, jar: &str, program: &Program) -> Result<(), LoadError> {
        let error = tokio::select! {
            answer = self.site.rest.run(jar, program, SUBMIT) => match answer {
                Ok(_) => return Ok(()),
                Err(error) => Error::Rest(error).into(),
            },
            () = self.job.cancel.wait() => LoadError::Stopped,
        };
        // It is no error that there is no such job.
        let _ = self.site.rest.cancel(self.id).await;
        Err(error)
    }

    /// Waits for the job's end, and asks for it when the load is to stop.
    async fn until_end(&mut self) -> Result<(), LoadError> {
        let mut asked = Instant::now();
        let state = loop {
            let answer = self.site.rest.status(self.id).await;
            let state = self.heard(answer).await?;
            if let Some(state) = state.filter(|state| state.is_terminal()) {
                break state;
            }
            if asked.elapsed() >= ASK {
                asked = Instant::now();
                self.ask(state).await;
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.job.cancel.wait() => return self.stop().await,
            }
        };
        self.listen().await?;
        match state {
            State::Finished => Ok(()),
            State::Canceled => Err(Error::Canceled { job: self.id.to_owned() }.into()),
            _ => Err(self.cause().await.into()),
        }
    }

    /// What an answer says; nothing while Flink does not answer, which is borne for a while.
    async fn heard(&mut self, answer: Result<State, crate::flink::Error>) -> Result<Option<State>, Error> {
        let error = match answer {
            Ok(state) => {
                self.silent = None;
                return Ok(Some(state));
            }
            Err(error) if error.is_unknown() => return Err(Error::Forgotten { job: self.id.to_owned() }),
            Err(error) => error,
        };
        if self.silent.get_or_insert_with(Instant::now).elapsed() < self.job.patience {
            return Ok(None);
        }
        // It may hear what it does not answer.
        let _ = self.site.rest.cancel(self.id).await;
        Err(error.into())
    }

    /// Asks how far it is. Who only watches can do without an answer.
    async fn ask(&mut self, state: Option<State>) {
        if let Ok(told) = self.site.rest.accumulators(self.id).await {
            self.job.gauge.set_acked(parts::acked(&told).unwrap_or(0));
            self.told = told;
        }
        let Some(state) = state else { return self.job.gauge.say("Flink does not answer".to_owned()) };
        let Ok(job) = self.site.rest.job(self.id).await else { return };
        let (all, running) = job.vertices.iter().fold((0, 0), |(all, running), vertex| {
            (all + vertex.parallelism, running + vertex.in_state("RUNNING") + vertex.in_state("FINISHED"))
        });
        let mut words = format!("Flink job {state}, {running} of {all} subtasks run");
        if running < all
            && let Ok(slots) = self.site.rest.overview().await
        {
            words += &format!(", {} of {} slots are free", slots.slots_available, slots.slots_total);
        }
        self.job.gauge.say(words);
    }

    /// Ends the job, and waits until it has told what it did.
    async fn stop(&mut self) -> Result<(), LoadError> {
        self.site.rest.cancel(self.id).await.map_err(Error::Rest)?;
        let deadline = Instant::now() + CANCEL;
        while !self.site.rest.status(self.id).await.is_ok_and(State::is_terminal) {
            if Instant::now() > deadline {
                return Err(Error::Stuck { job: self.id.to_owned(), seconds: CANCEL.as_secs() }.into());
            }
            sleep(LOOK).await;
        }
        self.listen().await?;
        Err(LoadError::Stopped)
    }

    /// Takes what the job has told at its end. Flink answers from a picture of the job that may be a while old
    /// (web.refresh-interval, 3 s): the last words are in one in which the job has ended.
    async fn listen(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + PICTURE;
        loop {
            let ended = self.site.rest.job(self.id).await?.state.is_terminal() || Instant::now() > deadline;
            self.told = self.site.rest.accumulators(self.id).await?;
            if ended {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// Why it failed.
    async fn cause(&self) -> Error {
        let words = match self.site.rest.exceptions(self.id, 1).await {
            Ok(exceptions) => exceptions.first().map(Exception::cause),
            Err(error) => Some(error.to_string()),
        };
        let words = words.unwrap_or_else(|| "without a word".to_owned());
        match NO_ROOM.iter().any(|said| words.contains(said)) {
            true => self.no_slots().await.unwrap_or(Error::Failed { job: self.id.to_owned(), words }),
            false => Error::Failed { job: self.id.to_owned(), words },
        }
    }

    /// What the job lacks, if Flink can tell.
    async fn no_slots(&self) -> Option<Error> {
        let job = self.site.rest.job(self.id).await.ok()?;
        let slots = self.site.rest.overview().await.ok()?;
        let needed = job.vertices.iter().map(|vertex| vertex.parallelism).max()?;
        Some(Error::NoSlots { needed, free: slots.slots_available, total: slots.slots_total })
    }
}
