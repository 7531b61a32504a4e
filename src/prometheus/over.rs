//! Measures: packs, over the window of a load.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::client::{Answer, Client};
use super::detect::detect;
use super::measure::{WARNS, measure as reduce};
use super::pack::{Filled, Pack};
use super::window::{Asked, Pace};
use super::{Error, promql};
use crate::report::{Metric, Window};

/// How far Prometheus looks back by itself (`--query.lookback-delta`, its default).
const LOOKBACK: Duration = Duration::from_secs(300);

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// The metrics, pack by pack.
    pub metrics: Vec<Metric>,
    /// What is doubtful about how they were measured.
    pub warnings: Vec<String>,
    /// Why nothing was measured, in one line.
    pub trouble: Option<String>,
}

/// Measures packs over the window of a load of this rate, in records a second.
pub(super) async fn measure(
    client: &Client,
    packs: Vec<(&Pack, Filled)>,
    load: Window,
    warm_up: Duration,
    rate: Option<f64>,
) -> Result<Measured, Error> {
    let mut measured = Measured::default();
    let mut plans = Vec::new();
    for (pack, mut filled) in packs {
        filled.add_window(Duration::try_from(load.end.duration_since(load.start)).unwrap_or_default(), rate);
        let heartbeat = pack.heartbeat(&filled)?;
        let found = detect(client, &heartbeat, &pack.heartbeat_by, load.end.min(Timestamp::now())).await?;
        let asked = pack.learn(&mut filled, &found).and_then(|warnings| {
            measured.warnings.extend(warnings);
            let (export, scrape) = (filled.export_interval, filled.scrape_interval);
            let pace = Pace { warm_up, export, scrape, reach: pack.reach() };
            Asked::of(load, pace).map_err(|too_short| format!("{too_short} ({})", filled.intervals()))
        });
        match asked {
            Ok(asked) => plans.push(Plan::new(pack, filled, asked, rate)?),
            Err(trouble) => return Ok(Measured { trouble: Some(trouble), ..measured }),
        }
    }
    measured.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    // All queries are filled in before any is waited for: a mistake in the last one must not cost the wait.
    for plan in &plans {
        tracing::info!("values are {}", plan.filled.intervals());
        plan.wait(client).await?;
    }
    for plan in &plans {
        measured.metrics.extend(plan.ask(client).await?);
    }
    // Where nothing came and Prometheus says why, that is the cause.
    if measured.metrics.iter().all(|metric| metric.series.is_empty()) {
        let mut warnings = measured.metrics.iter().flat_map(|metric| &metric.warnings);
        measured.trouble = warnings.find(|warning| warning.starts_with(WARNS)).cloned();
    }
    Ok(measured)
}

/// What to ask for a pack, and when.
struct Plan<'a> {
    pack: &'a Pack,
    filled: Filled,
    asked: Asked,
    heartbeat: String,
    queries: Vec<(String, Option<String>)>,
}

impl<'a> Plan<'a> {
    fn new(pack: &'a Pack, mut filled: Filled, asked: Asked, rate: Option<f64>) -> Result<Self, Error> {
        filled.add_window(asked.length(), rate);
        let heartbeat = pack.heartbeat(&filled)?;
        let queries = pack.metrics.iter().map(|spec| pack.queries(spec, &filled)).collect::<Result<_, _>>()?;
        Ok(Self { pack, filled, asked, heartbeat, queries })
    }

    async fn ask(&self, client: &Client) -> Result<Vec<Metric>, Error> {
        let mut metrics = Vec::new();
        let mut ages = HashMap::new();
        let silent = self.silent(client).await?;
        for (spec, (query, weight)) in self.pack.metrics.iter().zip(&self.queries) {
            let mut answer = match ask(client, query, weight.as_deref(), &self.asked).await {
                // That Prometheus cannot answer is this metric's doubt, and no end of the others.
                Err(Error::Query { said, .. } | Error::Failed { said, .. }) => {
                    Answer { warnings: vec![said], ..Answer::default() }
                }
                answer => answer?,
            };
            answer.stale = stale(client, query, &answer, &self.asked, &mut ages).await?.or_else(|| silent.clone());
            metrics.extend(reduce(spec, query, &answer, &self.asked));
        }
        Ok(metrics)
    }

    /// The heartbeat and its age where it ends too early: nothing was scraped in the window's last part, whatever its queries still
    /// remember. So much may be missed: four scrapes or an export, and the next scrape.
    async fn silent(&self, client: &Client) -> Result<Option<(String, f64)>, Error> {
        let Filled { export_interval, scrape_interval, .. } = self.filled;
        let age = newest(client, &self.heartbeat, self.asked.end).await?.map(|time| self.asked.age(time));
        let most = (4 * scrape_interval).max(export_interval) + scrape_interval;
        Ok(age.filter(|age| *age > most.as_secs_f64()).map(|age| (self.heartbeat.clone(), age)))
    }

    /// Waits until Prometheus has a sample that is newer than the window. An application that is gone gives none: after two
    /// exports and four scrapes the wait is over, and what the window lacks shows in the metrics.
    async fn wait(&self, client: &Client) -> Result<(), Error> {
        let Filled { export_interval, scrape_interval, .. } = &self.filled;
        let end = self.asked.end;
        // One more scrape lets the targets whose turn comes later in the round catch up.
        let settled = end + *scrape_interval;
        let patience = end + 2 * *export_interval + 4 * *scrape_interval;
        let mut told = false;
        loop {
            let now = Timestamp::now();
            if now > settled {
                let newest = newest(client, &self.heartbeat, now).await?;
                if newest.is_some_and(|time| time > settled.as_millisecond() as f64 / 1000.0) {
                    return Ok(());
                }
                if now > patience {
                    tracing::warn!("Prometheus has no sample of the application that is newer than the window");
                    return Ok(());
                }
            }
            if !told {
                tracing::info!("waiting until Prometheus has scraped the end of the window, {end}");
                told = true;
            }
            tokio::time::sleep(scrape_interval.min(&Duration::from_secs(5)).div_f64(2.0)).await;
        }
    }
}

/// The answer to a metric's query over the window, with that to its weight.
pub(super) async fn ask(client: &Client, query: &str, weight: Option<&str>, asked: &Asked) -> Result<Answer, Error> {
    let range = async |query: &str| client.query_range(query, asked.start, asked.end, asked.step).await;
    let mut answer = range(query).await?;
    if let Some(weight) = weight {
        let weights = range(weight).await?;
        answer.warnings.extend(weights.warnings);
        answer.weights = Some(weights.series);
    }
    Ok(answer)
}

/// When the newest sample of a selector was taken, in Unix seconds, as far as Prometheus looks back by itself.
pub(super) async fn newest(client: &Client, selector: &str, time: Timestamp) -> Result<Option<f64>, Error> {
    if selector.is_empty() {
        return Ok(None);
    }
    match client.query(&format!("max(timestamp({selector}))"), time).await {
        // Series that differ in nothing but their names have no timestamp() together.
        Err(Error::Failed { .. }) => {
            let answer = client.samples(selector, time, LOOKBACK).await?;
            let times = answer.series.iter().filter_map(|series| series.values.last()).map(|(time, _)| *time);
            Ok(times.reduce(f64::max))
        }
        answer => Ok(answer?.series.first().and_then(|series| series.values.first()).map(|(_, time)| *time)),
    }
}

/// The selector of a query whose newest sample is too old at the end, and how old it is: Prometheus goes on answering with it for
/// five minutes. A selector that finds nothing is another way to write the same metric.
async fn stale(
    client: &Client,
    query: &str,
    answer: &Answer,
    asked: &Asked,
    ages: &mut HashMap<String, Option<f64>>,
) -> Result<Option<(String, f64)>, Error> {
    if answer.series.is_empty() {
        return Ok(None);
    }
    for selector in promql::selectors(query) {
        if !ages.contains_key(&selector.text) {
            let age = newest(client, &selector.text, asked.end).await?.map(|time| asked.age(time));
            ages.insert(selector.text.clone(), age);
        }
        if let Some(age) = ages[&selector.text]
            && age > asked.fresh.as_secs_f64()
        {
            return Ok(Some((selector.text, age)));
        }
    }
    Ok(None)
}
