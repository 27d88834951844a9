//! The embedded chain by its public face.

mod logs;
mod model;
mod node;
mod persistence;
mod reorganisation;
mod rules;
mod tvm;
mod world;
