//! The swarm engine: what to ask of whom, and what to give to whom.
//!
//! Everything here is a state machine driven by `&mut self`: events and the time go in, outputs
//! come out. No sockets, clocks, threads or files, and no money. Start at [`swarm`], which puts
//! the others together.

pub mod allowed_fast;
pub mod blame;
pub mod choker;
pub mod diary;
pub mod layers;
pub mod manners;
pub mod metadata;
pub mod peers;
pub mod picker;
pub mod pipeline;
pub mod receive;
pub mod session;
pub mod spread;
pub mod swarm;
