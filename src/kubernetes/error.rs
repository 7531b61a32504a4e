//! What can go wrong between a program and an API server.

use std::time::Duration;

use kube::core::Status;

use super::Kind;
use crate::step::{Exit, ExitClass};

/// Why the API server did not do what was asked, or the cluster did not come to be as wanted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No cluster was named, or not in a way that can be understood.
    #[error("no way to a Kubernetes cluster: {words}")]
    Config {
        /// What is missing.
        words: String,
    },
    /// No API server answered.
    #[error("the Kubernetes API server {server} cannot be reached: {words}")]
    Unreachable {
        /// Its address.
        server: String,
        /// The system's words.
        words: String,
    },
    /// The credentials are not, or no longer, good.
    #[error(
        "the Kubernetes API server {server} does not know who asks ({words}): is the token or certificate still valid?"
    )]
    Unauthorized {
        /// Its address.
        server: String,
        /// The API server's words.
        words: String,
    },
    /// A right is missing.
    #[error("cannot {call}: {who} lacks the right to {right}. Its Role needs: {rule}")]
    Forbidden {
        /// What was asked for.
        call: String,
        /// Who asked.
        who: String,
        /// What is missing, as `list deployments.apps in namespace x`.
        right: String,
        /// The rule that grants it, as a Role has it.
        rule: String,
    },
    /// Another manager owns what would be changed.
    #[error(
        "cannot {call}: others manage these fields: {fields}. Leave them out of the manifest, or take them over with --force-conflicts"
    )]
    Conflict {
        /// What was asked for.
        call: String,
        /// The fields and their managers.
        fields: String,
    },
    /// The API server refused for a reason of its own.
    #[error("cannot {call}: {words}")]
    Refused {
        /// What was asked for.
        call: String,
        /// The HTTP status.
        code: u16,
        /// The API server's words.
        words: String,
    },
    /// The API server does not have this kind.
    #[error("the cluster has no kind {kind} in {api_version}: is its CustomResourceDefinition installed?")]
    UnknownKind {
        /// The kind.
        kind: String,
        /// Its group and version.
        api_version: String,
    },
    /// An object of this name is on its way out; a new one can only be made after it.
    #[error("{object} is still being deleted")]
    Leaving {
        /// Which one.
        object: String,
    },
    /// An object will not become ready.
    #[error("{object} will not become ready: {words}")]
    Failed {
        /// Which one.
        object: String,
        /// Why, in its own words.
        words: String,
    },
    /// Objects are not ready yet.
    #[error("not ready after {:.0} s: {left}", waited.as_secs_f64())]
    NotReady {
        /// How long they were waited for.
        waited: Duration,
        /// Which ones, and how far they are.
        left: String,
    },
    /// Something that was deleted is still there.
    #[error("not gone after {:.0} s: {left}", waited.as_secs_f64())]
    NotGone {
        /// How long it was waited for.
        waited: Duration,
        /// What is still there.
        left: String,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Config { .. } => Exit::Usage,
            Self::NotReady { .. } | Self::NotGone { .. } => Exit::Deadline,
            _ => Exit::Refused,
        }
    }
}

impl Error {
    /// Whether the same question may be answered a little later: nobody listens yet, or the API server or a webhook of it is
    /// busy, starting or being replaced.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }

    /// Whether the API server answered that it does not have what was asked for.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Whether somebody else was faster: the object is there already, or not any more as it was read.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }
}

/// A question to the API server, for its errors to name.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The verb, as rights name it.
    pub verb: &'a str,
    /// The kind it is about.
    pub kind: &'a Kind,
    /// The name; empty for all.
    pub name: &'a str,
    /// The namespace; empty for none.
    pub namespace: &'a str,
}

impl Call<'_> {
    fn place(&self) -> String {
        if self.namespace.is_empty() { String::new() } else { format!(" in namespace {}", self.namespace) }
    }

    fn told(&self) -> String {
        let verb = if self.verb == "patch" { "apply" } else { self.verb };
        let what = match self.name {
            "" => self.kind.plural(),
            name => format!("{}/{name}", self.kind.resource.kind),
        };
        format!("{verb} {what}{}", self.place())
    }

    /// The error that this answer of `server` is.
    pub(super) fn failed(&self, server: &str, error: kube::Error) -> Error {
        match error {
            kube::Error::Api(status) => self.refused(server, &status),
            error => Error::Unreachable { server: server.to_owned(), words: innermost(&error) },
        }
    }

    fn refused(&self, server: &str, status: &Status) -> Error {
        let words = status.message.trim().to_owned();
        match status.code {
            401 => Error::Unauthorized { server: server.to_owned(), words },
            403 => self.forbidden(words),
            409 => self.conflict(status, words),
            code => {
                let words = if words.is_empty() { format!("the API server answered {code}") } else { words };
                Error::Refused { call: self.told(), code, words }
            }
        }
    }

    /// Admission says "forbidden" too, as for a quota or a Pod Security profile; only a missing right is told by verb.
    fn forbidden(&self, words: String) -> Error {
        let Some((who, verb)) = missing_right(&words) else {
            return Error::Refused { call: self.told(), code: 403, words };
        };
        let (group, resource) = (&self.kind.resource.group, &self.kind.resource.plural);
        Error::Forbidden {
            call: self.told(),
            who: who.to_owned(),
            right: format!("{verb} {}{}", self.kind.plural(), self.place()),
            rule: format!("apiGroups: [{group:?}], resources: [{resource}], verbs: [{verb}]"),
        }
    }

    fn conflict(&self, status: &Status, words: String) -> Error {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let fields: Vec<String> = causes
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| {
                let by = cause.message.strip_prefix("conflict with ").unwrap_or(&cause.message);
                format!("{} by {by}", cause.field.trim_start_matches('.'))
            })
            .collect();
        match fields.is_empty() {
            true => Error::Refused { call: self.told(), code: 409, words },
            false => Error::Conflict { call: self.told(), fields: fields.join(", ") },
        }
    }
}

/// Who lacks the right to what, from `… is forbidden: User "x" cannot patch resource "deployments" …`.
fn missing_right(words: &str) -> Option<(&str, &str)> {
    let (_, rest) = words.split_once("User \"")?;
    let (who, rest) = rest.split_once("\" cannot ")?;
    let (verb, rest) = rest.split_once(' ')?;
    rest.starts_with("resource").then_some((who, verb))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: u16, message: &str) -> Error {
        let status = Status { code, ..Status::failure(message, "") };
        let kind = Kind::stateful_set();
        let call = Call { verb: "patch", kind: &kind, name: "web", namespace: "ns" };
        call.failed("https://10.0.0.1", kube::Error::Api(status.boxed()))
    }

    #[test]
    fn a_missing_right_is_told_as_the_rule_that_grants_it() {
        let error = failed(
            403,
            "statefulsets.apps \"web\" is forbidden: User \"system:serviceaccount:ns:sa\" cannot patch resource \
             \"statefulsets\" in API group \"apps\" in the namespace \"ns\"",
        );
        assert_eq!(
            error.to_string(),
            "cannot apply StatefulSet/web in namespace ns: system:serviceaccount:ns:sa lacks the right to patch \
             statefulsets.apps in namespace ns. Its Role needs: apiGroups: [\"apps\"], resources: [statefulsets], verbs: [patch]"
        );
    }

    #[test]
    fn what_admission_forbids_is_told_in_its_own_words() {
        let error = failed(403, "pods \"web\" is forbidden: exceeded quota: small");
        assert_eq!(
            error.to_string(),
            "cannot apply StatefulSet/web in namespace ns: pods \"web\" is forbidden: exceeded quota: small"
        );
    }

    #[test]
    fn a_busy_server_may_answer_later_and_a_refusal_will_not() {
        assert!(failed(503, "starting").may_pass());
        assert!(failed(429, "").may_pass());
        assert!(!failed(422, "invalid").may_pass());
        assert!(failed(404, "no such namespace").is_not_found());
    }
}
