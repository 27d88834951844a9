//! Bytes of foreign formats to values and back. Hostile input ends here.
//!
//! Source: BEP 3 and the BEPs that each module names.
//! Nothing in this crate panics, allocates without a bound, recurses without a bound, or keeps
//! state: each format has a `decode` that takes a slice and an `encode` that returns or appends
//! bytes. Values are judged as far as the format alone allows; what depends on a torrent or on
//! a session (is this piece index in range?) is judged there.
//!
//! Text that a stranger chose and that a user may see goes through [`printable`].
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "tests compute with values of their own")
)]

pub mod abi;
mod address_text;
pub mod bencode;
pub mod extended;
mod hex;
mod http_datagram;
mod json_fields;
pub mod json_rpc;
pub mod keystore_json;
pub mod krpc;
pub mod lsd;
pub mod magnet;
pub mod metadata;
pub mod metainfo;
pub mod nat_pmp;
pub mod pcp;
pub mod peer;
pub mod pex;
pub mod rlp;
pub mod ssdp;
mod text;
pub mod tracker;
pub mod tracker_http;
pub mod tracker_udp;
pub mod tron;
pub mod tron_http;
pub mod typed_data_json;
pub mod upnp;

pub use hex::{hex, unhex, unhex_bytes};
pub use text::{is_disruptive, printable, visible};
