// Package cluster holds the nouns of Haulout, the commands that change them
// and the invariants they keep, and everything that crosses between rooms.
//
// It is pure: no clock, no disk, no network, no goroutine. A [Board] is the
// committed state as one immutable value; a [Command] is a function from a
// Board to a [Change] or a refusal; a [Report] is what one host observes; a
// [View] is a Board together with the reports, which is all that the deciding
// rooms ever get to see.
package cluster

// Version is the product's version.
const Version = "0.1.0"
