//! Who carries the records, and where that Flink is.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::flink::{self, Rest};
use crate::kafka::Connection;
use crate::step::{Exit, ExitClass, Optional};

/// The job's jar in the image.
const IN_IMAGE: &str = "/usr/local/share/streamgauge/dataloader.jar";

/// The job's jar in a checkout in which it was built.
const BUILT: &str = "jvm/dataloader/target/dataloader.jar";

/// Who carries the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This program
    #[default]
    Builtin,
    /// A job on a Flink cluster, whose subtasks share the load
    Flink,
}

impl Engine {
    /// The word on the command line and in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Flink => "flink",
        }
    }
}

/// Who carries the records, and where.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Engine")]
pub struct FlinkArgs {
    /// Who carries the records
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,

    /// Flink's REST API, as http://flink-jobmanager:8081; it must take jars, as session clusters do
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    pub flink_url: String,

    /// Over how many subtasks the load is spread, a slot each; as many as the cluster says by itself when it is not given
    #[arg(long, value_name = "N", default_value = "", hide_default_value = true)]
    pub flink_parallelism: Optional<NonZeroU32>,

    /// The job's jar, when it is not the one of the image
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub flink_jar: String,

    /// The settings of --source-config as a file on the TaskManagers, Java's client.properties mounted there from a Secret:
    /// secrets are no arguments of a job
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub flink_source_config: String,

    /// The settings of --target-config as a file on the TaskManagers
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub flink_target_config: String,
}

/// The Flink that carries a load.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its REST API.
    pub rest: Rest,
    /// Over how many subtasks the load is spread; none: as the cluster says.
    pub parallelism: Option<NonZeroU32>,
    /// The job's jar.
    pub jar: PathBuf,
    /// Where the TaskManagers have the source's settings; none: there are none.
    pub source_config: Option<String>,
    /// Where they have the target's.
    pub target_config: Option<String>,
}

/// Why the arguments name no engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flag is Flink's, and the engine is not.
    #[error("{flag} goes with --engine flink")]
    NotFlink {
        /// The flag.
        flag: &'static str,
    },
    /// Nobody said where Flink is.
    #[error("--engine flink needs --flink-url, the address of its REST API")]
    NoUrl,
    /// The address is none.
    #[error(transparent)]
    Flink(#[from] flink::Error),
    /// The job cannot see the settings.
    #[error(
        "--engine flink: the TaskManagers connect to the {side} too, and it needs settings: mount its client.properties there and name the file with --flink-{side}-config"
    )]
    NoConfig {
        /// `source` or `target`.
        side: &'static str,
    },
    /// There is no jar.
    #[error("there is no {IN_IMAGE} here: name the job's jar with --flink-jar")]
    NoJar,
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl FlinkArgs {
    /// The Flink that is to carry the load; none for the built-in engine.
    pub fn site(&self, source: &Connection, target: &Connection) -> Result<Option<Site>, Error> {
        if self.engine == Engine::Builtin {
            return self.given().map_or(Ok(None), |flag| Err(Error::NotFlink { flag }));
        }
        if self.flink_url.is_empty() {
            return Err(Error::NoUrl);
        }
        let config = |side: &Connection, path: &str| match (path.is_empty(), side.is_secured()) {
            (false, _) => Ok(Some(path.to_owned())),
            (true, false) => Ok(None),
            (true, true) => Err(Error::NoConfig { side: side.side() }),
        };
        Ok(Some(Site {
            rest: Rest::of("--flink-url", &self.flink_url)?,
            parallelism: self.flink_parallelism.0,
            jar: self.jar()?,
            source_config: config(source, &self.flink_source_config)?,
            target_config: config(target, &self.flink_target_config)?,
        }))
    }

    /// A flag that only Flink understands.
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("--flink-url", !self.flink_url.is_empty()),
            ("--flink-parallelism", self.flink_parallelism.0.is_some()),
            ("--flink-jar", !self.flink_jar.is_empty()),
            ("--flink-source-config", !self.flink_source_config.is_empty()),
            ("--flink-target-config", !self.flink_target_config.is_empty()),
        ];
        given.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }

    fn jar(&self) -> Result<PathBuf, Error> {
        if !self.flink_jar.is_empty() {
            return Ok(PathBuf::from(&self.flink_jar));
        }
        [IN_IMAGE, BUILT].map(PathBuf::from).into_iter().find(|jar| jar.is_file()).ok_or(Error::NoJar)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        flink: FlinkArgs,
    }

    fn site(flags: &[&str], properties: &str) -> Result<Option<Site>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(properties.as_bytes()).unwrap();
        let source = Connection::new("source", "a:1", Some(file.path())).unwrap();
        let target = Connection::new("target", "b:1", None).unwrap();
        let args = Program::try_parse_from([&["program"], flags].concat()).unwrap();
        args.flink.site(&source, &target).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_task_passes_empty_is_the_builtin_engine() {
        let empty = ["--engine=builtin", "--flink-url=", "--flink-parallelism=", "--flink-jar="];
        assert!(matches!(site(&empty, ""), Ok(None)));
        insta::assert_snapshot!(site(&["--flink-parallelism=2"], "").unwrap_err(), @"--flink-parallelism goes with --engine flink");
    }

    #[test]
    fn a_flink_is_named_by_its_address() {
        let flags = ["--engine=flink", "--flink-url=http://a:1", "--flink-jar=x.jar", "--flink-parallelism=3"];
        let site_of = |more: &[&str], text: &str| site(&[&flags[..], more].concat(), text);
        let found = site_of(&["--flink-source-config=/etc/s"], "security.protocol=ssl").unwrap().unwrap();
        assert_eq!((found.parallelism.map(NonZeroU32::get), found.jar), (Some(3), PathBuf::from("x.jar")));
        assert_eq!((found.source_config.as_deref(), found.target_config), (Some("/etc/s"), None));
        insta::assert_snapshot!(site_of(&[], "security.protocol=ssl").unwrap_err(), @"--engine flink: the TaskManagers connect to the source too, and it needs settings: mount its client.properties there and name the file with --flink-source-config");
        insta::assert_snapshot!(site(&flags[..1], "").unwrap_err(), @"--engine flink needs --flink-url, the address of its REST API");
        insta::assert_snapshot!(site(&["--engine=flink", "--flink-url=a:1"], "").unwrap_err(), @r#"--flink-url "a:1" is not an address such as http://flink-jobmanager:8081"#);
    }
}
