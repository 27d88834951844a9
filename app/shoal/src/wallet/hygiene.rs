//! What a process that opens a wallet owes its keys: no core dump has them, no debugger of the same user
//! attaches.

use rustix::process::{Resource, Rlimit, setrlimit};

/// To be called before a passphrase is read.
pub(crate) fn keep_keys_in() {
    // Where the system refuses, a dump that the user himself allowed is no reason not to go on.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
}
