//! `mezusphere workload …`.

use super::args::{WorkloadArgs, WorkloadCommand};
use super::client::Client;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};
use crate::api;

pub(super) async fn run(args: WorkloadArgs) -> Result<(), Failure> {
    let WorkloadCommand::List { client } = args.command;
    let workloads: Vec<api::Workload> = Client::new(&client).get("/v1/workloads").await?;
    if client.json {
        return out::json(&workloads);
    }
    let mut table = Table::new(&["NAME", "GATES", "URL"]);
    for workload in workloads {
        let gates = match workload.gates {
            0 => Cell::new("offline", Tone::Bad),
            gates => Cell::new(gates.to_string(), Tone::Good),
        };
        table.row(vec![workload.name.to_string().into(), gates, workload.urls.join(" ").into()]);
    }
    table.print("No workloads yet. One appears when a Warpgate connects: `warpgate http 3000`.")
}
