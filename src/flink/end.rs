//! The end of a job: cancelled, or stopped with a savepoint, and waited for.

use super::rest::Savepoint;
use super::wait::Wait;
use super::{Error, Rest};

/// How a job is to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum How {
    /// At once.
    #[default]
    Cancel,
    /// Behind a savepoint.
    Savepoint {
        /// Where it goes; none is Flink's own setting.
        directory: Option<String>,
    },
}

/// How a job is to end, as an argument says: nothing or `false`, `true`, or the savepoint's directory.
pub fn how(text: &str) -> Result<How, String> {
    Ok(match text {
        "" | "false" => How::Cancel,
        "true" => How::Savepoint { directory: None },
        directory => How::Savepoint { directory: Some(directory.to_owned()) },
    })
}

/// Ends a job and waits until it has; returns its savepoint. A job that Flink does not know has ended.
pub(super) async fn end(rest: &Rest, job: &str, how: &How, wait: &mut Wait) -> Result<Option<String>, Error> {
    let asked = match how {
        How::Cancel => rest.cancel(job).await.map(|()| None),
        How::Savepoint { directory } => stop(rest, job, directory.as_deref(), wait).await.map(Some),
    };
    match asked {
        Err(error) if error.is_unknown() => Ok(None),
        Err(error) => Err(error),
        Ok(savepoint) => gone(rest, job, wait).await.map(|()| savepoint),
    }
}

/// Asks for a savepoint with the job's end behind it, and waits for the savepoint.
async fn stop(rest: &Rest, job: &str, directory: Option<&str>, wait: &mut Wait) -> Result<String, Error> {
    let trigger = match rest.stop(job, directory).await {
        Err(Error::Refused { status, words, hint, .. }) if status != 404 => {
            return Err(Error::Savepoint { job: job.to_owned(), cause: format!("{words}{hint}") });
        }
        trigger => trigger?,
    };
    loop {
        match wait.forgive(rest.savepoint(job, &trigger).await)? {
            Ok(Savepoint::Done { location }) => return Ok(location),
            Ok(Savepoint::Failed { cause }) => return Err(Error::Savepoint { job: job.to_owned(), cause }),
            Ok(Savepoint::InProgress) | Err(_) => {}
        }
        if !wait.pause(|| format!("waiting for the savepoint of job {job}")).await {
            let words = "its savepoint is still being written".to_owned();
            return Err(Error::NotGone { job: job.to_owned(), waited: wait.elapsed(), words });
        }
    }
}

async fn gone(rest: &Rest, job: &str, wait: &mut Wait) -> Result<(), Error> {
    loop {
        let words = match wait.forgive(rest.status(job).await) {
            Ok(Ok(state)) if state.is_terminal() => return Ok(()),
            Err(error) if error.is_unknown() => return Ok(()),
            Ok(Ok(state)) => format!("it is {state}"),
            Ok(Err(words)) => words,
            Err(error) => return Err(error),
        };
        if !wait.pause(|| format!("waiting for the end of job {job}: {words}")).await {
            return Err(Error::NotGone { job: job.to_owned(), waited: wait.elapsed(), words });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_says_whether_there_is_a_savepoint_and_where() {
        assert_eq!(how(""), Ok(How::Cancel));
        assert_eq!(how("false"), Ok(How::Cancel));
        assert_eq!(how("true"), Ok(How::Savepoint { directory: None }));
        assert_eq!(how("s3://b/s"), Ok(How::Savepoint { directory: Some("s3://b/s".into()) }));
    }
}
