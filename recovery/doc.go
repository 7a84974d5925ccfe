// Package recovery decides what comes next when something is gone, and when
// something new has come up.
//
// It is pure. It promotes a replica only if it is eligible, and calls a range
// lost only when every copy has been seen to be of no use: what has merely not
// been heard of is waited for.
package recovery
