// Package sim runs the code that decides - controller, maintenance, recovery,
// plan, and the agent's rules for an instance - against a simulated cluster in
// simulated time, on one goroutine: the same seed is the same history.
//
// Real are: the controller's term with its orders and its commits, the pure
// rooms, the commands of the board, agent.Next, agent.Routes. Simulated are:
//
//   - the store: one board, compared by epoch and head revision; leases of 8 s of
//     which a node trusts 6.5 s; a leader, replaced when it is gone for a while; without
//     a lease a host serves by the agent's own promises
//   - the network: packets from one host to another are delivered or not, each
//     direction by itself
//   - engines: a process is the list of writes it has, with a replication id; what a
//     replica has not copied yet is missing; a transaction is carried out at once, by one
//     that stands still when it goes on
//   - the executor of hand-overs: the steps of engine.Handover in their order, each
//     beginning with the same look; each is a moment at which it may die or stand still
//   - proxies: routes by generation, a right to serve that ends, holds, drains,
//     writes held back until replicas have them
//   - clients: they write by every proxy that listens, all the time, also between two
//     steps of a hand-over, and remember what was acknowledged
//
// What may go wrong goes wrong at boundaries: every commit, step of a hand-over and act of an agent
// is one, numbered as they come. A history is run once without a fault to
// learn how many it has; nobody keeps a list of them.
package sim
