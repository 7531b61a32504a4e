//! Line charts as SVG, without a script: value over the seconds of the window.

use std::fmt::Write as _;

use super::html::escape;
use super::view::{Chart, Line};
use crate::report::{number, quantity};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

/// Colours that the colour-blind can tell apart on white (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];

/// A chart with its legend.
pub(super) fn svg(chart: &Chart) -> String {
    let points = || chart.lines.iter().flat_map(|line| line.points.iter().copied());
    let (first, last) = range(points().map(|(time, _)| time));
    let (low, high) = range(points().map(|(_, value)| value).chain(chart.level.iter().map(|(_, value)| *value)));
    // From zero, so that a small change does not look like a large one.
    let tick = round_tick((high.max(0.0) - low.min(0.0)) / 4.0);
    let (low, high) = ((low.min(0.0) / tick).floor() * tick, (high.max(tick) / tick).ceil() * tick);
    let x = |time: f64| LEFT + (time - first) / (last - first).max(1e-9) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escape(&format!("{} over the window", chart.title))
    );
    for step in 0..=((high - low) / tick).round() as u32 {
        let value = low + tick * f64::from(step);
        let at = y(value);
        _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            WIDTH - RIGHT
        );
        _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            number(value)
        );
    }
    for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let time = first + (last - first) * part;
        _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{} s</text>",
            x(time),
            HEIGHT - 8.0,
            number((time - first).round())
        );
    }
    if let Some((_, value)) = &chart.level {
        let at = y(*value);
        _ = writeln!(
            out,
            "<line class=\"level\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            WIDTH - RIGHT
        );
    }
    for line in &chart.lines {
        let points: Vec<String> =
            line.points.iter().map(|(time, value)| format!("{:.1},{:.1}", x(*time), y(*value))).collect();
        _ = writeln!(out, "<polyline stroke=\"{}\" points=\"{}\"/>", colour(line), points.join(" "));
    }
    out.push_str("</svg>\n");
    out + &legend(chart)
}

fn legend(chart: &Chart) -> String {
    let mut out = String::from("<p class=\"legend\">");
    for line in chart.lines.iter().filter(|line| !line.name.is_empty()) {
        let (colour, name) = (colour(line), escape(&line.name));
        _ = write!(out, "<span><i style=\"background:{colour}\"></i>{name}</span> ");
    }
    if let Some((name, value)) = &chart.level {
        _ = write!(
            out,
            "<span><i class=\"level\"></i>{} {}</span>",
            escape(name),
            escape(&quantity(*value, &chart.unit))
        );
    }
    out.push_str("</p>\n");
    out
}

/// The next of 1, 2, 2.5, 5, 10, 20 … so that an axis has numbers that people can read.
fn round_tick(size: f64) -> f64 {
    let power = 10_f64.powf(size.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= size * 0.999).unwrap_or(10.0 * power)
}

fn colour(line: &Line) -> &'static str {
    COLOURS[line.colour % COLOURS.len()]
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!([2_625.0, 24.4, 250.0, 0.6, 9.0].map(round_tick), [5_000.0, 25.0, 250.0, 1.0, 10.0]);
    }

    #[test]
    fn a_level_line_is_drawn_within_the_chart() {
        let lines = vec![Line { name: "a".to_owned(), colour: 0, points: vec![(0.0, 9_800.0), (10.0, 9_750.0)] }];
        let chart = Chart {
            title: "TPS".to_owned(),
            unit: "records/s".to_owned(),
            lines,
            level: Some(("load".to_owned(), 10_000.0)),
        };
        let drawn = svg(&chart);
        assert!(drawn.contains(r#"<line class="level" x1="70" x2="630" y1="12.0" y2="12.0"/>"#), "{drawn}");
        assert!(drawn.contains("load 10,000/s"), "{drawn}");
    }
}
