//! `--check`: what queries find, and why they find nothing.

use std::process::Command;

use crate::server::Server;
use crate::{LOAD, at, epoch, steady};

/// Runs the program over the samples of a steady run; its exit code and what it prints.
fn check(server: &Server, epoch: i64, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_get-prometheus-metric"))
        .args(["--endpoint", &server.endpoint, "--check", "--window-end", &at(epoch + LOAD.end).to_string()])
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said.replace(&at(epoch + LOAD.end).to_string(), "END"))
}

const HERON: [&str; 6] =
    ["--pack=heron", "--params", "topology=preprocessor", "cluster=local", "role=ads", "environment=staging"];

#[test]
fn a_check_says_what_each_query_finds_or_why_it_finds_nothing() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let (code, said) = check(&server, epoch, &HERON);
    insta::assert_snapshot!(said, @r"
    A Heron topology, from the spouts' emitted records to the stream managers' back-pressure.
    values are exported every 60 s (detected), scraped every 15 s (detected); asked at END

    metric                                   series  samples  newest  value
    tps{kafkaSpout}                               1       26     0 s  1,000/s
    tps{publisher}                                1       26     0 s  1,000/s
    tps{transformer}                              1       26     0 s  1,000/s
    spout_tps                                     1       26     0 s  1,000/s
    instances{kafkaSpout}                         1       26     0 s  2 instances
    instances{publisher}                          1       26     0 s  1 instances
    instances{transformer}                        1       26     0 s  4 instances
    busy{publisher}                               1       26     0 s  50 %
    busy{transformer}                             1       26     0 s  50 %
    complete_latency                              1       26     0 s  48 ms
    back_pressure                                 1       26     0 s  0 %
    back_pressure_by_component{kafkaSpout}        1       26     0 s  0 %
    back_pressure_by_component{publisher}         1       26     0 s  0 %
    back_pressure_by_component{transformer}       1       26     0 s  0 %
    failures                                      1       26     0 s  0 records
    restarts                                      1       26     0 s  0 instances
    lag                                           1       26     0 s  1,000 records
    lag_growth                                    1       26     0 s  0/s
    ");
    assert_eq!(code, Some(0));

    let mistaken = [
        "--query=typo=sum(heron_emit_cout)",
        "--query=value=sum(heron_emit_count{component=\"kafkaSpot\"})",
        "--query=label=sum(heron_emit_count{componnent=\"kafkaSpout\"})",
        "--query=both=sum(heron_emit_count{component=\"kafkaSpout\",instance_id=\"container_3_publisher_7\"})",
        "--query=join=heron_emit_count and on (context) heron_server_time_spent_back_pressure_aggr",
        "--query=several=heron_emit_count{component=\"transformer\"}",
        "--query=good[unit=records]=sum(heron_emit_count{component=\"transformer\"})",
    ];
    let (code, said) = check(&server, epoch, &mistaken);
    insta::assert_snapshot!(said, @r#"
    What the queries of the command line ask for.
    values are exported every 15 s (assumed), scraped every 15 s (assumed); asked at END

    metric   series  samples  newest  value
    typo          0        0       –  nothing
        no metric __name__="heron_emit_cout"; near: heron_emit_count, heron_fail_count, heron_ack_count
    value         0        0       –  nothing
        no series heron_emit_count has component="kafkaSpot"; near: kafkaSpout
    label         0        0       –  nothing
        no series heron_emit_count has a label componnent; near: component
    both          0        0       –  nothing
        each part of heron_emit_count{component="kafkaSpout",instance_id="container_3_publisher_7"} matches something, but no series all of them
    join          0        0       –  nothing
        every selector of the query finds series, but what is made of them is empty: do their labels match?
    several       4        0     0 s  unknown
        one series is meant, 4 came: {__name__="heron_emit_count",cluster_role_env="local/ads/staging",component="transformer",component_type="bolt",context="default",instance_id="container_1_transformer_3",topology="preprocessor"} {__name__="heron_emit_count",cluster_role_env="local/ads/staging",component="transformer",component_type="bolt",context="default",instance_id="container_1_transformer_6",topology="preprocessor"} {__name__="heron_emit_count",cluster_role_env="local/ads/staging",component="transformer",component_type="bolt",context="default",instance_id="container_2_transformer_4",topology="preprocessor"} …
    good          1        8     0 s  60,000 records
    "#);
    assert_eq!(code, Some(3));

    let wrong = [
        "--query=rates=sum(rate(heron_emit_count[3m]))",
        "--query=broken=sum(",
        "--query=param=sum(up{a={{ topology }}})",
    ];
    let (code, said) = check(&server, epoch, &wrong);
    insta::assert_snapshot!(said, @r"
    What the queries of the command line ask for.
    values are exported every 15 s (detected), scraped every 15 s (detected); asked at END

    metric  series  samples  newest  value
    rates        0        0       –  wrong
        the query of metric rates takes rate() of heron_emit_count, which is no counter: Heron counts from one export to the next, and every scrape finds that count again until then; write last_over_time(heron_emit_count{…}[1m]) / {{ export_interval }} for a rate, as the pack heron does (docs/metrics.md)
    broken       0        0       –  wrong
        Prometheus does not understand a query of the metric pack: 1:5: parse error: unclosed left parenthesis
        query: sum(
    param        0        0       –  wrong
        the query of metric param uses topology, which is not a parameter of the pack
    ");
    assert_eq!(code, Some(2));
}
