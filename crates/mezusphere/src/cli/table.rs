//! Plain tables: a dim head, columns as wide as their content, two spaces between. On a terminal that is too narrow the
//! ids go, and long texts are cut short; what goes to a pipe or file is always whole.

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
        let widths = match out::width() {
            Some(most) => fitted(&self.head, self.widths(), most),
            None => self.widths(),
        };
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

/// A text that was cut shorter than this says nothing any more.
const LEAST: usize = 10;

/// The widths with which a table fits, as far as it can: of the columns left, the widest gives way first. Fewer widths
/// than there are columns leave the last ones out.
fn fitted(head: &[&str], mut widths: Vec<usize>, most: usize) -> Vec<usize> {
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    if total(&widths) > most && head.last() == Some(&"ID") {
        widths.pop();
    }
    while total(&widths) > most {
        // Half an id or time is none.
        let is_whole = |name: &str| matches!(name, "RAY" | "GATE" | "ID") || name.ends_with("(UTC)");
        let names = head.iter().zip(&mut widths).filter(|(name, width)| !is_whole(name) && **width > LEAST);
        match names.max_by_key(|(_, width)| **width) {
            Some((_, width)) => *width -= 1,
            None => break,
        }
    }
    widths
}

/// The text, or its beginning; of an address or an id, which differ at the end, the end too.
fn short(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_string();
    }
    let kept = width.saturating_sub(1);
    let tail = if text.contains(' ') { 0 } else { kept * 2 / 3 };
    let end = text.chars().skip(length - tail);
    text.chars().take(kept - tail).chain(['…']).chain(end).collect()
}

fn line(cells: &[Cell], widths: &[usize]) -> String {
    let mut line = String::new();
    let last = cells.len().min(widths.len()).saturating_sub(1);
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let text = short(&cell.text, *width);
        let _ = match cell.tone {
            _ if text.is_empty() => Ok(()),
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
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_narrow_terminal_ids_go_first_and_then_the_widest_is_cut() {
        let head = ["NAME", "URL", "ID"];
        let of = |most| fitted(&head, vec![12, 40, 36], most);
        assert_eq!(of(92), [12, 40, 36]);
        assert_eq!(of(91), [12, 40]);
        assert_eq!(of(40), [12, 26]);
        assert_eq!(of(5), [10, 10], "it is not cut to nothing");
        assert_eq!(fitted(&["RAY", "ROUTE"], vec![32, 30], 50), [32, 16]);
        for (text, width, cut) in
            [("länger", 6, "länger"), ("länger", 4, "l…er"), ("ein länger", 4, "ein…"), ("a.test/shop", 8, "a.t…shop")]
        {
            assert_eq!(short(text, width), cut);
        }
        assert_eq!(fitted(&["AT (UTC)", "WHAT"], vec![16, 30], 30), [16, 12]);
        let row: Vec<Cell> = vec!["a".into(), "https://example.com".into(), "id".into()];
        assert_eq!(line(&row, &[4, 10]), "a     htt…le.com");
    }

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
