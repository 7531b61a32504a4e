//! Which topology, on which Heron.

use reqwest::Url;

use super::Error;

/// Which topology, on which Heron: the arguments that all Heron programs have.
#[derive(Debug, Clone, Default, clap::Args)]
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

    /// Heron's own command line, by which Heron is made to act in the place of its API server; --service-url may be empty then
    #[arg(long, value_name = "PROGRAM", default_value = "", hide_default_value = true)]
    pub heron_cli: String,

    /// Kubernetes namespace that Heron's topologies run in, where they run in one
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub kubernetes_namespace: String,
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
            // Heron's command line would take it for an option.
            if word.starts_with('-') {
                return Err(Error::Name { flag, value: word.clone() });
            }
        }
        // Only the namespace tells before Heron does: the cluster's name is whatever its owner chose.
        if !self.kubernetes_namespace.is_empty() && self.topology.contains(char::is_uppercase) {
            return Err(Error::UpperCase { topology: self.topology.clone() });
        }
        if self.heron_cli.is_empty() || !self.service_url.is_empty() {
            base("--service-url", &self.service_url)?;
        }
        base("--tracker-url", &self.tracker_url).map(|_| ())
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
            ..Target::default()
        }
    }

    #[test]
    fn a_name_that_would_be_another_path_is_refused() {
        assert!(target("wC").check().is_ok());
        let on_kubernetes = Target { kubernetes_namespace: "heron".into(), ..target("wC") };
        insta::assert_snapshot!(on_kubernetes.check().unwrap_err(), @r#"topology "wC" cannot run on Kubernetes, where names are lower case: name it so in its main and in --topology"#);
        assert!(Target { heron_cli: "heron".into(), service_url: String::new(), ..target("wc") }.check().is_ok());
        for wrong in ["", "a/b", "..", " wc", "-wc"] {
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
