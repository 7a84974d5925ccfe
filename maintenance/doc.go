// Package maintenance decides what comes next for a node that goes out of
// service or comes back: checks, snapshot, mark, plan, moves, comparison.
//
// It is pure. The phase of an action is computed from facts, never stored, so
// that it can not disagree with them: whoever leads looks at the board and the
// reports and finds the same next step, also after a crash between any two
// commands. Every step begins with "is it already so?", and every wait has an
// end with a declared answer:
//
//	the first report of a host          30 s, then go on without, or fail
//	a copy's process that does not start  60 s, then another attempt on another port
//	a copy                              2 min and 1 s for each 5 MB, then another attempt
//	a replica that is not in sync       30 s, then another attempt
//	an endpoint's new listener          30 s, then undo and another attempt
//	client connections of an endpoint   60 s, then the rest is cut and counted
//	an old process or listener to go    2 min, then the move fails
//	a node to be seen as planned        2 min, then the action fails
//
// An action that somebody cancels stops what is open, the shortest way: copies
// are dropped, listeners that only just opened are closed, hand-overs that are
// open and endpoints that drain are finished. A node that was going out then gets
// back what has left it.
//
// While a hand-over is open nothing else is decided about its range: its
// outcome is the controller's to learn.
package maintenance
