package chaos

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/haulout/haulout/e2e"
)

// Round is an operation and a fault in its midst.
type Round struct {
	Number    int
	Operation operation
	Fault     fault
	Node      int           // the operation's
	Other     int           // another node, for faults that hit one beside it
	After     time.Duration // the fault comes so long after the operation's beginning
}

func (r Round) String() string {
	return fmt.Sprintf("round %d: %s, node %d; %s after %v (%s; node %d)",
		r.Number, r.Operation.name, r.Node, r.Fault.name, r.After, r.Fault.class, r.Other)
}

// roundOf draws a round. It depends on nothing but the seed and the number, so a
// round can be run again by itself.
func roundOf(seed uint64, number int) Round {
	dice := rand.New(rand.NewPCG(seed, uint64(number)))
	r := Round{Number: number, Operation: operations[dice.IntN(len(operations))], Fault: faults[dice.IntN(len(faults))]}
	r.Node = 1 + dice.IntN(e2e.Nodes)
	r.Other = 1 + (r.Node+dice.IntN(e2e.Nodes-1))%e2e.Nodes
	r.After = time.Duration(dice.IntN(3000)) * time.Millisecond
	return r
}
