//! Behaviours of a swarm, spoken to as a peer would.
