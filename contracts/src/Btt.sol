// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TRC20} from "@openzeppelin/tron-contracts/token/TRC20/TRC20.sol";

/// Play money for development chains and tests: a TRC-20 shaped as BitTorrent's own token is
/// (same symbol, 18 decimals). The whole supply goes to one holder and no more is ever made.
contract Btt is TRC20 {
    constructor(address holder, uint256 supply) TRC20("BitTorrent", "BTT") {
        _mint(holder, supply);
    }
}
