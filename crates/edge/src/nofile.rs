//! The process's limit of open files: raised as far as it may be, and what of it connections may have.
//!
//! At the limit nobody is refused: accepting fails, and whoever knocks hangs. So connections end before it.

/// Of so many parts of the limit one is left for tunnels, listeners, the store and logs. An edge needs one file per
/// connection: those to workloads are the gates'.
const PARTS: usize = 10;

/// Raises the soft limit to the hard one; how many connections there may be, of those wanted.
pub(crate) fn connections(wanted: usize) -> usize {
    let Some(files) = raise() else { return wanted };
    let share = share(files);
    if share < wanted {
        tracing::info!(files, connections = share, "the limit of open files is below the limit of connections");
    }
    wanted.min(share)
}

fn share(files: usize) -> usize {
    files - files / PARTS
}

/// The limit in force from here on; none if there is none.
#[cfg(unix)]
fn raise() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let now = if current != maximum && setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    now.and_then(|files| usize::try_from(files).ok())
}

#[cfg(not(unix))]
fn raise() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_of_the_files_are_for_connections() {
        assert_eq!((share(1024), share(10), share(1), share(0)), (922, 9, 1, 0));
    }

    #[cfg(unix)]
    #[test]
    fn the_soft_limit_is_raised_and_connections_stay_below_it() {
        use rustix::process::{Resource, getrlimit};
        let allowed = connections(usize::MAX);
        let limit = getrlimit(Resource::Nofile);
        assert!(limit.current == limit.maximum || raise().is_some());
        assert!(limit.current.is_none_or(|files| (allowed as u64) < files));
        assert_eq!(connections(7), 7);
    }
}
