//! The local runner: small pipelines, each with the outcome that Tekton would give it.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use streamgauge::local::{
    Cancel, Error, Line, Request, RunReport, RunStatus, TaskState, check::check, describe, execute,
};
use tokio::sync::watch;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/local").join(name)
}

fn request(name: &str, params: &[&str], workspaces: &[&str]) -> Request {
    Request {
        file: data(name),
        params: params.iter().map(|param| param.parse().unwrap()).collect(),
        workspaces: workspaces.iter().map(|workspace| workspace.parse().unwrap()).collect(),
        ..Request::default()
    }
}

async fn try_run(request: Request) -> Result<(RunReport, Vec<String>), Error> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = lines.clone();
    let sink = Arc::new(move |line: &Line| {
        heard.lock().unwrap().push(format!("[{} : {}] {}", line.task, line.step, line.text));
    });
    let (_never, cancel) = watch::channel(Cancel::No);
    let report = execute(&request, sink, cancel).await?;
    let lines = lines.lock().unwrap().clone();
    Ok((report, lines))
}

async fn run(name: &str, params: &[&str]) -> (RunReport, Vec<String>) {
    try_run(request(name, params, &[])).await.unwrap()
}

fn result(report: &RunReport, name: &str) -> String {
    report.results.get(name).map(ToString::to_string).unwrap_or_default()
}

fn skipped(report: &RunReport) -> Vec<(&str, &str)> {
    report.skipped.iter().map(|task| (task.name.as_str(), task.reason.as_str())).collect()
}

/// The description without what differs from run to run.
fn settled(report: &RunReport) -> String {
    let text = describe(report).replace(&report.name, "RUN");
    let words = text.lines().map(|line| {
        let parts: Vec<&str> = line.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect();
        let time = |part: &&str| part.contains(':') && part.chars().all(|c| c.is_ascii_digit() || "-T:Z".contains(c));
        let length = |part: &&str| part.ends_with('s') && part.trim_end_matches('s').parse::<f64>().is_ok();
        let kept = parts.iter().map(|part| {
            if time(part) {
                "TIME"
            } else if length(part) {
                "LENGTH"
            } else {
                *part
            }
        });
        kept.collect::<Vec<_>>().join(" | ")
    });
    words.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn parameters_of_every_type_reach_the_step() {
    let (report, _) = run("params.yaml", &[]).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{}", describe(&report));
    insta::assert_snapshot!(
        result(&report, "words"),
        @"<a b><a b><first><one><two words><two words><v><w><params><d><shared><$(NOBODY)><shared><step>"
    );
    let (report, _) = run("params.yaml", &["text=T", "list=1", "list=2", r#"object={"k":"K","l":"L"}"#]).await;
    insta::assert_snapshot!(
        result(&report, "words"),
        @"<T><T><first><1><2><2><K><L><params><d><shared><$(NOBODY)><shared><step>"
    );
}

#[tokio::test]
async fn a_value_that_looks_like_a_variable_stays_text_in_its_pass() {
    for hostile in ["$(params.other", "\"'`;\n$(id -u) }}", "${HOME} $HOME", "$(context.nobody)"] {
        let (report, _) = run("hostile.yaml", &[&format!("message={hostile}")]).await;
        assert_eq!(result(&report, "said"), hostile);
    }
}

#[tokio::test]
async fn values_that_tekton_refuses_are_refused_before_anything_starts() {
    let file = data("refused.yaml").display().to_string();
    let mut told = String::new();
    for param in [
        "text=$(params.other)",
        "text=$(id)",
        "text=$(tasks.echo.status)",
        "text=$(tasks.echo.results.said)",
        "list=[\"a\"]",
        "values=[]",
        r#"object={"k":"v"}"#,
    ] {
        let error = try_run(request("refused.yaml", &[param], &[])).await.unwrap_err().to_string();
        told.push_str(&format!("{}\n", error.replace(&file, "FILE")));
    }
    insta::assert_snapshot!(told, @r#"
    FILE: task "echo": Tekton takes $(params.other) in a value for a variable, and fails the run
    FILE: task "echo": Tekton refuses to run it with these values: non-existent variable in "$(params.other)": steps[0].command[1]
    FILE: task "echo": Tekton takes $(id) in a value for a variable, and fails the run
    FILE: task "echo": Tekton takes $(tasks.echo.status) in a value for a variable, and fails the run
    FILE: parameter "text": $(tasks.echo.results.said) is a result, and Tekton refuses a run with one in its parameters
    FILE: task "echo": $(params.list[1]): "list" has only 1
    FILE: task "echo": when: the values are empty, and Tekton refuses such a run
    FILE: parameter "object": the keys l are missing
    "#);
}

#[tokio::test]
async fn defaults_may_refer_to_parameters_and_a_task_in_the_pipeline_sees_them() {
    let (report, lines) = run("defaults.yaml", &["name=given"]).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{}", describe(&report));
    let mut lines: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("[seen : say] ")).collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r"
    <defaults>
    <end>
    <given>
    <given>
    <given>
    <hello given, given! hello given given>
    <hello given, given!>
    <hello given>
    <own given>
    ");
}

#[tokio::test]
async fn results_pass_from_task_to_task_and_to_the_run() {
    let (report, _) = run("results.yaml", &[]).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{}", describe(&report));
    assert_eq!(result(&report, "all"), "a;b c;b c/v;");
    assert_eq!(result(&report, "object"), r#"{"k":"v"}"#);
}

#[tokio::test]
async fn a_pipeline_result_that_its_task_did_not_write_fails_the_run() {
    let (report, _) = run("missing-pipeline-result.yaml", &[]).await;
    assert_eq!(report.reason, "CouldntGetPipelineResult");
    assert_eq!(result(&report, "said"), "said");
    assert!(report.message.ends_with("invalid pipelineresults [never outside], the referenced results don't exist"));
}

#[tokio::test]
async fn results_of_a_task_that_failed_are_used_all_the_same() {
    let (report, _) = run("failed-results.yaml", &[]).await;
    assert_eq!(result(&report, "tolerated"), "kept");
    assert_eq!(result(&report, "lost"), "lost");
    assert_eq!(result(&report, "told"), "Failed Failed FailureIgnored None StepFailed");
}

#[tokio::test]
async fn a_result_of_another_type_fails_its_task_and_leaves_the_others() {
    let (report, _) = run("wrong-results.yaml", &[]).await;
    let task = report.task("text-for-list").unwrap();
    assert_eq!((task.reason.as_str(), task.results.len()), ("TaskRunValidationFailed", 1));
    assert!(report.task("missing-key").unwrap().message.ends_with("map[object:[l]]"));
    assert_eq!(report.task("list-for-text").unwrap().state, TaskState::Succeeded);
}

#[tokio::test]
async fn results_up_to_4096_bytes_of_termination_message_pass_and_one_more_fails() {
    // The other two results, StartedAt and the JSON around the text take 200 bytes.
    let (fits, _) = run("results.yaml", &["bytes=3896"]).await;
    assert_eq!(fits.status, RunStatus::Succeeded, "{}", describe(&fits));
    let (over, lines) = run("results.yaml", &["bytes=3897"]).await;
    assert_eq!(over.status, RunStatus::Failed);
    assert_eq!(over.task("make").unwrap().exit_code, Some(1));
    assert!(lines.last().unwrap().contains("above max allowed size 4096"), "{lines:?}");
}

#[tokio::test]
async fn a_result_nobody_wrote_fails_its_user_and_skips_it_in_finally() {
    let (report, _) = run("missing-result.yaml", &[]).await;
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(report.reason, "PipelineValidationFailed");
    assert!(report.task("user").is_none());
    assert_eq!(report.invalid[0].name, "user");
    assert_eq!(report.task("last").unwrap().state, TaskState::Succeeded);
    assert_eq!(skipped(&report), [("last-user", "Results were missing")]);
}

#[tokio::test]
async fn a_condition_skips_its_task_and_those_that_need_its_results() {
    let (report, lines) = run("when.yaml", &[]).await;
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(
        skipped(&report),
        [
            ("asked", "When Expressions evaluated to false"),
            ("fed", "Results were missing"),
            ("behind-fed", "Parent Tasks were skipped")
        ]
    );
    assert_eq!(lines, ["[tell : say] Completed None Succeeded Succeeded"]);
    let (report, _) = run("when.yaml", &["go=yes"]).await;
    assert_eq!(skipped(&report), [("other-way", "When Expressions evaluated to false")]);
}

#[tokio::test]
async fn retries_on_error_and_finally_do_as_tekton_does() {
    let (report, lines) = try_run(request("failing.yaml", &[], &[])).await.unwrap();
    assert_eq!(report.task("flaky").unwrap().attempts, 3);
    assert_eq!(lines, ["[breaks : bad] the broker said no", "[tell : say] Failed Succeeded Failed StepFailed None"]);
    let text = settled(&report);
    assert!(text.contains("Tasks Completed: 5 (Failed: 2 (Ignored: 1), Cancelled 0), Skipped: 1"), "{text}");
    assert!(text.contains("RUN-breaks | breaks | TIME | LENGTH | StepFailed, exit code 4"), "{text}");
    assert!(text.contains("breaks: \"step-bad\" exited with code 4: Error\nthe broker said no"), "{text}");
}

#[tokio::test]
async fn a_run_is_described_for_a_person() {
    let (report, _) = run("missing-result.yaml", &[]).await;
    insta::assert_snapshot!(settled(&report), @r#"
    Name: | RUN
    Pipeline: | missing-result
    Status: | PipelineValidationFailed
    Message: | Tasks Completed: 2 (Failed: 0, Cancelled 0), Skipped: 1, Failed Validation: 1 (task "silent" completed successfully but did not emit the result "word", which is referenced by task "user")
    Started: | TIME
    Duration: | LENGTH

    TaskRuns
    NAME | TASK NAME | STARTED | DURATION | STATUS
    RUN-silent | silent | TIME | LENGTH | Succeeded
    RUN-last | last | TIME | LENGTH | Succeeded

    Skipped Tasks
    NAME | REASON
    last-user | Results were missing
    "#);
}

#[tokio::test]
async fn a_tasks_timeout_asks_it_to_stop_and_a_steps_kills_it() {
    let (report, lines) = run("timeouts.yaml", &[]).await;
    assert_eq!(report.task("task-limit").unwrap().reason, "TaskRunTimeout");
    assert_eq!(lines, ["[task-limit : sleep] cleaned up"]);
    let killed = report.task("step-limit").unwrap();
    assert_eq!(killed.message, "\"step-sleep\" exited because the step exceeded the specified timeout limit");
    assert_eq!(report.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn an_empty_dir_is_new_for_every_task_and_every_try() {
    let (report, _) =
        try_run(request("empty-dir.yaml", &[], &["own=emptyDir", "all=volumeClaimTemplate"])).await.unwrap();
    assert_eq!(report.status, RunStatus::Succeeded, "{}", describe(&report));
    assert_eq!(result(&report, "seen"), "first second ");
}

#[tokio::test]
async fn a_runs_volumes_are_new_folders_and_its_secrets_are_to_be_given() {
    let (report, _) = try_run(request("volumes.yaml", &[], &["token=/tmp"])).await.unwrap();
    assert_eq!(report.status, RunStatus::Succeeded, "{}", describe(&report));
    let error = try_run(request("volumes.yaml", &[], &[])).await.unwrap_err().to_string();
    assert!(error.ends_with("workspace \"token\" is of the cluster: give a folder, --workspace token=DIR"), "{error}");
}

#[tokio::test]
async fn tasks_that_wait_for_nothing_run_side_by_side() {
    let (report, _) = try_run(request("parallel.yaml", &[], &["meet=volumeClaimTemplate"])).await.unwrap();
    assert_eq!(report.status, RunStatus::Succeeded, "{}", describe(&report));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_by_file_and_path_before_anything_starts() {
    let error = try_run(request("unsupported.yaml", &[], &[])).await.unwrap_err().to_string();
    let file = data("unsupported.yaml").display().to_string();
    insta::assert_snapshot!(error.replace(&file, "FILE"), @r#"
    FILE: spec.tasks[0].matrix: not supported by streamgauge run; run it on a cluster
    FILE: spec.tasks[0].tiemout: Tekton knows no such field; correct or remove it
    FILE: spec.tasks[0].taskSpec.sidecars: not supported by streamgauge run; run it on a cluster
    FILE: spec.tasks[0].taskSpec.steps[0].script: not supported by streamgauge run; run it on a cluster
    "#);
    let error = try_run(request("parallel.yaml", &["x=1"], &[])).await.unwrap_err().to_string();
    let file = data("parallel.yaml").display().to_string();
    insta::assert_snapshot!(error.replace(&file, "FILE"), @r#"
    FILE: there is no parameter "x"; it has none
    FILE: workspace "meet" is missing: --workspace meet=DIR, or meet=volumeClaimTemplate for a new folder
    "#);
}

#[tokio::test]
async fn a_variable_of_no_parameter_is_refused_before_anything_starts() {
    let error = try_run(request("undeclared.yaml", &[], &[])).await.unwrap_err().to_string();
    let file = data("undeclared.yaml").display().to_string();
    insta::assert_snapshot!(error.replace(&file, "FILE"), @r#"
    FILE: task "a": $(params.nobody) is no parameter of the pipeline
    FILE: task "a": Task echo uses $(params.whom), which it does not declare
    "#);
}

#[test]
fn check_finds_what_is_wrong_in_a_catalog() {
    let root = data("catalog");
    let program = clap::Command::new("streamgauge")
        .subcommand(clap::Command::new("run").arg(clap::Arg::new("param").long("param")));
    let (findings, resources) = check(&[root.join("tasks"), root.join("pipelines")], &[program]).unwrap();
    assert_eq!(resources, 2);
    let errors = findings.iter().filter(|finding| !finding.style).map(|finding| {
        let file = finding.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("{file}: {}: {}", finding.path, finding.message)
    });
    insta::assert_snapshot!(errors.collect::<Vec<_>>().join("\n"), @r#"
    welcome.yaml: spec.tasks: task "later" waits for "nobody", which is no task of the pipeline
    welcome.yaml: spec.tasks: tasks greet, later wait for one another
    welcome.yaml: spec.tasks[0].params[0]: "who" must be string
    welcome.yaml: spec.tasks[0].params[1]: $(tasks.later.results.nothing): task "later" has no such result
    welcome.yaml: spec.tasks[0].params[1]: the Task has no parameter "extra"
    welcome.yaml: spec.tasks[1].params: the Task's parameter "who" is missing
    greet.yaml: spec.params[1]: "unused" is never used; remove it
    greet.yaml: spec.results[0]: no step is given $(results.word.path)
    greet.yaml: spec.steps[0].args[3]: $(params.whom): no such parameter is declared
    greet.yaml: spec.steps[0].args[4]: run has no flag --nonsense
    greet.yaml: spec.steps[0].args[6]: $(results.words.path): no such result is declared
    "#);
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs: one that has ended may wait for a parent that never asks, as in containers.
fn runs(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn pid(file: &Path) -> Pid {
    Pid::from_raw(std::fs::read_to_string(file).unwrap().trim().parse().unwrap())
}

#[test]
fn a_signal_ends_the_tasks_runs_finally_and_leaves_nothing_running() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let marks = tempfile::tempdir().unwrap();
        let mut runner = Command::new(env!("CARGO_BIN_EXE_streamgauge"))
            .arg("run")
            .arg(data("cancelled.yaml"))
            .arg(format!("--workspace=marks={}", marks.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let own = marks.path().join("own");
        wait_for("the step's start", || std::fs::read_to_string(&own).is_ok_and(|text| text.ends_with('\n')));
        kill(Pid::from_raw(runner.id() as i32), signal).unwrap();
        wait_for("the runner's end", || runner.try_wait().unwrap().is_some());
        let code = runner.try_wait().unwrap().unwrap().code();
        assert_eq!(code, Some(if signal == Signal::SIGINT { 130 } else { 143 }));
        assert!(marks.path().join("term").exists(), "the step had no SIGTERM");
        assert_eq!(std::fs::read_to_string(marks.path().join("finally")).unwrap(), "Failed\n");
        for process in [pid(&own), pid(&marks.path().join("child"))] {
            wait_for("the processes' end", || !runs(process));
        }
    }
}

#[test]
fn a_second_signal_kills_at_once_and_without_finally() {
    let marks = tempfile::tempdir().unwrap();
    let mut runner = Command::new(env!("CARGO_BIN_EXE_streamgauge"))
        .arg("run")
        .arg(data("stubborn.yaml"))
        .arg(format!("--workspace=marks={}", marks.path().display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let id = Pid::from_raw(runner.id() as i32);
    let own = marks.path().join("own");
    wait_for("the step's start", || std::fs::read_to_string(&own).is_ok_and(|text| text.ends_with('\n')));
    kill(id, Signal::SIGTERM).unwrap();
    wait_for("the step's SIGTERM", || marks.path().join("term").exists());
    kill(id, Signal::SIGTERM).unwrap();
    wait_for("the runner's end", || runner.try_wait().unwrap().is_some());
    assert!(!marks.path().join("finally").exists());
    wait_for("the step's end", || !runs(pid(&own)));
}

#[test]
fn an_optional_workspace_for_one_that_a_task_requires_is_found_before_tekton_refuses_it() {
    let root = tempfile::tempdir().unwrap();
    for (file, without) in [
        ("tasks/send-slack/send-slack.yaml", "      optional: true\n"),
        ("pipelines/performance-test/performance-test.yaml", ""),
    ] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let text = if without.is_empty() { text } else { text.replacen(without, "", 1) };
        std::fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
        std::fs::write(root.path().join(file), text).unwrap();
    }
    let (findings, _) = check(&[root.path().to_owned()], &[]).unwrap();
    let wrong: Vec<&str> = findings.iter().filter(|one| !one.style).map(|one| one.message.as_str()).collect();
    // At the run's begin and at its end.
    assert_eq!(wrong, [r#""slack" is optional in the Pipeline and required by the Task: make both the same"#; 2]);
}

#[tokio::test]
async fn an_annotation_reaches_a_step_as_it_is() {
    let text = "$(id) $(context.taskRun.name) `x` \"}}\n\n$(MISSING)";
    let annotation = format!("streamgauge.dev/commit-message={text}").parse().unwrap();
    let request = Request { annotations: vec![annotation], ..request("annotations.yaml", &[], &[]) };
    let (report, _) = try_run(request).await.unwrap();
    assert_eq!(result(&report, "message"), format!("{text}|"));
}
