//! Numbers and names as people read them: 10,000/s, 41 %, 12.3 ms, −12 %, c0ffee01.

/// A number with thousands separators: whole from 100 on, with up to three significant digits below, and two of what is less
/// than a tenth. Less than a millionth is nothing.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if (1e-6..0.0995).contains(&size) => 1 + (-size.log10().floor()) as usize,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("−", digits));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out = format!("{out}.{fraction}");
    }
    if out == "0" { out } else { format!("{sign}{out}") }
}

/// A number with its unit. Percents from 10 on are whole, but just below 100 tenths tell nearly from fully: 100 % is all.
pub fn quantity(value: f64, unit: &str) -> String {
    amount(value, unit) + &suffix(unit)
}

/// Two numbers with their unit once: "190 to 226/s", "−1.2 to 3.4 %".
pub fn between((low, high): (f64, f64), unit: &str) -> String {
    format!("{} to {}{}", amount(low, unit), amount(high, unit), suffix(unit))
}

/// A change in percent, with its sign: "+3.4 %", "−12 %", "0 %".
pub fn change(percent: f64) -> String {
    signed(percent) + &suffix("%")
}

/// Two changes in percent, with their signs: "−15 to −9 %", "−1.2 to +3.4 %".
pub fn change_between((low, high): (f64, f64)) -> String {
    format!("{} to {}{}", signed(low), signed(high), suffix("%"))
}

/// A metric's name in words: `spout_tps` is "spout TPS".
pub fn title_of(metric: &str) -> String {
    metric.replace("back_pressure", "back-pressure").replace('_', " ").replace("tps", "TPS")
}

/// The beginning of a commit, which people know it by.
pub fn short(commit: &str, letters: usize) -> &str {
    commit.char_indices().nth(letters).map_or(commit, |(end, _)| &commit[..end])
}

/// A number as precise as its unit is read.
fn amount(value: f64, unit: &str) -> String {
    match unit {
        "%" if (99.0..100.0).contains(&value.abs()) => number(tenths(value).clamp(-99.9, 99.9)),
        "%" if value.abs() >= 10.0 => number(value.round()),
        "%" => number(tenths(value)),
        _ => number(value),
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// What follows a number of this unit.
fn suffix(unit: &str) -> String {
    match unit {
        "" => String::new(),
        "records/s" => "/s".to_owned(),
        unit => format!(" {unit}"),
    }
}

fn signed(percent: f64) -> String {
    let text = amount(percent, "%");
    if percent > 0.0 && text != "0" { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be_said() {
        let said: Vec<String> =
            [0.0, 0.05, 1.0, 9.999, 12.34, 99.96, 350.4, 9_800.2, 1_800_000.0, -12_345.6].map(number).into();
        assert_eq!(said, ["0", "0.05", "1", "10", "12.3", "100", "350", "9,800", "1,800,000", "−12,346"]);
        let small: Vec<String> = [1e-9, 0.000001, -0.001, 0.004512, 0.0996, 0.2536].map(number).into();
        assert_eq!(small, ["0", "0.000001", "−0.001", "0.0045", "0.1", "0.25"]);
    }

    #[test]
    fn a_quantity_carries_its_unit() {
        assert_eq!(quantity(10_000.0, "records/s"), "10,000/s");
        assert_eq!(quantity(40.96, "%"), "41 %");
        assert_eq!([99.62, 99.97, 100.0].map(|share| quantity(share, "%")), ["99.6 %", "99.9 %", "100 %"]);
        assert_eq!(quantity(0.04, "%"), "0 %");
        assert_eq!(quantity(12.34, "ms"), "12.3 ms");
        assert_eq!(quantity(0.0045, "s"), "0.0045 s");
        assert_eq!(quantity(28.0, "instances"), "28 instances");
    }

    #[test]
    fn a_change_carries_its_sign_and_an_interval_its_unit_once() {
        assert_eq!([-12.4, 3.42, 0.04, -0.04, 12.0].map(change), ["−12 %", "+3.4 %", "0 %", "0 %", "+12 %"]);
        assert_eq!(change_between((-15.2, -9.04)), "−15 to −9 %");
        assert_eq!(change_between((-1.23, 3.4)), "−1.2 to +3.4 %");
        assert_eq!(between((190.0, 226.3), "records/s"), "190 to 226/s");
        assert_eq!(between((0.5, 1.25), "ms"), "0.5 to 1.25 ms");
        assert_eq!(between((1.0, 2.0), ""), "1 to 2");
    }
}
