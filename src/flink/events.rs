//! What happened to a job inside a window: restarts, exceptions, its end.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::job::{Exception, Job, State};
use super::ready::MOST_EXCEPTIONS;
use super::{Error, Rest};
use crate::report::{App, Event, EventKind};

/// Where a job can be asked about itself, as a report keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The JobManager's REST API.
    pub rest_url: String,
    /// The job's id.
    pub job: String,
    /// How often it had been restarted when it was ready.
    pub restarts: u64,
}

impl Address {
    /// As the report keeps it.
    pub fn to_map(&self) -> Map<String, Value> {
        let Self { rest_url, job, restarts } = self;
        match json!({ "restUrl": rest_url, "jobId": job, "restarts": restarts }) {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// As a report has it; none where no job was deployed.
    pub fn of(app: &App) -> Option<Self> {
        let text = |key: &str| app.address.get(key)?.as_str().map(str::to_owned);
        let restarts = app.address.get("restarts").and_then(Value::as_u64).unwrap_or(0);
        Some(Self { rest_url: text("restUrl")?, job: text("jobId")?, restarts })
    }
}

/// What happened to the job of a report in this window, in the order of time.
pub async fn events(app: &App, window: (Timestamp, Timestamp)) -> Result<Vec<Event>, Error> {
    let address = Address::of(app).ok_or_else(|| Error::ReportedAddress { name: app.name.clone() })?;
    let rest = Rest::new(&address.rest_url)?;
    let job = match rest.job(&address.job).await {
        Err(error) if error.is_unknown() => {
            return Ok(vec![whole(None, EventKind::Lost, "is no longer known to Flink".to_owned())]);
        }
        job => job?,
    };
    let exceptions = rest.exceptions(&address.job, MOST_EXCEPTIONS).await?;
    let metrics = rest.job_metrics(&address.job, &["numRestarts"]).await?;
    let restarts = metrics.get("numRestarts").map_or(0, |count| *count as u64).saturating_sub(address.restarts);
    Ok(found(&job, &exceptions, restarts, window))
}

fn found(job: &Job, exceptions: &[Exception], restarts: u64, window: (Timestamp, Timestamp)) -> Vec<Event> {
    let inside = |at: Timestamp| at >= window.0 && at <= window.1;
    let mut events: Vec<Event> = exceptions
        .iter()
        .filter(|exception| inside(exception.at()))
        .map(|exception| Event {
            at: Some(exception.at()),
            kind: EventKind::Exception,
            component: exception.component(),
            text: format!("threw {}", exception.cause()),
        })
        .collect();
    // The time of the last restart is known, of those before only that they were.
    if let Some(at) = job.since(State::Restarting).filter(|at| inside(*at)) {
        let text = match restarts {
            0 | 1 => "restarted".to_owned(),
            more => format!("restarted, {more} times since it was ready"),
        };
        events.push(whole(Some(at), EventKind::Restart, text));
    }
    if job.state.is_terminal()
        && let Some(at) = job.since(job.state).filter(|at| inside(*at))
    {
        events.push(whole(Some(at), EventKind::Lost, format!("ended {}", job.state)));
    }
    events.sort_by_key(|event| event.at);
    events
}

fn whole(at: Option<Timestamp>, kind: EventKind, text: String) -> Event {
    Event { at, kind, component: String::new(), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(job: &str, window: (&str, &str)) -> Vec<String> {
        let history: Value =
            serde_json::from_str(include_str!("../../tests/data/flink/job-failed-exceptions.json")).unwrap();
        let exceptions: Vec<Exception> =
            serde_json::from_value(history["exceptionHistory"]["entries"].clone()).unwrap();
        let window: (Timestamp, Timestamp) = (window.0.parse().unwrap(), window.1.parse().unwrap());
        let events = found(&serde_json::from_str(job).unwrap(), &exceptions, 2, window);
        events.iter().map(|event| event.told(window.0)).collect()
    }

    #[test]
    fn only_what_happened_inside_the_window_counts() {
        let failed = include_str!("../../tests/data/flink/job-failed.json");
        let whole = told(failed, ("2026-11-23T09:13:00Z", "2026-11-23T09:14:00Z"));
        assert_eq!(whole.len(), 2, "{whole:?}");
        assert!(whole[0].contains("threw RuntimeException: Failed to get metadata"), "{whole:?}");
        assert!(whole[1].contains("ended FAILED"), "{whole:?}");
        assert_eq!(told(failed, ("2026-11-23T09:13:23Z", "2026-11-23T09:14:00Z")), Vec::<String>::new());
        assert_eq!(told(failed, ("2026-11-23T09:12:00Z", "2026-11-23T09:13:00Z")), Vec::<String>::new());
    }

    #[test]
    fn a_restart_is_told_with_those_before_it() {
        let running = include_str!("../../tests/data/flink/job-running.json");
        let restarted = running.replace("\"RESTARTING\":0", "\"RESTARTING\":1795425120000");
        let told = told(&restarted, ("2026-11-23T09:12:00Z", "2026-11-23T09:13:00Z"));
        assert!(told.len() == 1 && told[0].contains("restarted, 2 times since it was ready"), "{told:?}");
    }

    #[test]
    fn an_address_is_read_as_it_was_written() {
        let address = Address { rest_url: "http://h:8081".into(), job: "ab".into(), restarts: 1 };
        let app = App { address: address.to_map(), ..App::default() };
        assert_eq!(Address::of(&app), Some(address));
        assert_eq!(Address::of(&App::default()), None);
    }
}
