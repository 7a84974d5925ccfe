package proxy

import "github.com/haulout/haulout/cluster"

// tell counts an error that a client is given.
func tell(c *cluster.ClientCounts, text string) {
	switch text {
	case errNoMaster:
		c.NoMaster++
	case errReach, errPlaces:
		c.Unreachable++
	case errContact:
		c.NoContact++
	case errLost, errGone:
		c.Lost++
	case errOutcome, errPartly, errUnconfirmed:
		c.Unknown++
	}
}
