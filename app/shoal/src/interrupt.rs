//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::failure::{Failure, reason};

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
            // In this order: the first signal finds the flag unset and sets it.
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked)).map_err(failed)?;
            flag::register(signal, Arc::clone(&asked)).map_err(failed)?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let (sender, wishes) = bounded(1);
        let wait = move || {
            for _signal in &mut signals {
                // One wish is enough; a second one has ended the process.
                sender.try_send(()).ok();
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .stack_size(64 * 1024)
            .spawn(wait)
            .map_err(failed)?;
        Ok(Self { wishes })
    }

    /// Gives one message when the user wants to stop.
    pub(crate) fn wishes(&self) -> &Receiver<()> {
        &self.wishes
    }
}
