//! A table of aligned columns.

use super::output::Colour;
use super::text;

/// The most columns of a terminal that one cell takes; `--json` has the whole text.
const MAX_WIDTH: usize = 48;

/// Rows of equally many cells, below a row of titles.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    rows: Vec<[Cell; N]>,
    widths: [usize; N],
}

/// A cell: its text, escaped and cut.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    colour: Colour,
}

impl Cell {
    /// A cell of this text, which may come from an agent.
    pub(super) fn new(text: &str) -> Self {
        let shown = if text.is_empty() { "-" } else { text };
        Self {
            text: text::cut(&text::escaped(shown), MAX_WIDTH),
            colour: Colour::None,
        }
    }

    /// The word for a state, in its colour.
    pub(super) fn state(word: &str) -> Self {
        Self {
            colour: Colour::of(word),
            ..Self::new(word)
        }
    }
}

impl<const N: usize> Table<N> {
    pub(super) fn new(titles: [&str; N]) -> Self {
        let mut table = Self {
            rows: Vec::new(),
            widths: [0; N],
        };
        table.add(titles.map(|title| Cell {
            colour: Colour::Title,
            ..Cell::new(title)
        }));
        table
    }

    pub(super) fn add(&mut self, row: [Cell; N]) {
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = (*width).max(text::width(&cell.text));
        }
        self.rows.push(row);
    }

    /// The lines, with colours or without.
    pub(super) fn lines(&self, is_coloured: bool) -> impl Iterator<Item = String> {
        self.rows.iter().map(move |row| {
            let mut line = String::new();
            for (at, (cell, width)) in row.iter().zip(self.widths).enumerate() {
                let is_last = at + 1 == N;
                let gap = width - text::width(&cell.text) + 2;
                line += &cell.colour.paint(&cell.text, is_coloured);
                if !is_last {
                    line.extend(std::iter::repeat_n(' ', gap));
                }
            }
            line
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_they_hold() {
        let mut table = Table::new(["NAME", "STATE", "HOST"]);
        table.add([Cell::new("订单"), Cell::state("up"), Cell::new("")]);
        table.add([
            Cell::new("payments"),
            Cell::state("down"),
            Cell::new("\x1b[2J"),
        ]);
        let plain: Vec<String> = table.lines(false).collect();
        assert_eq!(
            plain,
            [
                "NAME      STATE  HOST",
                "订单      up     -",
                "payments  down   \\u{1b}[2J"
            ]
        );
        let coloured: Vec<String> = table.lines(true).collect();
        assert_eq!(coloured[2], "payments  \x1b[31mdown\x1b[0m   \\u{1b}[2J");
    }
}
