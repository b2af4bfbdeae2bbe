//! Runs N exchanges between the engine and a workload in memory, for callgrind and perf to count:
//! `cargo build --release -p warpgate --example engine_cost && valgrind --tool=callgrind target/release/examples/engine_cost 10000`.

fn main() -> anyhow::Result<()> {
    let count = std::env::args().nth(1).unwrap_or_default().parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let bytes = tokio::task::LocalSet::new().block_on(&runtime, warpgate::measure::exchanges(count));
    anyhow::ensure!(bytes == count * 1024, "{bytes} bytes for {count} exchanges");
    Ok(())
}
