//! Bar charts as SVG, readable on light and dark pages.
//!
//! The benches draw the charts from their own figures. A chart has no scripts, no fonts and no fixed background; its text and axes
//! follow the reader's colour scheme.

use std::{fmt::Write as _, fs, path::Path};

use super::Rounds;

/// The geometry of a chart, in units of the picture.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 56.0;
const ROW: f64 = 34.0;
const BAR: f64 = 18.0;
const BOTTOM: f64 = 44.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:15px}.axis{fill:#57606a;font-size:12px}\
.grid{stroke:#8c959f;stroke-opacity:.35}.bar{fill:#2f7ed8}.range{stroke:#24292f;stroke-width:1.5}\
.goal{stroke:#c4432b;stroke-width:1.5;stroke-dasharray:5 4}.goal-text{fill:#c4432b;font-size:12px}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{fill:#9198a1}.bar{fill:#4493f8}.range{stroke:#e6edf3}\
.goal{stroke:#ff7b62}.goal-text{fill:#ff7b62}}";

/// A chart with one horizontal bar for each measurement: its median, and a line from the smallest to the largest value.
#[derive(Clone, Debug)]
pub struct Bars {
    title: String,
    unit: String,
    goal: Option<f64>,
    bars: Vec<(String, Rounds)>,
}

impl Bars {
    /// An empty chart, whose values all have this `unit`.
    #[must_use]
    pub fn new(title: &str, unit: &str) -> Self {
        Self {
            title: title.to_owned(),
            unit: unit.to_owned(),
            goal: None,
            bars: Vec::new(),
        }
    }

    /// Draws a line at the largest allowed value.
    #[must_use]
    pub fn goal(mut self, goal: f64) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Adds a bar.
    pub fn bar(&mut self, name: impl Into<String>, rounds: Rounds) {
        self.bars.push((name.into(), rounds));
    }

    /// Writes the chart to `benches/plots/NAME.svg`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn save(&self, name: &str) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/plots");
        fs::create_dir_all(&directory).expect("creating the directory of the plots");
        let path = directory.join(name).with_extension("svg");
        fs::write(&path, self.svg()).expect("writing a plot");
        eprintln!("drew {}", path.display());
    }

    /// The chart as an SVG document.
    ///
    /// # Panics
    /// Never: writing to a string does not fail.
    #[must_use]
    pub fn svg(&self) -> String {
        let most = self.bars.iter().map(|(_, rounds)| rounds.most());
        let most = most.chain(self.goal).filter(|value| value.is_finite());
        let (step, end) = axis(most.fold(0.0, f64::max));
        let place = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value / end).clamp(0.0, 1.0);
        let bottom = TOP + ROW * self.bars.len() as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n\
             <text class=\"title\" x=\"12\" y=\"26\">{}</text>\n",
            bottom + BOTTOM,
            escaped(&self.title),
            escaped(&self.title),
        );
        self.grid(&mut svg, step, end, bottom, &place);
        for (at, (name, rounds)) in self.bars.iter().enumerate() {
            self.row(&mut svg, TOP + ROW * at as f64, name, rounds, &place);
        }
        if let Some(goal) = self.goal {
            let x = place(goal);
            writeln!(
                svg,
                "<line class=\"goal\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\n\
                 <text class=\"goal-text\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">goal {}</text>",
                TOP - 2.0,
                TOP - 8.0,
                number(goal),
            )
            .expect("writing to a string");
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn grid(
        &self,
        svg: &mut String,
        step: f64,
        end: f64,
        bottom: f64,
        place: &impl Fn(f64) -> f64,
    ) {
        let mut value = 0.0;
        while value <= end * 1.001 {
            let x = place(value);
            writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\n\
                 <text class=\"axis\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 16.0,
                number(value),
            )
            .expect("writing to a string");
            value += step;
        }
        writeln!(
            svg,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            bottom + 34.0,
            escaped(&self.unit),
        )
        .expect("writing to a string");
    }

    fn row(
        &self,
        svg: &mut String,
        top: f64,
        name: &str,
        rounds: &Rounds,
        place: &impl Fn(f64) -> f64,
    ) {
        let middle = top + ROW / 2.0;
        let text = middle + 4.5;
        let x = |value: f64| place(if value.is_finite() { value } else { 0.0 });
        let (start, median) = (place(0.0), x(rounds.median()));
        let (least, most) = (x(rounds.least()), x(rounds.most()));
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect class=\"bar\" x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\n\
             <line class=\"range\" x1=\"{least:.1}\" y1=\"{middle:.1}\" x2=\"{most:.1}\" y2=\"{middle:.1}\"/>\n\
             <text x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
            LEFT - 10.0,
            escaped(name),
            middle - BAR / 2.0,
            median - start,
            most.max(median) + 8.0,
            number(rounds.median()),
        )
        .expect("writing to a string");
    }
}

/// The step of the axis and its end, for values up to `most`: about five steps of 1, 2 or 5 times a power of ten.
fn axis(most: f64) -> (f64, f64) {
    if most <= 0.0 {
        return (1.0, 1.0);
    }
    let rough = most / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= rough);
    let step = factor.unwrap_or(10.0) * power;
    (step, (most / step).ceil() * step)
}

/// A value with three significant digits.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = match value.abs() {
        0.0 => 0,
        value if value < 1.0 => 3,
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_value_beyond_the_largest() {
        assert_eq!(axis(17.3), (5.0, 20.0));
        assert_eq!(axis(0.9), (0.2, 1.0));
        assert_eq!(axis(0.0), (1.0, 1.0));
    }

    #[test]
    fn a_chart_names_every_bar_and_escapes_its_text() {
        let mut bars = Bars::new("a < b", "µs").goal(16.0);
        bars.bar("R&D", [12.0, 10.0, 14.0].into_iter().collect());
        bars.bar("nothing", Rounds::default());
        let svg = bars.svg();
        for part in [
            "a &lt; b",
            ">R&amp;D<",
            ">12<",
            ">goal 16<",
            ">nothing<",
            ">–<",
        ] {
            assert!(svg.contains(part), "no {part} in {svg}");
        }
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
