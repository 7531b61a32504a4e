//! As much of PromQL as is needed to tell which series an expression reads: its selectors, their ranges, and the functions that
//! they stand in.
//!
//! It is a scan, no parser: what Prometheus does not understand it says itself, and dialects (MetricsQL) know more than it.

use super::Error;

/// A series selector of an expression: `heron_emit_count{component="x"}[1m]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// As it is written, without its range: a query of its own.
    pub text: String,
    /// What it wants of labels; of the name too, as a matcher of `__name__`.
    pub matchers: Vec<Matcher>,
    /// Its range as it is written, without brackets; empty when it has none.
    pub range: String,
    /// The functions and aggregations that it stands in, the outermost first, in lower case.
    pub within: Vec<String>,
}

/// What a selector wants of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matcher {
    /// The label.
    pub label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub operator: String,
    /// The value, without quotes.
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    /// A name, keyword, number or duration.
    Word(&'a str),
    /// What stands between quotes.
    Text(String),
    /// `=`, `!=`, `=~`, `!~`, or one character of any other kind.
    Sign(&'a str),
}

/// Words before a list of labels.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Further words that are no metric's name where no parenthesis follows; in lower case.
const KEYWORDS: [&str; 11] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "default", "if", "ifnot"];

/// The expression on one line, without comments; what is between quotes stays as it is.
pub(super) fn tidy(query: &str) -> String {
    let mut out = String::new();
    let mut rest = query;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' | '`' => quoted(rest, letter),
            _ => letter.len_utf8(),
        };
        match letter {
            '#' => {}
            letter if letter.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            _ => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.trim().to_owned()
}

/// The selectors of an expression, in their order.
pub(super) fn selectors(query: &str) -> Vec<Selector> {
    let tokens = tokens(query);
    let sign = |at: usize| match tokens.get(at) {
        Some((_, Token::Sign(sign))) => *sign,
        _ => "",
    };
    let is_grouping = |at: usize| match tokens.get(at) {
        Some((_, Token::Word(word))) => matches!(word.to_lowercase().as_str(), "by" | "without"),
        _ => false,
    };
    let mut found: Vec<Selector> = Vec::new();
    let mut aggregation = None;
    let mut open: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some((start, token)) = tokens.get(at) {
        match token {
            Token::Word(word) if GROUPING.contains(&word.to_lowercase().as_str()) => {
                at += 1;
                if sign(at) == "(" {
                    at = after(&tokens, at, ")");
                }
                // `sum by (a) (b)`: what the labels stood in the way of.
                if sign(at) == "(" {
                    open.push(aggregation.take().unwrap_or_default());
                    at += 1;
                }
                continue;
            }
            Token::Word(word) if is_grouping(at + 1) => aggregation = Some(word.to_lowercase()),
            Token::Word(word) if sign(at + 1) == "(" => {
                open.push(word.to_lowercase());
                at += 2;
                continue;
            }
            Token::Sign("(") => open.push(String::new()),
            Token::Sign(")") => _ = open.pop(),
            Token::Sign("{") => {
                let end = after(&tokens, at, "}");
                found.push(selector(query, *start, "", &tokens[at..end], &open));
                at = end;
                continue;
            }
            Token::Sign("[") => {
                let end = after(&tokens, at, "]");
                // A range after a parenthesis is a subquery's, and no selector's own.
                if at > 0
                    && sign(at - 1) != ")"
                    && let Some(last) = found.last_mut()
                {
                    last.range = query[start + 1..begin(&tokens, end - 1, query)].trim().to_owned();
                }
                at = end;
                continue;
            }
            Token::Word(word) if is_name(word) => {
                let end = if sign(at + 1) == "{" { after(&tokens, at + 1, "}") } else { at + 1 };
                found.push(selector(query, *start, word, &tokens[at + 1..end], &open));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// How far back an expression looks at most, in seconds, as far as its ranges are written out.
pub(super) fn reach(query: &str) -> f64 {
    let tokens = tokens(query);
    let ranges = tokens.windows(2).filter_map(|pair| match pair {
        [(_, Token::Sign("[")), (_, Token::Word(range))] => duration(range),
        _ => None,
    });
    ranges.fold(0.0, f64::max)
}

/// Refuses functions over Heron's counts that take them for counters. What is counted since the last export is no counter, and
/// each scrape finds it again until the next (Apache Heron 0.20, `CountMetric.getValueAndReset` and `PrometheusSink`).
pub(super) fn refuse_rates(metric: &str, query: &str) -> Result<(), Error> {
    for selector in selectors(query) {
        for matcher in selector.matchers.iter().filter(|matcher| matcher.label == "__name__") {
            let names: Vec<&str> = match matcher.operator.as_str() {
                "=" => vec![&matcher.value],
                "=~" => matcher.value.split('|').collect(),
                _ => continue,
            };
            let wrong = |name: &&&str, function: &&String| {
                COUNTERS.contains(&function.as_str()) && !is_cumulative(name)
                    || DIFFERENCES.contains(&function.as_str()) && is_count(name)
            };
            let heron = names.iter().filter(|name| name.trim_start_matches(['^', '(']).starts_with("heron_"));
            for name in heron {
                if let Some(function) = selector.within.iter().find(|function| wrong(&name, function)) {
                    let (metric, function, name) = (metric.to_owned(), function.clone(), (*name).to_owned());
                    return Err(Error::NoCounter { metric, function, name });
                }
            }
        }
    }
    Ok(())
}

/// Functions that are right on counters alone.
const COUNTERS: [&str; 8] = [
    "rate",
    "irate",
    "increase",
    "increase_pure",
    "increase_prometheus",
    "rate_prometheus",
    "rollup_rate",
    "rollup_increase",
];

/// Functions that are right on gauges too, and on counts of the last export are not: they see the change from one export's count to
/// the next, or add up the same count once a scrape.
const DIFFERENCES: [&str; 9] = [
    "delta",
    "idelta",
    "deriv",
    "ideriv",
    "deriv_fast",
    "predict_linear",
    "sum_over_time",
    "rollup_delta",
    "rollup_deriv",
];

/// The counts of Heron that only grow.
const CUMULATIVE: [&str; 8] = [
    "jvm_",
    "process_",
    "kafka_",
    "collector_collection_count",
    "continue_work_count",
    "execution_count",
    "produce_tuple_count",
    "task_run_count",
];

/// Parts of the names of what Heron counts from export to export.
const COUNTED: [&str; 7] =
    ["_count", "_time_ns", "time_spent_back_pressure", "_tuples_", "_bytes_", "packets_size", "metrics_size"];

fn stem(name: &str) -> &str {
    let name = name.trim_start_matches(['^', '(']);
    name.strip_prefix("heron_").unwrap_or(name)
}

fn is_cumulative(name: &str) -> bool {
    CUMULATIVE.iter().any(|known| stem(name).starts_with(known))
}

fn is_count(name: &str) -> bool {
    // The mean of the records pending is a gauge in spite of its name.
    !is_cumulative(name)
        && !stem(name).starts_with("pending_acked_count")
        && COUNTED.iter().any(|part| name.contains(part))
}

fn selector(query: &str, start: usize, name: &str, braces: &[(usize, Token<'_>)], open: &[String]) -> Selector {
    let mut matchers = Vec::new();
    let named =
        |value: &str| Matcher { label: "__name__".to_owned(), operator: "=".to_owned(), value: value.to_owned() };
    if !name.is_empty() {
        matchers.push(named(name));
    }
    let mut rest = braces;
    while let [(_, first), tail @ ..] = rest {
        rest = match (first, tail) {
            (Token::Word(label), [(_, Token::Sign(operator)), (_, Token::Text(value)), tail @ ..]) => {
                let (label, operator) = ((*label).to_owned(), (*operator).to_owned());
                matchers.push(Matcher { label, operator, value: value.clone() });
                tail
            }
            (Token::Text(label), [(_, Token::Sign(operator)), (_, Token::Text(value)), tail @ ..])
                if operator.contains(['=', '~']) =>
            {
                matchers.push(Matcher { label: label.clone(), operator: (*operator).to_owned(), value: value.clone() });
                tail
            }
            // Prometheus 3 takes a name between quotes.
            (Token::Text(name), tail) => {
                matchers.push(named(name));
                tail
            }
            (_, tail) => tail,
        };
    }
    let end = match braces.last() {
        Some((end, _)) => end + 1,
        None => start + name.len(),
    };
    let text = query[start..end].to_owned();
    let within = open.iter().filter(|name| !name.is_empty()).cloned().collect();
    Selector { text, matchers, range: String::new(), within }
}

/// The token behind the next of this sign.
fn after(tokens: &[(usize, Token<'_>)], from: usize, sign: &str) -> usize {
    let found = tokens[from..].iter().position(|(_, token)| *token == Token::Sign(sign));
    found.map_or(tokens.len(), |found| from + found + 1)
}

fn begin(tokens: &[(usize, Token<'_>)], at: usize, query: &str) -> usize {
    tokens.get(at).filter(|(_, token)| *token == Token::Sign("]")).map_or(query.len(), |(start, _)| *start)
}

fn is_name(word: &str) -> bool {
    let begins = word.starts_with(|letter: char| letter.is_ascii_alphabetic() || matches!(letter, '_' | ':'));
    begins && !KEYWORDS.contains(&word.to_lowercase().as_str())
}

/// The tokens of an expression, each with where it begins.
fn tokens(query: &str) -> Vec<(usize, Token<'_>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(letter) = query[at..].chars().next() {
        let rest = &query[at..];
        let length = match letter {
            letter if letter.is_whitespace() => letter.len_utf8(),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' | '`' => {
                let length = quoted(rest, letter);
                found.push((at, Token::Text(unquoted(&rest[..length], letter))));
                length
            }
            letter if is_word(letter) => {
                let length = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
                found.push((at, Token::Word(&rest[..length])));
                length
            }
            _ => {
                let pair = ["!=", "=~", "!~"].into_iter().find(|pair| rest.starts_with(pair));
                let length = pair.map_or(letter.len_utf8(), str::len);
                found.push((at, Token::Sign(&rest[..length])));
                length
            }
        };
        at += length;
    }
    found
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | ':' | '.')
}

/// How long the string is that a text begins with, its quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            letter if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What is between the quotes, with the escapes that are of use in names and regular expressions taken back.
fn unquoted(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).unwrap_or(text);
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    if quote == '`' {
        return inner.to_owned();
    }
    let mut out = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            (_, Some('n')) => out.push('\n'),
            (_, Some('t')) => out.push('\t'),
            (_, Some('u')) => {
                let code: String = letters.by_ref().take(4).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            (_, Some(escaped)) => out.push(escaped),
            (letter, None) => out.push(letter),
        }
    }
    out
}

/// A duration of PromQL in seconds: `5m`, `1h30m`, `500ms`.
fn duration(text: &str) -> Option<f64> {
    let units =
        [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0), ("y", 31_536_000.0)];
    let text = text.split(':').next().unwrap_or_default();
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let (unit, length) = units.iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total += number * length;
        rest = &rest[digits + unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &str) -> Vec<String> {
        let told = |selector: Selector| {
            let matchers = selector.matchers.iter();
            let matchers: Vec<String> =
                matchers.map(|matcher| format!("{}{}{}", matcher.label, matcher.operator, matcher.value)).collect();
            format!(
                "{} | {} | [{}] in {}",
                selector.text,
                matchers.join(" "),
                selector.range,
                selector.within.join(">")
            )
        };
        selectors(query).into_iter().map(told).collect()
    }

    #[test]
    fn selectors_are_found_wherever_they_stand() {
        let query = r#"sum by (component, pod) (rate (a:b_total{x="1", y=~'(p|q)\\.z'} [5m] offset 1m))
            / on (component) group_left(pod) max without(x) (label_replace({__name__=~`c|d`}, "up", "$1", "src", "(.+)"))
            > bool 3e2 and up @ 1609746000 or Inf"#;
        insta::assert_snapshot!(told(query).join("\n"), @r#"
        a:b_total{x="1", y=~'(p|q)\\.z'} | __name__=a:b_total x=1 y=~(p|q)\.z | [5m] in sum>rate
        {__name__=~`c|d`} | __name__=~c|d | [] in max>label_replace
        up | __name__=up | [] in 
        "#);
    }

    #[test]
    fn comments_strings_and_white_space_do_not_mislead() {
        let query = "count(x) # of all rate(heron_emit_count[1m])\n  + y{a=\"# no  comment\\\"{z}\"}  /\t60";
        assert_eq!(tidy(query), "count(x) + y{a=\"# no  comment\\\"{z}\"} / 60");
        insta::assert_snapshot!(told(query).join("\n"), @r##"
        x | __name__=x | [] in count
        y{a="# no  comment\"{z}"} | __name__=y a=# no  comment"{z} | [] in 
        "##);
        assert_eq!(
            told("max_over_time((a + b)[10m:1m]) and {\"my.metric\", 'a.b'=\"c\"}").join("\n"),
            [
                "a | __name__=a | [] in max_over_time",
                "b | __name__=b | [] in max_over_time",
                "{\"my.metric\", 'a.b'=\"c\"} | __name__=my.metric a.b=c | [] in ",
            ]
            .join("\n")
        );
        for broken in ["sum(", "x{", "x{a=\"", "x[", "x[5m", ")", "x{a=}", "[5m]", "by(", "\"", "é{ö=\"ü\"}"] {
            let _ = (selectors(broken), tidy(broken), reach(broken));
        }
    }

    #[test]
    fn ranges_tell_how_far_back_a_query_looks() {
        assert_eq!(reach("rate(a[1m]) + max_over_time(sum(b)[1h30m:10s])"), 5400.0);
        assert_eq!(reach("a{b=\"[9d]\"} + c[{{ window_seconds | seconds }}]"), 0.0);
    }

    #[test]
    fn counts_of_the_last_export_are_no_counters() {
        let refused = [
            "sum(rate(heron_emit_count{component=\"x\"}[3m]))",
            "increase ( heron_execute_count_default [10m] )",
            "irate(\n heron_ack_count # recorded\n[1m])",
            "sum(rate({__name__=~\"heron_emit_count(_default)?\",topology=\"t\"}[3m]))",
            "rate({__name__=~'heron_jvm_uptime_secs|heron_fail_count'}[3m])",
            "rate((sum by (component) (heron_emit_count))[5m:1m])",
            "delta(heron_execute_time_ns[5m])",
            "sum_over_time(heron_fail_count[30m])",
            "rate(heron_my_own_events[5m])",
        ];
        for query in refused {
            assert!(matches!(refuse_rates("mine", query), Err(Error::NoCounter { .. })), "{query}");
        }
        let fine = [
            "rate(heron_jvm_gc_collection_time_ms[5m])",
            "rate(heron_execution_count[5m]) + increase(heron_task_run_count[5m])",
            "deriv(heron_kafka_offset_total_spout_lag[5m])",
            "delta(heron_pending_acked_count[5m])",
            "avg_over_time(heron_emit_count[3m]) / 60 + rate(kafka_messages_total{note=\"rate(heron_emit_count[1m])\"}[1m])",
            "rate(http_requests_total[1m]) and on (pod) heron_emit_count",
            "last_over_time(heron_emit_count[1m]) / 60 # never rate(heron_emit_count[1m])",
        ];
        for query in fine {
            assert!(refuse_rates("mine", query).is_ok(), "{query}");
        }
        let error = refuse_rates("mine", refused[0]).unwrap_err();
        insta::assert_snapshot!(error, @"the query of metric mine takes rate() of heron_emit_count, which is no counter: Heron counts from one export to the next, and every scrape finds that count again until then; write last_over_time(heron_emit_count{…}[1m]) / {{ export_interval }} for a rate, as the pack heron does (docs/metrics.md)");
    }
}
