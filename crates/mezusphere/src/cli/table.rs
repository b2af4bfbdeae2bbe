//! Plain tables: a dim head, columns as wide as their content, two spaces between.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;

use super::out::{self, Failure};

/// Rows under a head. A cell may carry a colour.
#[derive(Debug, Default)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

/// Colour means state, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Quiet,
    Good,
    Bad,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints the table; `empty` if it has no rows.
    ///
    /// # Errors
    /// When standard output is gone.
    pub(super) fn print(&self, empty: &str) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return out::line(empty);
        }
        let widths = self.widths();
        let head: Vec<Cell> = self.head.iter().map(|name| Cell::new(*name, Tone::Quiet)).collect();
        out::line(line(&head, &widths))?;
        self.rows.iter().try_for_each(|row| out::line(line(row, &widths)))
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|name| name.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        widths
    }
}

fn line(cells: &[Cell], widths: &[usize]) -> String {
    let mut line = String::new();
    let last = cells.len().saturating_sub(1);
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let text = &cell.text;
        let _ = match cell.tone {
            Tone::Plain => write!(line, "{text}"),
            Tone::Quiet => write!(line, "{}", text.dimmed()),
            Tone::Good => write!(line, "{}", text.green()),
            Tone::Bad => write!(line, "{}", text.red()),
        };
        // No blanks at the end of a line: they wrap on narrow terminals.
        if at < last {
            let gap = width.saturating_sub(text.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', gap));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", "URL"]);
        table.row(vec!["a".into(), "https://a".into()]);
        table.row(vec!["längere".into(), "https://b".into()]);
        let widths = table.widths();
        assert_eq!(widths, [7, 9]);
        let lines: Vec<String> = table.rows.iter().map(|row| line(row, &widths)).collect();
        assert_eq!(lines, ["a        https://a", "längere  https://b"]);
    }
}
