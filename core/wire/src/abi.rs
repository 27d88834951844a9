//! Arguments and results of contract calls.
//!
//! Source: Contract ABI Specification of Solidity, "Formal Specification of the Encoding". Without
//! tuples and nested arrays: the contracts that we call have none. Integers above 2^128 are refused, since no
//! amount of ours holds them.

use keys::{Digest32, keccak256};

/// Bytes of one word.
const WORD: usize = 32;

/// The first 4 bytes of the Keccak-256 of a function's signature, like `transfer(address,uint256)`.
#[must_use]
pub fn selector(signature: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = keccak256(signature.as_bytes());
    [a, b, c, d]
}

/// The first topic of an event's log.
#[must_use]
pub fn topic(signature: &str) -> Digest32 {
    keccak256(signature.as_bytes())
}

/// One word of an unsigned integer.
#[must_use]
pub fn uint_word(value: u128) -> [u8; WORD] {
    let mut word = [0; WORD];
    let (_, low) = word.split_at_mut(16);
    low.copy_from_slice(&value.to_be_bytes());
    word
}

/// One word of an address.
#[must_use]
pub fn address_word(address: &[u8; 20]) -> [u8; WORD] {
    let mut word = [0; WORD];
    let (_, low) = word.split_at_mut(12);
    low.copy_from_slice(address);
    word
}

/// Arguments, one after another.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    selector: Vec<u8>,
    heads: Vec<Head>,
}

#[derive(Clone, Debug)]
enum Head {
    Word([u8; WORD]),
    Tail(Vec<u8>),
}

impl Encoder {
    /// Arguments of a constructor, or words to be hashed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Arguments of a call of the function with this signature.
    #[must_use]
    pub fn call(signature: &str) -> Self {
        Self { selector: selector(signature).to_vec(), heads: Vec::new() }
    }

    /// Adds one word as it is: `bytes32`, or an integer above 2^128.
    #[must_use]
    pub fn word(mut self, word: [u8; WORD]) -> Self {
        self.heads.push(Head::Word(word));
        self
    }

    /// Adds an unsigned integer of any width, or a `bool`.
    #[must_use]
    pub fn uint(self, value: u128) -> Self {
        self.word(uint_word(value))
    }

    /// Adds an address.
    #[must_use]
    pub fn address(self, address: &[u8; 20]) -> Self {
        self.word(address_word(address))
    }

    /// Adds `bytes` or `string`.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.heads.push(Head::Tail(padded(bytes)));
        self
    }

    /// Adds an array of one-word elements.
    #[must_use]
    pub fn words(mut self, words: &[[u8; WORD]]) -> Self {
        let mut tail = uint_word(words.len() as u128).to_vec();
        tail.extend(words.iter().flatten());
        self.heads.push(Head::Tail(tail));
        self
    }

    /// Adds `bytes[]` or `string[]`.
    #[must_use]
    pub fn bytes_list<B: AsRef<[u8]>>(mut self, list: &[B]) -> Self {
        let elements = list.iter().map(|bytes| Head::Tail(padded(bytes.as_ref()))).collect();
        let mut tail = uint_word(list.len() as u128).to_vec();
        tail.extend(laid_out(elements));
        self.heads.push(Head::Tail(tail));
        self
    }

    /// Selector and arguments.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut out = self.selector;
        out.extend(laid_out(self.heads));
        out
    }
}

/// Length, bytes, and zeros up to a whole word.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut tail = uint_word(bytes.len() as u128).to_vec();
    tail.extend_from_slice(bytes);
    tail.resize(tail.len().next_multiple_of(WORD), 0);
    tail
}

fn laid_out(heads: Vec<Head>) -> Vec<u8> {
    let mut offset = heads.len().saturating_mul(WORD);
    let mut out = Vec::with_capacity(offset);
    let mut tails = Vec::new();
    for head in heads {
        match head {
            Head::Word(word) => out.extend_from_slice(&word),
            Head::Tail(tail) => {
                out.extend_from_slice(&uint_word(offset as u128));
                offset = offset.saturating_add(tail.len());
                tails.extend(tail);
            }
        }
    }
    out.extend(tails);
    out
}

/// Why bytes are not what a function returns or an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// Fewer words than expected.
    #[error("ends after {0} bytes")]
    Short(usize),
    /// An integer above what we count with.
    #[error("holds a number above 2^{0}")]
    TooLarge(u32),
    /// An address with something before it.
    #[error("holds a word that is no address")]
    NotAddress,
    /// Neither 0 nor 1.
    #[error("holds a word that is no boolean")]
    NotBool,
    /// Text that is no UTF-8, or longer than asked for.
    #[error("holds a text that can't be read")]
    NotText,
}

/// Reads words in order. Tails are read at their offsets, each at most `bytes` long: nothing is
/// allocated that didn't come.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Over the data of a log, a result, or arguments without their selector.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { whole: bytes, rest: bytes }
    }

    /// Over the arguments of a call, if it is one of the function with this signature.
    #[must_use]
    pub fn of_call(signature: &str, data: &'a [u8]) -> Option<Self> {
        data.strip_prefix(&selector(signature)[..]).map(Self::new)
    }

    /// The next word.
    ///
    /// # Errors
    /// There is none.
    pub fn word(&mut self) -> Result<[u8; WORD], AbiError> {
        let (word, rest) =
            self.rest.split_first_chunk::<WORD>().ok_or(AbiError::Short(self.whole.len()))?;
        self.rest = rest;
        Ok(*word)
    }

    /// The next word as an integer.
    ///
    /// # Errors
    /// There is none, or it is above what 128 bits hold.
    pub fn uint(&mut self) -> Result<u128, AbiError> {
        uint_of(&self.word()?)
    }

    /// The next word as an integer of 64 bits.
    ///
    /// # Errors
    /// There is none, or it is larger.
    pub fn uint64(&mut self) -> Result<u64, AbiError> {
        u64::try_from(self.uint()?).map_err(|_large| AbiError::TooLarge(64))
    }

    /// The next word as a boolean.
    ///
    /// # Errors
    /// There is none, or it is neither 0 nor 1.
    pub fn bool(&mut self) -> Result<bool, AbiError> {
        match self.uint() {
            Ok(0) => Ok(false),
            Ok(1) => Ok(true),
            Ok(_) | Err(AbiError::TooLarge(_)) => Err(AbiError::NotBool),
            Err(error) => Err(error),
        }
    }

    /// The next word as an address.
    ///
    /// # Errors
    /// There is none, or it has more than an address.
    pub fn address(&mut self) -> Result<[u8; 20], AbiError> {
        address_of(&self.word()?)
    }

    /// The next argument as `bytes`.
    ///
    /// # Errors
    /// It points outside.
    pub fn bytes(&mut self) -> Result<&'a [u8], AbiError> {
        let mut tail = self.tail()?;
        let length = tail.length(1)?;
        tail.rest.get(..length).ok_or(AbiError::Short(self.whole.len()))
    }

    /// The next argument as a `string`.
    ///
    /// # Errors
    /// It points outside, or is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, AbiError> {
        core::str::from_utf8(self.bytes()?).map_err(|_not_utf8| AbiError::NotText)
    }

    /// The next argument as an array of one-word elements.
    ///
    /// # Errors
    /// It points outside.
    pub fn words(&mut self) -> Result<Vec<[u8; WORD]>, AbiError> {
        let mut tail = self.tail()?;
        let count = tail.length(WORD)?;
        (0..count).map(|_| tail.word()).collect()
    }

    /// The next argument as `bytes[]`.
    ///
    /// # Errors
    /// It points outside.
    pub fn bytes_list(&mut self) -> Result<Vec<&'a [u8]>, AbiError> {
        let mut tail = self.tail()?;
        let count = tail.length(WORD)?;
        let mut elements = Self::new(tail.rest);
        (0..count).map(|_| elements.bytes()).collect()
    }

    /// A decoder at the offset that the next word holds.
    fn tail(&mut self) -> Result<Self, AbiError> {
        let short = AbiError::Short(self.whole.len());
        let offset =
            usize::try_from(self.uint().map_err(|_large| short)?).map_err(|_large| short)?;
        Ok(Self { whole: self.whole, rest: self.whole.get(offset..).ok_or(short)? })
    }

    /// A count of elements that take at least `element_bytes` of what is there.
    fn length(&mut self, element_bytes: usize) -> Result<usize, AbiError> {
        let short = AbiError::Short(self.whole.len());
        let length =
            usize::try_from(self.uint().map_err(|_large| short)?).map_err(|_large| short)?;
        let fits = length.checked_mul(element_bytes).is_some_and(|bytes| bytes <= self.rest.len());
        if fits { Ok(length) } else { Err(short) }
    }
}

/// A word as an integer.
///
/// # Errors
/// It is above what 128 bits hold.
pub fn uint_of(word: &[u8; WORD]) -> Result<u128, AbiError> {
    let [high, low] = halves(word);
    if high == 0 { Ok(low) } else { Err(AbiError::TooLarge(128)) }
}

/// A word as an address.
///
/// # Errors
/// It has more than that.
pub fn address_of(word: &[u8; WORD]) -> Result<[u8; 20], AbiError> {
    match word.split_last_chunk::<20>() {
        Some((zeros, address)) if zeros.iter().all(|byte| *byte == 0) => Ok(*address),
        Some(_) | None => Err(AbiError::NotAddress),
    }
}

fn halves(word: &[u8; WORD]) -> [u128; 2] {
    let mut out = [0_u128; 2];
    for (i, byte) in word.iter().enumerate() {
        if let Some(half) = out.get_mut(i / 16) {
            *half = *half << 8 | u128::from(*byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_specification_is_encoded_as_printed_there() {
        // f(uint256,uint32[],bytes10,bytes) with (0x123, [0x456, 0x789], "1234567890", "Hello, world!").
        let mut ten = [0; 32];
        ten[..10].copy_from_slice(b"1234567890");
        let data = Encoder::call("f(uint256,uint32[],bytes10,bytes)")
            .uint(0x123)
            .words(&[uint_word(0x456), uint_word(0x789)])
            .word(ten)
            .bytes(b"Hello, world!")
            .finish();
        assert_eq!(data[..4], [0x8b, 0xe6, 0x52, 0x46]);
        let words: Vec<String> = data[4..]
            .chunks(32)
            .map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        assert_eq!(words.len(), 9);
        assert!(words[1].ends_with("80") && words[3].ends_with("e0"), "{words:?}");
        assert!(words[8].starts_with("48656c6c6f2c20776f726c642100"));
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes(
            number in any::<u128>(), address in any::<[u8; 20]>(),
            words in prop::collection::vec(any::<[u8; 32]>(), 0..5),
            list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..5),
            text in ".{0,40}", flag in any::<bool>(),
        ) {
            let data = Encoder::call("x()")
                .words(&words).uint(number).bytes_list(&list).address(&address)
                .bytes(text.as_bytes()).uint(u128::from(flag)).finish();
            let mut decoder = Decoder::of_call("x()", &data).unwrap();
            prop_assert_eq!(decoder.words().unwrap(), words);
            prop_assert_eq!(decoder.uint(), Ok(number));
            prop_assert_eq!(decoder.bytes_list().unwrap(), list);
            prop_assert_eq!(decoder.address(), Ok(address));
            prop_assert_eq!(decoder.text().unwrap(), text);
            prop_assert_eq!(decoder.bool(), Ok(flag));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop_oneof![Just(0), 0_u8..130], 0..300)) {
            let mut decoder = Decoder::new(&bytes);
            while decoder.clone().word().is_ok() {
                let lists = [decoder.clone().bytes_list().is_ok(), decoder.clone().words().is_ok()];
                let small = decoder.clone().bytes_list().map_or(0, |list| list.len());
                prop_assert!(small <= bytes.len(), "{:?}", lists);
                prop_assert!(decoder.text().map_or(0, str::len) <= bytes.len());
            }
        }
    }
}
