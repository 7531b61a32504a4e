//! Runs a topology's main on this computer, as Heron's own command line does: main decides the topology's name, its
//! components and their parallelism, and HeronSubmitter writes them to a `.defn` file instead of submitting them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use super::child::{End, follow};
use super::definition::Topology;
use super::{Error, Target};
use crate::step::{Exit, KeyValue, ProcessGroup, Stop};

/// How HERON_OPTIONS writes a space.
const SPACE: &str = "%%%%";

/// A topology's main and what it is run with.
#[derive(Debug, Clone)]
pub struct MainClass {
    /// The Java runtime.
    pub java: String,
    /// The topology's jar.
    pub jar: PathBuf,
    /// Further class path, behind the jar.
    pub classpath: Vec<String>,
    /// The class whose main makes the topology.
    pub class: String,
    /// JVM system properties.
    pub properties: Vec<KeyValue>,
    /// Arguments of main.
    pub args: Vec<String>,
    /// Whether the topology is to start paused.
    pub deactivated: bool,
}

/// A topology that main made, and the file it is in.
#[derive(Debug)]
pub struct Made {
    /// What main made.
    pub topology: Topology,
    /// The `.defn` file.
    pub file: PathBuf,
    /// Where the file is; it goes when this value goes.
    _folder: tempfile::TempDir,
}

impl MainClass {
    /// Refuses what main could not be told.
    pub fn check(&self, target: &Target) -> Result<(), Error> {
        self.heron_options(target, Path::new("")).map(|_| ())
    }

    /// Runs main and reads the topology it made. What main prints goes to the log.
    pub async fn run(&self, target: &Target, stop: Stop) -> Result<Made, Error> {
        let began = Instant::now();
        let folder = tempfile::Builder::new().prefix("topology-").tempdir().map_err(|source| Error::File {
            what: "the temporary folder",
            path: std::env::temp_dir(),
            source,
        })?;
        let options = self.heron_options(target, folder.path())?;
        tracing::info!("running main class {} of {}", self.class, self.jar.display());
        for property in &self.properties {
            tracing::info!("with property {}", property.to_shown());
        }
        let words = self.execute(&options, stop).await?;
        let file = self.only_definition(folder.path(), &words)?;
        let bytes = std::fs::read(&file).map_err(|source| Error::File {
            what: "the topology's definition",
            path: file.clone(),
            source,
        })?;
        let topology = Topology::decode(bytes.as_slice())
            .map_err(|source| Error::Definition { class: self.class.clone(), source })?;
        tracing::info!("main made topology {} in {:.1} s", topology.name, began.elapsed().as_secs_f64());
        Ok(Made { topology, file, _folder: folder })
    }

    /// HERON_OPTIONS in the order in which Heron's command line gives it. Its reader splits at `,` and `=` and drops what
    /// does not fit, so such values are refused here; it turns `%%%%` into a space.
    fn heron_options(&self, target: &Target, folder: &Path) -> Result<String, Error> {
        let (folder, jar) = (folder.display().to_string(), self.jar.display().to_string());
        let options = [
            ("the temporary folder", "cmdline.topologydefn.tmpdirectory", folder.as_str()),
            ("the state", "cmdline.topology.initial.state", if self.deactivated { "PAUSED" } else { "RUNNING" }),
            ("--role", "cmdline.topology.role", &target.role),
            ("--environment", "cmdline.topology.environment", &target.environment),
            ("--cluster", "cmdline.topology.cluster", &target.cluster),
            ("--jar", "cmdline.topology.file_name", &jar),
            ("--main-class", "cmdline.topology.class_name", &self.class),
            ("--role", "cmdline.topology.submit_user", &target.role),
        ];
        let pairs: Vec<String> = options
            .iter()
            .map(|(what, key, value)| match value.contains([',', '=']) || value.contains(SPACE) {
                true => Err(Error::Option { what, value: (*value).to_owned() }),
                false => Ok(format!("{key}={}", value.replace(' ', SPACE))),
            })
            .collect::<Result<_, _>>()?;
        Ok(pairs.join(","))
    }

    /// The JVM's command line, word by word as Heron's own.
    fn arguments(&self) -> Vec<OsString> {
        let mut classpath = OsString::from(&self.jar);
        for part in self.classpath.iter().filter(|part| !part.is_empty()) {
            classpath.push(":");
            classpath.push(part);
        }
        let mut arguments: Vec<OsString> = vec!["-client".into(), "-Xmx1g".into()];
        arguments.extend(self.properties.iter().map(|property| format!("-D{property}").into()));
        arguments.extend(["-cp".into(), classpath, self.class.as_str().into()]);
        arguments.extend(self.args.iter().map(OsString::from));
        arguments
    }

    /// Runs the JVM to its end; returns the last of what it said on stderr.
    async fn execute(&self, options: &str, stop: Stop) -> Result<LastWords, Error> {
        let mut child = Command::new(&self.java)
            .args(self.arguments())
            .env("HERON_OPTIONS", options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Java { java: self.java.clone(), source })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // With main goes what it may have started.
        let _group = ProcessGroup::of(&child);
        let (mut ignored, mut words) = (LastWords::default(), LastWords::default());
        let reading = async {
            tokio::join!(log(stdout, &mut ignored), log(stderr, &mut words));
        };
        let status = match follow(&mut child, reading, stop, None).await {
            End::Ended(status) => status.map_err(|source| Error::Java { java: self.java.clone(), source })?,
            End::Stopped(exit) => return Err(Error::Stopped { class: self.class.clone(), exit }),
            End::Late => return Err(Error::Stopped { class: self.class.clone(), exit: Exit::Deadline }),
        };
        match status.success() {
            true => Ok(words),
            false => Err(Error::Main { class: self.class.clone(), status, words: words.cause() }),
        }
    }

    /// The one `.defn` file in the folder.
    fn only_definition(&self, folder: &Path, words: &LastWords) -> Result<PathBuf, Error> {
        let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let listed =
            listed.map_err(|source| Error::File { what: "the temporary folder", path: folder.to_owned(), source })?;
        let mut files: Vec<PathBuf> = listed.iter().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "defn"));
        files.sort();
        match (files.pop(), files.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                files.push(last);
                let names: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
                Err(Error::SeveralDefinitions { class: self.class.clone(), names: names.join(", ") })
            }
            (None, _) => {
                let words = words.cause();
                let words = if words.is_empty() { words } else { format!("\n{words}") };
                Err(Error::NoDefinition { class: self.class.clone(), words })
            }
        }
    }
}

/// What of main's stderr explains its end.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    exception: Option<String>,
    causes: VecDeque<String>,
    last: VecDeque<String>,
}

impl LastWords {
    pub fn hear(&mut self, line: &str) {
        if line.starts_with("Caused by: ") {
            push_bounded(&mut self.causes, line);
        } else if self.exception.is_none() && is_exception(line) {
            self.exception = Some(line.to_owned());
            self.causes.clear();
        } else if !line.trim().is_empty() {
            push_bounded(&mut self.last, line);
        }
    }

    /// Whether there was an exception.
    pub fn has_exception(&self) -> bool {
        self.exception.is_some()
    }

    /// The first exception and its causes or, where there was none, the last lines.
    pub fn cause(&self) -> String {
        let exception: Vec<&str> = self.exception.as_deref().into_iter().collect();
        let rest = if exception.is_empty() { &self.last } else { &self.causes };
        exception.into_iter().chain(rest.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
    }
}

/// Keeps the last five lines.
fn push_bounded(lines: &mut VecDeque<String>, line: &str) {
    if lines.len() == 5 {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

/// Whether a line begins a stack trace, or is the java launcher's own error.
fn is_exception(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    line.starts_with("Exception in thread ")
        || line.starts_with("Error: ")
        || (name.contains('.') && (name.ends_with("Exception") || name.ends_with("Error")))
}

/// Sends a stream to the log, line by line.
async fn log(stream: Option<impl AsyncRead + Unpin>, words: &mut LastWords) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    // A stream that cannot be read has ended for this purpose; main's exit code says the rest.
    while lines.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        tracing::info!("main: {text}");
        words.hear(text);
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            cluster: "local".into(),
            role: "root".into(),
            environment: "default".into(),
            topology: "wc".into(),
            ..Target::default()
        }
    }

    fn main_class() -> MainClass {
        MainClass {
            java: "java".into(),
            jar: "topo/wc.jar".into(),
            classpath: vec!["/opt/heron/lib/*".into(), String::new()],
            class: "wc.WordCount".into(),
            properties: ["a=b", "c.d=e f"].iter().map(|pair| pair.parse().unwrap()).collect(),
            args: ["wc", "2", "extra"].map(str::to_owned).to_vec(),
            deactivated: false,
        }
    }

    #[test]
    fn the_jvm_is_run_word_by_word_as_herons_command_line_does() {
        let arguments = main_class().arguments();
        let words: Vec<_> = arguments.iter().map(|word| format!("[{}]", word.to_string_lossy())).collect();
        insta::assert_snapshot!(words.join(" "), @"[-client] [-Xmx1g] [-Da=b] [-Dc.d=e f] [-cp] [topo/wc.jar:/opt/heron/lib/*] [wc.WordCount] [wc] [2] [extra]");
        let options = main_class().heron_options(&target(), Path::new("/tmp/XXXX")).unwrap();
        assert_eq!(
            options,
            "cmdline.topologydefn.tmpdirectory=/tmp/XXXX,cmdline.topology.initial.state=RUNNING,\
             cmdline.topology.role=root,cmdline.topology.environment=default,cmdline.topology.cluster=local,\
             cmdline.topology.file_name=topo/wc.jar,cmdline.topology.class_name=wc.WordCount,\
             cmdline.topology.submit_user=root"
        );
    }

    #[test]
    fn what_heron_options_cannot_carry_is_refused_by_name() {
        let error = main_class().check(&Target { role: "a,b".into(), ..target() }).unwrap_err();
        insta::assert_snapshot!(error, @r#"--role "a,b" cannot be used: HERON_OPTIONS, which tells it to the topology's main, cannot carry ',', '=' or '%%%%'"#);
        let spaced = MainClass { jar: "my topo.jar".into(), ..main_class() };
        assert!(spaced.heron_options(&target(), Path::new("/t")).unwrap().contains("file_name=my%%%%topo.jar"));
    }

    #[test]
    fn the_exception_and_its_causes_are_told_and_the_stack_is_not() {
        let mut words = LastWords::default();
        for line in [
            "INFO starting",
            "Exception in thread \"main\" java.lang.RuntimeException: no brokers",
            "\tat wc.WordCount.main(WordCount.java:9)",
            "Caused by: java.net.UnknownHostException: kafka",
            "\t... 1 more",
        ] {
            words.hear(line);
        }
        insta::assert_snapshot!(words.cause(), @r#"
        Exception in thread "main" java.lang.RuntimeException: no brokers
        Caused by: java.net.UnknownHostException: kafka
        "#);
        let mut words = LastWords::default();
        (0..9).for_each(|number| words.hear(&format!("line {number}")));
        assert_eq!(words.cause(), "line 4\nline 5\nline 6\nline 7\nline 8");
    }
}
