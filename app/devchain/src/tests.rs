//! The embedded chain by its public face.

mod persistence;
mod reorganisation;
mod rules;
mod tvm;
mod world;
