//! The Lease of an environment, and the PipelineRun that holds it.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Error;
use crate::kubernetes::object::text;
use crate::kubernetes::{self, Cluster, Kind, Object, Wait};

/// The annotation that tells for which pull request the environment is held.
const PULL_REQUEST: &str = "streamgauge.dev/pull-request";
/// The annotation that tells which commit is tested.
const COMMIT: &str = "streamgauge.dev/commit";

/// A PipelineRun as the Lease names it: `namespace/name uid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl Holder {
    fn read(identity: &str) -> Option<Self> {
        let (place, uid) = identity.split_once(' ')?;
        let (namespace, name) = place.split_once('/')?;
        Some(Self { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned() })
    }

    fn place(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.namespace, self.name, self.uid)
    }
}

/// What a look at the Lease came to.
enum Look {
    Held,
    /// Why not.
    Busy(String),
}

/// An environment, and who wants it.
pub(super) struct Claim<'a> {
    pub cluster: &'a Cluster,
    pub environment: String,
    pub lease: Object,
    pub me: Holder,
    /// Repository and number; none for a run of no pull request.
    pub pull_request: Option<String>,
    /// The commit under test; empty when nobody said it.
    pub commit: String,
    pub supersede: bool,
}

impl Claim<'_> {
    /// Waits until the environment is this run's.
    pub async fn hold(&self, wait: &mut Wait) -> Result<(), Error> {
        loop {
            let why = match self.look().await {
                Ok(Look::Held) => {
                    tracing::info!(
                        "{} is held by {} after {:.0} s",
                        self.environment,
                        self.me.place(),
                        wait.elapsed().as_secs_f64()
                    );
                    return Ok(());
                }
                Ok(Look::Busy(why)) => why,
                Err(Error::Kubernetes(error)) => match wait.forgive::<()>(Err(error))? {
                    Ok(()) => continue,
                    Err(words) => words,
                },
                Err(error) => return Err(error),
            };
            if !wait.pause(|| format!("waiting for {}: {why}", self.environment)).await {
                return Err(Error::Held { environment: self.environment.clone(), waited: wait.elapsed(), why });
            }
        }
    }

    /// Gives the environment back, when it is this run's.
    pub async fn release(&self, wait: &mut Wait) -> Result<(), Error> {
        loop {
            let words = match wait.forgive(self.forget().await)? {
                Ok(Look::Held) => {
                    tracing::info!("{} is free", self.environment);
                    return Ok(());
                }
                Ok(Look::Busy(why)) => {
                    tracing::info!("{} is left as it is: {why}", self.environment);
                    return Ok(());
                }
                Err(words) => words,
            };
            if !wait.pause(|| format!("trying again: {words}")).await {
                return Err(Error::Held { environment: self.environment.clone(), waited: wait.elapsed(), why: words });
            }
        }
    }

    async fn look(&self) -> Result<Look, Error> {
        let own = self.own_run().await?;
        let Some(mut lease) = self.cluster.get(&self.lease).await? else {
            let mut lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": self.lease.name, "namespace": self.lease.namespace}});
            self.sign(&mut lease);
            return faster(self.cluster.create(&self.lease, &lease).await);
        };
        let identity = text(&lease, "/spec/holderIdentity").to_owned();
        if identity == self.me.to_string() {
            return Ok(Look::Held);
        }
        // What no run has written, a person has: it is held until that person takes the name away.
        let holder = match Holder::read(&identity) {
            Some(holder) => self.running(&holder).await?.map(|run| (holder, run)),
            None if identity.is_empty() => None,
            None => return Ok(Look::Busy(format!("it is held by {identity:?}"))),
        };
        let Some((holder, run)) = holder else {
            self.sign(&mut lease);
            return faster(self.cluster.replace(&self.lease, &lease).await);
        };
        let noted = |name: &str| lease["metadata"]["annotations"].get(name).and_then(Value::as_str);
        let theirs = noted(PULL_REQUEST);
        // Two Pipelines test one commit: none of them is out of date.
        let of_one_commit = !self.commit.is_empty() && noted(COMMIT) == Some(&self.commit);
        let since = text(&lease, "/spec/acquireTime");
        let busy = format!("it is held by {}{} since {since}", holder.place(), of(theirs));
        match (&self.pull_request, theirs) {
            (Some(ours), Some(theirs)) if self.supersede && ours == theirs && !of_one_commit => {
                self.supersede(&own, &holder, &run, busy).await
            }
            _ => Ok(Look::Busy(busy)),
        }
    }

    /// The later of two commits' runs of one pull request ends the earlier. Two of the same second wait for each other: which is the later
    /// one cannot be told.
    async fn supersede(&self, own: &Value, holder: &Holder, run: &Value, busy: String) -> Result<Look, Error> {
        // RFC 3339 in UTC and to the second: the order of the texts is that of the times.
        let made = |run| text(run, "/metadata/creationTimestamp").to_owned();
        let (ours, theirs) = (made(own), made(run));
        if theirs > ours {
            let pull_request = self.pull_request.clone().unwrap_or_default();
            return Err(Error::Superseded {
                environment: self.environment.clone(),
                holder: holder.place(),
                pull_request,
            });
        }
        if theirs == ours || !text(run, "/spec/status").is_empty() {
            return Ok(Look::Busy(busy));
        }
        // Only as it was read: one that has just ended is not to be touched.
        let change = json!({"metadata": {"resourceVersion": text(run, "/metadata/resourceVersion")},
            "spec": {"status": "CancelledRunFinally"}});
        match self.cluster.merge(&run_object(holder), &change).await {
            Ok(_) => tracing::info!("{} is superseded and was asked to end, with its finally tasks", holder.place()),
            Err(kubernetes::Error::Refused { words, .. }) => {
                return Ok(Look::Busy(format!("{busy}; it does not end: {words}")));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Look::Busy(busy))
    }

    async fn forget(&self) -> Result<Look, kubernetes::Error> {
        let Some(mut lease) = self.cluster.get(&self.lease).await? else {
            return Ok(Look::Busy("nobody has claimed it".to_owned()));
        };
        let identity = text(&lease, "/spec/holderIdentity");
        if identity != self.me.to_string() {
            return Ok(Look::Busy(format!("its holder is {identity:?}")));
        }
        if let Some(spec) = lease["spec"].as_object_mut() {
            spec.remove("holderIdentity");
        }
        // Only a run that found this one done could have been faster.
        self.cluster.replace(&self.lease, &lease).await.map(|_| Look::Held)
    }

    /// Writes this run into the Lease.
    fn sign(&self, lease: &mut Value) {
        let before = lease.pointer("/spec/leaseTransitions").and_then(Value::as_i64);
        lease["spec"]["holderIdentity"] = json!(self.me.to_string());
        // Kubernetes takes a MicroTime with six digits only.
        lease["spec"]["acquireTime"] = json!(format!("{:.6}", Timestamp::now()));
        lease["spec"]["leaseTransitions"] = json!(before.map_or(0, |count| count + 1));
        lease["metadata"]["annotations"][PULL_REQUEST] = json!(self.pull_request.as_deref().unwrap_or_default());
        lease["metadata"]["annotations"][COMMIT] = json!(self.commit);
    }

    /// This run as the cluster has it.
    async fn own_run(&self) -> Result<Value, Error> {
        self.running(&self.me).await?.ok_or_else(|| Error::NoRun {
            run: self.me.name.clone(),
            uid: self.me.uid.clone(),
            namespace: self.me.namespace.clone(),
        })
    }

    /// The holder's run as long as it holds anything: it is there, it is the one that is meant, and it is not done, finally tasks
    /// included.
    async fn running(&self, holder: &Holder) -> Result<Option<Value>, Error> {
        let run = self.cluster.get(&run_object(holder)).await?;
        Ok(run.filter(|run| text(run, "/metadata/uid") == holder.uid && !is_done(run)))
    }
}

fn run_object(holder: &Holder) -> Object {
    Object::new(Kind::pipeline_run(), &holder.namespace, &holder.name)
}

fn is_done(run: &Value) -> bool {
    let conditions = run.pointer("/status/conditions").and_then(Value::as_array);
    let succeeded = conditions.into_iter().flatten().find(|condition| condition["type"] == "Succeeded");
    succeeded.is_some_and(|condition| condition["status"] != "Unknown")
}

/// The Lease was written; or another run was faster, which is no error.
fn faster(answer: Result<Value, kubernetes::Error>) -> Result<Look, Error> {
    match answer {
        Ok(_) => Ok(Look::Held),
        Err(error) if error.is_conflict() => Ok(Look::Busy("another run was faster".to_owned())),
        Err(error) => Err(error.into()),
    }
}

fn of(pull_request: Option<&str>) -> String {
    pull_request.filter(|text| !text.is_empty()).map(|text| format!(" ({text})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_as_it_was_written_and_a_persons_name_is_none() {
        let holder = Holder { namespace: "tests".into(), name: "performance-test-x7k".into(), uid: "4f1c".into() };
        assert_eq!(holder.to_string(), "tests/performance-test-x7k 4f1c");
        assert_eq!(Holder::read(&holder.to_string()), Some(holder));
        assert_eq!(Holder::read("alice"), None);
        assert_eq!(Holder::read(""), None);
    }

    #[test]
    fn a_run_is_done_when_tekton_says_how_it_ended() {
        let run = |status: &str| json!({"status": {"conditions": [{"type": "Succeeded", "status": status}]}});
        assert!(is_done(&run("True")) && is_done(&run("False")));
        assert!(!is_done(&run("Unknown")) && !is_done(&json!({})));
    }
}
