use super::*;
use crate::report::{
    App, Baseline, Check, Comparison, Component, Difference, Direction, Environment, Event, EventKind, Latency, Load,
    Metric, Outcome, Part, Run, Status, StepError, Verdict, Window,
};

fn metric(name: &str, component: &str, unit: &str, value: Option<f64>) -> Metric {
    // Behind a warm-up of the window below.
    let at = |second: u32| (1_767_607_930.0 + f64::from(second), value.unwrap_or(0.0) + f64::from(second % 7));
    Metric {
        name: name.to_owned(),
        component: component.to_owned(),
        unit: unit.to_owned(),
        direction: Direction::None,
        value,
        interval: None,
        series: if value.is_some() { (0..50).map(at).collect() } else { Vec::new() },
        samples: if value.is_some() { 50 } else { 0 },
        query: format!("sum({name}{{topology=\"preprocessor\"}}) > 0"),
        warnings: if value.is_some() { Vec::new() } else { vec!["Prometheus has no such series".to_owned()] },
    }
}

fn saturated() -> Report {
    let component = |name: &str, kind: &str, parallelism| Component {
        name: name.into(),
        kind: kind.into(),
        parallelism,
        ..Component::default()
    };
    let cause = "transformer saturated: 28 × 350/s = 9,800/s < 10,000/s; back-pressure 41 %; lag grows 200/s";
    Report {
        run: Some(Run {
            id: "performance-test-x7k".into(),
            commit: "c0ffee0123456789".into(),
            message: "Use 28 transformers | @all <b>now</b>\n\nbody".into(),
            ..Run::default()
        }),
        app: Some(App {
            engine: "heron".into(),
            name: "preprocessor".into(),
            components: vec![
                component("kafkaSpout", "spout", 1),
                component("transformer", "bolt", 28),
                component("publisher", "bolt", 3),
            ],
            ..App::default()
        }),
        load: Some(Load {
            source: "ads-events".into(),
            target: "ads-events-test".into(),
            planned: 600_000,
            acked: 600_000,
            rate: 10_000.0,
            achieved_rate: 9_999.8,
            window: Some(Window {
                start: "2026-01-05T10:12:00.123Z".parse().unwrap(),
                end: "2026-01-05T10:13:00.456Z".parse().unwrap(),
            }),
            verdict: Some(Verdict { status: Status::Pass, cause: "as planned".into() }),
            ..Load::default()
        }),
        metrics: vec![
            metric("tps", "kafkaSpout", "records/s", Some(9_803.0)),
            metric("tps", "publisher", "records/s", Some(9_799.0)),
            metric("tps", "transformer", "records/s", Some(9_800.0)),
            metric("instances", "kafkaSpout", "instances", Some(1.0)),
            metric("instances", "publisher", "instances", Some(3.0)),
            metric("instances", "transformer", "instances", Some(27.0)),
            metric("busy", "publisher", "%", Some(93.3)),
            metric("busy", "transformer", "%", Some(99.6)),
            metric("complete_latency", "", "ms", Some(812.34)),
            metric("back_pressure", "", "%", Some(41.3)),
            metric("back_pressure_by_component", "transformer", "%", Some(43.0)),
            metric("lag", "", "records", Some(11_900.0)),
            metric("lag_growth", "", "records/s", None),
        ],
        checks: vec![Check {
            metric: "spout_tps".into(),
            component: String::new(),
            criterion: ">= 0.99 * load".into(),
            value: Some(9_803.0),
            limit: Some(9_900.0),
            baseline: None,
            interval: None,
            weight: 1.0,
            status: Status::Fail,
            cause: "spout TPS 9,803/s, demanded at least 9,900/s".into(),
        }],
        verdict: Some(Verdict { status: Status::Fail, cause: cause.into() }),
        errors: vec![StepError::now("send-slack", 4, "Slack says \u{1b}[31mchannel_not_found".into())],
        ..Report::default()
    }
}

#[test]
fn the_terminal_shows_verdict_and_cause_first_and_then_the_numbers() {
    insta::assert_snapshot!(text(&saturated()), @r"
    FAIL  preprocessor (heron)
    transformer saturated: 28 × 350/s = 9,800/s < 10,000/s; back-pressure 41 %; lag grows 200/s

    commit  c0ffee012345 Use 28 transformers | @all <b>now</b>
    run     performance-test-x7k
    load    600,000 of 600,000 records at 10,000/s (reached 10,000/s), ads-events → ads-events-test
    window  2026-01-05T10:12:00Z – 2026-01-05T10:13:00Z

    metric                     value  samples
    complete latency          812 ms       50
    back-pressure               41 %       50
    lag               11,900 records       50
    lag growth                     –        0

    component    parallelism      TPS  TPS/instance    busy  capacity  back-pressure
    kafkaSpout             1  9,803/s       9,803/s       –         –              –
    transformer     27 of 28  9,800/s         363/s  99.6 %   9,839/s           43 %
    publisher              3  9,799/s       3,266/s    93 %  10,503/s              –

    check                     verdict  cause
    spout TPS >= 0.99 * load  fail     spout TPS 9,803/s, demanded at least 9,900/s

    to look at
      send-slack (exit 4): Slack says  [31mchannel_not_found
      lag growth: Prometheus has no such series
    ");
}

/// Two applications under one load, one judged, one ended early.
fn of_two_applications() -> Report {
    let Report { run, app, load, metrics, checks, verdict, .. } = saturated();
    let heron = Report { app: app.clone(), metrics: metrics.clone(), checks, verdict, ..Report::default() };
    let metrics = metrics.into_iter().filter(|metric| metric.name != "complete_latency").collect();
    let app = app.map(|app| App { engine: "flink".into(), ..app });
    let flink = Report { app, metrics, ..Report::default() };
    let parts = vec![Part::of("heron", heron), Part::of("flink", flink)];
    let cause = "heron: saturated; flink: the run ended before it was judged".to_owned();
    Report { run, load, parts, verdict: Some(Verdict { status: Status::Fail, cause }), ..Report::default() }
}

#[test]
fn several_applications_are_compared_first_and_then_shown_one_by_one() {
    let told = text(&of_two_applications());
    let (compared, one_by_one) = told.split_once("\nFAIL  preprocessor (heron)\n").unwrap();
    insta::assert_snapshot!(compared, @r"
    FAIL  preprocessor (heron), preprocessor (flink)
    heron: saturated; flink: the run ended before it was judged

    commit  c0ffee012345 Use 28 transformers | @all <b>now</b>
    run     performance-test-x7k
    load    600,000 of 600,000 records at 10,000/s (reached 10,000/s), ads-events → ads-events-test
    window  2026-01-05T10:12:00Z – 2026-01-05T10:13:00Z

    metric                     heron           flink
    verdict                     fail               –
    complete latency          812 ms               –
    back-pressure               41 %            41 %
    lag               11,900 records  11,900 records
    lag growth                     –               –
    ");
    assert!(one_by_one.contains("\nNO VERDICT  preprocessor (flink)\n"));
    let (page, markdown) = (html(&of_two_applications()), markdown(&of_two_applications()));
    // In the page's title, its headline and the application's own.
    assert_eq!(page.matches("preprocessor (flink)").count(), 3, "{page}");
    assert_eq!(markdown.matches("preprocessor (flink)").count(), 2, "{markdown}");
    assert_eq!(page.matches("<svg").count(), 6 + 5);
    assert_eq!(page.matches("</body>").count(), 1);
}

#[test]
fn a_report_of_a_run_that_failed_early_says_so() {
    let report =
        Report { errors: vec![StepError::now("deploy-heron-app", 4, "topology exists".into())], ..Report::default() };
    insta::assert_snapshot!(text(&report), @r"
    NO VERDICT  performance test
    the run ended before it was judged

    to look at
      deploy-heron-app (exit 4): topology exists
    ");
}

#[test]
fn the_pull_request_shows_what_others_wrote_as_text() {
    let text = markdown(&saturated());
    assert!(text.contains(r"c0ffee012345 Use 28 transformers \| &#64;all &lt;b>now&lt;/b>"), "{text}");
    assert!(text.contains("| transformer | 27 of 28 | 9,800/s | 363/s | 99.6 % | 9,839/s | 43 % |"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn the_page_loads_nothing_runs_nothing_and_shows_what_others_wrote_as_text() {
    let page = html(&saturated());
    assert!(page.contains("Use 28 transformers | @all &lt;b&gt;now&lt;/b&gt;"));
    let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
    let page = page.replace(namespace, "");
    for forbidden in ["<script", "http://", "https://", "<b>now", "src=", "url(", "@import"] {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
    // TPS, busy, latency, back-pressure, back-pressure by component, lag.
    assert_eq!(page.matches("<svg").count(), 6);
    // Each line, and what tells it in the legend where there are several or it has a name.
    assert_eq!(page.matches("stroke-width=\"20\"").count(), 2 * (4 + 2 + 1) + 3);
}

fn difference(name: &str, baseline: &str, this: &str) -> Difference {
    Difference { name: name.into(), baseline: baseline.into(), this: this.into() }
}

fn comparison(metric: &str, component: &str, means: (f64, f64), outcome: Outcome) -> Comparison {
    let change = (means.1 - means.0) / means.0 * 100.0;
    Comparison {
        metric: metric.into(),
        component: component.into(),
        baseline: Some(means.0),
        value: Some(means.1),
        change: Some(change),
        interval: Some((change - 1.4, change + 1.4)),
        p_value: Some(if outcome == Outcome::Unknown { 0.21 } else { 0.000_4 }),
        test: "welch".into(),
        effect: Some(-4.2),
        outcome,
        more_runs: (outcome == Outcome::Unknown).then_some(3),
        cause: "5 runs beside 3 tell 4 % at this noise".into(),
    }
}

/// A report that has every part there is: the saturated run beside a baseline of 29 transformers.
fn compared() -> Report {
    let mut report = saturated();
    let run = report.run.as_mut().unwrap();
    run.repository = "https://git.example/ads/preprocessor".into();
    run.author = "ads".into();
    run.pull_request = "12".into();
    (run.branch, run.base_branch, run.fork_point) = ("fewer-transformers".into(), "main".into(), "0123456789".into());
    let latency = |max| Some(Latency { p50: 0.67, p90: 2.1, p99: 9.62, p999: 31.0, max });
    let load = report.load.as_mut().unwrap();
    (load.send_delay, load.ack_latency, load.latency) = (latency(102.0), latency(88.0), latency(131.0));
    load.per_second = (0..60).map(|second| (second, 9_950 + second * 7 % 100)).collect();
    let app = report.app.as_mut().unwrap();
    app.properties.insert("kafka.output.topic".into(), "ads-events-out".into());
    app.warnings = vec!["the tracker does not know of exceptions".into()];
    app.events = vec![Event {
        at: Some("2026-01-05T10:12:31Z".parse().unwrap()),
        kind: EventKind::Restart,
        component: "transformer".into(),
        text: "was started anew".into(),
    }];
    let growth = report.metrics.iter_mut().find(|metric| metric.name == "lag_growth").unwrap();
    (growth.value, growth.interval, growth.warnings) = (Some(200.0), Some((182.0, 218.0)), Vec::new());
    report.checks[0] = Check {
        metric: "complete_latency".into(),
        component: String::new(),
        criterion: "<= +10%".into(),
        value: Some(812.34),
        limit: Some(704.0),
        baseline: Some(640.0),
        interval: Some((797.0, 828.0)),
        weight: 2.0,
        status: Status::Fail,
        cause: "complete latency 812 ms, demanded at most 704 ms".into(),
    };
    report.baseline = Some(Baseline {
        asked: "fork-point".into(),
        branch: "main".into(),
        commit: "0123456789abcdef".into(),
        runs: vec!["base-3".into(), "base-2".into(), "base-1".into()],
        own_runs: vec!["performance-test-x7k".into()],
        comparable: false,
        differences: vec![difference("kafka", "3.9.0", "4.1.0"), difference("node", "", "m6i.large")],
        settings: vec![difference("transformer.parallelism", "29", "28")],
        comparisons: vec![
            comparison("tps", "transformer", (10_020.0, 9_800.0), Outcome::Worse),
            comparison("tps", "publisher", (10_020.0, 9_990.0), Outcome::Same),
            comparison("complete_latency", "", (640.0, 812.34), Outcome::Worse),
            comparison("back_pressure", "", (40.0, 41.3), Outcome::Unknown),
        ],
        note: "measured an hour after the fork point".into(),
    });
    let fingerprint =
        [("kafka", "4.1.0"), ("node", "m6i.large"), ("image.app", "sha256:9f86d081884c7d659a2feaa0c55ad015")];
    let fingerprint = fingerprint.map(|(name, value)| (name.to_owned(), value.to_owned()));
    report.environment = Some(Environment { fingerprint: fingerprint.into() });
    report
}

#[test]
fn the_terminal_shows_this_beside_the_baseline_and_first_that_they_are_not_comparable() {
    let mut report = compared();
    report.errors.clear();
    insta::assert_snapshot!(text(&report), @r"
    FAIL  preprocessor (heron)
    transformer saturated: 28 × 350/s = 9,800/s < 10,000/s; back-pressure 41 %; lag grows 200/s
    NOT COMPARABLE with the baseline: kafka 3.9.0 → 4.1.0, node – → m6i.large

    commit        c0ffee012345 Use 28 transformers | @all <b>now</b>
    author        ads
    branch        fewer-transformers → main
    pull request  12
    run           performance-test-x7k
    load          600,000 of 600,000 records at 10,000/s (reached 10,000/s), ads-events → ads-events-test
    window        2026-01-05T10:12:00Z – 2026-01-05T10:13:00Z
    send delay    p50 0.67 ms, p99 9.62 ms, max 102 ms
    baseline      0123456789ab of main (fork-point), 3 runs: base-3, base-2, base-1; measured an hour after the fork point

    metric              baseline                  this  change        interval  verdict
    TPS of transformer  10,020/s               9,800/s  −2.2 %  −3.6 to −0.8 %  worse
    complete latency      640 ms                812 ms   +27 %    +26 to +28 %  fail
    back-pressure           40 %                  41 %  +3.2 %  +1.8 to +4.6 %  unknown (3 more runs)
    lag                        –        11,900 records       –               –  –
    lag growth                 –  200/s (182 to 218/s)       –               –  –

    component    parallelism      TPS  TPS/instance    busy  capacity  back-pressure
    kafkaSpout             1  9,803/s       9,803/s       –         –              –
    transformer     27 of 28  9,800/s         363/s  99.6 %   9,839/s           43 %
    publisher              3  9,799/s       3,266/s    93 %  10,503/s              –

    setting                  baseline  this
    transformer.parallelism  29        28

    what differs  baseline  this
    kafka         3.9.0     4.1.0
    node          –         m6i.large

    check                     verdict  weight  baseline       interval  cause
    complete latency <= +10%  fail          2    640 ms  797 to 828 ms  complete latency 812 ms, demanded at most 704 ms

    event    when                  component    what
    restart  30 s into the window  transformer  was started anew

    to look at
      the tracker does not know of exceptions

    compared            verdict  change  test         p  effect  cause
    TPS of transformer  worse    −2.2 %  welch  < 0.001    −4.2  5 runs beside 3 tell 4 % at this noise
    TPS of publisher    same     −0.3 %  welch  < 0.001    −4.2  5 runs beside 3 tell 4 % at this noise
    complete latency    worse     +27 %  welch  < 0.001    −4.2  5 runs beside 3 tell 4 % at this noise
    back-pressure       unknown  +3.2 %  welch    0.210    −4.2  5 runs beside 3 tell 4 % at this noise

    property            value
    kafka.output.topic  ads-events-out

    environment  value
    image.app    sha256:9f86d081884c7d659a2feaa0c55ad015
    kafka        4.1.0
    node         m6i.large
    ");
}

#[test]
fn a_message_shows_the_numbers_and_that_they_are_not_comparable() {
    let told = numbers(&compared());
    assert!(
        told.starts_with("NOT COMPARABLE with the baseline: kafka 3.9.0 → 4.1.0, node – → m6i.large\n\nload  600,000"),
        "{told}"
    );
    assert!(told.contains("transformer.parallelism  29        28\n"), "{told}");
    assert!(!told.contains("demanded") && !told.contains("sha256"), "{told}");
    assert_eq!(numbers(&Report::default()), "");
}

#[test]
fn columns_are_aligned_by_what_is_shown() {
    let mut report = compared();
    let named = |name: &str| difference(name, "a", "b");
    report.baseline.as_mut().unwrap().settings = vec![named("主题"), named("cafe\u{301}"), named("topic")];
    let told = text(&report);
    assert!(told.contains("主题     a         b\ncafe\u{301}     a         b\ntopic    a         b\n"), "{told}");
}

#[test]
fn a_table_of_anything_is_aligned_likewise() {
    let rows = vec![vec!["run-1".to_owned(), "9,800/s".to_owned()], vec!["run-10".to_owned(), "1/s".to_owned()]];
    insta::assert_snapshot!(table(&["run", "TPS"], 1, rows), @r"
    run         TPS
    run-1   9,800/s
    run-10      1/s
    ");
}

#[test]
fn a_baseline_that_was_not_found_is_told_and_forbids_nothing() {
    let note = "no run of 0123456789ab or of the ten commits before it is in the history".to_owned();
    let baseline = Baseline { asked: "fork-point".into(), note, ..Baseline::default() };
    let told = text(&Report { baseline: Some(baseline), ..saturated() });
    assert!(told.contains("\nbaseline  none for fork-point; no run of 0123456789ab"), "{told}");
    assert!(told.contains("\nmetric                     value  samples\n") && !told.contains("COMPARABLE"), "{told}");
}

#[test]
fn the_page_and_the_pull_request_lead_to_the_commit() {
    let (page, markdown) = (html(&compared()), markdown(&compared()));
    let (commit, pull) = (
        "https://git.example/ads/preprocessor/commit/c0ffee0123456789",
        "https://git.example/ads/preprocessor/pull/12",
    );
    for link in [commit, pull] {
        assert!(page.contains(&format!("<a href=\"{link}\"")), "{page}");
        assert!(markdown.contains(&format!("](<{link}>)")), "{markdown}");
    }
    assert!(
        page.contains("<div class=\"banner warn\" role=\"note\">NOT COMPARABLE with the baseline: kafka"),
        "{page}"
    );
    assert!(markdown.contains("\n> [!WARNING]\n> NOT COMPARABLE with the baseline: kafka"), "{markdown}");
    let row = "| complete latency | 640 ms | 812 ms | +27 % | +26 to +28 % | **fail** |";
    assert!(markdown.contains(row), "{markdown}");
    assert!(page.contains(r#"<td class="verdict unknown" data-column="verdict">unknown (3 more runs)</td>"#), "{page}");
    assert!(page.contains("<title>send delay: send delay: median 0.67 ms, max 102 ms; acknowledgement"), "{page}");
}

#[test]
fn every_chart_is_a_picture_of_its_own() {
    let titles: Vec<String> =
        View::of(&compared()).charts.iter().map(|one| format!("{}, {}", one.title, one.unit)).collect();
    let wanted = [
        "TPS, records/s",
        "complete latency, ms",
        "lag, records",
        "back-pressure by component, %",
        "busy, %",
        "back-pressure, %",
        "send delay, ms",
    ];
    assert_eq!(titles, wanted);
    for one in View::of(&of_two_applications()).parts.iter().flat_map(|part| &part.charts) {
        let svg = chart::svg(one);
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{}: {svg}", one.title);
    }
}

#[test]
fn a_pull_request_is_never_given_more_than_it_takes() {
    let mut report = compared();
    for number in 0..200 {
        let name = format!("metric_{number}");
        report.metrics.push(Metric { query: "x".repeat(1_000), ..metric(&name, "", "ms", Some(1.0)) });
    }
    let told = markdown(&report);
    assert!(told.len() < 22_000 && told.contains("| metric 199 |"), "{}", told.len());
    assert!(told.ends_with("*Too long for here: report.html and report.json have the rest.*\n"), "{told}");
    report.app.as_mut().unwrap().warnings = vec!["@".repeat(3_000); 100];
    let told = markdown(&report);
    assert!(told.len() < 22_000, "{}", told.len());
    assert!(told.ends_with("*Cut here, it is too long: report.html and report.json have the rest.*\n"), "{told}");
}

#[test]
fn a_query_cannot_leave_its_fence() {
    let mut report = saturated();
    report.metrics.retain(|metric| metric.name == "lag");
    report.metrics[0].query = "sum(lag{topic=~````@all`})\nor vector(0)\u{1b}".into();
    let told = markdown(&report);
    assert!(told.contains("\n`````promql\nsum(lag{topic=~````@all`})\nor vector(0)\n`````\n"), "{told}");
}

#[test]
fn a_report_with_every_part_keeps_to_its_schema() {
    let schema = serde_json::from_str(include_str!("../../../schemas/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut report = compared();
    report.parts = vec![Part::of("heron", compared())];
    let report = serde_json::to_value(&report).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
