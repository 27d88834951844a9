//! Walks over bencode without keeping anything of it.
//!
//! What is skipped is checked for its shape only as far as needed to find its end.

/// Deepest nesting that is skipped. Only values of BEP 44 nest at all; what they are is judged elsewhere.
const DEPTH_MAX: u32 = 64;

/// What is not yet read.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The encoding of the next value; `None` at the end or where none begins.
    pub(super) fn raw(&mut self) -> Option<&'a [u8]> {
        let before = self.rest;
        self.skip()?;
        before.get(..before.len().saturating_sub(self.rest.len()))
    }

    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match *self.rest.first()? {
                b'0'..=b'9' => {
                    self.string()?;
                }
                b'i' => {
                    self.int()?;
                }
                b'l' | b'd' => {
                    self.byte()?;
                    depth = depth.saturating_add(1);
                    if depth > DEPTH_MAX {
                        return None;
                    }
                }
                b'e' if depth > 0 => {
                    self.byte()?;
                    depth = depth.saturating_sub(1);
                }
                _ => return None,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let mut length = 0_usize;
        let first = self.rest;
        loop {
            match self.byte()? {
                digit @ b'0'..=b'9' => {
                    length = length.checked_mul(10)?.checked_add(usize::from(digit & 0x0f))?;
                }
                b':' if first.first() != Some(&b':') => break,
                _ => return None,
            }
        }
        let (string, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(string)
    }

    fn int(&mut self) -> Option<i64> {
        if self.byte()? != b'i' {
            return None;
        }
        let negative = self.rest.first() == Some(&b'-');
        if negative {
            self.byte()?;
        }
        let mut magnitude = 0_u64;
        let mut digits = 0_u32;
        loop {
            match self.byte()? {
                digit @ b'0'..=b'9' => {
                    magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit & 0x0f))?;
                    digits = digits.saturating_add(1);
                }
                b'e' if digits > 0 => break,
                _ => return None,
            }
        }
        if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    }
}

/// A key and the encoding of its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The entries of a dictionary.
pub(super) struct Pairs<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Pairs<'a> {
    /// `None` if `bytes` don't start with a dictionary.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"d")?;
        Some(Self { cursor: Cursor::new(rest) })
    }

    /// The next key and the encoding of its value; `Some(None)` at the end of the dictionary, `None` if
    /// it is broken.
    pub(super) fn next(&mut self) -> Option<Option<Pair<'a>>> {
        if *self.cursor.rest.first()? == b'e' {
            return Some(None);
        }
        let key = self.cursor.string()?;
        let raw = self.cursor.raw()?;
        Some(Some((key, raw)))
    }
}

/// The byte string that `raw` is.
pub(super) fn as_bytes(raw: &[u8]) -> Option<&[u8]> {
    if raw.first() == Some(&b'i') { None } else { Cursor::new(raw).string() }
}

/// The integer that `raw` is.
pub(super) fn as_int(raw: &[u8]) -> Option<i64> {
    Cursor::new(raw).int()
}

/// What is between `l` and `e`, if `raw` is a list.
pub(super) fn as_list(raw: &[u8]) -> Option<&[u8]> {
    raw.strip_prefix(b"l")?.strip_suffix(b"e")
}
