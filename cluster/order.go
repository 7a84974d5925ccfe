package cluster

import "time"

// Order asks one agent to carry an open hand-over out. It is valid for TTL from
// its receipt, on the receiver's own clock; an order of a lower epoch than one
// seen before is refused. The same order may come again: it is then continued,
// never done twice.
type Order struct {
	ID         string        `json:"id"` // of the hand-over
	Epoch      int64         `json:"epoch"`
	Range      RangeID       `json:"range"`
	From       InstanceID    `json:"from"`
	To         InstanceID    `json:"to"`
	Generation int64         `json:"generation"`
	Unplanned  bool          `json:"unplanned,omitempty"`
	TTL        time.Duration `json:"ttl"`
}

// Result is how a hand-over ended.
type Result string

// The results. Unknown means that To may have been promoted: only forward is
// allowed until it is known that it was not.
const (
	Moved   Result = "moved"
	Unmoved Result = "unmoved"
	Unknown Result = "unknown"
)

// Outcome is what the executor of a hand-over observed.
type Outcome struct {
	Result Result `json:"result"`
	ReplID string `json:"replication_id,omitempty"` // of the new master
	Offset int64  `json:"offset,omitempty"`         // final, from the demoting transaction
	// Reason says why it is not Moved, or what is left to be done although it is.
	Reason string        `json:"reason,omitempty"`
	Pause  time.Duration `json:"pause,omitempty"` // from hold to aim
	// TargetSilent: when the executor looked, the instance that was to become
	// master did not answer it.
	TargetSilent bool `json:"target_silent,omitempty"`
	// Whole: the old master answered, and the new one has all that it had.
	Whole bool `json:"whole,omitempty"`
}

// Told is the outcome for a log, as keys and values.
func (o Outcome) Told() []any {
	list := []any{"result", o.Result, "pause", o.Pause}
	switch {
	case o.Reason == "":
		return list
	case o.Result == Moved:
		return append(list, "left_to_do", o.Reason)
	}
	return append(list, "reason", o.Reason)
}
