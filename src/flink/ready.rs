//! When a job is truly running. Its state alone does not tell: it is `RUNNING` while its tasks still wait for slots, and a Kafka
//! source that cannot reach its broker looks well for the minute until its client gives up.

use std::time::{Duration, Instant};

use super::job::{Exception, Job, State, Vertex};
use super::wait::Wait;
use super::{Error, Rest};

/// How long a source may have no metrics at all before it is believed to be well: Flink collects them every 10 s.
const METRICS_LAG: Duration = Duration::from_secs(30);
/// How long a failed job may have no exception.
const EXCEPTIONS_LAG: Duration = Duration::from_secs(5);
/// How many exceptions are asked for: as many as Flink keeps (web.exception-history-size).
pub(super) const MOST_EXCEPTIONS: u32 = 16;

/// The job that is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its id.
    pub job: &'a str,
    /// The name that it must have.
    pub name: &'a str,
    /// How many slots it needs, and there were when it was submitted, in words.
    pub slots: &'a str,
    /// How long all must be well without a break.
    pub hold: Duration,
}

/// A job that runs.
#[derive(Debug)]
pub struct Ready {
    /// What Flink tells about it.
    pub job: Job,
    /// How often it has been restarted by then.
    pub restarts: u64,
}

/// What one look at the job shows.
#[derive(Debug, Default)]
struct Look {
    /// What is missing; nothing when all is well.
    missing: Vec<String>,
    job: Option<Job>,
    troubles: Troubles,
}

/// What a job that just runs has no more of from one look to the next.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Troubles {
    restarts: u64,
    /// When the newest exception was, in Unix milliseconds.
    newest: Option<i64>,
    last: String,
}

/// Waits until the job is truly running, and stays so for the hold.
pub(super) async fn wait(rest: &Rest, wanted: Wanted<'_>, wait: &mut Wait) -> Result<Ready, Error> {
    let began = Instant::now();
    let mut well_since: Option<Instant> = None;
    let mut before = Troubles::default();
    loop {
        let look = wait.forgive(look(rest, wanted, began).await)?.unwrap_or_else(Look::nothing);
        let calm = look.job.is_none() || look.troubles == before;
        if look.job.is_some() {
            before.clone_from(&look.troubles);
        }
        well_since = match look.missing.is_empty() && calm {
            true => well_since.or_else(|| Some(Instant::now())),
            false => None,
        };
        let held = well_since.map(|since| since.elapsed());
        let told = look.tell(held, wanted.hold);
        if let (Some(held), Some(job)) = (held, look.job)
            && held >= wanted.hold
        {
            return Ok(Ready { job, restarts: look.troubles.restarts });
        }
        if !wait.pause(|| format!("waiting for job {}: {told}", wanted.name)).await {
            let (name, job) = (wanted.name.to_owned(), wanted.job.to_owned());
            return Err(Error::NotReady { name, job, waited: wait.elapsed(), missing: told });
        }
    }
}

impl Look {
    fn nothing(words: String) -> Self {
        Self { missing: vec![words], ..Self::default() }
    }

    /// What is missing, in a line.
    fn tell(&self, held: Option<Duration>, hold: Duration) -> String {
        let mut parts = self.missing.clone();
        parts.extend(held.map(|held| format!("all is up since {} of {} s", held.as_secs(), hold.as_secs_f64())));
        let Troubles { restarts, last, .. } = &self.troubles;
        if *restarts > 0 {
            parts.push(format!("restarted {restarts} time{}", if *restarts == 1 { "" } else { "s" }));
        }
        if !last.is_empty() {
            parts.push(format!("last exception: {last}"));
        }
        parts.join(", ")
    }
}

async fn look(rest: &Rest, wanted: Wanted<'_>, began: Instant) -> Result<Look, Error> {
    let unknown = |error: Error| match error.is_unknown() {
        true => Error::Forgotten { name: wanted.name.to_owned(), job: wanted.job.to_owned() },
        false => error,
    };
    let state = rest.status(wanted.job).await.map_err(unknown)?;
    // What is told beside the fresh state may be a few seconds old.
    let job = match rest.job(wanted.job).await {
        Err(error) if error.is_unknown() => return Ok(Look::nothing(format!("it is {state}"))),
        job => job?,
    };
    let mut exceptions = rest.exceptions(wanted.job, MOST_EXCEPTIONS).await.map_err(unknown)?;
    if state.is_terminal() {
        // Why it failed is told up to web.refresh-interval (3 s) later than that it failed.
        let told = Instant::now();
        while state == State::Failed && exceptions.is_empty() && told.elapsed() < EXCEPTIONS_LAG {
            tokio::time::sleep(Duration::from_millis(500)).await;
            exceptions = rest.exceptions(wanted.job, MOST_EXCEPTIONS).await.map_err(unknown)?;
        }
        return Err(ended(wanted, state, &exceptions, began.elapsed()));
    }
    let mut missing = Vec::new();
    if state != State::Running {
        missing.push(format!("it is {state}"));
    }
    missing.extend(missing_subtasks(&job));
    if missing.is_empty() {
        missing.extend(unassigned(rest, wanted.job, &job, began.elapsed()).await?);
    } else if job.vertices.iter().any(|vertex| vertex.in_state("SCHEDULED") > 0) {
        missing.push(wanted.slots.to_owned());
    }
    let restarts = rest.job_metrics(wanted.job, &["numRestarts"]).await?.get("numRestarts").copied().unwrap_or(0.0);
    let newest = exceptions.first();
    let troubles = Troubles {
        restarts: restarts as u64,
        newest: newest.map(|exception| exception.timestamp),
        last: newest.map(Exception::cause).unwrap_or_default(),
    };
    Ok(Look { missing, job: Some(job), troubles })
}

fn ended(wanted: Wanted<'_>, state: State, exceptions: &[Exception], after: Duration) -> Error {
    let cause = match (state, exceptions.first()) {
        (State::Canceled, _) => "somebody cancelled it".to_owned(),
        (State::Finished, _) => "it has nothing more to do, or was stopped with a savepoint".to_owned(),
        (_, Some(exception)) => exception.cause(),
        (_, None) => "Flink tells no exception".to_owned(),
    };
    let slots = match cause.contains("NoResourceAvailable") || cause.contains("minimum required resources") {
        true => format!(" ({})", wanted.slots),
        false => String::new(),
    };
    Error::Ended { name: wanted.name.to_owned(), job: wanted.job.to_owned(), state, after, cause: cause + &slots }
}

/// The subtasks that do not run.
fn missing_subtasks(job: &Job) -> Vec<String> {
    if job.vertices.is_empty() {
        return vec!["its tasks are not known yet".to_owned()];
    }
    let lack = |vertex: &Vertex| {
        let up = vertex.in_state("RUNNING") + vertex.in_state("FINISHED");
        (up < vertex.parallelism).then(|| format!("{}: {up} of {} subtasks", vertex.name, vertex.parallelism))
    };
    job.vertices.iter().filter_map(lack).collect()
}

/// The Kafka sources that have been given no partition: they have not reached their broker.
async fn unassigned(rest: &Rest, id: &str, job: &Job, waited: Duration) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    let sources =
        job.vertices.iter().filter(|vertex| vertex.name.starts_with("Source: ") && vertex.in_state("RUNNING") > 0);
    for vertex in sources {
        let names = rest.vertex_metric_names(id, &vertex.id).await?;
        let has = |part: &str| names.iter().any(|name| name.contains(part));
        if names.is_empty() && waited < METRICS_LAG {
            missing.push(format!("{}: Flink has no metrics of it yet", vertex.name));
        } else if has(".KafkaSourceReader.") && !has(".KafkaSourceReader.topic.") {
            missing.push(format!("{}: has no partition of its topic yet, is its broker reachable?", vertex.name));
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'static> = Wanted { job: "9cc6", name: "copy", slots: "", hold: Duration::from_secs(10) };

    fn job(text: &str) -> Job {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_job_whose_tasks_wait_for_slots_lacks_them_though_flink_calls_it_running() {
        let running = include_str!("../../tests/data/flink/job-running.json");
        assert_eq!(missing_subtasks(&job(running)), Vec::<String>::new());
        let waiting = running.replacen("\"RUNNING\":4", "\"RUNNING\":1,\"SCHEDULED\":3", 1);
        let waiting = waiting.replacen(",\"RECONCILING\":0,\"SCHEDULED\":0", "", 1);
        assert_eq!(missing_subtasks(&job(&waiting)), ["Source: copy-src: 1 of 4 subtasks"]);
    }

    #[test]
    fn a_failed_job_is_told_with_its_root_cause() {
        let history: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/flink/job-failed-exceptions.json")).unwrap();
        let exceptions: Vec<Exception> =
            serde_json::from_value(history["exceptionHistory"]["entries"].clone()).unwrap();
        let error = ended(WANTED, State::Failed, &exceptions, Duration::from_millis(60_315));
        insta::assert_snapshot!(error, @r#"job "copy" (9cc6) is FAILED, 60.3 s after it was submitted: RuntimeException: Failed to get metadata for topics [nosuch].; cause: TimeoutException: Timed out waiting for a node assignment. Call: listNodes"#);
    }
}
