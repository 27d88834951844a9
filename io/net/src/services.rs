//! HTTP and DNS for core: one exchange per effect, answered exactly once.
//!
//! Source: rule 10 of our own `ARCHITECTURE.md`; the vocabulary is `base`'s `HttpRequest` and
//! `ResolveRequest`. `hyper`, `rustls` and `hickory` do the work on one thread of their own, over
//! sockets of the one factory. The thread starts with the first request: a node that needs
//! neither pays for no thread, no resolver and no certificate store.
//!
//! Invariant: an id is in a waiting queue or in `unfinished`, never in both; it leaves either by
//! its one completion or by [`Services::cancel`].
//!
//! Drive it by [`Services::http`], [`Services::resolve`] and [`Services::cancel`] from any
//! thread; answers come to the `completion` on the service thread, which must not block in it.

mod connect;
mod dns;
mod http;
mod tls;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use base::{ExchangeId, HttpError, HttpReply, HttpRequest, ResolveRequest, Resolved};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id as TaskId, JoinError, JoinSet};

use crate::factory::SocketFactory;

/// Most HTTP exchanges under way at once. Each has a socket and up to its bound of body in
/// memory; a session of thousands of torrents announces in waves, which wait in the queue.
pub const EXCHANGES_MAX: usize = 50;

/// Most names being resolved at once; a query has no socket for most of its life, and hickory
/// multiplexes. They don't wait behind HTTP, which may take a minute per exchange.
pub const RESOLVES_MAX: usize = 50;

/// Most HTTP requests waiting, and most names waiting, beyond those under way: some hundred KiB
/// of URLs, and minutes of work at the usual pace. Core keeps the rest.
pub const WAITING_MAX: usize = 1024;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceDone {
    /// An HTTP exchange ended.
    Http(ExchangeId, Result<HttpReply, HttpError>),
    /// A name was resolved, or was not.
    Resolved(Resolved),
}

impl ServiceDone {
    fn id(&self) -> ExchangeId {
        match self {
            Self::Http(id, _) => *id,
            Self::Resolved(resolved) => resolved.id,
        }
    }
}

/// The HTTP and DNS services. Dropping it ends the thread; what is unfinished gets no answer.
pub struct Services {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Services {
    /// Services that follow the system's resolver configuration.
    ///
    /// `completion` is called once per request that was taken and not cancelled, on the service
    /// thread. It must not block, since all other exchanges wait for it, nor panic.
    #[must_use]
    pub fn start(
        factory: SocketFactory,
        completion: Box<dyn Fn(ServiceDone) + Send + Sync>,
    ) -> Self {
        Self::new(factory, dns::NameServers::System, completion)
    }

    /// Services that ask `name_servers` and nobody else, in place of what the system says. Its
    /// hosts file is not read either.
    #[must_use]
    pub fn start_with_name_servers(
        factory: SocketFactory,
        name_servers: Vec<SocketAddr>,
        completion: Box<dyn Fn(ServiceDone) + Send + Sync>,
    ) -> Self {
        Self::new(factory, dns::NameServers::Fixed(name_servers), completion)
    }

    fn new(
        factory: SocketFactory,
        name_servers: dns::NameServers,
        completion: Box<dyn Fn(ServiceDone) + Send + Sync>,
    ) -> Self {
        let worker = Worker {
            dns: dns::Dns::new(factory.clone(), name_servers),
            tls: tls::Tls::default(),
            factory,
        };
        let shared = Shared {
            worker: Arc::new(worker),
            completion,
            state: Mutex::new(State::default()),
            wake: Notify::new(),
        };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Takes an exchange. Its time-out runs from when it is begun, not while it waits.
    ///
    /// # Errors
    /// Gives the request back when [`WAITING_MAX`] are waiting, or when the system has no thread
    /// for us: try later.
    ///
    /// # Panics
    /// If the id is that of an unfinished request.
    pub fn http(&self, request: HttpRequest) -> Result<(), HttpRequest> {
        if self.ensure_thread().is_err() {
            return Err(request);
        }
        let mut state = self.shared.lock();
        if state.http_waiting.len() >= WAITING_MAX {
            return Err(request);
        }
        state.assert_new(request.id);
        state.http_waiting.push_back(request);
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Takes a name to resolve. Its time-out runs from when it is begun, not while it waits.
    ///
    /// # Errors
    /// Gives the request back when [`WAITING_MAX`] are waiting, or when the system has no thread
    /// for us: try later.
    ///
    /// # Panics
    /// If the id is that of an unfinished request.
    pub fn resolve(&self, request: ResolveRequest) -> Result<(), ResolveRequest> {
        if self.ensure_thread().is_err() {
            return Err(request);
        }
        let mut state = self.shared.lock();
        if state.resolve_waiting.len() >= WAITING_MAX {
            return Err(request);
        }
        state.assert_new(request.id);
        state.resolve_waiting.push_back(request);
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Gives up an exchange or a query. True: no completion will be called for it. False: it was
    /// never taken, or its completion has been called or is being called now.
    pub fn cancel(&self, id: ExchangeId) -> bool {
        let mut state = self.shared.lock();
        if let Some(task) = state.unfinished.remove(&id) {
            task.abort();
            return true;
        }
        state.remove_waiting(id)
    }

    fn ensure_thread(&self) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_some() {
            return Ok(());
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name("services".to_owned());
        *thread = Some(builder.spawn(move || runtime.block_on(serve(&shared)))?);
        Ok(())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The last owner may be the completion itself, on the service thread: nobody to wait for.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic there has already been reported by the panic hook.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Services")
            .field("http_waiting", &state.http_waiting.len())
            .field("resolve_waiting", &state.resolve_waiting.len())
            .field("unfinished", &state.unfinished.len())
            .finish_non_exhaustive()
    }
}

/// What the callers and the service thread both see.
struct Shared {
    worker: Arc<Worker>,
    completion: Box<dyn Fn(ServiceDone) + Send + Sync>,
    state: Mutex<State>,
    /// Something was queued, or it is time to stop.
    wake: Notify,
}

impl Shared {
    /// What panics under this lock are assertions made before anything is changed, so a poisoned
    /// lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an exchange needs of the world.
struct Worker {
    factory: SocketFactory,
    dns: dns::Dns,
    tls: tls::Tls,
}

#[derive(Default)]
struct State {
    http_waiting: VecDeque<HttpRequest>,
    resolve_waiting: VecDeque<ResolveRequest>,
    /// Begun and not completed. Bounded by [`EXCHANGES_MAX`] and [`RESOLVES_MAX`] together.
    unfinished: BTreeMap<ExchangeId, AbortHandle>,
    stopping: bool,
}

impl State {
    fn assert_new(&self, id: ExchangeId) {
        assert!(!self.unfinished.contains_key(&id), "{id:?} was asked twice");
        debug_assert!(!self.is_waiting(id), "{id:?} was asked twice");
    }

    fn is_waiting(&self, id: ExchangeId) -> bool {
        self.http_waiting.iter().any(|waiting| waiting.id == id)
            || self.resolve_waiting.iter().any(|waiting| waiting.id == id)
    }

    fn remove_waiting(&mut self, id: ExchangeId) -> bool {
        if let Some(at) = self.http_waiting.iter().position(|waiting| waiting.id == id) {
            return self.http_waiting.remove(at).is_some();
        }
        if let Some(at) = self.resolve_waiting.iter().position(|waiting| waiting.id == id) {
            return self.resolve_waiting.remove(at).is_some();
        }
        false
    }
}

/// What kind of task runs for an id: needed when it panicked and can't say itself.
#[derive(Clone, Copy)]
enum Kind {
    Http,
    Resolve,
}

/// The tasks on the service thread, each with what it works for.
#[derive(Default)]
struct Tasks {
    set: JoinSet<ServiceDone>,
    jobs: BTreeMap<TaskId, (ExchangeId, Kind)>,
    http: usize,
    resolve: usize,
}

async fn serve(shared: &Shared) {
    let mut tasks = Tasks::default();
    loop {
        if !tasks.begin_waiting(shared) {
            return;
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            Some(joined) = tasks.set.join_next_with_id() => tasks.on_joined(shared, joined),
        }
    }
}

impl Tasks {
    /// Begins what waits while there is room. False when it is time to stop.
    fn begin_waiting(&mut self, shared: &Shared) -> bool {
        let mut state = shared.lock();
        if state.stopping {
            return false;
        }
        while self.http < EXCHANGES_MAX
            && let Some(request) = state.http_waiting.pop_front()
        {
            let (id, worker) = (request.id, Arc::clone(&shared.worker));
            let task = self.set.spawn(async move {
                ServiceDone::Http(request.id, http::exchange(&worker, &request).await)
            });
            self.jobs.insert(task.id(), (id, Kind::Http));
            self.http += 1;
            state.unfinished.insert(id, task);
        }
        while self.resolve < RESOLVES_MAX
            && let Some(request) = state.resolve_waiting.pop_front()
        {
            let (id, worker) = (request.id, Arc::clone(&shared.worker));
            let task = self
                .set
                .spawn(async move { ServiceDone::Resolved(worker.dns.answer(request).await) });
            self.jobs.insert(task.id(), (id, Kind::Resolve));
            self.resolve += 1;
            state.unfinished.insert(id, task);
        }
        true
    }

    fn on_joined(&mut self, shared: &Shared, joined: Result<(TaskId, ServiceDone), JoinError>) {
        let task = match &joined {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let Some((id, kind)) = self.jobs.remove(&task) else { return };
        match kind {
            Kind::Http => self.http -= 1,
            Kind::Resolve => self.resolve -= 1,
        }
        let done = match (joined, kind) {
            (Ok((_, done)), _) => done,
            // Cancelled tasks are not in `unfinished` and so stay silent below; a library that
            // panicked must not leave core waiting.
            (Err(error), Kind::Http) => {
                ServiceDone::Http(id, Err(HttpError::Protocol(error.to_string())))
            }
            (Err(_), Kind::Resolve) => ServiceDone::Resolved(Resolved { id, addrs: Vec::new() }),
        };
        assert_eq!(done.id(), id, "a task answers for its own request");
        // A cancelled id may have been asked again; its new task has another id.
        let mut state = shared.lock();
        let is_ours = state.unfinished.get(&id).is_some_and(|unfinished| unfinished.id() == task);
        if is_ours {
            state.unfinished.remove(&id);
        }
        drop(state);
        if is_ours {
            (shared.completion)(done);
        }
    }
}

/// An error and its causes on one line: the libraries put what matters into the last one.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
