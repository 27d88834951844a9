//! `shoal wallet sign` and `verify`: texts and structured data.
//!
//! Source: TIP-191, version 2 (texts), TIP-712 (structured data). A signature is 65 bytes in hexadecimal
//! digits, as tronweb's `signMessageV2` and `signTypedData` write it.

use std::path::Path;

use keys::Digest32;
use keys::secp256k1::Signature;
use ledger::address::Address;
use ledger::typed_data::message_digest;
use serde_json::json;
use wire::typed_data_json::{self, TypedData};
use wire::{hex, unhex};

use crate::args::wallet::{SignArgs, VerifyArgs};
use crate::ask;
use crate::failure::{Exit, Failure, shown};
use crate::wallet::{Desk, store};

/// What is signed.
enum Message {
    Text(Vec<u8>),
    Typed(Box<TypedData>),
}

impl Message {
    fn read(
        text: Option<&str>,
        file: Option<&Path>,
        typed: Option<&Path>,
    ) -> Result<Self, Failure> {
        let read = |path: &Path| {
            let bytes = store::read(path).map_err(|error| Failure::reading(path, &error))?;
            if bytes.len() > store::READ_BYTES_MAX {
                return Err(Failure::new(format!("too long to be signed: {}", shown(path))));
            }
            Ok(bytes)
        };
        match (text, file, typed) {
            (_, _, Some(path)) => {
                let data = typed_data_json::decode(&read(path)?).map_err(|error| {
                    Failure::with_hint(
                        format!("cannot use the structured data {}: {error}", shown(path)),
                        "it is JSON with domain, types, primaryType and message (EIP-712)",
                    )
                })?;
                Ok(Self::Typed(Box::new(data)))
            }
            (_, Some(path), None) => Ok(Self::Text(read(path)?)),
            (text, None, None) => Ok(Self::Text(text.unwrap_or_default().as_bytes().to_vec())),
        }
    }

    fn digest(&self) -> Digest32 {
        match self {
            Self::Text(bytes) => message_digest(bytes),
            Self::Typed(data) => data.digest,
        }
    }
}

/// `shoal wallet sign`.
pub(super) fn sign(desk: &Desk<'_>, args: &SignArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let account = desk.account(&wallet)?;
    let message = Message::read(args.text.as_deref(), args.file.as_deref(), args.typed.as_deref())?;
    if let Message::Typed(data) = &message {
        confirm(desk, data, account.address, args.yes)?;
    }
    let key = desk.key(&wallet, account)?;
    let digest = message.digest();
    let signature = key.sign(&digest).to_bytes();
    let text = format!("0x{}", hex(&signature));
    if desk.out.json() {
        desk.out.event(&json!({
            "event": "signature", "signature": text, "digest": hex(&digest),
            "address": account.address.to_string(),
        }))?;
    } else {
        desk.out.data(&text)?;
    }
    Ok(Exit::Done)
}

/// Structured data can be worth money: a permit, a voucher, an order. So it is read before it is signed.
fn confirm(desk: &Desk<'_>, data: &TypedData, signer: Address, yes: bool) -> Result<(), Failure> {
    let say = |line: &str| if yes { desk.out.note(line) } else { desk.out.asked(line) };
    say(&format!("{} to be signed by {signer}:", data.primary_type));
    for field in &data.fields {
        say(&format!("  {} ({}): {}", field.path, field.kind, field.value));
    }
    if yes {
        return Ok(());
    }
    if !ask::somebody() {
        return Err(Failure::with_hint(
            "structured data can be worth money, and this is no terminal to ask on",
            "--yes signs it without asking",
        ));
    }
    if ask::yes(desk.out, "A contract may take this for your order. Sign it?")? {
        Ok(())
    } else {
        Err(Failure::Interrupted)
    }
}

/// `shoal wallet verify`.
pub(super) fn verify(desk: &Desk<'_>, args: &VerifyArgs) -> Result<Exit, Failure> {
    let message = Message::read(args.text.as_deref(), args.file.as_deref(), args.typed.as_deref())?;
    let digits = args.signature.strip_prefix("0x").unwrap_or(&args.signature);
    let bytes = unhex::<65>(digits).ok_or_else(|| {
        Failure::with_hint(
            "this is not a signature",
            "a signature has 130 hexadecimal digits, as `shoal wallet sign` prints them",
        )
    })?;
    let signature = Signature::from_bytes(&bytes)
        .map_err(|error| Failure::new(format!("this is not a signature: {error}")))?;
    let signer = signature
        .recover(&message.digest())
        .map(|key| Address::of_key(&key))
        .ok_or_else(|| Failure::new("no key can have made this signature"))?;
    let good = args.by.is_none_or(|by| by == signer);
    if desk.out.json() {
        desk.out.event(&json!({
            "event": "verified", "address": signer.to_string(), "good": good,
        }))?;
    } else if good {
        desk.out.data(&signer.to_string())?;
    }
    if good {
        return Ok(Exit::Done);
    }
    Err(Failure::with_hint(
        format!("not signed by who should have: it is of {signer}, or of another text"),
        "each blank and line break of a text counts",
    ))
}
