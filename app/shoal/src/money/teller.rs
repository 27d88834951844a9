//! A chain that a command talks to, and what is said if it can't.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::{ExchangeId, Family, HttpError, HttpReply, HttpRequest, Purpose};
use crossbeam_channel::bounded;
use ledger::address::Address;
use ledger::chain_client::{ClientError, Fault, Network, Said};
use ledger::network::{Profile, Worth, built_in};
use net::chain::Chain;
use net::factory::SocketFactory;
use net::services::{ServiceDone, Services};
use serde_json::Value;

use crate::failure::{Failure, words};
use crate::interrupt::Interrupt;
use crate::money::network::{self, NetworkArgs};
use crate::out::Out;
use crate::redact;

/// Name of the profile of the embedded chain.
const LOCAL: &str = "local";

/// Time for the embedded chain to say what it is.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest answer to that, in bytes; usual ones have some 600.
const STATUS_BYTES_MAX: u32 = 64 * 1024;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Teller {
    pub(crate) chain: Chain,
    /// With what the embedded chain told of itself.
    pub(crate) profile: Profile,
    stop: Arc<Stop>,
}

/// What ends waiting.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    asked: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

impl Stop {
    /// Whether the user wants to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn is_due(&self) -> bool {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_asked() || deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    fn set(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }
}

impl Teller {
    /// Goes to the chosen network. Ctrl-C is listened to from now on.
    ///
    /// # Errors
    /// There is no such network, or the embedded chain does not run.
    pub(crate) fn open(args: &NetworkArgs) -> Result<Self, Failure> {
        let mut profile = network::chosen(args)?;
        let interrupt = Interrupt::listen()?;
        if profile.name == LOCAL {
            learn_local(&mut profile)?;
        }
        let mut chain = Chain::new(profile.clone(), SocketFactory::default());
        let stop = Arc::new(Stop::default());
        let shared = Arc::clone(&stop);
        chain.interrupt_by(move || {
            if interrupt.wishes().try_recv().is_ok() {
                shared.asked.store(true, Ordering::Relaxed);
            }
            shared.is_due()
        });
        Ok(Self { chain, profile, stop })
    }

    /// Which chain it is.
    ///
    /// # Errors
    /// Nobody says, or it is a known network that goes by another name here: caps would not hold, and
    /// what is signed for play money would move real money.
    pub(crate) fn network(&mut self) -> Result<Network, Failure> {
        let network = self.chain.network().map_err(|error| self.failure(&error))?;
        judge_name(&self.profile, network.chain_id)?;
        Ok(network)
    }

    /// What ends waiting.
    pub(crate) fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop)
    }

    /// Does something that must not take longer.
    pub(crate) fn within<T>(&mut self, time: Duration, work: impl FnOnce(&mut Chain) -> T) -> T {
        self.stop.set(Some(Instant::now() + time));
        let result = work(&mut self.chain);
        self.stop.set(None);
        result
    }

    /// Tells the user what was found out about nodes.
    pub(crate) fn tell_notices(&mut self, out: &Out) {
        for notice in self.chain.notices() {
            out.warn(&redact::urls(&notice.to_string()));
        }
    }

    /// The node that alone is asked, where money is real.
    pub(crate) fn only_voice(&self) -> Option<String> {
        match &*self.profile.endpoints {
            [url] if self.profile.worth == Worth::Real => {
                Some(format!("only {}", redact::link(url)))
            }
            _ => None,
        }
    }

    /// The Vault to use.
    ///
    /// # Errors
    /// None is known on this network.
    pub(crate) fn vault(&self, given: Option<Address>) -> Result<Address, Failure> {
        given.or(self.profile.vault).ok_or_else(|| {
            Failure::with_hint(
                format!("no Vault is known on {}", self.profile),
                "--vault ADDRESS names one; `shoal vault deploy` makes one",
            )
        })
    }

    /// What to say when the chain could not be asked.
    pub(crate) fn failure(&self, error: &ClientError) -> Failure {
        failure(&self.profile, error)
    }
}

/// A known network is used by its own name.
fn judge_name(profile: &Profile, chain_id: u64) -> Result<(), Failure> {
    let is_it = |known: &&Profile| known.chain_id == Some(chain_id) && known.kind == profile.kind;
    match built_in().iter().find(is_it) {
        Some(known) if known.name != profile.name => Err(Failure::with_hint(
            format!("the node says that it is of {}, not of {profile}", known.name),
            format!("--network {} uses that one", known.name),
        )),
        Some(_) | None => Ok(()),
    }
}

fn failure(profile: &Profile, error: &ClientError) -> Failure {
    if *error == ClientError::Interrupted {
        return Failure::Interrupted;
    }
    let message = words(&redact::urls(&error.to_string()));
    match error {
        ClientError::Unreachable(faults) => {
            let wrong = |said: &Said<Fault>| {
                matches!(
                    said.what,
                    Fault::OtherChain { .. } | Fault::OtherGenesis { .. } | Fault::RealMoney { .. }
                )
            };
            let hint = if faults.iter().any(wrong) {
                "--network names another network, --node another node"
            } else {
                "is this machine online? --node URL names another node"
            };
            Failure::with_hint(format!("cannot reach {profile}: {message}"), hint)
        }
        ClientError::TooFew { .. } | ClientError::Disagree { .. } => {
            Failure::with_hint(message, "try again; --node names nodes that you trust")
        }
        ClientError::NotToken(_) => Failure::with_hint(message, "is the address right?"),
        ClientError::NoEndpoint
        | ClientError::Refused(_)
        | ClientError::NoBlock(_)
        | ClientError::Unsupported(_)
        | ClientError::Unbuildable(_)
        | ClientError::Busy(_)
        | ClientError::Interrupted => Failure::new(message),
    }
}

/// Asks the embedded chain for its token and its Vault: each one has its own.
fn learn_local(profile: &mut Profile) -> Result<(), Failure> {
    let Some(url) = profile.endpoints.first().cloned() else { return Ok(()) };
    let reply = status(&url).map_err(|error| {
        Failure::with_hint(
            format!("no chain answers at {}: {}", redact::link(&url), words(&error.to_string())),
            "`shoal chain` runs one on this machine; --network names another network",
        )
    })?;
    let value: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    let address = |key: &str| value.get(key).and_then(Value::as_str)?.parse().ok();
    // A chain of another program has no such page, and is used all the same.
    profile.btt = profile.btt.or_else(|| address("btt"));
    profile.vault = profile.vault.or_else(|| address("vault"));
    judge_contracts(profile)
}

/// What is signed for one chain of TRON is good on each other. So play money lies in no contract that
/// real money lies in.
fn judge_contracts(profile: &Profile) -> Result<(), Failure> {
    let ours = [profile.btt, profile.vault];
    let known = built_in();
    let mut real = known.iter().filter(|known| known.worth == Worth::Real);
    let is_real = |known: &&Profile| {
        [known.btt, known.vault].into_iter().flatten().any(|real| ours.contains(&Some(real)))
    };
    match real.find(is_real) {
        Some(known) => Err(Failure::new(format!(
            "the node of {profile} names a contract of {}, where money is real",
            known.name
        ))),
        None => Ok(()),
    }
}

fn status(url: &str) -> Result<HttpReply, HttpError> {
    let (sender, done) = bounded(1);
    let completion = Box::new(move |answer: ServiceDone| {
        sender.try_send(answer).ok();
    });
    let services = Services::start(SocketFactory::default(), completion);
    let request = HttpRequest {
        id: ExchangeId(1),
        purpose: Purpose::Chain,
        url: format!("{}/dev/status", url.trim_end_matches('/')),
        family: Family::Any,
        timeout: STATUS_TIMEOUT,
        body_bytes_max: STATUS_BYTES_MAX,
        post: None,
    };
    services.http(request).map_err(|_full| HttpError::Timeout)?;
    match done.recv_timeout(STATUS_TIMEOUT * 2) {
        Ok(ServiceDone::Http(_, result)) => result,
        Ok(ServiceDone::Resolved(_)) | Err(_) => Err(HttpError::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn play_money_is_not_signed_for_a_node_of_a_real_network() {
        let known = built_in();
        let (local, mainnet) = (&known[0], &known[3]);
        assert!(judge_name(local, 1).is_ok());
        assert!(judge_name(mainnet, 728_126_428).is_ok());
        let said = judge_name(local, 728_126_428).unwrap_err().to_string();
        assert!(said.contains("says that it is of mainnet, not of local (play money)"), "{said}");
        let mut learned = local.clone();
        assert!(judge_contracts(&learned).is_ok());
        learned.btt = mainnet.btt;
        let said = judge_contracts(&learned).unwrap_err().to_string();
        assert!(said.contains("names a contract of mainnet"), "{said}");
    }
}
