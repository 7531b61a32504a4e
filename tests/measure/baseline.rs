//! What was measured beside what the history has.

use streamgauge::history::open;
use streamgauge::report::{Run, Status};

use super::{PLANNED, Server, at, before, epoch, measure, steady};

#[tokio::test]
async fn a_run_is_compared_with_the_kept_runs_of_its_fork_point() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let place = tempfile::tempdir().unwrap();
    let flag = format!("--history={}", place.path().display());
    let mut report = before(epoch, 1000.0, &PLANNED);
    let run = |id: &str, branch: &str, commit: &str, second| Run {
        id: id.into(),
        branch: branch.into(),
        commit: commit.into(),
        started_at: Some(at(epoch + second)),
        ..Run::default()
    };
    report.run = Some(run("old", "main", "aaaa", 0));
    let old = measure(&server.endpoint, &report, &["topology=preprocessor", &flag]).await.report();
    assert_eq!(old.baseline, None, "nobody said where it forked");
    open(&place.path().display().to_string(), None).unwrap().keep(&old, "").await.unwrap();

    let own = run("new", "feature/x", "bbbb", 1);
    report.run = Some(Run { base_branch: "main".into(), fork_point: "aaaa".into(), ..own });
    report.app.as_mut().unwrap().components[1].parallelism = 4;
    report.app.as_mut().unwrap().properties.insert("batch".into(), 5.into());
    let new = measure(&server.endpoint, &report, &["topology=preprocessor", &flag]).await.report();
    let baseline = new.baseline.unwrap();
    assert_eq!((baseline.runs.as_slice(), baseline.comparable), (&["old".to_owned()][..], true), "{baseline:?}");
    assert_eq!((baseline.settings[0].name.as_str(), baseline.settings[0].this.as_str()), ("batch", "5"));
    let tps = baseline.comparisons.iter().find(|found| found.metric == "spout_tps").unwrap();
    assert_eq!((tps.baseline, tps.value), (old.metrics[1].value, new.metrics[1].value));
    assert_eq!(new.environment.unwrap().fingerprint["metric-pack"], "heron");

    // One that cannot be reached costs no measurement.
    let gone = measure(&server.endpoint, &report, &["topology=preprocessor", "--history=ftp://gone"]).await.report();
    assert!(gone.baseline.unwrap().note.contains("ftp://gone"));
    assert_ne!(gone.verdict.unwrap().status, Status::Inconclusive);
}
