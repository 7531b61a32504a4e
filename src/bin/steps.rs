//! All programs of the Steps in one file, for the image: which one it is, the name says that it is called by.
//! They share most of their code, so that the image is a fraction of what a file for each would make it.

use std::path::Path;
use std::process::ExitCode;

#[path = "apply-manifest.rs"]
mod apply_manifest;
#[path = "begin-report.rs"]
mod begin_report;
#[path = "claim-environment.rs"]
mod claim_environment;
#[path = "collect-reports.rs"]
mod collect_reports;
#[path = "comment-github-pr.rs"]
mod comment_github_pr;
#[path = "delete-flink-app.rs"]
mod delete_flink_app;
#[path = "delete-heron-app.rs"]
mod delete_heron_app;
#[path = "deploy-dataloader.rs"]
mod deploy_dataloader;
#[path = "deploy-flink-app.rs"]
mod deploy_flink_app;
#[path = "deploy-heron-app.rs"]
mod deploy_heron_app;
#[path = "get-prometheus-metric.rs"]
mod get_prometheus_metric;
#[path = "keep-report.rs"]
mod keep_report;
#[path = "plan-capacity.rs"]
mod plan_capacity;
#[path = "send-slack.rs"]
mod send_slack;
#[path = "set-github-status.rs"]
mod set_github_status;
#[path = "update-heron-app.rs"]
mod update_heron_app;

/// musl's own lets one thread in at a time; the data loader has several.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "no program is called that would have a log")]
fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    match Path::new(&called).file_name().and_then(|name| name.to_str()) {
        Some("apply-manifest") => apply_manifest::main(),
        Some("begin-report") => begin_report::main(),
        Some("claim-environment") => claim_environment::main(),
        Some("collect-reports") => collect_reports::main(),
        Some("comment-github-pr") => comment_github_pr::main(),
        Some("delete-flink-app") => delete_flink_app::main(),
        Some("delete-heron-app") => delete_heron_app::main(),
        Some("deploy-dataloader") => deploy_dataloader::main(),
        Some("deploy-flink-app") => deploy_flink_app::main(),
        Some("deploy-heron-app") => deploy_heron_app::main(),
        Some("get-prometheus-metric") => get_prometheus_metric::main(),
        Some("keep-report") => keep_report::main(),
        Some("plan-capacity") => plan_capacity::main(),
        Some("send-slack") => send_slack::main(),
        Some("set-github-status") => set_github_status::main(),
        Some("update-heron-app") => update_heron_app::main(),
        _ => {
            eprintln!("call this file by a program's name, by way of a link such as send-slack");
            ExitCode::from(2)
        }
    }
}
