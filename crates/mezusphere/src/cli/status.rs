//! `mezusphere status`.

use owo_colors::OwoColorize as _;

use super::args::StatusArgs;
use super::client::Client;
use super::duration::{day_and_time, spoken};
use super::out::{self, Failure};
use crate::api;

pub(super) async fn run(args: StatusArgs) -> Result<(), Failure> {
    let client = Client::new(&args.client)?;
    if !client.is_operator() {
        let detail = format!(
            "the status is told on the machine itself: `mezusphere status --data DIR` there\n       of {} this can be \
             seen: `mezusphere whoami`, `workload list`, `requests`",
            client.way()
        );
        return Err(Failure::Refused(detail));
    }
    let status: api::Status = client.get("/v1/status").await?;
    if args.client.json {
        return out::json(&status);
    }
    let state = match (status.draining, status.warnings.is_empty()) {
        (true, _) => "draining".yellow().bold().to_string(),
        (false, true) => "serving".green().bold().to_string(),
        (false, false) => "serving, with warnings".yellow().bold().to_string(),
    };
    let up = spoken(status.uptime_seconds);
    out::line(format_args!("Mezusphere {} is {state}, up {up} (process {})\n", status.version, status.pid))?;
    let until = day_and_time(&status.certificate_not_after);
    let certificate = match status.certificate_private {
        true => format!("by the private CA, until {until}"),
        false => format!("your own, until {until}"),
    };
    let workloads = match (status.workloads, status.gates) {
        (0, _) => "none yet".to_string(),
        (all, 1) => format!("{} of {all} online, by 1 gate", status.workloads_online),
        (all, gates) => format!("{} of {all} online, by {gates} gates", status.workloads_online),
    };
    let generation = match status.generation == status.served_generation {
        true => status.generation.to_string(),
        false => format!("{} (the edge still serves {})", status.generation, status.served_generation),
    };
    let rows = [
        ("Names", format!("*.{}", status.base_domain)),
        ("HTTPS", status.https),
        ("HTTP", status.http.unwrap_or_else(|| "off".into())),
        ("Admin", format!("http://{}", status.admin)),
        ("Data", status.data),
        ("Store", status.store),
        ("Certificate", certificate),
        ("Workloads", workloads),
        ("Generation", generation),
    ];
    for (name, value) in rows {
        out::line(format_args!("  {}  {value}", format_args!("{name:<11}").dimmed()))?;
    }
    for warning in &status.warnings {
        out::line(format_args!("\n  {} {warning}", "warning:".yellow().bold()))?;
    }
    Ok(())
}
