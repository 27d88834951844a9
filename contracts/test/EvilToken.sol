// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TRC20} from "@openzeppelin/tron-contracts/token/TRC20/TRC20.sol";

/// For tests only: a token that behaves as its mode says. Modes may change after the deposit, as
/// with real tokens whose issuer may switch a fee on.
contract EvilToken is TRC20 {
    uint8 public constant HONEST = 0;
    uint8 public constant KEEPS_A_FEE = 1; // the recipient gets one percent less
    uint8 public constant ADDS_A_FEE = 2; // the sender pays one percent more
    uint8 public constant SAYS_FALSE = 3; // `transfer` succeeds and returns false
    uint8 public constant DOES_NOTHING = 4; // `transfer` says true and moves nothing
    uint8 public constant CALLS_BACK = 5; // calls `target` with `message` while it moves tokens

    uint8 public mode;
    address public target;
    bytes public message;
    uint256 public callsMade;
    uint256 public callsThatWorked;

    constructor(address holder, uint256 supply) TRC20("Evil", "EVIL") {
        _mint(holder, supply);
    }

    function behave(uint8 mode_, address target_, bytes calldata message_) external {
        mode = mode_;
        target = target_;
        message = message_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (mode == DOES_NOTHING) return true;
        super.transfer(to, amount);
        return mode != SAYS_FALSE;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (mode == CALLS_BACK) {
            ++callsMade;
            (bool worked,) = target.call(message);
            if (worked) ++callsThatWorked;
        }
        super._update(from, to, amount);
        if (mode == KEEPS_A_FEE) super._update(to, address(this), amount / 100);
        if (mode == ADDS_A_FEE) super._update(from, address(this), amount / 100);
    }
}
