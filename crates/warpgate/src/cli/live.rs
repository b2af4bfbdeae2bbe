//! The live view: a quiet screen with the URL on top and what comes in below.
//!
//! It redraws a few times per second, or at once on a key, and only what changed is written.

mod draw;
mod rate;

use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use mezu_runtime::Signals;
use tokio::time::{MissedTickBehavior, interval};
use warpgate::{EdgeAddress, Ended, Handle};

use self::{
    draw::{Theme, View},
    rate::Rate,
};

/// How often the keyboard is looked at, and how many looks make a frame.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS_PER_FRAME: u32 = 5;

/// Shows the view until the end. `None` when the user would not wait for it.
pub(crate) async fn show(handle: &Handle, mut signals: Signals, edge: &EdgeAddress) -> anyhow::Result<Option<Ended>> {
    handle.stats().watch();
    let mut terminal = ratatui::try_init()?;
    let ended = run(handle, &mut signals, edge, &mut terminal).await;
    ratatui::restore();
    say_goodbye(handle);
    ended
}

async fn run(
    handle: &Handle,
    signals: &mut Signals,
    edge: &EdgeAddress,
    terminal: &mut ratatui::DefaultTerminal,
) -> anyhow::Result<Option<Ended>> {
    let theme = Theme::from_env();
    let stats = handle.stats();
    let mut rate = Rate::new(Instant::now());
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut until_frame = 0u32;
    loop {
        let stop = tokio::select! {
            _ = looks.tick() => match keys()? {
                Key::Stop => true,
                Key::Redraw => {
                    until_frame = 0;
                    false
                }
                Key::None => false,
            },
            _ = signals.next() => true,
            ended = handle.ended() => return Ok(Some(ended)),
        };
        if stop {
            if handle.is_draining() {
                return Ok(None);
            }
            handle.drain();
            until_frame = 0;
        }
        if until_frame > 0 {
            until_frame -= 1;
            continue;
        }
        until_frame = LOOKS_PER_FRAME;
        rate.note(Instant::now(), stats.requests());
        let view = View {
            edge: edge.to_string(),
            status: handle.status().borrow().clone(),
            requests: stats.requests(),
            failed: stats.failed(),
            in_flight: stats.in_flight(),
            rate: rate.per_second(),
            history: rate.history(),
            last: stats.last(),
        };
        terminal.draw(|frame| draw::draw(frame, &view, theme))?;
    }
}

enum Key {
    None,
    Redraw,
    Stop,
}

/// Takes the keys that were pressed; never waits.
fn keys() -> std::io::Result<Key> {
    let mut seen = Key::None;
    while event::poll(Duration::ZERO)? {
        match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => {
                let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if control_c || matches!(key.code, KeyCode::Char('q' | 'Q')) {
                    return Ok(Key::Stop);
                }
            }
            Event::Resize(..) => seen = Key::Redraw,
            _ => {}
        }
    }
    Ok(seen)
}

/// The screen is gone; one line of it is worth keeping.
fn say_goodbye(handle: &Handle) {
    let (requests, failed) = (handle.stats().requests(), handle.stats().failed());
    let noun = if requests == 1 { "request" } else { "requests" };
    super::style::note(&format!("warpgate served {requests} {noun}, {failed} failed"));
}
