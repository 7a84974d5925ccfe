package daemon

import (
	"context"

	"github.com/haulout/haulout/controller"
)

// leading is the leader's side of this daemon: what is decided, and what only
// engines know.
type leading struct {
	*controller.Controller
	rooms *rooms
}

// TryRules implements api.Leader.
func (l leading) TryRules(ctx context.Context, database int, rules string) (keeps, lacks []string, err error) {
	return l.rooms.agent.TryRules(ctx, database, rules)
}
