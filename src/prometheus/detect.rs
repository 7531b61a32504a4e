//! How often Prometheus scrapes and the application exports, found out from the samples as they were scraped.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::client::{Client, Series};

/// How much time before a moment is looked at: some exports of a minute each, and few samples enough for a large application.
const LOOK: Duration = Duration::from_secs(15 * 60);

/// So many distances it takes at least to know one.
const ENOUGH: usize = 3;

/// Below so many scrapes from one change to the next, several exports may lie between two scrapes.
const APART: f64 = 1.5;

/// What the samples tell, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Detected {
    /// The time from one sample to the next: the median over all series.
    scrape: Option<f64>,
    /// By how much values grow from one change to the next, likewise.
    step: Option<f64>,
}

/// What is known of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finding {
    /// Nothing that contradicts what is assumed.
    Nothing,
    /// It is this long.
    Is(Duration),
    /// It is this long or a part of it, and not what is assumed.
    AtMost(Duration),
}

/// Looks at the samples that a selector has before this moment. `by` are the labels that tell what is sampled from others of its kind;
/// all where none are named.
pub(super) async fn detect(client: &Client, selector: &str, by: &[String], end: Timestamp) -> Result<Detected, Error> {
    if selector.is_empty() {
        return Ok(Detected::default());
    }
    let answer = client.samples(selector, end, LOOK).await?;
    Ok(Detected::of(&merged(answer.series, by)))
}

/// Series that differ in other labels only, as one.
fn merged(series: Vec<Series>, by: &[String]) -> Vec<Series> {
    if by.is_empty() {
        return series;
    }
    let mut merged: BTreeMap<Vec<String>, Vec<(f64, f64)>> = BTreeMap::new();
    for series in series {
        let key = by.iter().map(|label| series.labels.get(label).cloned().unwrap_or_default()).collect();
        merged.entry(key).or_default().extend(series.values);
    }
    let ordered = |mut values: Vec<(f64, f64)>| {
        values.sort_by(|one, other| one.0.total_cmp(&other.0));
        Series { values, ..Series::default() }
    };
    merged.into_values().map(ordered).collect()
}

impl Detected {
    /// What these series tell.
    pub fn of(series: &[Series]) -> Self {
        let (mut distances, mut steps) = (Vec::new(), Vec::new());
        for Series { values, .. } in series {
            let pairs = || values.windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1));
            distances.extend(pairs().map(|(time, _)| time).filter(|time| *time > 0.0));
            // What shrinks was started anew.
            steps.extend(pairs().map(|(_, value)| value).filter(|value| *value > 0.0));
        }
        Self { scrape: median(distances), step: median(steps) }
    }

    /// The time between two scrapes.
    pub fn scrapes(&self) -> Finding {
        // Scrapes come some milliseconds early or late.
        let rounded = |seconds: f64| {
            if seconds >= 1.0 { (seconds * 10.0).round() / 10.0 } else { (seconds * 100.0).round() / 100.0 }
        };
        self.scrape.map(rounded).and_then(time).map_or(Finding::Nothing, Finding::Is)
    }

    /// The time between two exports of an uptime, when this one is assumed.
    pub fn exports(&self, assumed: Duration) -> Finding {
        let (Some(scrape), Some(step)) = (self.scrape, self.step) else { return Finding::Nothing };
        let Some(interval) = time(step.round().max(step.min(1.0))) else { return Finding::Nothing };
        if step >= APART * scrape {
            return Finding::Is(interval);
        }
        let parts = step / assumed.as_secs_f64();
        // A scrape may come just before an export or just after it.
        if parts >= 0.9 { Finding::Nothing } else { Finding::AtMost(interval) }
    }
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.retain(|number| number.is_finite());
    if numbers.len() < ENOUGH {
        return None;
    }
    numbers.sort_unstable_by(f64::total_cmp);
    Some(numbers[numbers.len() / 2])
}

fn time(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An uptime that is exported and scraped so often, each scrape a little off.
    fn uptime(export: f64, scrape: f64, length: f64) -> Series {
        let times = (0..(length / scrape) as u32).map(|count| {
            let time = f64::from(count) * scrape + f64::from(count % 3) * 0.004;
            (time, ((time / export).floor() * export).floor() + 7.0)
        });
        Series { values: times.collect(), ..Series::default() }
    }

    fn found(series: &[Series], assumed: u64) -> (Finding, Finding) {
        let detected = Detected::of(series);
        (detected.scrapes(), detected.exports(Duration::from_secs(assumed)))
    }

    fn is(seconds: f64) -> Finding {
        Finding::Is(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn intervals_are_those_of_the_samples() {
        assert_eq!(found(&[uptime(60.0, 15.0, 900.0)], 60), (is(15.0), is(60.0)));
        assert_eq!(found(&[uptime(5.0, 2.0, 60.0)], 60), (is(2.0), is(5.0)));
        assert_eq!(found(&[uptime(1.0, 0.5, 60.0)], 60), (is(0.5), is(1.0)));
    }

    #[test]
    fn a_missed_scrape_a_restart_and_a_dead_instance_do_not_mislead() {
        let mut series = vec![uptime(60.0, 15.0, 900.0); 3];
        series[0].values.remove(7);
        series[1].values.iter_mut().skip(30).for_each(|(_, uptime)| *uptime -= 300.0);
        series[2].values.iter_mut().for_each(|(_, uptime)| *uptime = 400.0);
        assert_eq!(found(&series, 60), (is(15.0), is(60.0)));
    }

    #[test]
    fn a_label_that_comes_and_goes_does_not_make_two_series_of_one() {
        let whole = uptime(60.0, 15.0, 900.0);
        let half = |odd: bool| {
            let values =
                whole.values.iter().copied().filter(|(time, _)| ((time / 60.0) as u32 % 2 == 1) == odd).collect();
            let context = if odd { "default" } else { "up/default" };
            let labels = [("instance_id", "a"), ("context", context)];
            let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
            Series { labels: labels.into(), values }
        };
        let series = merged(vec![half(true), half(false)], &["instance_id".to_owned()]);
        assert_eq!(found(&series, 60), (is(15.0), is(60.0)));
    }

    #[test]
    fn exports_as_frequent_as_scrapes_are_not_told_from_more_frequent_ones() {
        assert_eq!(found(&[uptime(60.0, 60.0, 900.0)], 60).1, Finding::Nothing);
        assert_eq!(found(&[uptime(5.0, 15.0, 900.0)], 60).1, Finding::AtMost(Duration::from_secs(15)));
        assert_eq!(found(&[uptime(5.0, 15.0, 900.0)], 5).1, Finding::Nothing);
    }

    #[test]
    fn too_few_samples_tell_nothing() {
        assert_eq!(found(&[uptime(60.0, 15.0, 45.0)], 60), (Finding::Nothing, Finding::Nothing));
        assert_eq!(found(&[], 60), (Finding::Nothing, Finding::Nothing));
    }
}
