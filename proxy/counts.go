package proxy

// Counts says how often clients of an endpoint met a limit or an error of the
// proxy's own, by reason, since the proxy started.
type Counts struct {
	// Reading of a client stopped for a while.
	QueueFull  int64 `json:"queue_full"`  // the loop's queues were too long
	WindowFull int64 `json:"window_full"` // too many of its commands were unanswered
	// Clients were closed.
	SlowReaders int64 `json:"slow_readers"` // too much of their output was left unread
	LongInput   int64 `json:"long_input"`   // a command was too long
	Malformed   int64 `json:"malformed"`    // what they sent is no command
	// Commands were answered with an error instead of being executed.
	NoMaster    int64 `json:"no_master"`   // the range had none for too long
	Unreachable int64 `json:"unreachable"` // or it could not be reached, or refused
	NoContact   int64 `json:"no_contact"`  // the fence was closed for too long
	Lost        int64 `json:"lost"`        // no copy of the shard is left
	// The connection broke after a command was sent: the client was told that
	// nobody knows whether it was executed.
	Unknown int64 `json:"unknown"`
}

// told counts an error that a client is given.
func (c *Counts) told(text string) {
	switch text {
	case errNoMaster:
		c.NoMaster++
	case errReach:
		c.Unreachable++
	case errContact:
		c.NoContact++
	case errLost, errGone:
		c.Lost++
	case errOutcome, errPartly:
		c.Unknown++
	}
}

func (c *Counts) add(o Counts) {
	c.QueueFull += o.QueueFull
	c.WindowFull += o.WindowFull
	c.SlowReaders += o.SlowReaders
	c.LongInput += o.LongInput
	c.Malformed += o.Malformed
	c.NoMaster += o.NoMaster
	c.Unreachable += o.Unreachable
	c.NoContact += o.NoContact
	c.Lost += o.Lost
	c.Unknown += o.Unknown
}
