//! The chain's faces over HTTP: a TRON full node's API, `TronGrid`'s events, Ethereum's JSON-RPC, the
//! explorer page, and what only a chain for development has.
//!
//! Source: java-tron 4.8 and TronGrid for paths, shapes and words (`docs/chain.md` lists what differs).
//! Questions go to the chain's thread one by one; broadcasts are read here and queue there for a
//! block together. Bodies, connections and pages are bounded. [`guard`] says who may ask.
//!
//! | path | what |
//! |---|---|
//! | `/wallet/…`, `/walletsolidity/…` | the full node, as of the head or of the newest final block |
//! | `/v1/…` | events and histories |
//! | `/jsonrpc` | Ethereum's JSON-RPC |
//! | `/dev/…` | faucet, blocks, time: never on a real network |
//! | `/` | the explorer |

mod abi;
mod accounts;
mod blocks;
mod builders;
mod contracts;
mod dev;
mod events;
mod fault;
mod guard;
mod json_rpc;
mod listener;
mod parameters;
mod params;
mod proto_json;
mod routes;
mod schema;
mod submit;
mod transactions;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::http::HeaderValue;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::node::Handle;

/// Requests that are under way when the server stops have so long to end.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Why a server could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// No page can have this origin.
    #[error("not an origin: {0}")]
    Origin(String),
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the chain behind `handle` at `listen`; port 0 is any free one. Pages of `origins`
    /// (`http://localhost:3000`) may use it beside its own.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        listen: SocketAddr,
        origins: &[String],
        handle: Handle,
    ) -> Result<Self, StartError> {
        let parse = |origin: &String| {
            // Browsers send it without the slash that their address line shows.
            let plain = origin.strip_suffix('/').unwrap_or(origin);
            let parsed = HeaderValue::from_str(plain).ok().filter(|_| plain.contains("://"));
            parsed.ok_or_else(|| StartError::Origin(origin.clone()))
        };
        let origins: Vec<HeaderValue> = origins.iter().map(parse).collect::<Result<_, _>>()?;
        let failed = |source| StartError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let (started_out, started) = mpsc::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    // Whoever started us waits for this.
                    started_out.send(Err(error)).ok();
                    return;
                }
            };
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => {
                        started_out.send(Ok(())).ok();
                        serve(listener, routes::Shared { handle, origins }, stopped).await;
                    }
                    Err(error) => {
                        started_out.send(Err(error)).ok();
                    }
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("chain-http".into())
            .spawn(run)
            .map_err(StartError::Thread)?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { address, stop: Some(stop), thread: Some(thread) }),
            Ok(Err(error)) => Err(StartError::Thread(error)),
            Err(_gone) => Err(StartError::Thread(io::Error::other("it ended at once"))),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and waits a moment for those under way.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread is on standard error already.
            thread.join().ok();
        }
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    shared: routes::Shared,
    stopped: oneshot::Receiver<()>,
) {
    let (ending_out, ending) = oneshot::channel::<()>();
    let signal = async move {
        // The sender is dropped rather than used.
        stopped.await.ok();
        drop(ending_out);
    };
    let listener = listener::Bounded::new(listener);
    let server = axum::serve(listener, routes::router(shared)).with_graceful_shutdown(signal);
    let patience = async move {
        ending.await.ok();
        tokio::time::sleep(STOP_PATIENCE).await;
    };
    tokio::select! {
        // axum's own loop ends only by the signal.
        _ended = server => {}
        () = patience => {}
    }
}
