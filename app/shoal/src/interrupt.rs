//! Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, a second Ctrl-C or SIGTERM ends
//! the process at once, unless it comes so soon that it is the same wish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::failure::{Failure, reason};

/// Within this time a signal is the same wish once more: timeout(1) sends its signal to the
/// process and to its group, shells and service managers do alike.
const SAME_WISH: Duration = Duration::from_millis(300);

/// The user's wish to stop.
#[derive(Debug)]
pub(crate) struct Interrupt {
    wishes: Receiver<()>,
}

impl Interrupt {
    /// Takes the signals over from the system.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot listen to signals: {}", reason(&error)))
        };
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked)).map_err(failed)?;
        }
        // A terminal that is closed sends SIGHUP, often twice: by the shell and by the kernel.
        let all: &[i32] =
            if hangup_counts() { &[SIGINT, SIGTERM, SIGHUP] } else { &[SIGINT, SIGTERM] };
        let mut signals = Signals::new(all).map_err(failed)?;
        let (sender, wishes) = bounded(1);
        let wait = move || {
            for _signal in &mut signals {
                // One wish is enough.
                sender.try_send(()).ok();
                std::thread::sleep(SAME_WISH);
                asked.store(true, Ordering::Relaxed);
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .stack_size(64 * 1024)
            .spawn(wait)
            .map_err(failed)?;
        Ok(Self { wishes })
    }

    /// Gives a message when the user wants to stop.
    pub(crate) fn wishes(&self) -> &Receiver<()> {
        &self.wishes
    }
}

/// Whether the end of the terminal concerns us. Started by `nohup`, SIGHUP is ignored and stays
/// so. Where that can't be found out, SIGHUP is left as it is: it ends the process.
fn hangup_counts() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| !ignores(&status, SIGHUP))
}

/// Whether a process ignores a signal, by its `/proc/PID/status` (proc(5), `SigIgn`).
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_made_ignored_stays_so() {
        for (status, ignored) in [
            ("Name:\tx\nSigIgn:\t0000000000001001\n", true),
            ("Name:\tx\nSigIgn:\t0000000000001000\n", false),
            ("Name:\tx\n", false),
        ] {
            assert_eq!(ignores(status, SIGHUP), ignored, "{status}");
        }
    }
}
