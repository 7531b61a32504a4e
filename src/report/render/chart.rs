//! Charts as SVG, without a script or a font of their own. The text is as large as on a phone's screen, where a chart is as
//! wide as here.

use std::fmt::Write as _;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::{EmptyElement, PathElement, Rectangle, Text};
use plotters::prelude::{
    ChartBuilder, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, IntoFont, LineSeries, RGBColor, SVGBackend,
    ShapeStyle, TextStyle,
};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::html::escape;
use super::view::{Chart, Form, Line, Stroke};
use crate::report::{Latency, number, quantity};

/// The library draws on whole pixels: these are a tenth of what the page counts in.
const PIXELS: i32 = 10;

const WIDTH: i32 = 420 * PIXELS;
/// Of the lines and their axis, without the legend.
const HEIGHT: i32 = 190 * PIXELS;
/// Of a bar, with what parts it from the next.
const BAR: i32 = 15 * PIXELS;
const FONT: i32 = 12 * PIXELS;
/// The mean width of a letter.
const LETTER: i32 = FONT * 6 / 10;
/// Of a line of the legend, and of the axis of time.
const ROW: i32 = 20 * PIXELS;
/// How much of a legend's entry is its line.
const SWATCH: i32 = 26 * PIXELS;
/// The longest name that a legend shows, in letters.
const NAME: usize = 32;

/// Colours that the colour-blind can tell apart on white: four of Okabe and Ito (2008), and two that are dark enough in place of
/// their light ones. A page with another background sets its own, as `--series-0` and so on.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a4b00", "#5b2a86"];

/// How lines are dashed, in tenths: every time that all colours are used up, anew.
const DASHES: [&str; 3] = ["", "60 30", "20 30"];

/// What stands for a colour that the page decides on, until the chart is drawn.
const TEXT: RGBColor = RGBColor(1, 0, 0);
const GRID: RGBColor = RGBColor(2, 0, 0);
const LOAD: RGBColor = RGBColor(3, 0, 0);

const fn component(index: usize) -> RGBColor {
    let (colour, dash) = (index % COLOURS.len(), index / COLOURS.len() % DASHES.len());
    RGBColor(4, dash as u8, colour as u8)
}

/// An axis with ticks of ours: the library's own are blind to minutes and hours.
struct Axis {
    first: f64,
    last: f64,
    ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.first) / (self.last - self.first);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // What is asked for once more are finer lines between the ticks.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.first..self.last
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// A chart with its legend, as an SVG of its own.
pub(super) fn svg(chart: &Chart) -> String {
    let entries: Vec<(String, RGBColor)> = match &chart.form {
        Form::OverTime { lines, .. } => lines.iter().map(|line| (line.name.clone(), colour(line.stroke))).collect(),
        Form::Percentiles(all) => {
            all.iter().enumerate().map(|(index, (name, _))| ((*name).to_owned(), component(index))).collect()
        }
    };
    let legend = legend(entries);
    let height = match &chart.form {
        Form::OverTime { .. } => HEIGHT,
        Form::Percentiles(all) => BAR * 5 * (all.len() as i32 + 1) + ROW,
    };
    let whole = height + ROW * legend.len() as i32;
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (WIDTH as u32, whole as u32)).into_drawing_area();
    let (above, below) = area.split_vertically(height);
    let drawn = match &chart.form {
        Form::OverTime { seconds, lines } => over_time(&above, *seconds, lines),
        Form::Percentiles(all) => percentiles(&above, all, &chart.unit),
    };
    let drawn = drawn.and_then(|()| draw_legend(&below, &legend)).and_then(|()| area.present());
    drop((above, below, area));
    match drawn {
        Ok(()) => finish(&text, chart, whole),
        Err(error) => format!("<p>{}</p>\n", escape(&format!("{} could not be drawn: {error}", chart.title))),
    }
}

/// The legend's entries with their places, row by row; nothing when there is nothing to tell apart.
fn legend(entries: Vec<(String, RGBColor)>) -> Vec<Vec<(i32, String, RGBColor)>> {
    let mut rows: Vec<Vec<(i32, String, RGBColor)>> = Vec::new();
    let mut left = WIDTH;
    for (name, colour) in entries.into_iter().filter(|(name, _)| !name.is_empty()) {
        let name: String =
            name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(NAME).collect();
        let width = SWATCH + LETTER * (name.chars().count() as i32 + 2);
        if left + width > WIDTH + 2 * LETTER {
            rows.push(Vec::new());
            left = 0;
        }
        rows.last_mut().into_iter().for_each(|row| row.push((left, name.clone(), colour)));
        left += width;
    }
    rows
}

fn draw_legend(area: &Area, rows: &[Vec<(i32, String, RGBColor)>]) -> Drawn {
    for (row, entries) in rows.iter().enumerate() {
        let middle = ROW * row as i32 + ROW / 2;
        for (left, name, colour) in entries {
            let line = vec![(*left, middle), (left + SWATCH - 6 * PIXELS, middle)];
            area.draw(&PathElement::new(line, thick(*colour)))?;
            area.draw_text(name, &label().pos(Pos::new(HPos::Left, VPos::Center)), (left + SWATCH, middle))?;
        }
    }
    Ok(())
}

fn over_time(area: &Area, (first, last): (f64, f64), lines: &[Line]) -> Drawn {
    let values =
        || lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value)).filter(|value| value.is_finite());
    let ticks = ticks(values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
    let widest = ticks.iter().map(|tick| number(*tick).chars().count()).max().unwrap_or(1) as i32;
    let step = seconds_a_tick(last - first);
    let times =
        (0..).map(|count| (first / step).ceil() * step + step * f64::from(count)).take_while(|time| *time <= last);
    let mut chart = ChartBuilder::on(area)
        // Half of the last second's label.
        .margin_right(LETTER * 3)
        .margin_top(FONT)
        .x_label_area_size(ROW)
        .y_label_area_size(LETTER * widest + 12 * PIXELS)
        .build_cartesian_2d(
            Axis { first, last: last.max(first + 1.0), ticks: times.collect() },
            Axis { first: low, last: high, ticks },
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(thin(GRID))
        .axis_style(thin(GRID))
        .label_style(label())
        .set_all_tick_mark_size(3 * PIXELS)
        .x_label_formatter(&|time| clock(*time, step))
        .y_label_formatter(&|value| number(*value))
        .draw()?;
    for line in lines {
        let points = line.points.iter().copied().filter(|(_, value)| value.is_finite());
        chart.draw_series(LineSeries::new(points, thick(colour(line.stroke))))?;
    }
    Ok(())
}

/// A bar for each percentile of each distribution, with its value in words: the median is too short to be read from an axis
/// that has room for the largest.
fn percentiles(area: &Area, all: &[(&str, Latency)], unit: &str) -> Drawn {
    let named = |latency: &Latency| {
        [
            ("p50", latency.p50),
            ("p90", latency.p90),
            ("p99", latency.p99),
            ("p99.9", latency.p999),
            ("max", latency.max),
        ]
    };
    let high = all.iter().map(|(_, latency)| latency.max).fold(f64::MIN_POSITIVE, f64::max);
    let group = all.len() as f64 + 1.0;
    // Bars are counted from above.
    let bottom = group * 5.0;
    let names = named(&Latency::default());
    let name = |at: f64| names.get((at / group) as usize).map_or(String::new(), |(name, _)| (*name).to_owned());
    let mut chart = ChartBuilder::on(area)
        .margin_right(LETTER * 10)
        .margin_bottom(PIXELS)
        .y_label_area_size(LETTER * 6)
        .build_cartesian_2d(
            Axis { first: 0.0, last: high, ticks: Vec::new() },
            Axis { first: bottom, last: 0.0, ticks: (0..5).map(|row| group * (f64::from(row) + 0.5)).collect() },
        )?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_x_axis()
        .axis_style(thin(GRID))
        .label_style(label())
        .set_all_tick_mark_size(3 * PIXELS)
        .y_label_formatter(&|at| name(*at))
        .draw()?;
    for (index, (_, latency)) in all.iter().enumerate() {
        for (row, (_, value)) in named(latency).into_iter().enumerate() {
            let top = group * row as f64 + 0.5 + index as f64;
            let bar = Rectangle::new([(0.0, top + 0.1), (value, top + 0.9)], component(index).filled());
            chart.draw_series([bar])?;
            let style = label().pos(Pos::new(HPos::Left, VPos::Center));
            let words = Text::new(quantity(value, unit), (5 * PIXELS, 0), style);
            chart.draw_series([EmptyElement::at((value, top + 0.5)) + words])?;
        }
    }
    Ok(())
}

fn colour(stroke: Stroke) -> RGBColor {
    match stroke {
        Stroke::Component(index) => component(index),
        Stroke::Load => LOAD,
    }
}

fn label() -> TextStyle<'static> {
    // The library takes the size of a letter's box, and writes that of the letter.
    TextStyle::from(("sans-serif", f64::from(FONT) * 1.24).into_font()).color(&TEXT)
}

fn thin(colour: RGBColor) -> ShapeStyle {
    colour.stroke_width(PIXELS as u32)
}

fn thick(colour: RGBColor) -> ShapeStyle {
    colour.stroke_width(2 * PIXELS as u32)
}

/// Five steps or so from zero, so that a small change does not look like a large one, to what is above the highest.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let step = round((high - low) / 5.0);
    let (first, last) = ((low / step).floor(), (high / step).ceil().max(1.0));
    (0..=(last - first) as u32).map(|count| (first + f64::from(count)) * step).collect()
}

/// The next of 1, 2, 2.5, 5, 10, 20 … so that an axis has numbers that people can read.
fn round(size: f64) -> f64 {
    let power = 10_f64.powf(size.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= size * 0.999).unwrap_or(10.0 * power)
}

/// Seconds between two ticks, so that there are six or less, and none at odd seconds, minutes or hours.
fn seconds_a_tick(seconds: f64) -> f64 {
    let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200];
    let fits = |step: &f64| seconds / step <= 6.0;
    steps.map(f64::from).into_iter().find(fits).unwrap_or_else(|| (seconds / 6.0 / 86_400.0).ceil() * 86_400.0)
}

/// A time in what its ticks are counted in.
fn clock(seconds: f64, step: f64) -> String {
    let unit = [("h", 3_600.0), ("min", 60.0)].into_iter().find(|(_, size)| step % size == 0.0);
    let (unit, size) = unit.unwrap_or(("s", 1.0));
    if seconds == 0.0 { "0".to_owned() } else { format!("{} {unit}", number(seconds / size)) }
}

/// What the library drew, in the page's colours and with words for those who do not see it.
fn finish(text: &str, chart: &Chart, height: i32) -> String {
    let shapes = text.split_once('>').map_or("", |(_, shapes)| shapes.trim_start());
    let told = escape(&told(chart));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{told}\">\n<title>{told}</title>\n"
    );
    out += &shapes.replace(" opacity=\"1\"", "");
    let hex = |RGBColor(red, green, blue): RGBColor| format!("\"#{red:02X}{green:02X}{blue:02X}\"");
    let mut colours = vec![
        (hex(TEXT), "\"currentColor\"".to_owned()),
        (hex(GRID), "\"var(--grid, #d0d7de)\"".to_owned()),
        (hex(LOAD), "\"currentColor\" stroke-dasharray=\"50 40\"".to_owned()),
    ];
    for index in 0..COLOURS.len() * DASHES.len() {
        let RGBColor(_, dash, number) = component(index);
        let mut drawn = format!("\"var(--series-{number}, {})\"", COLOURS[usize::from(number)]);
        if dash > 0 {
            _ = write!(drawn, " stroke-dasharray=\"{}\"", DASHES[usize::from(dash)]);
        }
        colours.push((hex(component(index)), drawn));
    }
    colours.iter().fold(out, |out, (sign, drawn)| out.replace(sign, drawn))
}

/// The chart in words.
fn told(chart: &Chart) -> String {
    let lines = match &chart.form {
        Form::Percentiles(all) => {
            let one = |(name, latency): &(&str, Latency)| {
                let [median, max] = [latency.p50, latency.max].map(|value| quantity(value, &chart.unit));
                format!("{name}: median {median}, max {max}")
            };
            return format!("{}: {}", chart.title, all.iter().map(one).collect::<Vec<_>>().join("; "));
        }
        Form::OverTime { lines, .. } => lines,
    };
    let range = |line: &Line| {
        let values = || line.points.iter().map(|(_, value)| *value);
        let [low, high] = [values().reduce(f64::min), values().reduce(f64::max)]
            .map(|value| value.map_or(String::new(), |value| quantity(value, &chart.unit)));
        let name = if line.name.is_empty() { String::new() } else { format!("{} ", line.name) };
        if low == high { format!("{name}{low}") } else { format!("{name}between {low} and {high}") }
    };
    format!("{} over the window: {}", chart.title, lines.iter().map(range).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tps() -> Chart {
        let line = |name: &str, stroke, value: f64| Line {
            name: name.to_owned(),
            stroke,
            points: vec![(20.0, value), (60.0, value - 50.0)],
        };
        let lines = vec![
            line("<\u{1b}a>", Stroke::Component(0), 9_800.0),
            line("later", Stroke::Component(7), 9_700.0),
            Line { points: vec![(0.0, 10_000.0), (60.0, 10_000.0)], ..line("load", Stroke::Load, 0.0) },
        ];
        Chart { title: "TPS".into(), unit: "records/s".into(), form: Form::OverTime { seconds: (0.0, 60.0), lines } }
    }

    #[test]
    fn axes_begin_at_zero_and_have_round_numbers() {
        assert_eq!([2_625.0, 24.4, 250.0, 0.6, 9.0].map(round), [5_000.0, 25.0, 250.0, 1.0, 10.0]);
        assert_eq!(ticks(0.0, 10_002.0), [0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0, 10_000.0, 12_000.0]);
        assert_eq!(ticks(-30.0, 60.0), [-40.0, -20.0, 0.0, 20.0, 40.0, 60.0]);
        assert_eq!(ticks(0.0, 0.0).len(), 2);
    }

    #[test]
    fn time_is_told_in_what_fits_the_window() {
        let told = |length: f64| {
            let step = seconds_a_tick(length);
            (step, clock(0.0, step), clock(2.0 * step, step))
        };
        assert_eq!(told(60.0), (10.0, "0".to_owned(), "20 s".to_owned()));
        assert_eq!(told(1_800.0), (300.0, "0".to_owned(), "10 min".to_owned()));
        assert_eq!(told(86_400.0), (14_400.0, "0".to_owned(), "8 h".to_owned()));
    }

    #[test]
    fn a_chart_says_what_it_shows_and_takes_its_colours_from_the_page() {
        let drawn = svg(&tps());
        assert!(drawn.contains("<title>TPS over the window: &lt; a&gt; between 9,750/s and 9,800/s; later"), "{drawn}");
        assert!(drawn.contains(r#"stroke="var(--series-0, #0072b2)" "#), "{drawn}");
        assert!(drawn.contains(r#"stroke="var(--series-1, #d55e00)" stroke-dasharray="60 30""#), "{drawn}");
        assert!(drawn.contains(r#"stroke="currentColor" stroke-dasharray="50 40""#), "{drawn}");
        for sign in ["#0100", "#0200", "#0300", "#0400", "NaN"] {
            assert!(!drawn.contains(sign), "{sign} in {drawn}");
        }
        // A line and its legend, three times.
        assert_eq!(drawn.matches("stroke-width=\"20\"").count(), 6);
    }

    #[test]
    fn a_number_that_is_none_is_left_out() {
        let mut chart = tps();
        let Form::OverTime { lines, .. } = &mut chart.form else { unreachable!("TPS is drawn over time") };
        lines[0].points.push((61.0, f64::NAN));
        lines[0].points.push((62.0, f64::INFINITY));
        assert!(!svg(&chart).contains("could not be drawn"));
    }
}
