//! What the view looks like. A pure function of what is to be shown.

use std::time::{Duration, SystemTime};

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};
use warpgate::{Health, Link, Seen, Status};

/// Everything that is shown.
pub(crate) struct View {
    pub edge: String,
    pub status: Status,
    pub requests: u64,
    pub failed: u64,
    pub in_flight: u64,
    pub rate: f64,
    pub history: Vec<u64>,
    pub last: Vec<Seen>,
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    color: bool,
}

impl Theme {
    /// Without colour where NO_COLOR is set (no-color.org) or the terminal has none.
    pub(crate) fn from_env() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        Self { color: !set("NO_COLOR") && !dumb }
    }

    fn paint(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn good(self) -> Style {
        self.paint(Color::Green)
    }

    fn warn(self) -> Style {
        self.paint(Color::Yellow)
    }

    fn bad(self) -> Style {
        self.paint(Color::Red)
    }

    fn link(self) -> Style {
        self.paint(Color::Cyan).add_modifier(Modifier::BOLD)
    }
}

/// Rows above the list of requests, without the workloads.
const FRAME_ROWS: u16 = 10;

pub(crate) fn draw(frame: &mut Frame<'_>, view: &View, theme: Theme) {
    let area = frame.area();
    let inner = Rect { x: area.x + 2.min(area.width), width: area.width.saturating_sub(4), ..area };
    let workloads = workload_lines(view, theme, inner.width);
    let room = area.height.saturating_sub(FRAME_ROWS);
    let workload_rows = u16::try_from(workloads.len()).unwrap_or(u16::MAX).min(room.max(2));
    let [_, title, _, urls, counts, chart, _, list_title, list, _, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(workload_rows),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(inner);
    frame.render_widget(Paragraph::new(title_line(view, theme, title.width)), title);
    frame.render_widget(Paragraph::new(workloads), urls);
    frame.render_widget(Paragraph::new(count_line(view, theme, counts.width)), counts);
    frame.render_widget(Paragraph::new(chart_line(view, theme, chart.width)), chart);
    frame.render_widget(Paragraph::new(list_title_line(view, theme)), list_title);
    frame.render_widget(Paragraph::new(request_lines(view, theme, list)), list);
    frame.render_widget(Paragraph::new(foot_line(view, theme)), foot);
}

fn title_line(view: &View, theme: Theme, width: u16) -> Line<'static> {
    let mut spans = vec![
        Span::styled("warpgate", theme.strong()),
        Span::styled("  →  ", theme.quiet()),
        Span::raw(view.edge.clone()),
        Span::raw("   "),
    ];
    spans.extend(state(view, theme));
    let line = Line::from(spans);
    if line.width() <= usize::from(width) {
        return line;
    }
    // What state it is in matters more than where the edge is.
    let mut short = vec![Span::styled("warpgate", theme.strong()), Span::raw("  ")];
    short.extend(state(view, theme));
    Line::from(short)
}

/// The links to the edge, one dot each, and what they amount to in words.
fn state(view: &View, theme: Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for link in &view.status.links {
        let (dot, style) = match link {
            Link::Online { .. } => ("●", theme.good()),
            Link::Dialling => ("◌", theme.warn()),
            Link::Draining => ("◐", theme.warn()),
            Link::Waiting { .. } => ("○", theme.bad()),
            Link::Closed => continue,
        };
        spans.push(Span::styled(dot, style));
    }
    let online = view.status.online();
    let (word, style) = match (view.status.draining, online) {
        (true, _) => ("draining".to_owned(), theme.warn()),
        (false, 0) => ("connecting".to_owned(), theme.warn()),
        (false, 1) => ("online, 1 connection".to_owned(), theme.good()),
        (false, n) => (format!("online, {n} connections"), theme.good()),
    };
    spans.push(Span::raw(" "));
    spans.push(Span::styled(word, style));
    spans
}

fn workload_lines(view: &View, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut block = |texts: Vec<(String, Style)>| {
        for (text, style) in texts {
            lines.extend(wrapped(&text, width).into_iter().map(|line| Line::from(Span::styled(line, style))));
        }
        lines.push(Line::default());
    };
    for workload in &view.status.workloads {
        let url = match &workload.url {
            Some(url) => (url.clone(), theme.link()),
            None => (format!("{} …", workload.name), theme.quiet()),
        };
        let mut lines = vec![url, (format!("  from {}", workload.target), theme.quiet())];
        match &workload.health {
            None => {}
            Some(Health::Well) => lines.push(("  well, by its health check".to_owned(), theme.good())),
            Some(Health::Unknown) => lines.push(("  its health check is not answered yet".to_owned(), theme.warn())),
            Some(Health::Unwell { why }) => lines.push((format!("  gets no requests: {why}"), theme.bad())),
        }
        block(lines);
    }
    if let Some(why) = trouble(&view.status) {
        let next = "`warpgate diag` with the same edge, --ca and key says what to mend.";
        block(vec![(format!("{why}; trying again"), theme.bad()), (next.to_owned(), theme.quiet())]);
    } else if let Some(fault) = view.last.last().and_then(|seen| seen.fault.as_deref()) {
        block(vec![(format!("The last request got no whole answer: {fault}."), theme.bad())]);
    }
    lines
}

/// In pieces that fit, at spaces where there are some: a URL that is cut off is the wrong URL.
fn wrapped(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width).max(1);
    let mut rest: Vec<char> = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let mut lines = Vec::new();
    while rest.len() > width {
        let space = rest.iter().take(width + 1).rposition(|c| *c == ' ').filter(|at| *at > width / 2);
        let tail = rest.split_off(space.unwrap_or(width));
        lines.push(rest.into_iter().collect());
        rest = tail.into_iter().skip(usize::from(space.is_some())).collect();
    }
    lines.push(rest.into_iter().collect());
    lines
}

/// Why nothing is online, if something is known.
fn trouble(status: &Status) -> Option<&str> {
    if status.is_online() {
        return None;
    }
    status.links.iter().find_map(|link| match link {
        Link::Waiting { why } => Some(why.as_str()),
        _ => None,
    })
}

fn count_line(view: &View, theme: Theme, width: u16) -> Line<'static> {
    let failed = if view.failed > 0 { theme.bad() } else { theme.quiet() };
    let line = |unit: &'static str, gap: &str| {
        Line::from(vec![
            Span::styled(format!("{:.1}", view.rate), theme.strong()),
            Span::styled(format!("{unit}{gap}"), theme.quiet()),
            Span::raw(view.requests.to_string()),
            Span::styled(format!(" in all{gap}"), theme.quiet()),
            Span::raw(view.in_flight.to_string()),
            Span::styled(format!(" in flight{gap}"), theme.quiet()),
            Span::styled(format!("{} failed", view.failed), failed),
        ])
    };
    let full = line(" requests/s", "    ");
    if full.width() <= usize::from(width) { full } else { line("/s", "  ") }
}

/// The last minute in eighths of a row.
fn chart_line(view: &View, theme: Theme, width: u16) -> Line<'static> {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = view.history.iter().copied().max().unwrap_or(0).max(1);
    let skip = view.history.len().saturating_sub(usize::from(width));
    let bars: String = view
        .history
        .iter()
        .skip(skip)
        .map(|count| {
            let height = if *count == 0 { 0 } else { (count * 8).div_ceil(most) };
            BARS.get(usize::try_from(height).unwrap_or(8)).copied().unwrap_or(' ')
        })
        .collect();
    Line::from(Span::styled(bars, theme.paint(Color::Cyan)))
}

fn list_title_line(view: &View, theme: Theme) -> Line<'static> {
    let text = match (view.last.is_empty(), view.status.is_online()) {
        (false, _) => "Last requests",
        (true, true) => "No requests yet: open the URL above.",
        (true, false) => "",
    };
    Line::from(Span::styled(text, theme.quiet()))
}

fn request_lines(view: &View, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    let shown: Vec<&Seen> = view.last.iter().rev().take(usize::from(area.height)).collect();
    let widest = shown.iter().map(|seen| seen.client.to_string().len()).max().unwrap_or_default();
    let columns = Columns::fitting(usize::from(area.width), widest, view.status.workloads.len() > 1);
    shown.into_iter().map(|seen| request_line(view, seen, theme, columns)).collect()
}

/// What a row of the list has room for.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// All that is not of a fixed width.
    path: usize,
    client: bool,
    workload: bool,
}

impl Columns {
    /// Age, status, method and time taken, with the gaps between them.
    const FIXED: usize = 30;
    /// Less of a path tells nothing; then there is no place for the client's address.
    const LEAST_PATH: usize = 28;

    fn fitting(width: usize, client: usize, workload: bool) -> Self {
        let room = width.saturating_sub(Self::FIXED);
        match room.checked_sub(client + 2) {
            Some(path) if path >= Self::LEAST_PATH => Self { path, client: true, workload },
            _ => Self { path: room, client: false, workload },
        }
    }
}

fn request_line(view: &View, seen: &Seen, theme: Theme, columns: Columns) -> Line<'static> {
    let (status, style) = match seen.status {
        Some(code @ ..=399) => (code.to_string(), theme.good()),
        Some(code @ ..=499) => (code.to_string(), theme.warn()),
        Some(code) => (code.to_string(), theme.bad()),
        None => ("---".to_owned(), theme.bad()),
    };
    let name = view.status.workloads.get(seen.workload as usize).filter(|_| columns.workload);
    let place = name.map_or(String::new(), |workload| format!("{} ", workload.name));
    let place = cut(&place, columns.path / 2);
    let path = columns.path.saturating_sub(place.chars().count());
    let client = if columns.client { format!("  {}", seen.client) } else { String::new() };
    Line::from(vec![
        Span::styled(format!("{:>6}  ", age(seen.at)), theme.quiet()),
        Span::styled(status, style),
        Span::raw(format!("  {:<7} ", cut(&seen.method, 7))),
        Span::styled(place, theme.quiet()),
        Span::raw(format!("{:<path$} ", cut(&seen.path, path))),
        Span::styled(format!("{:>8}{client}", took(seen.took)), theme.quiet()),
    ])
}

fn foot_line(view: &View, theme: Theme) -> Line<'static> {
    let text = if view.status.draining { "finishing what is in flight; q again ends at once" } else { "q quits" };
    Line::from(Span::styled(text, theme.quiet()))
}

/// At most `width` characters, and nothing that could steer the terminal.
fn cut(text: &str, width: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { '?' } else { c });
    if text.chars().count() <= width {
        return clean.collect();
    }
    clean.take(width.saturating_sub(1)).chain(['…']).collect()
}

fn age(at: SystemTime) -> String {
    match at.elapsed().unwrap_or_default().as_secs() {
        0 => "now".to_owned(),
        secs @ 1..=59 => format!("{secs} s"),
        secs @ 60..=3599 => format!("{} min", secs / 60),
        secs => format!("{} h", secs / 3600),
    }
}

fn took(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..=999 => format!("{micros} µs"),
        1000..=999_999 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests;
