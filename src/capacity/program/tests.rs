//! The program as its users run it.

use clap::Parser;
use serde_json::Value;

use super::super::evidence::Run;
use super::super::evidence::tests::{add, carrying, report, saturated};
use super::*;
use crate::report::{self, Environment, Report};

const BY_HAND: [&str; 5] = ["--component", "kafkaSpout=10000", "transformer=350", "publisher=3500", "--rate=10000"];

fn planned(words: &[&str], reports: &[(&str, Report)]) -> Result<Plan, Error> {
    let args = Args::parse_from(std::iter::once(&"plan-capacity").chain(words));
    let runs = reports.iter().map(|(label, report)| Run::of(report, label).unwrap()).collect();
    Plan::new(&Asked::from(args), runs, Vec::new())
}

fn by_hand(more: &[&str]) -> Plan {
    planned(&[&BY_HAND[..], more].concat(), &[]).unwrap()
}

#[test]
fn the_question_it_was_built_for() {
    insta::assert_snapshot!(output::text(&by_hand(&[])), @r"
    1:29:3 carries 10,000/s; 1:28:3 carries 9,800/s, transformer is the bottleneck

    component    capacity/instance    needed  parallelism  range   busy  why
    kafkaSpout            10,000/s  10,000/s            1      –  100 %  given by hand
    transformer              350/s  10,000/s           29      –   99 %  given by hand
    publisher              3,500/s  10,000/s            3      –   95 %  given by hand

    combination   carries              bottleneck
    1:29:3       10,000/s  enough      kafkaSpout   the plan
    1:28:3        9,800/s  too little  transformer  one instance less

    resources
      33 instances

    next experiment
      --param spout-parallelism=1 --param transformer-parallelism=29 --param publisher-parallelism=3 --param data-count-per-second=10000
    ");
}

#[test]
fn at_70_percent_and_for_twenty_times_the_rate() {
    assert_eq!(
        by_hand(&["--utilisation=70"]).answer,
        "1:41:5 carries 10,000/s at 70 % utilisation; 1:40:5 carries 9,800/s, transformer is the bottleneck"
    );
    assert_eq!(
        by_hand(&["--utilisation=70", "--source-utilisation=70"]).plan,
        "kafkaSpout=2 transformer=41 publisher=5"
    );
    let resources = ["--resources", "kafkaSpout=1/2GB", "transformer=0.5/512MB", "publisher=1/1GB"];
    let more = [&["--rate=200000", "--instances-per-container=10"], &resources[..]].concat();
    let args = [&BY_HAND[..4], &more].concat();
    insta::assert_snapshot!(output::text(&planned(&args, &[]).unwrap()), @r"
    20:572:58 carries 200,000/s; 20:571:58 carries 199,850/s, transformer is the bottleneck

    component    capacity/instance     needed  parallelism  range    busy  why
    kafkaSpout            10,000/s  200,000/s           20      –   100 %  given by hand
    transformer              350/s  200,000/s          572      –  99.9 %  given by hand
    publisher              3,500/s  200,000/s           58      –    99 %  given by hand

    combination    carries              bottleneck
    20:572:58    200,000/s  enough      kafkaSpout   the plan
    20:571:58    199,850/s  too little  transformer  one instance less

    resources
      650 instances, 65 containers, 364 CPU cores, 384 GiB of RAM

    next experiment
      --param spout-parallelism=20 --param transformer-parallelism=572 --param publisher-parallelism=58 --param data-count-per-second=200000
    ");
}

#[test]
fn catching_up_takes_more() {
    let plan =
        by_hand(&["--catch-up-records=600000", "--restart-time=60s", "--catch-up-time=10m", "--parallelism=1:29:3"]);
    assert_eq!(
        plan.answer,
        "2:35:4 carries 10,000/s and catches up within 600 s; 2:34:4 carries 9,909/s, transformer is the bottleneck; 1:29:3 carries 8,182/s, kafkaSpout is the bottleneck"
    );
}

#[test]
fn one_saturated_run_is_enough_for_a_plan() {
    insta::assert_snapshot!(output::text(&planned(&["--parallelism=1:27:3"], &[("run-28", saturated())]).unwrap()), @r"
    1:29:3 carries 10,000/s; 1:28:3 carries 9,793/s, transformer is the bottleneck; 1:27:3 carries 9,443/s, transformer is the bottleneck

    component    capacity/instance    needed  parallelism  range   busy  why
    kafkaSpout          ≥ 10,000/s  10,000/s            1      –  100 %  has carried as much, its limit is not known
    transformer              350/s  10,005/s           29      –   99 %  TPS/instance when saturated, 1 run
    publisher              3,512/s  10,005/s            3      –   95 %  TPS/instance by its busy share, 1 run

    combination     carries              bottleneck
    1:29:3       ≥ 10,000/s  enough      kafkaSpout   the plan
    1:28:3          9,793/s  too little  transformer  one instance less
    1:27:3          9,443/s  too little  transformer  asked for

    resources
      33 instances

    next experiment
      --param spout-parallelism=1 --param transformer-parallelism=29 --param publisher-parallelism=3 --param data-count-per-second=10000

    to look at
      kafkaSpout: an instance may do more than 10,000/s: load it until it is the bottleneck, or give --component kafkaSpout=RATE
    ");
}

#[test]
fn each_run_is_predicted_from_the_others() {
    let plan = planned(&["--component=kafkaSpout=10000"], &[("run-29", carrying()), ("run-28", saturated())]).unwrap();
    insta::assert_snapshot!(output::markdown(&plan), @r"
    ## Component plan of preprocessor

    **1:29:3 carries 10,000/s; 1:28:3 carries 9,793/s, transformer is the bottleneck**

    ### Components

    | component | capacity/instance | needed | parallelism | range | busy | why |
    |---|---:|---:|---:|---:|---:|---|
    | kafkaSpout | 10,000/s | 10,000/s | 1 | – | 100 % | given by hand |
    | transformer | 350/s | 10,019/s | 29 | – | 99 % | TPS/instance when saturated, 1 run |
    | publisher | 3,515/s ± 19.2 | 10,019/s | 3 | 3 | 95 % | TPS/instance by its busy share, 2 runs |

    ### Combinations

    | combination | carries |  | bottleneck |  |
    |---|---:|---|---|---|
    | 1:29:3 | 10,000/s | enough | kafkaSpout | the plan |
    | 1:28:3 | 9,793/s | too little | transformer | one instance less |

    ### Predictions

    | run | combination | load | predicted | measured | error |
    |---|---|---:|---:|---:|---:|
    | run-29 | 1:29:3 | 10,000/s | 10,000/s | 9,995/s | +0.1 % |
    | run-28 | 1:28:3 | 10,000/s | 9,748/s | 9,793/s | -0.5 % |

    ### Resources

    - 33 instances

    ### Next experiment

    - --param spout-parallelism=1 --param transformer-parallelism=29 --param publisher-parallelism=3 --param data-count-per-second=10000

    ### To look at

    - ± and range are at 95 % confidence
    ");
}

/// Reports of the demo (tests/data/capacity): the plan from the run that did not carry 250/s, 1:3:1, was the next run.
#[test]
fn a_plan_from_a_real_run_is_right_about_the_next_one() {
    let read = |text| serde_json::from_str::<Report>(text).unwrap();
    let first = read(include_str!("../../../tests/data/capacity/saturated.json"));
    let next = read(include_str!("../../../tests/data/capacity/carried.json"));
    let plan = planned(&[], &[("first", first.clone())]).unwrap();
    assert_eq!(plan.plan, "kafkaSpout=1 transformer=3 publisher=1");
    let text = output::text(&planned(&["--parallelism=1:2:1"], &[("next", next), ("first", first)]).unwrap());
    insta::assert_snapshot!(text, @r"
    1:3:1 carries 250/s; 1:2:1 carries 199/s, transformer is the bottleneck

    component    capacity/instance  needed  parallelism  range   busy  why
    kafkaSpout             ≥ 250/s   250/s            1      –  100 %  has carried as much, its limit is not known
    transformer             99.8/s   250/s            3      –   84 %  TPS/instance when saturated, 1 run
    publisher            ≥ 1,002/s   250/s            1      –   25 %  four times what it did, for it was less than 25 % busy

    combination  carries              bottleneck
    1:3:1        ≥ 250/s  enough      kafkaSpout   the plan
    1:2:1          199/s  too little  transformer  one instance less

    run                     combination   load  predicted  measured   error
    performance-test-2w6w9  1:3:1        250/s      250/s     250/s  +0.0 %
    performance-test-s8crs  1:2:1        250/s      200/s     199/s  +0.4 %

    resources
      5 instances, 5 CPU cores, 10 GiB of RAM

    next experiment
      --param spout-parallelism=1 --param transformer-parallelism=3 --param publisher-parallelism=1 --param data-count-per-second=250

    to look at
      kafkaSpout: an instance may do more than 250/s: load it until it is the bottleneck, or give --component kafkaSpout=RATE
      publisher: an instance may do more than 1,002/s: load it until it is the bottleneck, or give --component publisher=RATE

    not planned from
      performance-test-2w6w9: publisher: it was 7.2 % busy, too little to extrapolate from
      performance-test-s8crs: publisher: it was 5.7 % busy, too little to extrapolate from
    ");
}

#[test]
fn several_runs_carry_their_interval_to_the_parallelism() {
    let run = |label, tps: f64| {
        let mut report = saturated();
        report.metrics.iter_mut().filter(|metric| metric.name == "tps").for_each(|metric| metric.value = Some(tps));
        (label, report)
    };
    let plan = planned(&[], &[run("a", 9_800.0), run("b", 9_700.0), run("c", 9_900.0)]).unwrap();
    let transformer = &plan.components[1];
    assert_eq!((transformer.parallelism, transformer.range, transformer.runs), (29, Some((28, Some(30))), 3));
    assert!(output::text(&plan).contains("350/s ± 8.87  10,000/s           29  28 to 30"), "{}", output::text(&plan));
}

#[test]
fn a_limit_that_keeps_the_rate_from_being_carried_is_named() {
    let plan = by_hand(&["--max-parallelism", "transformer=20", "100"]);
    assert!(!plan.carries);
    assert_eq!(
        plan.answer,
        "nothing within the limits carries 10,000/s: 1:20:3 carries 7,000/s, transformer may have no more than 20 instances"
    );
    let plan = planned(&["--component", "source=1000", "map=5000", "--partitions=12", "--rate=5000"], &[]).unwrap();
    assert_eq!(
        (plan.plan.as_str(), plan.components[0].why.as_str()),
        ("source=6 map=1", "given by hand; 12 partitions, at most 2 an instance")
    );
    let plan = planned(&["--component", "source=100", "map=5000", "--partitions=12", "--rate=5000"], &[]).unwrap();
    assert_eq!(
        plan.answer,
        "nothing within the limits carries 5,000/s: 12:1 carries 1,200/s, source has no more than 12 partitions"
    );
}

#[test]
fn runs_that_cannot_be_taken_together_are_refused_with_the_reason() {
    let mut elsewhere = saturated();
    elsewhere.environment = Some(Environment { fingerprint: [("kafka".to_owned(), "3.9".to_owned())].into() });
    let mut here = saturated();
    here.environment = Some(Environment { fingerprint: [("kafka".to_owned(), "4.3".to_owned())].into() });
    let mut other = saturated();
    other.app.as_mut().unwrap().name = "wordcount".into();
    let mut flink = saturated();
    flink.app.as_mut().unwrap().engine = "flink".into();
    let mut larger = saturated();
    larger.app.as_mut().unwrap().components[1].cpu = Some(2.0);
    let mut set = saturated();
    set.app.as_mut().unwrap().properties.insert("transformer.drop.bots".into(), Value::from("true"));
    let idle = report(
        10_000.0,
        &[
            ("kafkaSpout", "spout", 1, 10_000.0, None),
            ("transformer", "bolt", 290, 10_000.0, Some(9.9)),
            ("publisher", "bolt", 3, 10_000.0, Some(95.0)),
        ],
    );
    let runs = [
        ("here", here),
        ("elsewhere", elsewhere),
        ("other", other),
        ("flink", flink),
        ("larger", larger),
        ("set", set),
        ("idle", idle),
    ];
    let text = output::text(&planned(&[], &runs).unwrap());
    insta::assert_snapshot!(text.split_once("to look at").unwrap().1, @r#"

      kafkaSpout: an instance may do more than 10,000/s: load it until it is the bottleneck, or give --component kafkaSpout=RATE
      the runs differ in transformer.drop.bots: do instances do the same in all of them?
      ± and range are at 95 % confidence

    not planned from
      elsewhere: it ran elsewhere: kafka 3.9, in the newest report 4.3
      other: it is of "wordcount", the newest report of "preprocessor"
      flink: it is of flink, the newest report of heron
      larger: an instance of transformer had other CPU or RAM than in the newest report
      idle: transformer: it was 9.9 % busy, too little to extrapolate from
    "#);
}

#[test]
fn a_topology_that_multiplies_records_is_planned_by_what_was_measured_or_given() {
    let words = |sentences: f64| {
        let mut report = report(
            sentences,
            &[
                ("sentence", "spout", 1, sentences, None),
                ("split", "bolt", 2, sentences, Some(50.0)),
                ("count", "bolt", 4, 20.0 * sentences, Some(80.0)),
            ],
        );
        add(&mut report, "skew", "count", 1.25);
        report
    };
    let plan =
        planned(&["--rate=2000", "--edge", "sentence->split", "split->count"], &[("wc", words(1_000.0))]).unwrap();
    assert_eq!((plan.plan.as_str(), plan.edges[1].ratio), ("sentence=2 split=2 count=8", 20.0));
    let plan =
        planned(&["--rate=2000", "--edge", "sentence->split", "split->count=40"], &[("wc", words(1_000.0))]).unwrap();
    assert_eq!(plan.plan, "sentence=2 split=2 count=16");
}

#[test]
fn the_next_experiment_is_told_in_the_pipelines_own_parameters() {
    assert_eq!(by_hand(&[]).params, ["spout-parallelism=1", "transformer-parallelism=29", "publisher-parallelism=3"]);
    let flink = planned(&["--component", "source=10000", "transformer=350", "sink=3500", "--rate=10000"], &[]).unwrap();
    assert_eq!(flink.params, ["spout-parallelism=1", "transformer-parallelism=29", "publisher-parallelism=3"]);
    let other = planned(&["--component", "sentence=100", "split=350", "count=3500", "--rate=10000"], &[]).unwrap();
    assert!(other.params.is_empty());
}

#[test]
fn what_cannot_be_planned_is_refused_in_one_line() {
    let said = |words: &[&str]| planned(words, &[]).unwrap_err().to_string();
    let by_hand = |more: &[&str]| said(&[&BY_HAND[..], more].concat());
    let lines = [
        said(&["--rate=5"]),
        said(&["--component", "a=5"]),
        by_hand(&["--skew=transfromer=2"]),
        by_hand(&["--component=publisher=1"]),
        by_hand(&["--parallelism=1:28"]),
        by_hand(&["--catch-up-records=5"]),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    nothing to plan from: give --reports with report.json files or folders, or --component transformer=350 for each component
    for which rate? give --rate in records/s: no report says it
    --skew names "transfromer", which is no component: there are kafkaSpout, transformer, publisher
    --component gives "publisher" twice
    --parallelism 1:28 has 2 numbers, there are 3 components: kafkaSpout, transformer, publisher
    within which time are the records that wait to be worked off? give --catch-up-time
    "#);
    let wrong = [
        "--component=transformer",
        "--component=transformer=0",
        "--rate=fast",
        "--utilisation=0",
        "--utilisation=170",
        "--skew=a=0.5",
        "--parallelism=1:0:3",
        "--partitions=0",
        "--resources=a=2GB",
        "--resources=a=1/2TB",
        "--edge=a",
    ];
    for wrong in wrong {
        assert!(Args::try_parse_from(["plan-capacity", wrong]).is_err(), "{wrong} was taken");
    }
}

#[tokio::test]
async fn the_plan_lies_beside_the_report_and_keeps_to_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    report::write(&path("report.json"), &carrying(), true).unwrap();
    report::write(&path("more/report.json"), &saturated(), true).unwrap();
    let words = [
        "plan-capacity".to_owned(),
        format!("--report={}", path("report.json").display()),
        format!("--reports={}", path("more").display()),
        "--reports".to_owned(),
        String::new(),
        format!("--result=plan={}", path("plan").display()),
        format!("--result=summary={}", path("summary").display()),
        "--component=kafkaSpout=20000".to_owned(),
        "--catch-up-records=1000".to_owned(),
        "--catch-up-time=10m".to_owned(),
        "--output=json".to_owned(),
    ];
    let args = Args::parse_from(words);
    let step = Step::new(args.step.clone());
    assert_eq!(run(args, &step).await.unwrap(), Exit::Done);
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(text("plan"), "kafkaSpout=1 transformer=29 publisher=3");
    assert!(text("plan.md").contains(&text("summary")), "{}", text("plan.md"));
    assert_eq!(report::read(&path("report.json")).unwrap().unwrap(), carrying());
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/plan.schema.json")).unwrap();
    let plan: Value = serde_json::from_str(&text("plan.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&plan).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[tokio::test]
async fn reports_that_prove_nothing_are_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    report::write(&path, &Report::default(), true).unwrap();
    let args = Args::parse_from(["plan-capacity".to_owned(), format!("--report={}", path.display())]);
    let step = Step::new(args.step.clone());
    let failure = run(args, &step).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Inconclusive);
    insta::assert_snapshot!(failure.to_string().replace(&folder.path().display().to_string(), "FOLDER"), @r"
    no report to plan from:
      FOLDER/report.json: it names no components of an application
    ");
}
