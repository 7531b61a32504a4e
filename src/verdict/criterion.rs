//! Demands as people write them: `>= 0.98 * load`, `<= 5`, `<= +10% and < 600`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::report::{self, Comparison, between, quantity};

use super::words::{moved, plural};

/// To how many times the limit the interval of a slope may reach. A minute with an export every 5 s has a wide one: with a lag that scatters by
/// 500 records at 10,000/s, every 20th such run would be inconclusive at 2, and every 500th is at 5. What a lag may hide, throughput shows.
const TREND_REACH: f64 = 5.0;

/// To how many times the limit the interval of a change may reach: at a coefficient of variation of 3.7 %, five runs of each side can tell a
/// change of 5 % from one of 10 %.
const CHANGE_REACH: f64 = 2.0;

/// What is demanded of one value: limits of which all have to be kept, or one of several such groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// One of these is enough; of each, all limits are meant.
    alternatives: Vec<Vec<Limit>>,
    text: String,
}

/// A limit on a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    sign: Sign,
    number: f64,
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// What a limit's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The metric's own unit.
    Unit,
    /// The load's rate in records a second.
    Load,
    /// Percent by which the baseline is left.
    Baseline,
}

/// What is known of the metric that is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: &'a str,
    /// Between which values the true one lies, of a slope.
    pub trend: Option<(f64, f64)>,
    /// The load's rate.
    pub load: Option<f64>,
    /// What it is beside the baseline, or why that is not known.
    pub change: Result<Change<'a>, &'a str>,
}

/// How a metric differs from its baseline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    /// The comparison.
    pub comparison: &'a Comparison,
    /// How the baseline is called.
    pub name: &'a str,
    /// The baseline's mean.
    pub baseline: f64,
    /// The change in percent.
    pub percent: f64,
    /// Between which percents the true change lies.
    pub interval: (f64, f64),
}

/// Whether a demand is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is.
    Kept,
    /// It is not.
    Broken,
    /// Nobody knows.
    Unknown,
}

/// What came of a criterion.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub answer: Answer,
    /// The limit that decided, in the metric's unit.
    pub limit: Option<f64>,
    /// Between which values the true one lies, where it was judged by that.
    pub interval: Option<(f64, f64)>,
    /// What the metric is and what is demanded, in words that follow its name.
    pub text: String,
}

impl Criterion {
    /// Whether it needs a baseline.
    pub fn is_relative(&self) -> bool {
        self.alternatives.iter().flatten().any(|limit| limit.of == Of::Baseline)
    }

    /// Judges a metric. Of limits that are joined by `and`, one that is broken decides, then one that is unknown; of alternatives, one that
    /// is kept, then one that is unknown.
    pub(super) fn judge(&self, known: &Known<'_>) -> Finding {
        let mut found: Vec<Finding> = self.alternatives.iter().map(|limits| all(limits, known)).collect();
        let decides = |answer| found.iter().position(|finding| finding.answer == answer);
        if let Some(index) = decides(Answer::Kept).or_else(|| decides(Answer::Unknown)) {
            return found.swap_remove(index);
        }
        let text = found.iter().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("; ");
        Finding { text, ..found.swap_remove(0) }
    }
}

/// What comes of limits that are all meant.
fn all(limits: &[Limit], known: &Known<'_>) -> Finding {
    let mut found: Vec<Finding> = limits.iter().map(|limit| limit.judge(known)).collect();
    let decides = |answer| found.iter().position(|finding| finding.answer == answer);
    let index = decides(Answer::Broken).or_else(|| decides(Answer::Unknown)).unwrap_or_default();
    found.swap_remove(index)
}

impl Limit {
    fn judge(&self, known: &Known<'_>) -> Finding {
        match self.of {
            Of::Baseline => self.beside_baseline(known),
            Of::Unit => self.on_value(known, self.number),
            Of::Load => match known.load {
                Some(load) => self.on_value(known, self.number * load),
                None => Finding::unknown("cannot be compared with a load that is not known".to_owned()),
            },
        }
    }

    /// A limit in the metric's unit.
    fn on_value(&self, known: &Known<'_>, limit: f64) -> Finding {
        let Known { value, unit, trend, .. } = *known;
        let (is, words) = (quantity(value, unit), self.sign.words());
        let demanded = format!("demanded {words} {}", quantity(limit, unit));
        let Some((low, high)) = trend else {
            let answer = if self.sign.holds(value, limit) { Answer::Kept } else { Answer::Broken };
            return Finding { answer, limit: Some(limit), interval: None, text: format!("{is}, {demanded}") };
        };
        if !(low <= value && value <= high && (high - low).is_finite()) {
            return Finding::unknown(format!("{is}, {demanded}: how far that is off is not known"));
        }
        let answer = self.sign.certain(limit, TREND_REACH, value, (low, high));
        let more = match answer {
            Answer::Unknown if limit == 0.0 => ": noise alone leaves a limit of 0, give it room, such as 0.01 * load",
            Answer::Unknown => ": that is too uncertain to tell, measure longer",
            Answer::Kept | Answer::Broken => "",
        };
        let text = format!("{is} ({}), {demanded}{more}", between((low, high), unit));
        Finding { answer, limit: Some(limit), interval: trend, text }
    }

    /// A limit in percent of the baseline.
    fn beside_baseline(&self, known: &Known<'_>) -> Finding {
        let change = match known.change {
            Ok(change) => change,
            Err(why) => return Finding::unknown(why.to_owned()),
        };
        let Change { comparison, name, baseline, percent: moved_by, interval } = change;
        let answer = self.sign.certain(self.number, CHANGE_REACH, moved_by, interval);
        let mut text = format!(
            "{} against {name}, demanded {} {}",
            moved(comparison, known.unit),
            self.sign.words(),
            report::change(self.number)
        );
        if answer == Answer::Unknown {
            let more = comparison.more_runs.map_or("only more runs".to_owned(), |more| plural(more, "more run"));
            text += &format!(": that may be chance, {more} of each side would tell");
        }
        let in_unit = |percent: f64| baseline + baseline.abs() * percent / 100.0;
        let interval = Some((in_unit(interval.0), in_unit(interval.1)));
        Finding { answer, limit: Some(in_unit(self.number)), interval, text }
    }
}

impl Finding {
    fn unknown(text: String) -> Self {
        Self { answer: Answer::Unknown, limit: None, interval: None, text }
    }
}

impl Sign {
    /// Whether a value keeps the limit.
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::AtLeast => value >= limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::Below => value < limit,
        }
    }

    /// Whether something keeps the limit that is known only to lie within an interval, and is 0 when nothing changes: the slope of a lag, the
    /// change of a latency.
    ///
    /// Broken: the whole interval breaks the limit; or the value does, and it is certain that something changes for the worse (0 keeps the
    /// limit and lies outside of the interval). Kept: the value keeps the limit, and the interval reaches at most to so many times the limit;
    /// where 0 breaks it, at most to 0. Else nobody knows. Whoever demands that the whole interval keeps the limit finds hardly a short
    /// run or five noisy ones conclusive.
    fn certain(self, limit: f64, reach: f64, value: f64, (low, high): (f64, f64)) -> Answer {
        if !(limit.is_finite() && low <= value && value <= high && (high - low).is_finite()) {
            return Answer::Unknown;
        }
        let (near, far) = if self.is_upper() { (low, high) } else { (high, low) };
        let worsens = if self.is_upper() { near > 0.0 } else { near < 0.0 };
        let (kept, at_rest) = (self.holds(value, limit), self.holds(0.0, limit));
        let room = if at_rest { reach * limit } else { 0.0 };
        if !self.holds(near, limit) || (!kept && at_rest && worsens) {
            Answer::Broken
        } else if kept && self.holds(far, room) {
            Answer::Kept
        } else {
            Answer::Unknown
        }
    }

    fn is_upper(self) -> bool {
        matches!(self, Self::AtMost | Self::Below)
    }

    /// The comparison in words: "at least".
    fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
            Self::Above => "more than",
            Self::Below => "less than",
        }
    }
}

impl FromStr for Criterion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let alternatives = text
            .split(" or ")
            .map(|limits| limits.split(" and ").map(str::parse).collect())
            .collect::<Result<_, String>>()?;
        Ok(Self { alternatives, text })
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a criterion such as \">= 0.98 * load\", \"<= 5\" or \"<= +10%\"");
        let signs = [(">=", Sign::AtLeast), ("<=", Sign::AtMost), (">", Sign::Above), ("<", Sign::Below)];
        let (rest, sign) = signs
            .iter()
            .find_map(|(written, sign)| Some((text.trim().strip_prefix(written)?.trim(), *sign)))
            .ok_or_else(wrong)?;
        let (number, of) = match (rest.split_once('*'), rest.strip_suffix('%')) {
            (Some((number, load)), _) if load.trim() == "load" => (number.trim(), Of::Load),
            (Some(_), _) => return Err(wrong()),
            (None, _) if rest == "load" => ("1", Of::Load),
            (None, Some(number)) if number.starts_with(['+', '-']) => (number.trim(), Of::Baseline),
            (None, Some(number)) => {
                let (sign, number) = (&text.trim()[..text.trim().len() - rest.len()], number.trim());
                return Err(format!(
                    "{text:?} is not clear: write {sign}+{number}% for a change from the baseline, {sign}{number} for the metric's own number"
                ));
            }
            // A sign stands for a change: Keptn takes +5 for one in the metric's unit, others for 5.
            (None, None) if rest.starts_with('+') => return Err(wrong()),
            (None, None) => (rest, Of::Unit),
        };
        let number = number.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(wrong)?;
        Ok(Self { sign, number, of })
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Criterion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A metric of this value under a load of 10,000/s, without baseline.
    fn known(value: f64, trend: Option<(f64, f64)>) -> Known<'static> {
        Known { value, unit: "records/s", trend, load: Some(10_000.0), change: Err("has no baseline") }
    }

    fn judged(text: &str, known: &Known<'_>) -> Finding {
        text.parse::<Criterion>().unwrap().judge(known)
    }

    fn answer(text: &str, value: f64) -> Answer {
        judged(text, &known(value, None)).answer
    }

    fn changed(percent: f64, interval: (f64, f64)) -> Comparison {
        Comparison {
            baseline: Some(400.0),
            value: Some(400.0 + 4.0 * percent),
            change: Some(percent),
            interval: Some(interval),
            more_runs: Some(3),
            ..Comparison::default()
        }
    }

    /// A latency that changed so from 400 ms.
    fn beside<'a>(comparison: &'a Comparison) -> Known<'a> {
        let (percent, interval) = (comparison.change.unwrap(), comparison.interval.unwrap());
        let change = Change { comparison, name: "c0ffee12", baseline: 400.0, percent, interval };
        Known { value: comparison.value.unwrap(), unit: "ms", trend: None, load: None, change: Ok(change) }
    }

    #[test]
    fn a_criterion_is_a_number_or_a_share_of_the_load() {
        let limit = |text: &str, load| judged(text, &Known { load, ..known(1.0, None) }).limit;
        assert_eq!(limit(">= 0.98 * load", Some(10_000.0)), Some(9_800.0));
        assert_eq!(limit(">=load", Some(10_000.0)), Some(10_000.0));
        assert_eq!(limit("<= 5", None), Some(5.0));
        assert_eq!(limit("<= 0.01 * load", None), None);
        let wrong =
            ["", "5", "= 5", ">= x", ">= 2 * lag", ">= NaN", "<= inf", "> ", "<= 5 and", "<= 5 or", "<= 5, < 6"];
        for wrong in wrong.iter().chain(&[
            "and <= 5",
            "<= 5 <= 6",
            "<= +%",
            ">= 2% * load",
            "<= 5%",
            ">= - 5%",
            "<= +inf%",
            "<= +5",
        ]) {
            assert!(wrong.parse::<Criterion>().is_err(), "{wrong:?} was taken");
        }
        insta::assert_snapshot!("<= 5%".parse::<Criterion>().unwrap_err(), @r#""<= 5%" is not clear: write <= +5% for a change from the baseline, <= 5 for the metric's own number"#);
    }

    #[test]
    fn the_limit_itself_keeps_or_breaks_it_as_the_sign_says() {
        let kept = |text: &str| answer(text, 5.0) == Answer::Kept;
        assert!(kept(">= 5") && kept("<= 5") && !kept("> 5") && !kept("< 5"));
    }

    #[test]
    fn and_means_all_or_means_one_and_binds_less() {
        use Answer::{Broken, Kept, Unknown};
        assert_eq!(answer(">= 4 and <= 6", 5.0), Kept);
        assert_eq!(answer(">= 4 and <= 6", 7.0), Broken);
        assert_eq!(answer("< 1 or > 4 and < 6", 5.0), Kept);
        assert_eq!(answer("< 1 or > 4 and < 6", 0.5), Kept);
        assert_eq!(answer("< 1 or > 4 and < 6", 3.0), Broken);
        // What is unknown decides only where nothing that is known does.
        assert_eq!(answer("<= +10% and <= 6", 5.0), Unknown);
        assert_eq!(answer("<= +10% and <= 6", 7.0), Broken);
        assert_eq!(answer("<= +10% or <= 6", 5.0), Kept);
        assert_eq!(answer("<= +10% or <= 6", 7.0), Unknown);
        let both = judged("<= 1 or <= 3", &known(5.0, None));
        insta::assert_snapshot!(both.text, @"5/s, demanded at most 1/s; 5/s, demanded at most 3/s");
    }

    #[test]
    fn a_slope_is_judged_with_its_interval() {
        let say = |text: &str, value: f64, trend: (f64, f64)| {
            let finding = judged(text, &known(value, Some(trend)));
            format!("{:?}: {}", finding.answer, finding.text)
        };
        let said = [
            say("<= 0.01 * load", 3.0, (-60.0, 66.0)),
            say("<= 0.01 * load", 90.0, (-10.0, 190.0)),
            say("<= 0.01 * load", 90.0, (-320.0, 500.0)),
            say("<= 0.01 * load", 90.0, (-330.0, 510.0)),
            say("<= 0.01 * load", 110.0, (10.0, 210.0)),
            say("<= 0.01 * load", 110.0, (-10.0, 230.0)),
            say("<= 0.01 * load", 208.0, (180.0, 236.0)),
            say("<= 0", 0.0, (-5.0, 5.0)),
            say("<= 0", 0.0, (0.0, 0.0)),
            say("<= -50", -80.0, (-110.0, -50.0)),
            say("<= -50", -20.0, (-45.0, 5.0)),
            say("<= -50", -20.0, (-60.0, 20.0)),
            say(">= -50", -20.0, (-90.0, 50.0)),
            say(">= -50", -60.0, (-100.0, -20.0)),
            say("<= 100", 3.0, (f64::NEG_INFINITY, 50.0)),
            say("<= 100", 3.0, (f64::NAN, f64::NAN)),
            say("<= 100", 3.0, (10.0, 20.0)),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        Kept: 3/s (−60 to 66/s), demanded at most 100/s
        Kept: 90/s (−10 to 190/s), demanded at most 100/s
        Kept: 90/s (−320 to 500/s), demanded at most 100/s
        Unknown: 90/s (−330 to 510/s), demanded at most 100/s: that is too uncertain to tell, measure longer
        Broken: 110/s (10 to 210/s), demanded at most 100/s
        Unknown: 110/s (−10 to 230/s), demanded at most 100/s: that is too uncertain to tell, measure longer
        Broken: 208/s (180 to 236/s), demanded at most 100/s
        Unknown: 0/s (−5 to 5/s), demanded at most 0/s: noise alone leaves a limit of 0, give it room, such as 0.01 * load
        Kept: 0/s (0 to 0/s), demanded at most 0/s
        Kept: −80/s (−110 to −50/s), demanded at most −50/s
        Broken: −20/s (−45 to 5/s), demanded at most −50/s
        Unknown: −20/s (−60 to 20/s), demanded at most −50/s: that is too uncertain to tell, measure longer
        Kept: −20/s (−90 to 50/s), demanded at least −50/s
        Broken: −60/s (−100 to −20/s), demanded at least −50/s
        Unknown: 3/s, demanded at most 100/s: how far that is off is not known
        Unknown: 3/s, demanded at most 100/s: how far that is off is not known
        Unknown: 3/s, demanded at most 100/s: how far that is off is not known
        ");
    }

    #[test]
    fn a_change_is_judged_with_its_interval() {
        let say = |text: &str, percent: f64, interval: (f64, f64)| {
            let comparison = changed(percent, interval);
            let finding = judged(text, &beside(&comparison));
            format!("{:?}: {}", finding.answer, finding.text)
        };
        let said = [
            say(">= -5%", -12.0, (-15.0, -9.0)),
            say(">= -5%", -2.0, (-7.0, 3.0)),
            say(">= -5%", -4.0, (-13.0, 5.0)),
            say(">= -5%", -7.0, (-15.0, 1.0)),
            say("<= +10%", 23.4, (18.2, 28.4)),
            say("<= +10%", -3.0, (-9.0, 3.0)),
            say(">= +5%", 9.0, (4.0, 14.0)),
            say(">= +5%", 2.0, (-3.0, 7.0)),
            say(">= +5%", 1.0, (-2.0, 4.0)),
            say("<= +0%", 1.0, (-2.0, 4.0)),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        Broken: fell 12 % (−15 to −9 %) against c0ffee12, demanded at least −5 %
        Kept: fell 2 % (−7 to 3 %) against c0ffee12, demanded at least −5 %
        Unknown: fell 4 % (−13 to 5 %) against c0ffee12, demanded at least −5 %: that may be chance, 3 more runs of each side would tell
        Unknown: fell 7 % (−15 to 1 %) against c0ffee12, demanded at least −5 %: that may be chance, 3 more runs of each side would tell
        Broken: rose 23 % (18 to 28 %) against c0ffee12, demanded at most +10 %
        Kept: fell 3 % (−9 to 3 %) against c0ffee12, demanded at most +10 %
        Kept: rose 9 % (4 to 14 %) against c0ffee12, demanded at least +5 %
        Unknown: rose 2 % (−3 to 7 %) against c0ffee12, demanded at least +5 %: that may be chance, 3 more runs of each side would tell
        Broken: rose 1 % (−2 to 4 %) against c0ffee12, demanded at least +5 %
        Unknown: rose 1 % (−2 to 4 %) against c0ffee12, demanded at most 0 %: that may be chance, 3 more runs of each side would tell
        ");
        let finding = judged(">= -5%", &beside(&changed(-12.0, (-15.0, -9.0))));
        assert_eq!((finding.limit, finding.interval), (Some(380.0), Some((340.0, 364.0))));
    }
}
