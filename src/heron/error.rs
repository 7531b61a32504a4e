//! What can go wrong with a topology.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use jiff::Timestamp;

use super::Target;
use super::tracker::ExecutionState;
use crate::step::{Exit, ExitClass};

/// Why a topology was not deployed, or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word that Heron would take for something else.
    #[error("{flag} {value:?} cannot be used: Heron puts it into its paths, so it must be a word without slashes")]
    Name {
        /// The argument.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// Not an address.
    #[error("{flag} {value:?} is not an address such as http://heron:9000")]
    Address {
        /// The argument.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// HERON_OPTIONS is a list `key=value,key=value` that knows no quoting.
    #[error(
        "{what} {value:?} cannot be used: HERON_OPTIONS, which tells it to the topology's main, cannot carry ',', '=' or '%%%%'"
    )]
    Option {
        /// The argument.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// A property that the JVM would take for something else.
    #[error("the property {key:?} cannot be used: {why}")]
    Property {
        /// The property.
        key: String,
        /// Why not.
        why: String,
    },
    /// A file that was named is not there.
    #[error("cannot read {what} {}", path.display())]
    File {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The JVM did not start.
    #[error("cannot start {java}: name a Java runtime with --java")]
    Java {
        /// The program.
        java: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The main class ended badly.
    #[error("main class {class} failed ({status}):\n{words}")]
    Main {
        /// The class.
        class: String,
        /// How it ended.
        status: ExitStatus,
        /// The exception and its causes, or its last words.
        words: String,
    },
    /// The program was asked to stop while main ran.
    #[error("main class {class} was stopped")]
    Stopped {
        /// The class.
        class: String,
        /// The exit code that the program was asked to end with.
        exit: Exit,
    },
    /// Main ended well, but made nothing.
    #[error("main class {class} ended well but made no topology: does it call HeronSubmitter.submitTopology?{words}")]
    NoDefinition {
        /// The class.
        class: String,
        /// Its last words, on a line of their own.
        words: String,
    },
    /// Main made several topologies; which one is to be tested?
    #[error("main class {class} made several topologies ({names}): one is meant, so none was submitted")]
    SeveralDefinitions {
        /// The class.
        class: String,
        /// Their names.
        names: String,
    },
    /// Main wrote something that is not a topology.
    #[error("cannot read the topology that main class {class} made")]
    Definition {
        /// The class.
        class: String,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
    /// Main gave the topology another name: submitted under the wrong one, it would never run and never be killed.
    #[error(
        "main class {class} made topology {made:?} but --topology is {asked:?}: nothing was submitted; make both the same"
    )]
    WrongName {
        /// The class.
        class: String,
        /// The name in the definition.
        made: String,
        /// The name in the arguments.
        asked: String,
    },
    /// There is one already.
    #[error(
        "topology {topology:?} is already running in {environment} (submitted {at} by {by}); pass --replace to kill it first"
    )]
    Exists {
        /// The topology.
        topology: String,
        /// Where.
        environment: String,
        /// Since when.
        at: Timestamp,
        /// Who submitted it.
        by: String,
    },
    /// There is no answer from a server.
    #[error("cannot {operation}: no answer from Heron's {server} at {url}: {words}; check {flag}")]
    Unreachable {
        /// What was wanted.
        operation: String,
        /// `API server` or `tracker`.
        server: &'static str,
        /// Its address.
        url: String,
        /// The system's words.
        words: String,
        /// The argument that holds the address.
        flag: &'static str,
    },
    /// Heron's command line did not start.
    #[error("cannot start Heron's command line {program}: name it with --heron-cli")]
    NoCli {
        /// The program.
        program: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Heron's command line says no.
    #[error("cannot {operation}: Heron's command line says (exit {code}): {words}{hint}")]
    Command {
        /// What was wanted.
        operation: String,
        /// Its exit code; -1 when a signal ended it.
        code: i32,
        /// Its own words.
        words: String,
        /// What to do, after a semicolon; empty when its words say all.
        hint: &'static str,
    },
    /// An argument of main that Heron's command line would take for its own.
    #[error(
        "the argument {word:?} of main cannot be used with --heron-cli: Heron's command line would take it for its own"
    )]
    MainArgument {
        /// The argument.
        word: String,
    },
    /// Kubernetes takes lower case only.
    #[error(
        "topology {topology:?} cannot run on Kubernetes, where names are lower case: name it so in its main and in --topology"
    )]
    UpperCase {
        /// The topology.
        topology: String,
    },
    /// There is no such topology.
    #[error("topology {topology:?} is not running in {environment}: deploy it first")]
    Missing {
        /// The topology.
        topology: String,
        /// Where.
        environment: String,
    },
    /// An update of a component that the topology has not got.
    #[error("topology {topology:?} has no component {component:?}: it has {known}")]
    UnknownComponent {
        /// The topology.
        topology: String,
        /// The component.
        component: String,
        /// Those it has.
        known: String,
    },
    /// Arguments that exclude each other, or none where one is needed.
    #[error("{0}")]
    Arguments(String),
    /// Somebody else's topology of this name came while this one was to be deployed.
    #[error(
        "topology {topology:?} was submitted by {by} at {at} while this deployment was under way: it was left alone; deploy one at a time"
    )]
    Another {
        /// The topology.
        topology: String,
        /// Who submitted it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The old topology is gone and the new one did not come.
    #[error("{source}\nthe topology {topology:?} of {at} was killed for it, so none of that name runs now")]
    NotReplaced {
        /// The topology.
        topology: String,
        /// When the old one was submitted.
        at: Timestamp,
        /// Why the new one did not come.
        source: Box<Error>,
    },
    /// What the topology left on Kubernetes is still there, or nobody could tell.
    #[error(
        "cannot wait for the end of the pods of topology {topology:?} in namespace {namespace:?}: check --kubernetes-namespace, and that the ServiceAccount may get StatefulSets and list pods there"
    )]
    Pods {
        /// The topology.
        topology: String,
        /// The namespace.
        namespace: String,
        /// Why not.
        source: Box<crate::kubernetes::Error>,
    },
    /// The deadline passed before an update was done.
    #[error("topology {topology:?} is not updated after {}s: {missing}; Heron goes on with it", waited.as_secs())]
    NotUpdated {
        /// The topology.
        topology: String,
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        missing: String,
    },
    /// A server answers, but says no.
    #[error("cannot {operation}: Heron's {server} says ({status}): {words}{hint}")]
    Refused {
        /// What was wanted.
        operation: String,
        /// `API server` or `tracker`.
        server: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        words: String,
        /// What to do, after a semicolon; empty when its words say all.
        hint: &'static str,
    },
    /// The tracker answers, but does not say whether there is such a topology.
    #[error("cannot tell whether topology {topology:?} is running: the tracker says: {words}; check --tracker-url")]
    Unclear {
        /// The topology.
        topology: String,
        /// The tracker's words.
        words: String,
    },
    /// The report does not say where the topology can be asked.
    #[error(
        "app.address of topology {topology:?} in the report is not where a Heron topology can be asked: was it written by another version?"
    )]
    ReportedAddress {
        /// The topology.
        topology: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The deadline passed before the topology was truly running.
    #[error("topology {topology:?} is not running after {}s: {missing}; it was left as it is, delete-heron-app removes it", waited.as_secs())]
    NotReady {
        /// The topology.
        topology: String,
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        missing: String,
    },
    /// The deadline passed before the topology was gone.
    #[error("topology {topology:?} is not gone after {}s: {words}", waited.as_secs())]
    NotGone {
        /// The topology.
        topology: String,
        /// How long it was waited for.
        waited: Duration,
        /// What the servers said last.
        words: String,
    },
    /// The HTTP client could not be made.
    #[error("cannot speak HTTP on this computer")]
    Client(#[source] reqwest::Error),
}

impl Error {
    /// That somebody else's topology took the name.
    pub(super) fn another(target: &Target, state: &ExecutionState) -> Self {
        Self::Another { topology: target.topology.clone(), by: state.submission_user.clone(), at: state.submitted_at() }
    }

    /// Whether the other side refused in these words.
    pub fn says(&self, phrase: &str) -> bool {
        match self {
            Self::Refused { words, .. } | Self::Command { words, .. } => words.contains(phrase),
            Self::NotReplaced { source, .. } => source.says(phrase),
            _ => false,
        }
    }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Name { .. }
            | Self::Address { .. }
            | Self::Option { .. }
            | Self::Property { .. }
            | Self::File { .. }
            | Self::Java { .. }
            | Self::ReportedAddress { .. }
            | Self::NoCli { .. }
            | Self::MainArgument { .. }
            | Self::UpperCase { .. }
            | Self::UnknownComponent { .. }
            | Self::Arguments(_)
            | Self::WrongName { .. } => Exit::Usage,
            Self::Main { .. }
            | Self::NoDefinition { .. }
            | Self::SeveralDefinitions { .. }
            | Self::Definition { .. }
            | Self::Exists { .. }
            | Self::Command { .. }
            | Self::Missing { .. }
            | Self::Another { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Unclear { .. }
            | Self::Client(_) => Exit::Refused,
            Self::NotReady { .. } | Self::NotGone { .. } | Self::NotUpdated { .. } => Exit::Deadline,
            Self::NotReplaced { source, .. } => source.exit(),
            Self::Pods { source, .. } => source.exit(),
            Self::Stopped { exit, .. } => *exit,
        }
    }
}
