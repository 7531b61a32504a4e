//! Java stack traces, as Flink gives them for every failure: which of their lines a person needs.

/// What Flink puts around the cause of a failure without saying anything.
const EMPTY_WORDS: [&str; 5] = [
    "Internal server error.",
    "Could not execute application.",
    "Recovery is suppressed by NoRestartBackoffTimeStrategy",
    "<Exception on server side:",
    "End of exception on server side>",
];
/// The most of the other side's words that go into an error.
const LONGEST: usize = 1000;

/// What happened, in a line: the first words of a trace that say something, and the innermost cause where that is another.
pub fn summary(trace: &str) -> String {
    let causes = causes(trace);
    let said = match (causes.first(), causes.last()) {
        (Some(first), Some(last)) if !first.contains(plain(last)) => format!("{first}; cause: {last}"),
        (Some(first), _) => first.clone(),
        _ => trace.trim().to_owned(),
    };
    cut(said)
}

/// Why it happened, in a line: the innermost cause, and the one around it, which says what could not be done.
pub fn root_cause(trace: &str) -> String {
    let mut causes = causes(trace).into_iter().rev();
    let said = match (causes.next(), causes.next()) {
        (Some(inner), Some(outer)) if !outer.contains(plain(&inner)) => format!("{outer}; cause: {inner}"),
        (Some(_), Some(outer)) => outer,
        (Some(inner), None) => inner,
        _ => trace.trim().to_owned(),
    };
    cut(said)
}

/// The causes that a trace names, outermost first, each once.
fn causes(trace: &str) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for line in trace.lines().filter(|line| !line.starts_with(char::is_whitespace)) {
        let words = words(line.strip_prefix("Caused by: ").unwrap_or(line).trim());
        if !words.is_empty() && !EMPTY_WORDS.contains(&words.as_str()) && causes.last() != Some(&words) {
            causes.push(words);
        }
    }
    causes
}

/// A line without the classes that only wrap: Flink's own and those of futures. Of any other class the simple name stays, it
/// often says more than its message.
fn words(line: &str) -> String {
    let mut rest = line;
    loop {
        let (class, message) = rest.split_once(": ").unwrap_or((rest, ""));
        let is_class = class.contains('.') && class.chars().all(|c| c.is_ascii_alphanumeric() || "._$".contains(c));
        if !is_class || class.ends_with('.') {
            return rest.trim().to_owned();
        }
        let wraps = class.starts_with("org.apache.flink.") && !class.contains(".shaded.")
            || class.starts_with("java.util.concurrent.CompletionException")
            || class.starts_with("java.util.concurrent.ExecutionException");
        if !wraps {
            let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
            return if message.is_empty() { simple.to_owned() } else { format!("{simple}: {}", message.trim()) };
        }
        rest = message;
    }
}

/// The message without its class.
fn plain(cause: &str) -> &str {
    match cause.split_once(": ") {
        Some((class, message)) if !class.contains(' ') && !message.is_empty() => message,
        _ => cause,
    }
}

fn cut(mut said: String) -> String {
    if let Some((end, _)) = said.char_indices().nth(LONGEST) {
        said.truncate(end);
        said.push('…');
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> String {
        let json: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/flink/job-failed-exceptions.json")).unwrap();
        json["exceptionHistory"]["entries"][0]["stacktrace"].as_str().unwrap().to_owned()
    }

    #[test]
    fn of_a_failed_job_the_innermost_cause_and_what_could_not_be_done_are_told() {
        insta::assert_snapshot!(root_cause(&history()), @"RuntimeException: Failed to get metadata for topics [nosuch].; cause: TimeoutException: Timed out waiting for a node assignment. Call: listNodes");
    }

    #[test]
    fn a_users_own_exception_keeps_its_class() {
        assert_eq!(
            root_cause("java.lang.IllegalStateException: boom\n\tat a.B.c(B.java:1)\n"),
            "IllegalStateException: boom"
        );
        assert_eq!(root_cause("java.lang.NullPointerException\n\tat a.B.c(B.java:1)"), "NullPointerException");
        let wrapped = "org.apache.flink.util.FlinkException: main failed\n\tat x\nCaused by: java.util.concurrent.CompletionException: java.lang.ClassNotFoundException: a.B\n";
        assert_eq!(root_cause(wrapped), "main failed; cause: ClassNotFoundException: a.B");
    }

    #[test]
    fn text_that_is_no_trace_is_told_as_it_is() {
        assert_eq!(summary("no slots"), "no slots");
        assert_eq!(summary(""), "");
        assert_eq!(summary(&"ä".repeat(5000)).chars().count(), LONGEST + 1);
    }
}
