//! Magnet links: a torrent by its name alone.
//!
//! Source: BEP 9 ("magnet URI format"; `x.pe`), 46 (`btpk`, `s`), 52 (`btmh`), 53 (`so`); `ws`, `xl` and
//! numbered parameters (`xt.1`) by custom. What we don't know is skipped, and so is an optional part that
//! is wrong; only the names must be right.

use core::fmt::Write as _;
use std::net::SocketAddr;

use base::{InfoHash, InfoHashV2, InfoHashes};

use crate::hex::{byte, hex, unhex};
use crate::metainfo::{TEXT_CHARS_MAX, TRACKERS_MAX, URL_BYTES_MAX};
use crate::printable;

/// Longest link in bytes: some 500 trackers.
pub const LINK_BYTES_MAX: usize = 64 * 1024;

/// Most addresses of peers kept of one link.
pub const PEERS_MAX: usize = 100;

/// Most ranges of files kept of one link.
pub const RANGES_MAX: usize = 1000;

/// Longest salt of a mutable torrent, in bytes (BEP 44).
pub const SALT_BYTES_MAX: usize = 64;

/// What a link names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A torrent, by one of its names or both.
    Torrent(InfoHashes),
    /// Whatever torrent the owner of a key names at the time (BEP 46).
    Mutable {
        /// The Ed25519 key, 32 raw bytes.
        public_key: [u8; 32],
        /// Which of the owner's torrents; at most [`SALT_BYTES_MAX`] bytes, often none.
        salt: Vec<u8>,
    },
}

/// A magnet link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// What it names (`xt`, and `xs=urn:btpk`).
    pub topic: Topic,
    /// What its maker calls it (`dn`), printable and not empty. Anybody can write anything here.
    pub name: Option<String>,
    /// Length of the content in bytes (`xl`), unverified.
    pub length_bytes: Option<u64>,
    /// Tracker URLs (`tr`), each once; schemes are not judged.
    pub trackers: Vec<String>,
    /// Web seeds (`ws`, BEP 19), each once.
    pub web_seeds: Vec<String>,
    /// Peers (`x.pe`) given as IP addresses; host names are left out.
    pub peers: Vec<SocketAddr>,
    /// Files to select (`so`, BEP 53) as ranges of indices from 0, ends included; empty: all.
    pub select: Vec<(u32, u32)>,
}

/// Why text is not a magnet link that we can use. Texts go behind "the magnet link".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// It does not begin with `magnet:?`.
    #[error("does not begin with magnet:?")]
    NotMagnet,
    /// Longer than [`LINK_BYTES_MAX`].
    #[error("is longer than {LINK_BYTES_MAX} bytes")]
    TooLong,
    /// No `xt` of BitTorrent, nor a key.
    #[error("names no torrent: xt=urn:btih:… is missing")]
    NoTopic,
    /// A name that is none.
    #[error("has a wrong {kind}: {text}; it must be {wanted}")]
    BadTopic {
        /// `btih`, `btmh` or `btpk`.
        kind: &'static str,
        /// What stands there, printable.
        text: String,
        /// What should.
        wanted: &'static str,
    },
    /// Two different names of the same version, or a name and a key.
    #[error("names two different torrents")]
    TwoTopics,
    /// A salt that is not hexadecimal, or too long.
    #[error("has a salt (s=) that is not at most {SALT_BYTES_MAX} bytes in hexadecimal digits")]
    BadSalt,
}

/// Whether `text` is meant as a magnet link, right or wrong.
pub fn is_magnet(text: &str) -> bool {
    text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"))
}

impl Magnet {
    /// A link that names a torrent and nothing else.
    pub fn new(info_hashes: InfoHashes) -> Self {
        Self::of(Topic::Torrent(info_hashes))
    }

    /// A link that names a topic and nothing else.
    pub fn of(topic: Topic) -> Self {
        Self {
            topic,
            name: None,
            length_bytes: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            peers: Vec::new(),
            select: Vec::new(),
        }
    }

    /// Reads a link.
    ///
    /// # Errors
    ///
    /// [`MagnetError`] if it is not a magnet link, or does not name exactly one torrent.
    pub fn decode(text: &str) -> Result<Self, MagnetError> {
        let text = text.trim();
        let query = text
            .split_once('?')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("magnet:"))
            .map(|(_, query)| query)
            .ok_or(MagnetError::NotMagnet)?;
        if text.len() > LINK_BYTES_MAX {
            return Err(MagnetError::TooLong);
        }
        let mut names = Names::default();
        let mut magnet = Self::of(Topic::Mutable { public_key: [0; 32], salt: Vec::new() });
        for part in query.split('&') {
            let Some((key, value)) = part.split_once('=') else { continue };
            let bytes = unescape(value);
            let value = String::from_utf8_lossy(&bytes);
            match unnumbered(key) {
                "xt" | "xs" => names.add(&value)?,
                "s" => names.salt = salt(&value)?,
                "dn" => magnet.name = magnet.name.or(text_of(&bytes)),
                "xl" => magnet.length_bytes = value.parse().ok(),
                "tr" => add(&mut magnet.trackers, &value),
                "ws" => add(&mut magnet.web_seeds, &value),
                "x.pe" => magnet.add_peer(&value),
                "so" => magnet.select = selection(&value),
                _ => {}
            }
        }
        magnet.topic = names.topic()?;
        Ok(magnet)
    }

    fn add_peer(&mut self, text: &str) {
        if let Ok(addr) = text.parse()
            && self.peers.len() < PEERS_MAX
            && !self.peers.contains(&addr)
        {
            self.peers.push(addr);
        }
    }

    /// The link as text, nothing in it but ASCII.
    pub fn encode(&self) -> String {
        let mut text = "magnet:?".to_owned();
        let mut put = |key: &str, value: &str| {
            let mark = if text.ends_with('?') { "" } else { "&" };
            // Writing to a string can't fail.
            write!(text, "{mark}{key}={value}").ok();
        };
        match &self.topic {
            Topic::Torrent(names) => {
                if let Some(v1) = names.of_v1() {
                    put("xt", &format!("urn:btih:{v1}"));
                }
                if let Some(v2) = names.of_v2() {
                    put("xt", &format!("urn:btmh:1220{v2}"));
                }
            }
            Topic::Mutable { public_key, salt } => {
                put("xs", &format!("urn:btpk:{}", hex(public_key)));
                if !salt.is_empty() {
                    put("s", &hex(salt));
                }
            }
        }
        if let Some(name) = &self.name {
            put("dn", &escape(name));
        }
        if let Some(length) = self.length_bytes {
            put("xl", &length.to_string());
        }
        self.trackers.iter().for_each(|url| put("tr", &escape(url)));
        self.web_seeds.iter().for_each(|url| put("ws", &escape(url)));
        self.peers.iter().for_each(|addr| put("x.pe", &addr.to_string()));
        if !self.select.is_empty() {
            let range = |&(first, last): &(u32, u32)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            };
            put("so", &self.select.iter().map(range).collect::<Vec<_>>().join(","));
        }
        text
    }
}

/// The names found so far.
#[derive(Default)]
struct Names {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
    key: Option<[u8; 32]>,
    salt: Vec<u8>,
}

impl Names {
    fn add(&mut self, urn: &str) -> Result<(), MagnetError> {
        let mut parts = urn.splitn(3, ':');
        let [Some(scheme), Some(kind), Some(text)] = [parts.next(), parts.next(), parts.next()]
        else {
            return Ok(());
        };
        if !scheme.eq_ignore_ascii_case("urn") {
            return Ok(());
        }
        let bad = |kind, wanted| MagnetError::BadTopic {
            kind,
            text: printable(text.as_bytes(), 100),
            wanted,
        };
        match kind.to_ascii_lowercase().as_str() {
            "btih" => {
                let hash = unhex(text)
                    .or_else(|| unbase32(text))
                    .ok_or_else(|| bad("btih", "40 hexadecimal digits or 32 of base32"))?;
                put(&mut self.v1, InfoHash(hash))
            }
            "btmh" => {
                // A multihash: 0x12 is SHA-256, 0x20 its length.
                let hash = text
                    .strip_prefix("1220")
                    .and_then(unhex)
                    .ok_or_else(|| bad("btmh", "1220 and 64 hexadecimal digits (SHA-256)"))?;
                put(&mut self.v2, InfoHashV2(hash))
            }
            "btpk" => {
                let key = unhex(text).ok_or_else(|| bad("btpk", "64 hexadecimal digits"))?;
                put(&mut self.key, key)
            }
            _ => Ok(()),
        }
    }

    fn topic(self) -> Result<Topic, MagnetError> {
        let names = match (self.v1, self.v2) {
            (Some(v1), Some(v2)) => InfoHashes::hybrid(v1, v2),
            (Some(v1), None) => InfoHashes::v1(v1),
            (None, Some(v2)) => InfoHashes::v2(v2),
            (None, None) => {
                let public_key = self.key.ok_or(MagnetError::NoTopic)?;
                return Ok(Topic::Mutable { public_key, salt: self.salt });
            }
        };
        match self.key {
            Some(_) => Err(MagnetError::TwoTopics),
            None => Ok(Topic::Torrent(names)),
        }
    }
}

fn put<T: PartialEq>(place: &mut Option<T>, name: T) -> Result<(), MagnetError> {
    match place {
        Some(known) if *known != name => Err(MagnetError::TwoTopics),
        Some(_) => Ok(()),
        None => {
            *place = Some(name);
            Ok(())
        }
    }
}

/// `tr.1` is another `tr`.
fn unnumbered(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => name,
        Some(_) | None => key,
    }
}

fn text_of(bytes: &[u8]) -> Option<String> {
    Some(printable(bytes, TEXT_CHARS_MAX)).filter(|text| !text.is_empty())
}

fn add(urls: &mut Vec<String>, url: &str) {
    let fits = !url.is_empty() && url.len() <= URL_BYTES_MAX && urls.len() < TRACKERS_MAX;
    if fits && !urls.iter().any(|known| known == url) {
        urls.push(url.to_owned());
    }
}

fn selection(text: &str) -> Vec<(u32, u32)> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some((first, last))
    };
    text.split(',').filter_map(range).take(RANGES_MAX).collect()
}

fn salt(text: &str) -> Result<Vec<u8>, MagnetError> {
    let digits = text.as_bytes().chunks(2).map(byte);
    let salt: Option<Vec<u8>> = digits.collect();
    salt.filter(|salt| salt.len() <= SALT_BYTES_MAX).ok_or(MagnetError::BadSalt)
}

/// The bytes of percent-encoded text; `+` is a blank, as in forms. A `%` without two digits stays.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%').and_then(byte);
        bytes.push(match (escaped, first) {
            (Some(byte), _) => byte,
            (None, b'+') => b' ',
            (None, other) => other,
        });
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    bytes
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            write!(out, "%{byte:02X}").ok();
        }
    }
    out
}

/// 20 bytes in 32 digits of RFC 4648's base32, either case.
fn unbase32(text: &str) -> Option<[u8; 20]> {
    let mut bytes = Vec::with_capacity(20);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for char in text.bytes() {
        let digit = match char.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter.wrapping_sub(b'A'),
            digit @ b'2'..=b'7' => digit.wrapping_sub(b'2').wrapping_add(26),
            _ => return None,
        };
        bits = (bits << 5 | u32::from(digit)) & 0xffff;
        held = held.saturating_add(5);
        if held >= 8 {
            held = held.saturating_sub(8);
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    if held == 0 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests;
