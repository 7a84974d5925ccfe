package api

import (
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/haulout/haulout/cluster"
)

// failures counts logins that failed, by name, whether a user has that name or
// not: who is locked out must not tell who exists. It is safe for concurrent use.
type failures struct {
	mu     sync.Mutex
	byName map[[32]byte]streak
}

// streak is what failed in a row under one name.
type streak struct {
	count   int
	last    time.Time
	stamp   string
	lasting bool // of a user: never pushed out by other names
}

// attempt is one login on its way.
type attempt struct {
	name  [32]byte
	user  int    // 0: nobody has the name
	stamp string // of the passwords: others lift the lock
	at    time.Time
	rule  cluster.LoginLockout
}

// maxStrangers bounds what names that nobody has can take of the memory.
const maxStrangers = 10_000

// locked reports until when the name is locked out.
func (a attempt) locked(s streak) (time.Time, bool) {
	until := s.last.Add(time.Duration(a.rule.Duration) * time.Second)
	return until, a.rule.Threshold > 0 && s.count >= a.rule.Threshold && s.stamp == a.stamp && a.at.Before(until)
}

func (f *failures) refuse(a attempt, email string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if until, locked := a.locked(f.byName[a.name]); locked {
		return cluster.Refuse(cluster.CodeLoginLocked, "wait until "+until.UTC().Format(time.RFC3339)+", or have another password set; the socket on a node needs no login",
			"the login %s is locked after %d failures", email, a.rule.Threshold)
	}
	return nil
}

func (f *failures) add(a attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byName == nil {
		f.byName = map[[32]byte]streak{}
	}
	s, known := f.byName[a.name]
	if s.stamp != a.stamp || !a.at.Before(s.last.Add(time.Duration(a.rule.Forgotten)*time.Second)) {
		s.count = 0
	}
	if !known && a.user == 0 {
		f.makeRoom(a)
	}
	s.count, s.last, s.stamp, s.lasting = s.count+1, a.at, a.stamp, a.user != 0
	f.byName[a.name] = s
}

// makeRoom drops what no longer counts, and the oldest stranger if there are too many.
func (f *failures) makeRoom(a attempt) {
	if len(f.byName) < maxStrangers {
		return
	}
	var oldest [32]byte
	var since time.Time
	for name, s := range f.byName {
		_, locked := a.locked(s)
		switch {
		case s.lasting:
		case !locked && !a.at.Before(s.last.Add(time.Duration(a.rule.Forgotten)*time.Second)):
			delete(f.byName, name)
		case since.IsZero() || s.last.Before(since):
			oldest, since = name, s.last
		}
	}
	if len(f.byName) >= maxStrangers {
		delete(f.byName, oldest)
	}
}

func (f *failures) forget(a attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byName, a.name)
}

// isLocked reports whether the name is locked out on this node.
func (f *failures) isLocked(a attempt) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, locked := a.locked(f.byName[a.name])
	return locked
}

// folded maps spellings that [strings.EqualFold] takes for the same to one.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
