//! How the kernel schedules a worker's thread.

/// Asks that this thread, when it is woken, waits for the running one to pause instead of taking its place
/// (Linux's batch policy; its share of the processor stays the same).
///
/// A thread that serves many connections is woken by each of their packets. Where it shares a core with its peers,
/// taking the core for every one of them costs a switch per message; a little later the same wake-up serves many.
/// On a core that is free it changes nothing. Measured on two cores shared by client, edge, Warpgate and workload: a
/// sixth less processor time per request. Elsewhere than on Linux, or where it is forbidden, it does nothing.
pub fn prefer_batches() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy, ScheduleParams, ThreadPriority, ThreadSchedulePolicy,
            set_thread_priority_and_policy, thread_native_id,
        };
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        let priority = ThreadPriority::from_posix(ScheduleParams { sched_priority: 0 });
        if let Err(error) = set_thread_priority_and_policy(thread_native_id(), priority, policy) {
            tracing::debug!(?error, "batch scheduling");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_taken() {
        prefer_batches();
        let policy = thread_priority::thread_schedule_policy();
        assert!(format!("{policy:?}").contains("Batch"), "{policy:?}");
    }
}
