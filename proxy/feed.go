package proxy

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

// Routes is the full wanted state. Endpoints no longer listed are closed with
// their connections. The answer comes when it is applied: nothing is sent by
// older routes afterwards.
type Routes struct {
	Revision  int64           `json:"revision"`
	Endpoints []EndpointRoute `json:"endpoints"`
}

// EndpointRoute is one endpoint to serve.
type EndpointRoute struct {
	ID       cluster.EndpointID `json:"id"`
	Database string             `json:"database"`
	Address  string             `json:"address"` // IP address to listen on
	Port     int                `json:"port"`
	Listen   bool               `json:"listen"`
	// Drain closes each connection at its next rest point, new ones too; what is
	// left after DrainCap is cut. A cap of zero means none.
	Drain    bool          `json:"drain,omitempty"`
	DrainCap time.Duration `json:"drain_cap,omitempty"`
	// Notices lets clients ask to be told of planned work; MovedTo is where those
	// that did shall go, ip:port, and MovedOutside the same for those who know the
	// nodes by their external addresses.
	Notices      bool   `json:"notices,omitempty"`
	MovedTo      string `json:"moved_to,omitempty"`
	MovedOutside string `json:"moved_outside,omitempty"`
	Password     string `json:"password,omitempty"` // of the clients; empty: none is asked for
	// NoDefault says that nobody is the default user; Users are the others.
	NoDefault     bool        `json:"no_default,omitempty"`
	Users         []UserRoute `json:"users,omitempty"`
	ProxyPassword string      `json:"proxy_password"` // of the engine's user proxy, and of the others there
	// MinReplicas is how many replicas must have a write before it is answered; 0: none.
	MinReplicas int `json:"min_replicas,omitempty"`
	// Settings are what CONFIG GET answers, by their names in the engine.
	Settings map[string]string `json:"settings,omitempty"`
	TLS      *TLSRoute         `json:"tls,omitempty"` // nil: clients speak in the clear
	Ranges   []RangeRoute      `json:"ranges"`
}

// RangeRoute says who serves a slot range. Among routes of one range the one
// with the highest generation holds, among equals the last.
type RangeRoute struct {
	ID         cluster.RangeID `json:"id"`
	First      int             `json:"first"`
	Last       int             `json:"last"`
	Generation int64           `json:"generation"`
	Address    string          `json:"address,omitempty"` // ip:port; empty: nobody may serve now
	Lost       bool            `json:"lost,omitempty"`    // no copy is left: commands fail at once
	// Shards a copy of which is made, and those whose master changes, for the notices.
	Migrating   []int `json:"migrating,omitempty"`
	FailingOver []int `json:"failing_over,omitempty"`
}

// Hold stops sending commands to a range; they queue up. Generation is the one
// that the range will have after the hand-over. The hold ends by an Aim, a
// Release, Routes of that generation or a higher one, or by itself after For. A
// range that is not routed here has nothing to be held.
type Hold struct {
	Range      cluster.RangeID `json:"range"`
	Generation int64           `json:"generation"`
	For        time.Duration   `json:"for"`
}

// Release ends a hold without a change of master. It does nothing to a hold of
// another generation.
type Release struct {
	Range      cluster.RangeID `json:"range"`
	Generation int64           `json:"generation"`
}

// Aim makes Address the master of a range and ends its hold. It does nothing
// unless Generation is higher than the one known, nor where the range is not
// routed: an endpoint may just have left, or not yet have come.
type Aim struct {
	Range      cluster.RangeID `json:"range"`
	Generation int64           `json:"generation"`
	Address    string          `json:"address"`
}

// Extension is the right to serve one range, under one generation, until an instant
// of CLOCK_BOOTTIME in nanoseconds, whatever the fence says.
type Extension struct {
	Range      cluster.RangeID `json:"range"`
	Generation int64           `json:"generation"`
	Until      int64           `json:"until"`
}

// Stats is what the proxy does and has done since it started.
type Stats struct {
	PID       int             `json:"pid"`
	Revision  int64           `json:"revision"` // of the routes applied
	Endpoints []EndpointStats `json:"endpoints"`
}

// EndpointStats is what the proxy does for one endpoint.
type EndpointStats struct {
	ID          cluster.EndpointID   `json:"id"`
	Listening   bool                 `json:"listening"`
	Reason      string               `json:"reason,omitempty"` // why it is not listening
	Connections int                  `json:"connections"`
	TLS         bool                 `json:"tls,omitempty"`
	Waiting     int                  `json:"waiting"` // while draining: those in a blocking call, subscribed, or told to go
	Drained     int                  `json:"drained"` // connections closed at a rest point since draining began
	Cut         int                  `json:"cut"`     // connections closed by the drain cap
	Commands    int64                `json:"commands"`
	Held        int64                `json:"held"`    // commands that had to wait before they were sent
	Retried     int64                `json:"retried"` // commands sent again after a refusal
	Counts      cluster.ClientCounts `json:"counts"`
}

// Report returns the part of the statistics that goes into a host's report.
func (s Stats) Report() cluster.ProxyReport {
	r := cluster.ProxyReport{Up: true, Revision: s.Revision, Endpoints: map[cluster.EndpointID]cluster.EndpointState{}}
	for _, e := range s.Endpoints {
		r.Endpoints[e.ID] = cluster.EndpointState{
			Listening: e.Listening, Reason: e.Reason, Connections: e.Connections, Waiting: e.Waiting,
			Drained: e.Drained, Cut: e.Cut, TLS: e.TLS, Counts: e.Counts,
		}
	}
	return r
}

// request is one line to the proxy; exactly one of the fields behind ID is set.
type request struct {
	ID         int64        `json:"id"`
	Routes     *Routes      `json:"routes,omitempty"`
	Hold       *Hold        `json:"hold,omitempty"`
	Release    *Release     `json:"release,omitempty"`
	Aim        *Aim         `json:"aim,omitempty"`
	ServeUntil *int64       `json:"serve_until,omitempty"` // nanoseconds of CLOCK_BOOTTIME
	Extend     *[]Extension `json:"extend,omitempty"`
	Stats      bool         `json:"stats,omitempty"`
	Quit       bool         `json:"quit,omitempty"`
}

// response answers the request with its ID.
type response struct {
	ID      int64          `json:"id"`
	Error   *cluster.Error `json:"error,omitempty"`
	Drained bool           `json:"drained,omitempty"`
	Stats   *Stats         `json:"stats,omitempty"`
}
