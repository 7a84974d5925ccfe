//go:build race

package sim

// part of the histories: a history runs on one goroutine, and the detector makes it ten times
// slower.
const part = 10
