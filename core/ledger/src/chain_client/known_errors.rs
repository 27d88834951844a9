//! Errors of contracts by their selectors, in words: nodes pass on bytes.
//!
//! Source: contracts/src/Vault.sol; EIP-6093 for tokens, whose names TRC-20 has with its own prefix.

use wire::abi::selector;

/// Signatures and what they mean.
const KNOWN: [(&str, &str); 31] = [
    ("ERC20InsufficientBalance(address,uint256,uint256)", TOO_FEW),
    ("TRC20InsufficientBalance(address,uint256,uint256)", TOO_FEW),
    ("ERC20InsufficientAllowance(address,uint256,uint256)", NOT_ALLOWED),
    ("TRC20InsufficientAllowance(address,uint256,uint256)", NOT_ALLOWED),
    ("ERC20InvalidReceiver(address)", NO_RECEIVER),
    ("TRC20InvalidReceiver(address)", NO_RECEIVER),
    ("ERC20InvalidSender(address)", NO_SENDER),
    ("TRC20InvalidSender(address)", NO_SENDER),
    ("SafeERC20FailedOperation(address)", REFUSED),
    ("SafeTRC20FailedOperation(address)", REFUSED),
    ("AmountIsZero()", "the amount is 0"),
    ("AddressIsZero()", "an address is 0"),
    (
        "PayeeNotAllowed(address)",
        "the Vault does not pay this payee: it is the owner or the signer",
    ),
    ("FreeBalanceTooSmall(uint256,uint256)", "less than that is free in the Vault"),
    ("LockTooLarge(uint256)", "more than the Vault can lock in one channel"),
    ("DelayTooLong(uint64,uint64)", "the delay is longer than the Vault allows"),
    ("DelayTooShort(uint64,uint64)", "the delay is shorter than that of what is locked already"),
    ("NothingLocked(bytes32)", "nothing is locked in the channel"),
    ("UnlockNotAnnounced(bytes32)", "the unlock is not announced"),
    ("UnlockAlreadyAnnounced(uint64)", "the unlock is announced already"),
    ("UnlockTooEarly(uint64)", "the payee may still redeem: it is too early to unlock"),
    ("SignedByAnother(address,address)", "a signature is not by whom it must be"),
    ("LengthsDiffer()", "the lists are not equally long"),
    ("ShareTooLarge(uint16,uint16)", "the tower's share is larger than the Vault allows"),
    ("MandateForAnother(address)", "the mandate is for another tower"),
    ("MandateExpired(uint64)", "the mandate has expired"),
    ("ScalarIsWrong(uint256,uint256)", "a secret does not open its condition"),
    ("TokenMovedAnotherAmount(uint256,uint256)", "the token moved another amount than it was told"),
    ("ECDSAInvalidSignature()", "a signature is damaged"),
    ("ECDSAInvalidSignatureLength(uint256)", "a signature is not 65 bytes long"),
    ("ECDSAInvalidSignatureS(bytes32)", "a signature is damaged"),
];

const TOO_FEW: &str = "there are too few of these tokens";
const NOT_ALLOWED: &str =
    "the contract may not take so many of these tokens: they are not approved";
const NO_RECEIVER: &str = "the token cannot be sent to this address";
const NO_SENDER: &str = "the token cannot be sent from this address";
const REFUSED: &str = "the token refuses to be moved";

/// What the error means that a contract returned, and its name.
pub(crate) fn in_words(data: &[u8]) -> Option<String> {
    let is_it = |(signature, _): &&(&str, &str)| data.starts_with(&selector(signature));
    let (signature, words) = KNOWN.iter().find(is_it)?;
    let name = signature.split('(').next().unwrap_or_default();
    Some(format!("{words} ({name})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_the_embedded_chain_says_that_there_is_too_little() {
        let words = in_words(&[0xd7, 0x9d, 0x59, 0x67, 0, 0]);
        let expected = "there are too few of these tokens (TRC20InsufficientBalance)";
        assert_eq!(words.as_deref(), Some(expected));
        assert_eq!(in_words(&[1, 2, 3, 4]), None);
        assert_eq!(in_words(&[0xd7]), None);
    }
}
