// The chain that test/contracts runs the contracts on beside revm: started as a node on a free port,
// without accounts of its own and with a clock that stands still. It compiles nothing.
module.exports = {
  solidity: "0.8.37",
  networks: {
    hardhat: {
      hardfork: "cancun",
      chainId: 199_031_337,
      allowBlocksWithSameTimestamp: true,
      initialDate: "2027-01-15T08:00:00Z",
      accounts: [],
    },
  },
};
