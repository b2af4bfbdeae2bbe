//! Adds the workers up and writes them out.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{
    BOUNDS, Class, Code, Copied, Counter, Counters, Door, Encoding, GateLeft, GateRefusal, HandshakeFailure, Histogram,
    Metrics, Relaxed, Resend, Shed, Way,
};

pub(super) fn write(metrics: &Arc<Metrics>) -> String {
    let mut registry = Registry::with_prefix("mezu");
    registry.register_collector(Box::new(metrics.clone()));
    let mut out = String::new();
    // Writing to a String fails only if an encoder does; a short scrape then says so by its missing end.
    let _ = encode(&mut out, &registry);
    out
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { workers: &self.workers, encoder };
        self.requests(&mut page)?;
        self.connections(&mut page)?;
        self.gates(&mut page)?;
        let refused = self.snapshots_refused();
        let mut bad =
            page.family("snapshots_refused", "Snapshots that could not be served from", MetricType::Counter)?;
        bad.encode_counter::<NoLabelSet, _, u64>(&refused, None)?;
        let drops = self.log_drops.load(Relaxed);
        let mut lost = page.family("access_log_dropped", "Lines that the access log lost", MetricType::Counter)?;
        lost.encode_counter::<NoLabelSet, _, u64>(&drops, None)
    }
}

impl Metrics {
    fn requests(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let mut family = page.family("requests", "Requests answered", MetricType::Counter)?;
        for class in Class::ALL {
            let rows: [(&str, Part); 3] = [("h1", |all| &all.h1), ("h2", |all| &all.h2), ("h3", |all| &all.h3)];
            for (protocol, part) in rows {
                let value = sum(&self.workers, |all| class.of(part(all)));
                let labels = [("protocol", protocol), ("class", class.label())];
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
            }
        }
        page.gauge("requests_in_flight", "Requests being answered", |all| (&all.started, &all.finished))?;
        page.histogram("request_duration", "Request received to answer sent, seconds", |all| &all.duration)?;
        page.histogram("workload_duration", "Request sent to first byte of the answer, seconds", |all| &all.workload)?;
        let mut family = page.family("bytes", "Body bytes from and to clients", MetricType::Counter)?;
        for (direction, part) in
            [("in", (|all| &all.bytes_in) as fn(&Counters) -> &Counter), ("out", |all| &all.bytes_out)]
        {
            let value = sum(&self.workers, part);
            family.encode_family(&[("direction", direction)])?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        let mut family = page.family("failures", "Requests that ended with a numbered error", MetricType::Counter)?;
        for code in Code::ALL {
            let entry = code.entry();
            let value =
                self.workers.iter().filter_map(|all| all.failures.get(*code as usize)).map(Counter::value).sum::<u64>();
            let labels = [("code", entry.code), ("blame", entry.blame.as_str())];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        page.reasons("resends", "Requests given to a second gate", Resend::ALL, Resend::label, |reason, all| {
            reason.of(&all.resent)
        })?;
        page.reasons("routed", "Requests by where their gate was", Way::ALL, Way::label, |way, all| {
            way.of(&all.routed)
        })?;
        let all = Encoding::ALL;
        page.reasons("encoded", "Answers to encode, by what with", all, Encoding::label, |with, all| {
            with.of(&all.encoded)
        })?;
        let all = Copied::ALL;
        page.reasons("copies", "Requests to copy, by what became of the copy", all, Copied::label, |outcome, all| {
            outcome.of(&all.copied)
        })
    }

    fn connections(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        page.reasons(
            "connections",
            "Connections that finished their handshake",
            Door::ALL,
            Door::label,
            |door, all| door.of(&all.opened),
        )?;
        let mut family = page.family("connections_open", "Connections open now", MetricType::Gauge)?;
        for door in Door::ALL {
            let value = difference(&self.workers, |all| (door.of(&all.opened), door.of(&all.closed)));
            family.encode_family(&[("door", door.label())])?.encode_gauge(&value)?;
        }
        page.reasons(
            "handshake_failures",
            "Connections that never finished their handshake",
            HandshakeFailure::ALL,
            HandshakeFailure::label,
            |reason, all| reason.of(&all.handshakes),
        )?;
        page.reasons("shed", "What was turned away without an answer", Shed::ALL, Shed::label, |reason, all| {
            reason.of(&all.shed)
        })
    }

    fn gates(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let joined = sum(&self.workers, |all| &all.gates_joined);
        let left: u64 = GateLeft::ALL.iter().map(|reason| sum(&self.workers, |all| reason.of(&all.gates_left))).sum();
        let now = i64::try_from(joined.saturating_sub(left)).unwrap_or(i64::MAX);
        page.family("gates", "Tunnels of gates that are open", MetricType::Gauge)?.encode_gauge(&now)?;
        let mut family = page.family("gates_joined", "Tunnels that were opened", MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&joined, None)?;
        let told = sum(&self.workers, |all| &all.health_told);
        let help = "Times that a tunnel's gate said otherwise which of its workloads are well";
        page.family("gate_health_changes", help, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&told, None)?;
        page.reasons(
            "gates_refused",
            "Gates that were not let in",
            GateRefusal::ALL,
            GateRefusal::label,
            |reason, all| reason.of(&all.gates_refused),
        )?;
        page.reasons("gates_left", "Tunnels that ended", GateLeft::ALL, GateLeft::label, |reason, all| {
            reason.of(&all.gates_left)
        })?;
        page.histogram("tunnel_rtt", "Round trips of tunnel pings, seconds", |all| &all.tunnel_rtt)
    }
}

/// Where one protocol's counters are, one per class of status.
type Part = fn(&Counters) -> &[Counter; Class::COUNT];

/// A scrape being written.
struct Page<'w, 'a> {
    workers: &'w [Arc<Counters>],
    encoder: DescriptorEncoder<'a>,
}

impl Page<'_, '_> {
    fn family<'s>(&'s mut self, name: &'s str, help: &str, kind: MetricType) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, None, kind)
    }

    fn reasons<R: Copy>(
        &mut self,
        name: &str,
        help: &str,
        all: &[R],
        label: fn(R) -> &'static str,
        part: fn(R, &Counters) -> &Counter,
    ) -> fmt::Result {
        let workers = self.workers;
        let key = match name {
            "connections" => "door",
            "routed" => "way",
            "encoded" => "coding",
            "copies" => "outcome",
            _ => "reason",
        };
        let mut family = self.family(name, help, MetricType::Counter)?;
        for reason in all {
            let value = sum(workers, |counters| part(*reason, counters));
            let labels = [(key, label(*reason))];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, part: fn(&Counters) -> (&Counter, &Counter)) -> fmt::Result {
        let value = difference(self.workers, part);
        self.family(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn histogram(&mut self, name: &str, help: &str, part: fn(&Counters) -> &Histogram) -> fmt::Result {
        let workers = self.workers;
        let counts =
            |bucket: usize| workers.iter().filter_map(|all| part(all).buckets.get(bucket)).map(Counter::value).sum();
        let bounds = BOUNDS.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.enumerate().map(|(place, bound)| (bound, counts(place))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = sum(workers, |all| &part(all).sum_us) as f64 / 1e6;
        let name = format!("{name}_seconds");
        self.family(&name, help, MetricType::Histogram)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

fn sum(workers: &[Arc<Counters>], part: impl Fn(&Counters) -> &Counter) -> u64 {
    workers.iter().map(|all| part(all).value()).fold(0, u64::wrapping_add)
}

/// Of two counters that are read at slightly different moments: never below zero.
fn difference(workers: &[Arc<Counters>], part: impl Fn(&Counters) -> (&Counter, &Counter)) -> i64 {
    let (more, less) = workers.iter().fold((0_u64, 0_u64), |(more, less), all| {
        let (up, down) = part(all);
        (more.wrapping_add(up.value()), less.wrapping_add(down.value()))
    });
    i64::try_from(more.saturating_sub(less)).unwrap_or(i64::MAX)
}
