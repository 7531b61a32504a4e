//! The run as a picture: throughput, latency and lag over the window. Slack shows a PNG in the message, and no SVG.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoTextStyle, iso_8859_1::FONT_10X20};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Line as Stroke, Polyline, Primitive, PrimitiveStyle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use embedded_graphics::{Drawable, Pixel};

use crate::report::{Metric, Report, number, title_of};

const WIDTH: u32 = 1000;
const HEIGHT: u32 = 300;
const LEFT: i32 = 120;
const RIGHT: i32 = 20;
const TOP: i32 = 66;
const BOTTOM: i32 = 36;

/// Lines are drawn so many times larger and then made smaller, which smooths them.
const SMOOTH: u32 = 3;

/// The most lines of a chart; each has its own colour.
const LINES: usize = COLOURS.len();

/// Colours that the colour-blind can tell apart on white (Okabe and Ito, 2008).
const COLOURS: [Rgb888; 6] = [
    Rgb888::new(0x00, 0x72, 0xB2),
    Rgb888::new(0xD5, 0x5E, 0x00),
    Rgb888::new(0x00, 0x9E, 0x73),
    Rgb888::new(0xCC, 0x79, 0xA7),
    Rgb888::new(0xE6, 0x9F, 0x00),
    Rgb888::new(0x56, 0xB4, 0xE9),
];
const INK: Rgb888 = Rgb888::new(0x1B, 0x1F, 0x24);
const GREY: Rgb888 = Rgb888::new(0x57, 0x60, 0x6A);
const GRID: Rgb888 = Rgb888::new(0xD8, 0xDE, 0xE4);

/// The names of the metrics that are drawn, a chart each; the first one that was measured is taken.
const CHARTS: [&[&str]; 3] =
    [&["tps", "spout_tps", "source_tps", "records_per_second"], &["complete_latency", "latency"], &["lag"]];

/// One chart.
#[derive(Debug, Default, PartialEq)]
struct Chart {
    /// What it shows, with its unit.
    title: String,
    /// The lines: a name, and (Unix seconds, value) in order.
    lines: Vec<(String, Vec<(f64, f64)>)>,
    /// The load to compare with, in records a second.
    level: Option<f64>,
}

/// The picture as a PNG; none of a report that has nothing to draw.
pub fn png(report: &Report) -> Option<Vec<u8>> {
    let charts: Vec<Chart> = CHARTS.iter().filter_map(|names| chart(report, names)).collect();
    let pixels: Vec<u8> = charts.iter().flat_map(|chart| chart.draw().bytes()).collect();
    (!charts.is_empty()).then(|| encode(&pixels, WIDTH, HEIGHT * charts.len() as u32)).flatten()
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Into memory, in a size that is right: it does not fail.
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

/// The chart of the first of these metrics that has a series: a line for each component, or for each application.
fn chart(report: &Report, names: &[&str]) -> Option<Chart> {
    let parts: Vec<(&str, Report)> = report.parts.iter().map(|part| (part.name.as_str(), part.report())).collect();
    let lines_of = |name: &str| -> Vec<(&Metric, String)> {
        let drawn = |metric: &&Metric| metric.name == name && metric.series.len() > 1;
        let own = report.metrics.iter().filter(drawn).map(|metric| (metric, metric.component.clone()));
        let of_parts = parts.iter().flat_map(|(part, report)| {
            let whole = report.metrics.iter().filter(drawn).filter(|metric| metric.component.is_empty());
            whole.map(|metric| (metric, (*part).to_owned()))
        });
        own.chain(of_parts).take(LINES).collect()
    };
    let (name, found) = names.iter().map(|name| (*name, lines_of(name))).find(|(_, lines)| !lines.is_empty())?;
    let unit = found.first().map(|(metric, _)| metric.unit.clone()).unwrap_or_default();
    let level = report.load.as_ref().map(|load| load.rate).filter(|_| unit == "records/s");
    let lines = found.into_iter().map(|(metric, name)| (name, metric.series.clone())).collect();
    Some(Chart { title: format!("{}, {unit}", title_of(name)), lines, level })
}

impl Chart {
    fn draw(&self) -> Canvas {
        let values = || self.lines.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
        let times = || self.lines.iter().flat_map(|(_, points)| points.iter().map(|(time, _)| *time));
        let first = times().fold(f64::INFINITY, f64::min);
        let seconds = (times().fold(f64::NEG_INFINITY, f64::max) - first).max(1.0);
        // From zero, so that a small change does not look like a large one.
        let highest = values().chain(self.level).filter(|value| value.is_finite()).fold(0.0, f64::max);
        let tick = round_tick(highest / 4.0);
        let top = (highest / tick).ceil().max(1.0) * tick;
        let (width, height) = (f64::from(WIDTH as i32 - LEFT - RIGHT), f64::from(HEIGHT as i32 - TOP - BOTTOM));
        let x = |time: f64| f64::from(LEFT) + (time - first) / seconds * width;
        let y = |value: f64| f64::from(TOP) + (1.0 - value.clamp(0.0, top) / top) * height;

        let mut large = Canvas::new(WIDTH * SMOOTH, HEIGHT * SMOOTH);
        let at = |x: f64, y: f64| Point::new((x * f64::from(SMOOTH)) as i32, (y * f64::from(SMOOTH)) as i32);
        let ticks: Vec<f64> = (0..=(top / tick).round() as u32).map(|step| f64::from(step) * tick).collect();
        let (left, right) = (f64::from(LEFT), f64::from(WIDTH as i32 - RIGHT));
        for value in &ticks {
            large.line(at(left, y(*value)), at(right, y(*value)), GRID, SMOOTH);
        }
        if let Some(level) = self.level {
            large.dashes(at(left, y(level)), at(right, y(level)));
        }
        for ((_, points), colour) in self.lines.iter().zip(COLOURS) {
            let points: Vec<Point> = points.iter().map(|(time, value)| at(x(*time), y(*value))).collect();
            let points = in_short_pieces(&points);
            let style = PrimitiveStyle::with_stroke(colour, 2 * SMOOTH);
            let Ok(()) = Polyline::new(&points).into_styled(style).draw(&mut large);
        }

        let mut canvas = large.smaller();
        for value in &ticks {
            canvas.text(&number(*value), Point::new(LEFT - 10, y(*value) as i32), Alignment::Right, GREY);
        }
        for part in [0.0, 0.5, 1.0] {
            let label = format!("{} s", number((seconds * part).round()));
            let (place, alignment) = match part {
                0.0 => (LEFT, Alignment::Left),
                1.0 => (WIDTH as i32 - RIGHT, Alignment::Right),
                _ => ((LEFT + WIDTH as i32 - RIGHT) / 2, Alignment::Center),
            };
            canvas.text(&label, Point::new(place, HEIGHT as i32 - BOTTOM / 2), alignment, GREY);
        }
        canvas.text(&self.title, Point::new(LEFT, 16), Alignment::Left, INK);
        self.legend(&mut canvas);
        canvas
    }

    /// The lines' names, in their colours, in one row.
    fn legend(&self, canvas: &mut Canvas) {
        let mut place = LEFT;
        let named = self.lines.iter().zip(COLOURS).filter(|((name, _), _)| !name.is_empty());
        let load = self.level.map(|level| (format!("load {}", number(level)), INK));
        let entries = named.map(|((name, _), colour)| (name.clone(), colour)).chain(load);
        for (name, colour) in entries {
            canvas.line(Point::new(place, 44), Point::new(place + 20, 44), colour, 3);
            canvas.text(&name, Point::new(place + 28, 44), Alignment::Left, GREY);
            place += 28 + 10 * name.chars().count() as i32 + 24;
        }
    }
}

/// The next of 1, 2, 2.5, 5, 10, 20 … so that an axis has numbers that people can read.
fn round_tick(size: f64) -> f64 {
    let power = 10_f64.powf(size.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= size * 0.999).unwrap_or(10.0 * power)
}

/// The same line with more points on it: the joints of a thick line are found in 32 bits, which pieces of 1,000 dots overflow.
fn in_short_pieces(points: &[Point]) -> Vec<Point> {
    const LONGEST: i32 = 200;
    let mut all: Vec<Point> = points.iter().take(1).copied().collect();
    for (from, to) in points.iter().zip(points.iter().skip(1)) {
        let way = *to - *from;
        let pieces = way.x.abs().max(way.y.abs()) / LONGEST + 1;
        all.extend((1..=pieces).map(|piece| *from + way * piece / pieces));
    }
    all
}

/// A white sheet.
struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<Rgb888>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![Rgb888::WHITE; (width * height) as usize] }
    }

    fn line(&mut self, from: Point, to: Point, colour: Rgb888, width: u32) {
        let Ok(()) = Stroke::new(from, to).into_styled(PrimitiveStyle::with_stroke(colour, width)).draw(self);
    }

    fn dashes(&mut self, from: Point, to: Point) {
        let dash = 12 * SMOOTH as i32;
        let starts = (from.x..to.x).step_by(2 * dash as usize);
        starts.for_each(|x| {
            self.line(Point::new(x, from.y), Point::new((x + dash).min(to.x), to.y), INK, SMOOTH + 1);
        });
    }

    /// Text whose middle is at this height.
    fn text(&mut self, text: &str, at: Point, alignment: Alignment, colour: Rgb888) {
        let style = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Middle).build();
        let text = Text::with_text_style(text, at, MonoTextStyle::new(&FONT_10X20, colour), style);
        let Ok(_) = text.draw(self);
    }

    /// The sheet made smaller by [`SMOOTH`], each pixel the mean of those it was made from.
    fn smaller(&self) -> Self {
        let mut small = Self::new(self.width / SMOOTH, self.height / SMOOTH);
        for (index, pixel) in small.pixels.iter_mut().enumerate() {
            let (x, y) = (index as u32 % small.width * SMOOTH, index as u32 / small.width * SMOOTH);
            let square = (0..SMOOTH * SMOOTH).map(|n| ((y + n / SMOOTH) * self.width + x + n % SMOOTH) as usize);
            let sum = square.map(|at| self.pixels[at]).fold([0_u32; 3], |[r, g, b], pixel| {
                [r + u32::from(pixel.r()), g + u32::from(pixel.g()), b + u32::from(pixel.b())]
            });
            let [r, g, b] = sum.map(|sum| (sum / (SMOOTH * SMOOTH)) as u8);
            *pixel = Rgb888::new(r, g, b);
        }
        small
    }

    fn bytes(&self) -> Vec<u8> {
        self.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect()
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            if (0..self.width as i32).contains(&at.x) && (0..self.height as i32).contains(&at.y) {
                self.pixels[(at.y as u32 * self.width + at.x as u32) as usize] = colour;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Load, Part};

    fn metric(name: &str, component: &str, unit: &str, values: impl Fn(f64) -> f64) -> Metric {
        let series = (0..60).map(|second| (1_800_000_000.0 + f64::from(second), values(f64::from(second)))).collect();
        Metric {
            name: name.into(),
            component: component.into(),
            unit: unit.into(),
            series,
            value: Some(values(30.0)),
            ..Metric::default()
        }
    }

    fn measured() -> Report {
        Report {
            load: Some(Load { rate: 10_000.0, ..Load::default() }),
            metrics: vec![
                metric("tps", "kafkaSpout", "records/s", |second| 9_800.0 + (second * 7.0) % 120.0),
                metric("tps", "transformer", "records/s", |second| 9_700.0 + (second * 11.0) % 90.0),
                metric("lag", "", "records", |second| second * 200.0),
            ],
            ..Report::default()
        }
    }

    #[test]
    fn throughput_and_lag_become_one_picture() {
        let bytes = png(&measured()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (WIDTH, 2 * HEIGHT));
        // The lag's line ends at its highest, at the right of the lower chart.
        let [r, g, b] = [COLOURS[0].r(), COLOURS[0].g(), COLOURS[0].b()];
        let coloured = |x: u32, y: u32| {
            let at = 3 * (y * WIDTH + x) as usize;
            pixels[at..at + 3] == [r, g, b]
        };
        let column = WIDTH - RIGHT as u32 - 20;
        let highest = (HEIGHT..2 * HEIGHT).find(|y| coloured(column, *y)).unwrap();
        assert!(highest < HEIGHT + HEIGHT / 2, "{highest}");
        assert!(bytes.len() < 60_000, "{} bytes", bytes.len());
    }

    #[test]
    fn a_line_of_few_points_goes_through_them_in_short_pieces() {
        let line = in_short_pieces(&[Point::new(0, 0), Point::new(3_000, 900), Point::new(3_000, 890)]);
        assert_eq!((line[0], line.last().copied()), (Point::new(0, 0), Some(Point::new(3_000, 890))));
        assert!(line.contains(&Point::new(3_000, 900)));
        assert!(line.windows(2).all(|pair| (pair[1] - pair[0]).x <= 200), "{line:?}");
        assert_eq!(in_short_pieces(&[]), []);
    }

    #[test]
    fn applications_are_lines_of_one_chart() {
        let part = |name: &str| {
            let metrics = vec![metric("source_tps", "", "records/s", |_| 9_000.0)];
            Part::of(name, Report { metrics, ..Report::default() })
        };
        let report = Report { parts: vec![part("heron"), part("flink")], ..Report::default() };
        let chart = chart(&report, CHARTS[0]).unwrap();
        assert_eq!(chart.lines.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["heron", "flink"]);
        assert_eq!(chart.title, "source TPS, records/s");
    }

    #[test]
    fn values_that_are_no_numbers_and_names_of_any_script_are_drawn_all_the_same() {
        let odd = metric("lag", "変換器 <b>", "records", |second| if second < 9.0 { f64::NAN } else { f64::INFINITY });
        assert!(png(&Report { metrics: vec![odd], ..Report::default() }).is_some());
        assert_eq!(png(&Report::default()), None);
    }
}
