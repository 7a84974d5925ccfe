package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Every key of the store stands below root:
//
//	alive/<node>                          leased by the node
//	board/.head                           written in every commit; its revision is the board's
//	board/<kind>/<id>                     one object
//	leader                                the cluster master; its create revision is the epoch
//	log/<nanoseconds>-<basis>-<position>  one activity entry
//
// The order matters: everything that is mirrored lies between root and logPrefix.
const (
	root        = "/haulout/"
	alivePrefix = root + "alive/"
	boardPrefix = root + "board/"
	headKey     = boardPrefix + ".head"
	leaderKey   = root + "leader"
	logPrefix   = root + "log/"
	logEnd      = root + "log0" // behind every key that begins with logPrefix
)

func objectKey(k cluster.Key) string { return boardPrefix + string(k.Kind) + "/" + k.ID }

func parseObjectKey(key string) (cluster.Key, bool) {
	rest, ok := strings.CutPrefix(key, boardPrefix)
	if !ok {
		return cluster.Key{}, false
	}
	kind, id, ok := strings.Cut(rest, "/")
	return cluster.Key{Kind: cluster.Kind(kind), ID: id}, ok
}

func aliveKey(node int) string { return alivePrefix + strconv.Itoa(node) }

func parseAliveKey(key string) (node int, ok bool) {
	rest, ok := strings.CutPrefix(key, alivePrefix)
	if !ok {
		return 0, false
	}
	node, err := strconv.Atoi(rest)
	return node, err == nil
}

// logKey sorts by time, then by commit, then by place in the commit. No two
// commits share a basis.
func logKey(t time.Time, basis int64, position int) string {
	return fmt.Sprintf("%s-%016x-%04d", logBound(t), basis, position)
}

// logBound is before every key of an entry of that time or later, and behind
// every earlier one.
func logBound(t time.Time) string { return fmt.Sprintf("%s%019d", logPrefix, max(t.UnixNano(), 0)) }
