//! The report as people read it: on a terminal, in a pull request, in a browser. All three show the same view.

mod chart;
mod html;
mod markdown;
mod text;
mod view;

use std::path::Path;

use super::{Error, Report};
use view::View;

/// Shows the report to all: on stdout, and as Markdown and a page beside this path of `report.json`.
#[expect(clippy::print_stdout, reason = "the report is what such a program is for")]
pub fn publish(path: &Path, report: &Report) -> Result<(), Error> {
    let write = |extension: &str, text: String| {
        let path = path.with_extension(extension);
        let folder = path.parent().unwrap_or(Path::new(""));
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
        written.map_err(|source| Error::Write { path, source })
    };
    write("md", markdown(report))?;
    write("html", html(report))?;
    print!("{}", text(report));
    Ok(())
}

/// The report for a terminal, without colours.
pub fn text(report: &Report) -> String {
    text::render(&View::of(report))
}

/// The load and what was measured under it, for a message that says the rest itself; empty when there is neither.
pub fn numbers(report: &Report) -> String {
    text::numbers(&View::of(report))
}

/// The report as Markdown, short enough for a pull request.
pub fn markdown(report: &Report) -> String {
    markdown::render(&View::of(report))
}

/// The report as one HTML file that needs nothing else.
pub fn html(report: &Report) -> String {
    html::render(&View::of(report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        App, Check, Component, Direction, Load, Metric, Part, Run, Status, StepError, Verdict, Window,
    };

    fn metric(name: &str, component: &str, unit: &str, value: Option<f64>) -> Metric {
        let at = |second: u32| (1_800_000_000.0 + f64::from(second), value.unwrap_or(0.0) + f64::from(second % 7));
        Metric {
            name: name.to_owned(),
            component: component.to_owned(),
            unit: unit.to_owned(),
            direction: Direction::None,
            value,
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

        component    parallelism      TPS  TPS/instance    busy  capacity  back-pressure
        kafkaSpout             1  9,803/s       9,803/s       –         –              –
        transformer     27 of 28  9,800/s         363/s  99.6 %   9,839/s           43 %
        publisher              3  9,799/s       3,266/s    93 %  10,503/s              –

        metric                     value  samples
        complete latency          812 ms       50
        back-pressure               41 %       50
        lag               11,900 records       50
        lag growth                     –        0

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
        let report = Report {
            errors: vec![StepError::now("deploy-heron-app", 4, "topology exists".into())],
            ..Report::default()
        };
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
        for forbidden in ["<script", "http://", "https://", "<b>", "src="] {
            assert!(!page.contains(forbidden), "{forbidden} in the page");
        }
        // TPS, busy, latency, back-pressure, back-pressure by component, lag.
        assert_eq!(page.matches("<svg").count(), 6);
        assert_eq!(page.matches("<polyline").count(), 3 + 2 + 4);
    }
}
