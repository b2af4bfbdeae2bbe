//! `mezusphere hostname …`.

use mezu_api::hostname::{Hostname, NewHostname};
use owo_colors::OwoColorize as _;

use super::args::{HostnameArgs, HostnameCommand};
use super::client::Client;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};

pub(super) async fn run(args: HostnameArgs) -> Result<(), Failure> {
    match args.command {
        HostnameCommand::List { client } => list(&Client::new(&client)?, client.json).await,
        HostnameCommand::Claim { name, client } => {
            let to = Client::new(&client)?;
            let host: Hostname = to.post(&to.org("/hostnames").await?, &NewHostname { name }).await?;
            if client.json {
                return out::json(&host);
            }
            out::line(format_args!("{} is yours.", host.name.bold()))?;
            warn(&host);
            Ok(())
        }
        HostnameCommand::Release { name, client } => {
            let to = Client::new(&client)?;
            to.delete(&to.org(&format!("/hostnames/{name}")).await?).await?;
            if client.json {
                return out::json(&serde_json::json!({ "name": name, "released": true }));
            }
            out::line(format_args!("{} is given up, and kept for the org for 30 days.", name.bold()))
        }
    }
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let hosts: Vec<Hostname> = client.all(&client.org("/hostnames").await?).await?;
    if json {
        return out::json(&hosts);
    }
    let mut table = Table::new(&["NAME", "STATE"]);
    for host in &hosts {
        let tone = match (host.state.as_str(), &host.warning) {
            ("released", _) => Tone::Quiet,
            (_, Some(_)) => Tone::Bad,
            _ => Tone::Good,
        };
        table.row(vec![host.name.to_string().into(), Cell::new(&host.state, tone)]);
    }
    table.print("No hostnames. A workload gets its first when a Warpgate connects: `warpgate http 3000`.")?;
    hosts.iter().filter(|host| host.state != "released").for_each(warn);
    Ok(())
}

fn warn(host: &Hostname) {
    if let Some(warning) = &host.warning {
        out::warn(warning);
    }
}
