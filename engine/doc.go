// Package engine runs one Redis or Valkey process and moves its role to
// another: start, adopt, observe, replicate, hand over, stop.
//
// A [Process] is an engine on this host, found by its folder and held by a
// pidfd, so that no other process can be taken for it. It outlives the program
// that started it. An [Instance] is an engine anywhere, reached over the
// network as user agent. A [Handover] makes one instance master in place of
// another without losing an acknowledged write.
//
// Three things hold throughout:
//
//   - Clients come as user proxy, or as a [ClientUser], and those users have rights
//     on a serving master only. Taking the rights of all away is the fence. User
//     warden, who sets the others, loses its rights with theirs.
//   - Rights are given in one transaction that first closes every other
//     connection of user agent. So nothing that an earlier executor sent, and
//     that was not carried out yet, can be carried out afterwards.
//   - Passwords are in files (0600) and on connections, never in arguments,
//     errors or logs.
//
// Constructors start no goroutine.
package engine
