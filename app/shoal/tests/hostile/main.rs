//! What a user sees when the input is bad: tables of hostile torrent files, arguments and folders,
//! each with the whole message.
//!
//! Every row runs the real program in a fresh folder. It must end by itself within a bound, with
//! the exit code and the words of the table, and leave everything around it as it was.
//! `docs/bad-input.md` shows ten.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod arguments;
mod bytes;
mod content;
mod document;
mod made_safe;
mod notation;
mod paths;
mod program;
mod versions;
