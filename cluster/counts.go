package cluster

// ClientCounts says how often clients of an endpoint met a limit of the proxy or
// an error of its own, by reason, since the proxy process started.
type ClientCounts struct {
	// Reading of a client stopped for a while.
	QueueFull  int64 `json:"queue_full"`  // the loop's queues were too long
	WindowFull int64 `json:"window_full"` // too many of its commands were unanswered
	// Clients were closed.
	TurnedAway  int64 `json:"turned_away"`  // there was no place for them
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

// Add adds others' counts, such as those of another endpoint.
func (c *ClientCounts) Add(o ClientCounts) {
	c.QueueFull += o.QueueFull
	c.WindowFull += o.WindowFull
	c.TurnedAway += o.TurnedAway
	c.SlowReaders += o.SlowReaders
	c.LongInput += o.LongInput
	c.Malformed += o.Malformed
	c.NoMaster += o.NoMaster
	c.Unreachable += o.Unreachable
	c.NoContact += o.NoContact
	c.Lost += o.Lost
	c.Unknown += o.Unknown
}
