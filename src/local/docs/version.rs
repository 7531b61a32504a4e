//! One version everywhere: that of Cargo.toml.

/// This package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a version of this package follows: the label, the tags of our images and of the bundle, a git tag.
const MARKS: [&str; 5] =
    ["app.kubernetes.io/version: \"", "streamgauge:", "streamgauge-java:", "streamgauge-catalog:", "?ref=v"];

/// The text with this package's version wherever one of its versions stands.
pub fn stamp(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(end) = MARKS.iter().filter_map(|mark| rest.find(mark).map(|at| at + mark.len())).min() {
        let (before, after) = rest.split_at(end);
        let length = after.find(|c: char| !c.is_ascii_alphanumeric() && !".-+".contains(c)).unwrap_or(after.len());
        let old = &after[..length];
        let is_version = old.starts_with(|c: char| c.is_ascii_digit()) && old.matches('.').count() >= 2;
        out.push_str(before);
        out.push_str(if is_version { VERSION } else { old });
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_versions_are_set() {
        let text = "app.kubernetes.io/version: \"0.0.1\"\nimage: registry:5000/streamgauge:0.0.2\njava: streamgauge-java:0.0.3-rc.1\n\
                    mine: preprocessor-performance-test:1.0.0\nurl: https://example.com/streamgauge//?ref=v0.0.4\nstreamgauge: all";
        let wanted = format!(
            "app.kubernetes.io/version: \"{VERSION}\"\nimage: registry:5000/streamgauge:{VERSION}\njava: streamgauge-java:{VERSION}\n\
             mine: preprocessor-performance-test:1.0.0\nurl: https://example.com/streamgauge//?ref=v{VERSION}\nstreamgauge: all"
        );
        assert_eq!(stamp(text), wanted);
        assert_eq!(stamp(&wanted), wanted);
    }
}
