package api

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Names that nobody has neither fill the memory nor push out those of users.
func TestStrangersAreBounded(t *testing.T) {
	var f failures
	now := time.Date(2024, 1, 11, 20, 25, 37, 0, time.UTC)
	rule := cluster.LoginLockout{Threshold: 1, Duration: 60, Forgotten: 60}
	user := attempt{name: [32]byte{1}, user: 1, stamp: "h", at: now, rule: rule}
	f.add(user)
	for i := range maxStrangers + 50 {
		a := attempt{at: now.Add(time.Duration(i)), rule: rule}
		binary.LittleEndian.PutUint64(a.name[8:], uint64(i+1))
		f.add(a)
	}
	if len(f.byName) > maxStrangers {
		t.Errorf("%d names are counted", len(f.byName))
	}
	if !f.isLocked(user) {
		t.Error("the user was pushed out")
	}
	late := attempt{name: [32]byte{2}, at: now.Add(time.Hour), rule: rule}
	f.add(late)
	if len(f.byName) != 2 {
		t.Errorf("%d names are left after an hour", len(f.byName))
	}
}
