//! The statistics of interleaved rounds, and the rule for ratios.
//!
//! Two measurements are compared only within one run that takes them alternately. Each round gives one value of each and the ratio
//! of the two, so a drift of the machine affects both values equally.
//!
//! **The rule:** a ratio is the median of the rounds' ratios. It is refused if there are fewer than three rounds, or if the middle
//! half of the rounds' ratios spans more than `WIDEST` of the median, because the machine was then too unsteady for a result.

use std::fmt;

/// The widest span of the middle half of the ratios, as a share of their median.
const WIDEST: f64 = 0.25;

/// The fewest rounds that give a ratio.
const FEWEST: usize = 3;

/// The values of one measurement, one for each round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rounds(Vec<f64>);

/// The ratio of two measurements.
#[derive(Clone, Debug, PartialEq)]
pub enum Ratio {
    /// The median of the rounds' ratios, and all of them.
    Measured(f64, Rounds),
    /// The rounds differ too much, or there are too few.
    Refused(Rounds),
}

impl Rounds {
    /// No round yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the value of the next round.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The values in the order of the rounds.
    pub fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().copied()
    }

    /// The number of rounds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there was no round.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The median, or the upper of the two middle values; NaN if there was no round.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.at(|count| count / 2)
    }

    /// The smallest value.
    #[must_use]
    pub fn least(&self) -> f64 {
        self.at(|_| 0)
    }

    /// The largest value.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.at(|count| count - 1)
    }

    /// The span of the middle half of the values, as a share of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let [low, high] = [
            self.at(|count| count / 4),
            self.at(|count| count - 1 - count / 4),
        ];
        (high - low) / self.median()
    }

    /// The ratio of these values to those of `other` in the same rounds, by the rule of this module.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> Ratio {
        let pairs = self.iter().zip(other.iter());
        let ratios: Self = pairs.map(|(own, other)| own / other).collect();
        // A spread of NaN is never within the limit.
        if ratios.len() >= FEWEST && ratios.spread() <= WIDEST {
            Ratio::Measured(ratios.median(), ratios)
        } else {
            Ratio::Refused(ratios)
        }
    }

    fn at(&self, place: impl Fn(usize) -> usize) -> f64 {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        if values.is_empty() {
            return f64::NAN;
        }
        values[place(values.len())]
    }
}

impl FromIterator<f64> for Rounds {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// The median and the range, with the precision of the format.
impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        match self.len() {
            0 => f.write_str("no round"),
            1 => write!(f, "{:.digits$}", self.median()),
            _ => write!(
                f,
                "{:.digits$} ({:.digits$} – {:.digits$})",
                self.median(),
                self.least(),
                self.most()
            ),
        }
    }
}

/// The cell of a table.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(ratio, all) => {
                write!(f, "**{ratio:.2}** ({:.2} – {:.2})", all.least(), all.most())
            }
            Self::Refused(all) if all.len() < FEWEST => write!(f, "refused: {} rounds", all.len()),
            Self::Refused(all) => write!(f, "refused: spread of {:.0} %", all.spread() * 100.0),
        }
    }
}

/// The text that introduces a table, with `SETUP` replaced by `setup`, followed by the rows.
pub fn section(text: &str, setup: &str, rows: impl IntoIterator<Item = String>) -> String {
    let mut section = text.replace("SETUP", setup);
    for row in rows {
        section.push('\n');
        section.push_str(&row);
    }
    section.push('\n');
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(values: &[f64]) -> Rounds {
        values.iter().copied().collect()
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // The machine became twice as slow in the third round.
        let ratio = rounds(&[10.0, 11.0, 20.0]).ratio(&rounds(&[10.0, 10.0, 20.0]));
        assert_eq!(ratio.to_string(), "**1.00** (1.00 – 1.10)");
    }

    #[test]
    fn a_ratio_with_a_wide_spread_is_refused() {
        let ones = rounds(&[1.0; 5]);
        let ratio = rounds(&[0.6, 0.8, 1.0, 1.2, 1.4]).ratio(&ones);
        assert_eq!(ratio.to_string(), "refused: spread of 40 %");
        // One outlier in five rounds does not change the result.
        let ratio = rounds(&[0.9, 1.0, 1.0, 1.1, 9.0]).ratio(&ones);
        assert_eq!(ratio.to_string(), "**1.00** (0.90 – 9.00)");
    }

    #[test]
    fn a_ratio_of_too_few_rounds_or_of_nothing_is_refused() {
        let two = rounds(&[1.0, 1.0]);
        assert_eq!(two.ratio(&two).to_string(), "refused: 2 rounds");
        let zeros = rounds(&[0.0; 3]);
        assert!(matches!(zeros.ratio(&zeros), Ratio::Refused(_)));
        assert_eq!(Rounds::default().to_string(), "no round");
    }
}
