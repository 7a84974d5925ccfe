package api

import (
	"context"
	"encoding/json"
	"net/http"
)

// StaleHeader is in every answer that is not the leader's but from what another
// node saw last: JSON, a [Staleness].
const StaleHeader = "Haulout-Stale"

// Staleness says why an answer may be old.
type Staleness struct {
	Node NumberID `json:"node_uid"` // whose sight it is
	ErrorBody
}

func (s *Server) markStale(w http.ResponseWriter, why error) {
	body, _ := bodyOf(why)
	text, _ := json.Marshal(Staleness{NumberID(s.node.LocalNodeID()), body}) // of strings and a number
	w.Header().Set(StaleHeader, string(text))
}

type staleKey struct{}

// TellStale returns a context under which a [Client] calls tell with the node and
// the reason whenever an answer is not the leader's.
func TellStale(ctx context.Context, tell func(node int, why error)) context.Context {
	return context.WithValue(ctx, staleKey{}, tell)
}

func tellStale(ctx context.Context, answer *http.Response) {
	tell, ok := ctx.Value(staleKey{}).(func(int, error))
	var s Staleness
	if ok && json.Unmarshal([]byte(answer.Header.Get(StaleHeader)), &s) == nil {
		tell(int(s.Node), errorOf(s.ErrorBody))
	}
}
