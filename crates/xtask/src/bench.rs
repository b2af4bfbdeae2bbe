//! `make bench`: our chain beside others, on one machine, in one run, round by round; medians to docs/benchmarks.md.
//!
//! All traffic stays on the loopback interface. Every step has a time limit, and all that was started is ended.

mod chains;
mod load;
mod processes;
mod table;
mod tls_client;
mod workload;

use crate::tree;
use anyhow::{Context as _, Result};
use chains::{Chain, Setting};
use load::{Sample, Scenario};
use processes::{Process, free_port, wait_for_port};
use std::path::{Path, PathBuf};

pub(crate) use processes::run as run_command;
pub(crate) use workload::serve;

/// What was asked for on the command line.
struct Options {
    rounds: usize,
    seconds: u64,
    idle: usize,
    only_chains: Option<Vec<String>>,
    only_scenarios: Option<Vec<String>>,
    /// Where the finished page goes; none while trying something out.
    page: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options =
            Self { rounds: 5, seconds: 4, idle: 5_000, only_chains: None, only_scenarios: None, page: None };
        let list = |value: &str| Some(value.split(',').map(String::from).collect());
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { anyhow::bail!("{pair:?} needs a value") };
            match name.as_str() {
                "--rounds" => options.rounds = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--idle" => options.idle = value.parse()?,
                "--chains" => options.only_chains = list(value),
                "--scenarios" => options.only_scenarios = list(value),
                "--page" => options.page = Some(value.into()),
                _ => anyhow::bail!("bench has no option {name}"),
            }
        }
        Ok(options)
    }

    fn wants(list: Option<&Vec<String>>, name: &str) -> bool {
        list.is_none_or(|list| list.iter().any(|wanted| wanted == name))
    }
}

/// All that one scenario yielded on one chain.
struct Row {
    scenario: Scenario,
    chain: &'static str,
    samples: Vec<Sample>,
}

/// Memory and size figures, each a name and a text.
type Facts = Vec<(String, String)>;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let folder = tree::root().join("target/bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let (_workload, setting) = prepare(folder)?;
    let chains = start_chains(&setting, &options)?;
    let mut facts = memory_at_rest(&chains);
    let rows = measure_rounds(&chains, &options, &setting.folder)?;
    facts.extend(memory_after_load(&chains));
    facts.extend(idle_cost(&chains, options.idle));
    facts.extend(program_sizes(&setting.programs));
    let page = table::page(&rows, &facts, options.rounds, options.seconds);
    println!("\n{}", table::tables(&rows, &facts));
    if let Some(path) = options.page {
        std::fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
        println!("written to {}", path.display());
    }
    Ok(())
}

fn prepare(folder: PathBuf) -> Result<(Process, Setting)> {
    let me = std::env::current_exe()?;
    let programs = me.parent().context("this program is in no folder")?.to_path_buf();
    chains::make_certificates(&folder)?;
    let port = free_port()?;
    let command = [me.display().to_string(), "bench-workload".into(), port.to_string()];
    let mut workload = Process::start("workload", &command, &folder.join("workload.log"))?;
    wait_for_port(port, &mut workload)?;
    let tools = tree::root().join("target/tools/bin");
    Ok((workload, Setting { folder, workload: port, programs, tools }))
}

type Start = fn(&Setting) -> Result<Chain>;

fn start_chains(setting: &Setting, options: &Options) -> Result<Vec<Chain>> {
    let ours = setting.programs.join("mezusphere");
    let all: [(&str, Start, PathBuf); 6] = [
        ("mezusphere", chains::ours, ours.clone()),
        ("one-tunnel", chains::one_tunnel, ours.clone()),
        ("five-stages", chains::five_stages, ours),
        ("nginx", chains::nginx, "/usr/sbin/nginx".into()),
        ("rathole", chains::rathole, setting.tools.join("rathole")),
        ("ssh", chains::ssh, "/usr/sbin/sshd".into()),
    ];
    let mut started = Vec::new();
    for (name, start, program) in all {
        if !Options::wants(options.only_chains.as_ref(), name) {
            continue;
        }
        if program.exists() {
            println!("starting {name}");
            started.push(start(setting).with_context(|| format!("starting the chain {name}"))?);
        } else {
            println!("{name} is left out: {} is not there", program.display());
        }
    }
    Ok(started)
}

fn measure_rounds(chains: &[Chain], options: &Options, folder: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for scenario in Scenario::ALL {
        if Options::wants(options.only_scenarios.as_ref(), scenario.name()) {
            rows.extend(chains.iter().map(|chain| Row { scenario, chain: chain.name, samples: Vec::new() }));
        }
    }
    for round in 1..=options.rounds {
        for row in &mut rows {
            let Some(chain) = chains.iter().find(|chain| chain.name == row.chain) else { continue };
            match load::measure(row.scenario, chain, options.seconds, folder) {
                Ok(sample) => {
                    println!("round {round}: {}", table::line(row.scenario, chain.name, &sample));
                    row.samples.push(sample);
                }
                Err(error) => println!("round {round}: {} {}: {error:#}", row.scenario.name(), chain.name),
            }
        }
    }
    Ok(rows)
}

fn memory_at_rest(chains: &[Chain]) -> Facts {
    warpgate_memory(chains, "Warpgate, resident before any load (MiB)")
}

fn memory_after_load(chains: &[Chain]) -> Facts {
    warpgate_memory(chains, "Warpgate, most resident during the loads (MiB)")
}

fn warpgate_memory(chains: &[Chain], title: &str) -> Facts {
    // The chain that is compared with others; the rest are variants of it.
    let gates = chains.iter().take(1).filter_map(|chain| chain.process("warpgate"));
    gates.map(|id| (title.to_owned(), format!("{:.1}", processes::peak_kib(id) as f64 / 1024.0))).collect()
}

fn idle_cost(chains: &[Chain], count: usize) -> Facts {
    let mut facts = Facts::new();
    for chain in chains.iter().filter(|chain| count > 0 && !chain.name.contains(['+', ','])) {
        let cost = load::idle_connections(chain, count);
        let text = cost.map_or_else(|error| format!("not measured: {error:#}"), |kib| format!("{kib:.1}"));
        facts.push((format!("{}, per idle TLS connection at {count} (KiB)", chain.name), text));
    }
    facts
}

/// As shipped: without the debug information that `strip` removes.
fn program_sizes(programs: &Path) -> Facts {
    let mut facts = Facts::new();
    for name in ["warpgate", "mezusphere"] {
        let stripped = tree::root().join("target/bench").join(format!("{name}.stripped"));
        let command =
            ["strip".into(), "-o".into(), stripped.display().to_string(), programs.join(name).display().to_string()];
        if processes::run(&command, std::time::Duration::from_secs(30)).is_ok() {
            let bytes = std::fs::metadata(&stripped).map_or(0, |data| data.len());
            facts.push((format!("{name}, program stripped (MiB)"), format!("{:.1}", bytes as f64 / 1_048_576.0)));
        }
    }
    facts
}
