//! Which topology, on which Heron.

use reqwest::Url;

use super::Error;

/// Which topology, on which Heron: the arguments that all Heron programs have.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Topology")]
pub struct Target {
    /// Address of Heron's API server, as http://heron-apiserver:9000
    #[arg(long, value_name = "URL")]
    pub service_url: String,

    /// Address of Heron's tracker, as http://heron-tracker:8888
    #[arg(long, value_name = "URL")]
    pub tracker_url: String,

    /// Heron cluster
    #[arg(long)]
    pub cluster: String,

    /// Role that the topology runs as
    #[arg(long)]
    pub role: String,

    /// Environment that the topology runs in
    #[arg(long)]
    pub environment: String,

    /// Name of the topology, as its main gives it
    #[arg(long)]
    pub topology: String,
}

impl Target {
    /// Refuses what Heron would misunderstand: each of the four words is a segment of the API server's paths, where an
    /// empty one or one with a slash names something else.
    pub fn check(&self) -> Result<(), Error> {
        let words = [
            ("--cluster", &self.cluster),
            ("--role", &self.role),
            ("--environment", &self.environment),
            ("--topology", &self.topology),
        ];
        for (flag, word) in words {
            if word.is_empty() || word == "." || word == ".." || word.contains(['/', '\\']) || word.trim() != word {
                return Err(Error::Name { flag, value: word.clone() });
            }
        }
        for (flag, url) in [("--service-url", &self.service_url), ("--tracker-url", &self.tracker_url)] {
            base(flag, url)?;
        }
        Ok(())
    }
}

/// An address that paths can be added to.
pub(super) fn base(flag: &'static str, text: &str) -> Result<Url, Error> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err(Error::Address { flag, value: text.to_owned() }),
    }
}

/// The address with these segments added to its path, each escaped.
pub(super) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(topology: &str) -> Target {
        Target {
            service_url: "http://h:9000".into(),
            tracker_url: "http://h:8888".into(),
            cluster: "local".into(),
            role: "root".into(),
            environment: "default".into(),
            topology: topology.into(),
        }
    }

    #[test]
    fn a_name_that_would_be_another_path_is_refused() {
        assert!(target("wC").check().is_ok());
        for wrong in ["", "a/b", "..", " wc"] {
            assert!(target(wrong).check().is_err(), "{wrong:?} was taken");
        }
        let error = Target { role: String::new(), ..target("wc") }.check().unwrap_err();
        insta::assert_snapshot!(error, @r#"--role "" cannot be used: Heron puts it into its paths, so it must be a word without slashes"#);
        let error = Target { tracker_url: "h:8888".into(), ..target("wc") }.check().unwrap_err();
        insta::assert_snapshot!(error, @r#"--tracker-url "h:8888" is not an address such as http://heron:9000"#);
    }

    #[test]
    fn segments_are_escaped_and_a_slash_at_the_end_of_the_address_does_not_matter() {
        for text in ["http://h/heron", "http://h/heron/"] {
            let url = join(&base("--service-url", text).unwrap(), &["api", "v1", "a b"]);
            assert_eq!(url.as_str(), "http://h/heron/api/v1/a%20b");
        }
    }
}
