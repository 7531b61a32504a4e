//! The form of a load over time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::step::Seconds;

/// The most stairs, so that each is long enough to be measured.
const STEPS: u32 = 1000;

/// The highest rate, in records a second: beyond it the times between records are below a nanosecond.
pub const TOP_RATE: f64 = 1e9;

/// The form of a load over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Profile {
    /// The same rate all the time.
    Constant,
    /// Evenly from `from` records a second to the rate.
    Ramp {
        /// The first rate, in records a second; may be 0.
        from: f64,
    },
    /// Stairs of equal length and height, the last at the rate: what a capacity curve is made of.
    Staircase {
        /// How many stairs.
        steps: u32,
    },
    /// Constant, with a stretch at another rate.
    Spike {
        /// How many times the rate.
        factor: f64,
        /// When it begins, after the window's start.
        start: Duration,
        /// How long it lasts.
        length: Duration,
    },
    /// The distances in time that the records' own timestamps have.
    Replay {
        /// Thousandths of the original speed.
        speed_milli: u64,
    },
}

/// A part of a profile in which the rate changes evenly, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slope {
    /// How long it lasts, in nanoseconds.
    pub length: u64,
    /// The rate at its begin, in records a million seconds.
    pub from: u64,
    /// The rate at its end.
    pub to: u64,
}

impl Profile {
    /// The slopes that a load of so many nanoseconds has whose rate is so many records a second; none for a replay, whose
    /// records know when they are due.
    pub fn slopes(self, rate: f64, length: u64) -> Vec<Slope> {
        let level = |rate: f64, length| Slope { length, from: micro(rate), to: micro(rate) };
        let slopes = match self {
            Self::Constant => vec![level(rate, length)],
            Self::Ramp { from } => vec![Slope { length, from: micro(from), to: micro(rate) }],
            Self::Staircase { steps } => {
                let end = |stair: u32| (u128::from(length) * u128::from(stair) / u128::from(steps)) as u64;
                let stair = |stair| level(rate * f64::from(stair) / f64::from(steps), end(stair) - end(stair - 1));
                (1..=steps).map(stair).collect()
            }
            Self::Spike { factor, start, length: high } => {
                let start = nanos(start).min(length);
                let high = nanos(high).min(length - start);
                vec![level(rate, start), level(rate * factor, high), level(rate, length - start - high)]
            }
            Self::Replay { .. } => Vec::new(),
        };
        slopes.into_iter().filter(|slope| slope.length > 0).collect()
    }
}

/// Records in a million seconds: whole numbers do not drift.
fn micro(rate: f64) -> u64 {
    (rate * 1e6).round() as u64
}

/// A length of time in nanoseconds; what is beyond 584 years is cut.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A number above zero that a person wrote, up to `most`.
pub fn positive(text: &str, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= most => Ok(number),
        Ok(number) if number > most && number.is_finite() => Err(format!("must be at most {most}")),
        _ => Err("must be a number above 0".to_owned()),
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, rest) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let part = |what, of: &str, found: Result<f64, String>| found.map_err(|why| format!("{what} {of:?} {why}"));
        match (name, rest) {
            ("constant", None) => Ok(Self::Constant),
            ("ramp", Some("0")) => Ok(Self::Ramp { from: 0.0 }),
            ("ramp", Some(from)) => Ok(Self::Ramp { from: part("FROM", from, positive(from, TOP_RATE))? }),
            ("staircase", Some(steps)) => match steps.parse() {
                Ok(steps @ 1..=STEPS) => Ok(Self::Staircase { steps }),
                _ => Err(format!("STEPS {steps:?} must be a whole number from 1 to {STEPS}")),
            },
            ("spike", Some(rest)) => spike(rest),
            ("replay", Some(speed)) => {
                let speed = part("SPEED", speed, positive(speed, 1e6))?;
                Ok(Self::Replay { speed_milli: ((speed * 1000.0).round() as u64).max(1) })
            }
            _ => Err(format!(
                "{text:?} is none of constant, ramp:FROM, staircase:STEPS, spike:FACTOR@START+LENGTH, replay:SPEED"
            )),
        }
    }
}

fn spike(text: &str) -> Result<Profile, String> {
    let wrong = || format!("spike:{text} is not spike:FACTOR@START+LENGTH, as spike:3@5m+30s");
    let (factor, when) = text.split_once('@').ok_or_else(wrong)?;
    let (start, length) = when.split_once('+').ok_or_else(wrong)?;
    let factor = positive(factor, 1000.0).map_err(|why| format!("FACTOR {factor:?} {why}"))?;
    let (start, length) = (start.parse::<Seconds>()?.0, length.parse::<Seconds>()?.0);
    if length.is_zero() {
        return Err(wrong());
    }
    Ok(Profile::Spike { factor, start, length })
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Constant => write!(f, "constant"),
            Self::Ramp { from } => write!(f, "ramp from {from} records/s"),
            Self::Staircase { steps } => write!(f, "staircase of {steps} steps"),
            Self::Spike { factor, start, length } => {
                write!(f, "spike to {factor} times the rate at {} for {}", Seconds(start), Seconds(length))
            }
            Self::Replay { speed_milli } => {
                write!(f, "replay at {} times the original speed", speed_milli as f64 / 1000.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Profile {
        text.parse().unwrap()
    }

    #[test]
    fn profiles_are_read_and_said_in_words() {
        let said = |text| read(text).to_string();
        assert_eq!(said("constant"), "constant");
        assert_eq!(said("ramp:0"), "ramp from 0 records/s");
        assert_eq!(said("staircase:5"), "staircase of 5 steps");
        assert_eq!(said("spike:3@5m+30s"), "spike to 3 times the rate at 300s for 30s");
        assert_eq!(said("replay:0.5"), "replay at 0.5 times the original speed");
    }

    #[test]
    fn what_is_no_profile_is_refused_with_what_would_be_one() {
        let why = |text: &str| text.parse::<Profile>().unwrap_err();
        insta::assert_snapshot!(why("step:3"), @r#""step:3" is none of constant, ramp:FROM, staircase:STEPS, spike:FACTOR@START+LENGTH, replay:SPEED"#);
        insta::assert_snapshot!(why("staircase:0"), @r#"STEPS "0" must be a whole number from 1 to 1000"#);
        insta::assert_snapshot!(why("ramp:-1"), @r#"FROM "-1" must be a number above 0"#);
        insta::assert_snapshot!(why("spike:3@5m"), @"spike:3@5m is not spike:FACTOR@START+LENGTH, as spike:3@5m+30s");
        insta::assert_snapshot!(why("spike:3@5m+0s"), @"spike:3@5m+0s is not spike:FACTOR@START+LENGTH, as spike:3@5m+30s");
        insta::assert_snapshot!(why("replay:inf"), @r#"SPEED "inf" must be a number above 0"#);
    }

    #[test]
    fn slopes_fill_the_length() {
        let all = ["constant", "ramp:3", "staircase:7", "spike:2@1s+5s", "spike:2@0s+1s", "spike:2@9s+1s"];
        for profile in all.map(read) {
            let slopes = profile.slopes(100.0, 10_000_000_001);
            assert_eq!(slopes.iter().map(|slope| slope.length).sum::<u64>(), 10_000_000_001, "{profile}");
        }
        let level = |length, rate: u64| Slope { length, from: rate * 1_000_000, to: rate * 1_000_000 };
        assert_eq!(read("staircase:2").slopes(10.0, 8), [level(4, 5), level(4, 10)]);
        assert_eq!(
            read("spike:3@5s+2s").slopes(10.0, 10_000_000_000),
            [level(5_000_000_000, 10), level(2_000_000_000, 30), level(3_000_000_000, 10)]
        );
    }
}
