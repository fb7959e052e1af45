//! Tables for a person: columns as wide as what is in them, within the width of the terminal, coloured if it has colours.

use std::io::IsTerminal;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Terminal {
    /// Columns of it. `None`: what is printed does not go to a terminal, and is not cut.
    pub(super) columns: Option<usize>,
    pub(super) has_colours: bool,
}

/// How a word is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tone {
    Plain,
    /// A heading, or what is beside the matter.
    Dim,
    Good,
    /// Under way, or worth a look.
    Open,
    Bad,
}

impl Terminal {
    /// That of standard output. `NO_COLOR` (any value), and `TERM=dumb`, switch colours off.
    pub(super) fn of_stdout() -> Self {
        let out = std::io::stdout();
        if !out.is_terminal() {
            return Self::default();
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let size = rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
        let is_dumb = set("TERM").is_some_and(|term| term == "dumb");
        Self {
            columns: size.filter(|&columns| columns > 0),
            has_colours: set("NO_COLOR").is_none() && !is_dumb,
        }
    }

    pub(super) fn paint(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            _ if !self.has_colours => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Open => "33",
            Tone::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The tone of a message's state, or of a link's.
pub(super) fn tone_of(state: &str) -> Tone {
    match state {
        "delivered" | "up" | "ready" => Tone::Good,
        "refused" | "expired" | "unknown" | "down" => Tone::Bad,
        "cancelled" | "removed" => Tone::Dim,
        _ => Tone::Open,
    }
}

/// Rows under a heading.
#[derive(Debug)]
pub(super) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    /// A heading that ends in `>` stands over numbers, which are set to the right.
    pub(super) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<(String, Tone)>) {
        self.rows.push(cells);
    }

    /// The lines of it. Columns that do not fit are cut, the widest first.
    pub(super) fn render(&self, terminal: Terminal) -> String {
        let names: Vec<&str> = self.heading.iter().map(|name| name.trim_end_matches('>')).collect();
        let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
        for row in &self.rows {
            for (column, (cell, _)) in widths.iter_mut().zip(row) {
                *column = (*column).max(width(cell));
            }
        }
        if let Some(columns) = terminal.columns {
            fit(&mut widths, columns.saturating_sub(GAP.len() * names.len().saturating_sub(1)));
        }
        let heading: Vec<_> = names.iter().map(|name| ((*name).to_owned(), Tone::Dim)).collect();
        let mut lines = String::new();
        for row in std::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            for (at, ((cell, tone), width)) in row.iter().zip(&widths).enumerate() {
                let is_number = self.heading.get(at).is_some_and(|name| name.ends_with('>'));
                let is_last = at + 1 == row.len();
                line.push_str(&padded(cell, *tone, *width, is_number, is_last, terminal));
                if !is_last {
                    line.push_str(GAP);
                }
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        lines
    }
}

fn padded(
    cell: &str,
    tone: Tone,
    columns: usize,
    is_number: bool,
    is_last: bool,
    terminal: Terminal,
) -> String {
    let cell = cut(cell, columns);
    let blanks = " ".repeat(columns.saturating_sub(width(&cell)));
    let painted = terminal.paint(&cell, tone);
    match (is_number, is_last) {
        (true, _) => format!("{blanks}{painted}"),
        (false, true) => painted,
        (false, false) => format!("{painted}{blanks}"),
    }
}

/// Makes columns narrower until all fit; none narrower than a few characters.
fn fit(widths: &mut [usize], room: usize) {
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max() else { return };
        if *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
    }
}

fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

fn width(text: &str) -> usize {
    text.chars().count()
}

const GAP: &str = "  ";
const NARROWEST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["name", "count>", "state"]);
        let row = |name: &str, count: &str, state: &str| {
            vec![(name.into(), Tone::Plain), (count.into(), Tone::Plain), (state.into(), tone_of(state))]
        };
        table.row(row("shop", "7", "up"));
        table.row(row("a service with a long name", "1234", "down"));
        table
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let expected = "\
name                        count  state
shop                            7  up
a service with a long name   1234  down
";
        assert_eq!(table().render(Terminal::default()), expected);
    }

    #[test]
    fn what_does_not_fit_is_cut_in_the_widest_column() {
        let narrow = Terminal { columns: Some(30), has_colours: false };
        let shown = table().render(narrow);
        assert!(shown.contains("a service with …   1234  down"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 30), "{shown}");
        let tiny = Terminal { columns: Some(3), has_colours: false };
        assert!(table().render(tiny).lines().count() == 3, "there is a least width");
    }

    #[test]
    fn colours_are_for_terminals_that_have_them_and_change_no_width() {
        let coloured = Terminal { columns: None, has_colours: true };
        let shown = table().render(coloured);
        assert!(shown.contains("\x1b[32mup\x1b[0m") && shown.contains("\x1b[31mdown\x1b[0m"), "{shown}");
        let plain: String =
            shown.split('\x1b').map(|s| s.split_once('m').map_or(s, |(_, rest)| rest)).collect();
        assert!(!table().render(Terminal::default()).contains('\x1b'));
        assert_eq!(plain.lines().count(), 3);
    }
}
