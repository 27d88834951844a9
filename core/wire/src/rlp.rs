//! Recursive length prefix: how Ethereum writes transactions.
//!
//! Source: Ethereum Yellow Paper, appendix B. We write only; nothing of ours reads what others
//! wrote in it.

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// Items in order.
    List(Vec<Self>),
}

impl Item {
    /// A number: big-endian, without leading zeros, so that zero is empty.
    pub fn number(number: u128) -> Self {
        Self::trimmed(&number.to_be_bytes())
    }

    /// A number of any width, given big-endian.
    pub fn trimmed(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.iter().copied().skip_while(|byte| *byte == 0).collect())
    }

    /// The item as bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => match bytes.as_slice() {
                [single @ ..0x80] => vec![*single],
                _ => with_head(0x80, bytes),
            },
            Self::List(items) => {
                let body: Vec<u8> = items.iter().flat_map(Self::encode).collect();
                with_head(0xc0, &body)
            }
        }
    }
}

/// `kind` is 0x80 for bytes, 0xc0 for lists.
fn with_head(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(9));
    match u8::try_from(body.len()) {
        Ok(short @ 0..=55) => out.push(kind.wrapping_add(short)),
        _ => {
            let length = body.len().to_be_bytes();
            let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
            // At most eight bytes of length.
            let count = u8::try_from(length.len()).unwrap_or(8);
            out.push(kind.wrapping_add(55).wrapping_add(count));
            out.extend_from_slice(&length);
        }
    }
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the Ethereum wiki.
    #[test]
    fn items_by_table() {
        let bytes = |text: &str| Item::Bytes(text.as_bytes().to_vec());
        for (item, expected) in [
            (bytes("dog"), b"\x83dog".to_vec()),
            (Item::List(vec![bytes("cat"), bytes("dog")]), b"\xc8\x83cat\x83dog".to_vec()),
            (bytes(""), vec![0x80]),
            (Item::List(vec![]), vec![0xc0]),
            (Item::number(0), vec![0x80]),
            (Item::number(15), vec![0x0f]),
            (Item::number(0x7f), vec![0x7f]),
            (Item::number(0x80), vec![0x81, 0x80]),
            (Item::number(1024), vec![0x82, 0x04, 0x00]),
            (Item::Bytes(vec![0]), vec![0]),
        ] {
            assert_eq!(item.encode(), expected);
        }
    }

    #[test]
    fn long_items_carry_the_length_of_their_length() {
        let text = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit";
        let encoded = Item::Bytes(text.to_vec()).encode();
        assert_eq!(encoded[..2], [0xb8, 56]);
        assert_eq!(encoded[2..], text[..]);
        assert_eq!(Item::Bytes(vec![7; 1024]).encode()[..3], [0xb9, 4, 0]);
        let list = Item::List(vec![Item::Bytes(vec![7; 55]); 2]).encode();
        assert_eq!(list[..2], [0xf8, 112]);
    }
}
