//! The embedded chain by its public face.

mod model;
mod node;
mod persistence;
mod reorganisation;
mod rules;
mod tvm;
mod world;
