package cluster

import (
	"fmt"
	"strings"
)

// Engine is an engine program of a version: that of a process, or the one of
// which a host starts its next processes. The zero value is not known.
type Engine struct {
	Flavour string `json:"flavour"` // redis or valkey
	Version string `json:"version"`
}

// String returns what people read: redis 7.0.15.
func (e Engine) String() string {
	if e == (Engine{}) {
		return "unknown"
	}
	return e.Flavour + " " + e.Version
}

// Loads reports whether a process of e can be relied on to load what one of the
// other writes: a full copy or its files. An engine loads what itself and earlier
// versions write; patches of one version do not differ. Valkey goes on from Redis
// 7.2, and what it adds Redis does not know. Of an engine that is not known
// nothing is held against it.
//
// Tried with Redis 7.0.15 and 8.0.2, Valkey 8.1.1 and 9.1.2: a copy to an older
// version, and from Redis 8.0 to Valkey, ends with "Can't handle RDB format
// version". Valkey writes an old format while no key needs a newer one, so some
// pairs that this refuses work until one does.
func (e Engine) Loads(other Engine) bool {
	if e == (Engine{}) || other == (Engine{}) {
		return true
	}
	mine, its := release(e.Version), release(other.Version)
	switch {
	case e.Flavour == other.Flavour:
		return mine[0] > its[0] || mine[0] == its[0] && mine[1] >= its[1]
	case e.Flavour == "valkey":
		return its[0] < 7 || its[0] == 7 && its[1] <= 2
	}
	return false
}

// release returns the first two numbers of a version.
func release(version string) (r [2]int) {
	_, _ = fmt.Sscanf(strings.ReplaceAll(version, ".", " "), "%d %d", &r[0], &r[1])
	return r
}
