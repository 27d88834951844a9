// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITRC20} from "@openzeppelin/tron-contracts/token/TRC20/ITRC20.sol";
import {SafeTRC20} from "@openzeppelin/tron-contracts/token/TRC20/utils/SafeTRC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/tron-contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/tron-contracts/utils/cryptography/ECDSA.sol";
import {TIP712} from "@openzeppelin/tron-contracts/utils/cryptography/TIP712.sol";

/// Unidirectional payment channels in one token. Nobody owns this contract and nothing in it
/// can be changed after its deployment.
///
/// An account belongs to an owner and names a signer, a hot key that may sign vouchers but never
/// move money to itself. Free balance covers nobody and goes back to the owner at any time. What
/// the owner locks for a payee is a channel: only vouchers of the signer take money out of it for
/// that payee, or an unlock that was announced and waited for, or both parties' signatures.
///
/// Invariants: the tokens held are at least the sum of all free balances and all locks; `redeemed`
/// of a channel only grows, and by exactly what was paid; a payee is paid at most the highest
/// claim that was vouchered to him, and at most what was locked for him.
///
/// Written for tools that cannot decode tuples: no structs in any external function.
contract Vault is TIP712, ReentrancyGuardTransient {
    using SafeTRC20 for ITRC20;

    event Deposited(bytes32 indexed account, address indexed owner, address indexed signer, uint256 amount);
    event Withdrawn(bytes32 indexed account, address indexed owner, uint256 amount);
    event Locked(
        bytes32 indexed channel, bytes32 indexed account, address indexed payee, uint256 amount, uint64 delay
    );
    event UnlockAnnounced(
        bytes32 indexed channel, bytes32 indexed account, address indexed payee, uint64 unlockAt
    );
    event Unlocked(
        bytes32 indexed channel, bytes32 indexed account, address indexed payee, uint256 amount
    );
    event Redeemed(
        bytes32 indexed channel,
        bytes32 indexed account,
        address indexed payee,
        uint256 amount,
        uint256 cumulative
    );

    error AmountIsZero();
    error AddressIsZero();
    /// Owner, signer and the contract itself can't be paid.
    error PayeeNotAllowed(address payee);
    error FreeBalanceTooSmall(uint256 balance, uint256 amount);
    /// All that was ever redeemed of a channel and all that is locked in it stays below 2^128.
    error LockTooLarge(uint256 amount);
    error DelayTooLong(uint64 delay, uint64 delayMax);
    error DelayTooShort(uint64 delay, uint64 delayMin);
    error NothingLocked(bytes32 channel);
    error UnlockNotAnnounced(bytes32 channel);
    error UnlockAlreadyAnnounced(uint64 unlockAt);
    error UnlockTooEarly(uint64 unlockAt);
    error SignedByAnother(address expected, address actual);
    error LengthsDiffer();
    error ShareTooLarge(uint16 share, uint16 shareMax);
    error MandateForAnother(address tower);
    error MandateExpired(uint64 until);
    /// `scalar` does not open the lock of the condition at `index`.
    error ScalarIsWrong(uint256 index, uint256 scalar);
    /// The token moved another amount than it was told to.
    error TokenMovedAnotherAmount(uint256 expected, uint256 actual);

    bytes32 private constant VOUCHER = keccak256("Voucher(bytes32 channel,uint256 cumulative)");
    bytes32 private constant CONDITIONAL_VOUCHER =
        keccak256("ConditionalVoucher(bytes32 channel,uint256 cumulative,bytes32 conditions)");
    bytes32 private constant CONDITION =
        keccak256("Condition(uint256 amount,address lock,uint64 expiry)");
    bytes32 private constant RELEASE =
        keccak256("Release(bytes32 channel,uint64 round,uint256 cumulative)");
    bytes32 private constant MANDATE =
        keccak256("Mandate(address payee,address tower,uint16 share,uint64 until)");

    /// A longer delay is a slip of the finger that would lock money up for good.
    uint64 public constant DELAY_MAX = 365 days;
    uint16 public constant SHARE_MAX = 1_000;
    uint256 private constant SHARE_UNIT = 10_000;

    // Of the curve secp256k1: the order of its group and the x of its generator, whose y is even.
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint256 private constant GENERATOR_X = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798;

    ITRC20 private immutable TOKEN;

    mapping(bytes32 account => uint256) private _free;
    // A channel is two words. They are packed by hand because TRON charges every write of a word
    // in full, and the compiler writes a word once for each of its fields.
    mapping(bytes32 id => uint256) private _money; // redeemed << 128 | locked
    mapping(bytes32 id => uint256) private _terms; // round << 128 | unlockAt << 64 | delay

    constructor(address token_) TIP712("Shoal Vault", "1") {
        require(token_ != address(0), AddressIsZero());
        TOKEN = ITRC20(token_);
    }

    // Reading

    function token() external view returns (address) {
        return address(TOKEN);
    }

    function free(bytes32 account) external view returns (uint256) {
        return _free[account];
    }

    function accountOf(address owner, address signer) public pure returns (bytes32) {
        return keccak256(abi.encode(owner, signer));
    }

    function channelOf(address owner, address signer, address payee) external pure returns (bytes32) {
        return _channelId(accountOf(owner, signer), payee);
    }

    function channel(bytes32 id)
        external
        view
        returns (uint128 locked, uint128 redeemed, uint64 delay, uint64 unlockAt, uint64 round)
    {
        (uint256 locked_, uint256 redeemed_) = _readMoney(id);
        (delay, unlockAt, round) = _readTerms(id);
        return (uint128(locked_), uint128(redeemed_), delay, unlockAt, round);
    }

    // The owner's side

    /// Anyone may pay into any account. Tokens that keep a part of what they move are refused.
    function deposit(address owner, address signer, uint256 amount) external nonReentrant {
        require(owner != address(0) && signer != address(0), AddressIsZero());
        require(amount != 0, AmountIsZero());
        bytes32 account = accountOf(owner, signer);
        _free[account] += amount;
        emit Deposited(account, owner, signer, amount);

        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 moved = TOKEN.balanceOf(address(this)) - before;
        require(moved == amount, TokenMovedAnotherAmount(amount, moved));
    }

    /// Only to the owner, and only what covers nobody.
    function withdraw(address signer, uint256 amount) external nonReentrant {
        bytes32 account = accountOf(msg.sender, signer);
        _takeFree(account, amount);
        emit Withdrawn(account, msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// Moves free balance into the channel, which also takes back an announced unlock. The delay
    /// never shrinks while anything is locked.
    function lock(address signer, address payee, uint256 amount, uint64 delay) external {
        require(signer != address(0) && payee != address(0), AddressIsZero());
        require(
            payee != msg.sender && payee != signer && payee != address(this), PayeeNotAllowed(payee)
        );
        require(delay <= DELAY_MAX, DelayTooLong(delay, DELAY_MAX));
        bytes32 account = accountOf(msg.sender, signer);
        _takeFree(account, amount);

        bytes32 id = _channelId(account, payee);
        (uint256 locked, uint256 redeemed) = _readMoney(id);
        (uint64 delayMin,, uint64 round) = _readTerms(id);
        require(locked == 0 || delay >= delayMin, DelayTooShort(delay, delayMin));
        require(amount <= type(uint128).max - locked - redeemed, LockTooLarge(amount));
        // A lock on nothing begins a round, however the last one ended: by an unlock, a close, or
        // by vouchers that took all. A release of that round is worth nothing in this one.
        if (locked == 0) round += 1;
        _writeMoney(id, locked + amount, redeemed);
        _writeTerms(id, delay, 0, round);
        emit Locked(id, account, payee, amount, delay);
    }

    /// From now on the payee has `delay` seconds to redeem what he holds.
    function announceUnlock(address signer, address payee) external {
        bytes32 account = accountOf(msg.sender, signer);
        bytes32 id = _channelId(account, payee);
        (uint256 locked,) = _readMoney(id);
        (uint64 delay, uint64 unlockAt, uint64 round) = _readTerms(id);
        require(locked != 0, NothingLocked(id));
        require(unlockAt == 0, UnlockAlreadyAnnounced(unlockAt));
        unlockAt = uint64(block.timestamp) + delay;
        _writeTerms(id, delay, unlockAt, round);
        emit UnlockAnnounced(id, account, payee, unlockAt);
    }

    /// Gives the rest back to the account's free balance. Anyone may send it.
    function unlock(address owner, address signer, address payee) external {
        bytes32 account = accountOf(owner, signer);
        bytes32 id = _channelId(account, payee);
        (uint256 locked, uint256 redeemed) = _readMoney(id);
        (, uint64 unlockAt, uint64 round) = _readTerms(id);
        require(locked != 0, NothingLocked(id));
        require(unlockAt != 0, UnlockNotAnnounced(id));
        require(block.timestamp >= unlockAt, UnlockTooEarly(unlockAt));
        _writeMoney(id, 0, redeemed);
        _writeTerms(id, 0, 0, round);
        _free[account] += locked;
        emit Unlocked(id, account, payee, locked);
    }

    /// Both parties agree: the payee gets what the voucher says, the account the rest, at once.
    function close(
        address owner,
        address signer,
        address payee,
        uint256 cumulative,
        bytes calldata voucher,
        bytes calldata release
    ) external nonReentrant {
        bytes32 account = accountOf(owner, signer);
        bytes32 id = _channelId(account, payee);
        (uint256 locked, uint256 redeemed) = _readMoney(id);
        (,, uint64 round) = _readTerms(id);
        require(locked != 0, NothingLocked(id));
        _requireSigned(signer, keccak256(abi.encode(VOUCHER, id, cumulative)), voucher);
        _requireSigned(payee, keccak256(abi.encode(RELEASE, id, round, cumulative)), release);
        uint256 paid = _due(cumulative, locked, redeemed);
        uint256 rest = locked - paid;
        _writeMoney(id, 0, redeemed + paid);
        _writeTerms(id, 0, 0, round);
        _free[account] += rest;
        if (paid != 0) emit Redeemed(id, account, payee, paid, redeemed + paid);
        emit Unlocked(id, account, payee, rest);
        _pay(payee, paid);
    }

    // The payee's side

    /// Pays a batch of vouchers to their payees. Anyone may send it; an entry that claims nothing
    /// new pays nothing, so that a batch survives another one that came first.
    function redeem(
        address[] calldata owners,
        address[] calldata signers,
        address[] calldata payees,
        uint256[] calldata cumulatives,
        bytes[] calldata vouchers
    ) external nonReentrant {
        require(
            signers.length == owners.length && payees.length == owners.length
                && cumulatives.length == owners.length && vouchers.length == owners.length,
            LengthsDiffer()
        );
        // Neighbours with one payee share one transfer of the token.
        uint256 due = 0;
        for (uint256 i = 0; i < owners.length; ++i) {
            due += _claimByVoucher(owners[i], signers[i], payees[i], cumulatives[i], vouchers[i]);
            if (i + 1 == owners.length || payees[i + 1] != payees[i]) {
                _pay(payees[i], due);
                due = 0;
            }
        }
    }

    /// The same for one payee who signed that the sender keeps `share` ten-thousandths.
    /// `tower` zero: whoever sends it.
    function redeemFor(
        address payee,
        address tower,
        uint16 share,
        uint64 until,
        bytes calldata mandate,
        address[] calldata owners,
        address[] calldata signers,
        uint256[] calldata cumulatives,
        bytes[] calldata vouchers
    ) external nonReentrant {
        require(
            signers.length == owners.length && cumulatives.length == owners.length
                && vouchers.length == owners.length,
            LengthsDiffer()
        );
        require(share <= SHARE_MAX, ShareTooLarge(share, SHARE_MAX));
        require(tower == address(0) || tower == msg.sender, MandateForAnother(tower));
        require(block.timestamp <= until, MandateExpired(until));
        _requireSigned(payee, keccak256(abi.encode(MANDATE, payee, tower, share, until)), mandate);
        uint256 due = 0;
        for (uint256 i = 0; i < owners.length; ++i) {
            due += _claimByVoucher(owners[i], signers[i], payee, cumulatives[i], vouchers[i]);
        }
        uint256 fee = due * share / SHARE_UNIT;
        _pay(payee, due - fee);
        _pay(msg.sender, fee);
    }

    /// A voucher with conditions: each amount counts if its scalar is shown before its expiry.
    /// Scalar zero: not shown. A scalar shown too late counts nothing; a wrong one is refused.
    function redeemConditional(
        address owner,
        address signer,
        address payee,
        uint256 cumulative,
        uint256[] calldata amounts,
        address[] calldata locks,
        uint64[] calldata expiries,
        bytes calldata voucher,
        uint256[] calldata scalars
    ) external nonReentrant {
        require(
            locks.length == amounts.length && expiries.length == amounts.length
                && scalars.length == amounts.length,
            LengthsDiffer()
        );
        bytes32 account = accountOf(owner, signer);
        bytes32 id = _channelId(account, payee);
        _requireSigned(
            signer,
            keccak256(
                abi.encode(CONDITIONAL_VOUCHER, id, cumulative, _hash(amounts, locks, expiries))
            ),
            voucher
        );
        uint256 claim = cumulative + _shown(amounts, locks, expiries, scalars);
        _pay(payee, _claim(id, account, payee, claim));
    }

    // Inside

    function _channelId(bytes32 account, address payee) private pure returns (bytes32) {
        return keccak256(abi.encode(account, payee));
    }

    function _takeFree(bytes32 account, uint256 amount) private {
        require(amount != 0, AmountIsZero());
        uint256 balance = _free[account];
        require(amount <= balance, FreeBalanceTooSmall(balance, amount));
        unchecked {
            _free[account] = balance - amount;
        }
    }

    function _readMoney(bytes32 id) private view returns (uint256 locked, uint256 redeemed) {
        uint256 word = _money[id];
        return (word & type(uint128).max, word >> 128);
    }

    /// Their sum is below 2^128: `lock` sees to it, and a claim only moves from one to the other.
    function _writeMoney(bytes32 id, uint256 locked, uint256 redeemed) private {
        _money[id] = redeemed << 128 | locked;
    }

    /// `unlockAt` 0: no unlock is announced.
    function _readTerms(bytes32 id)
        private
        view
        returns (uint64 delay, uint64 unlockAt, uint64 round)
    {
        uint256 word = _terms[id];
        return (uint64(word), uint64(word >> 64), uint64(word >> 128));
    }

    function _writeTerms(bytes32 id, uint64 delay, uint64 unlockAt, uint64 round) private {
        _terms[id] = uint256(round) << 128 | uint256(unlockAt) << 64 | delay;
    }

    function _claimByVoucher(
        address owner,
        address signer,
        address payee,
        uint256 cumulative,
        bytes calldata voucher
    ) private returns (uint256) {
        bytes32 account = accountOf(owner, signer);
        bytes32 id = _channelId(account, payee);
        _requireSigned(signer, keccak256(abi.encode(VOUCHER, id, cumulative)), voucher);
        return _claim(id, account, payee, cumulative);
    }

    /// Books what the channel owes for a claim, within its lock; the caller pays it.
    function _claim(bytes32 id, bytes32 account, address payee, uint256 claim)
        private
        returns (uint256)
    {
        (uint256 locked, uint256 redeemed) = _readMoney(id);
        uint256 paid = _due(claim, locked, redeemed);
        if (paid == 0) return 0;
        _writeMoney(id, locked - paid, redeemed + paid);
        emit Redeemed(id, account, payee, paid, redeemed + paid);
        return paid;
    }

    function _due(uint256 claim, uint256 locked, uint256 redeemed) private pure returns (uint256) {
        if (claim <= redeemed) return 0;
        return claim - redeemed < locked ? claim - redeemed : locked;
    }

    /// Pays exactly `amount`, whatever the token says of it: some say false when they succeeded.
    function _pay(address to, uint256 amount) private {
        if (amount == 0) return;
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.trySafeTransfer(to, amount);
        uint256 moved = before - TOKEN.balanceOf(address(this));
        require(moved == amount, TokenMovedAnotherAmount(amount, moved));
    }

    /// 65 bytes, low s, v 27 or 28: one signature has one form.
    function _requireSigned(address expected, bytes32 structHash, bytes calldata signature)
        private
        view
    {
        address actual = ECDSA.recoverCalldata(_hashTypedDataV4(structHash), signature);
        require(actual == expected, SignedByAnother(expected, actual));
    }

    function _hash(uint256[] calldata amounts, address[] calldata locks, uint64[] calldata expiries)
        private
        pure
        returns (bytes32)
    {
        bytes32[] memory hashes = new bytes32[](amounts.length);
        for (uint256 i = 0; i < amounts.length; ++i) {
            hashes[i] = keccak256(abi.encode(CONDITION, amounts[i], locks[i], expiries[i]));
        }
        return keccak256(abi.encodePacked(hashes));
    }

    function _shown(
        uint256[] calldata amounts,
        address[] calldata locks,
        uint64[] calldata expiries,
        uint256[] calldata scalars
    ) private view returns (uint256 sum) {
        for (uint256 i = 0; i < amounts.length; ++i) {
            if (scalars[i] == 0) continue;
            require(_opens(scalars[i], locks[i]), ScalarIsWrong(i, scalars[i]));
            if (block.timestamp <= expiries[i]) sum += amounts[i];
        }
    }

    /// Whether `address(scalar * G) == lock`. Recovery of a key from a signature (r, s) of the
    /// digest 0 gives (s / r) * R; with R = G and s = scalar * r that is scalar * G.
    function _opens(uint256 scalar, address lock_) private pure returns (bool) {
        if (scalar == 0 || scalar >= ORDER) return false;
        bytes32 s = bytes32(mulmod(scalar, GENERATOR_X, ORDER));
        return ecrecover(0, 27, bytes32(GENERATOR_X), s) == lock_;
    }
}
