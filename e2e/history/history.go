// Package history writes down what clients asked a database for and what they
// were answered, and judges it: could one copy of the data, one command after
// the other, have given these answers?
package history

import (
	"sync"
	"time"
)

// Kind is what a client asks for.
type Kind int

// The kinds.
const (
	Read Kind = iota
	Write
	Increment // answers the value after it
)

func (k Kind) String() string { return [...]string{"GET", "SET", "INCR"}[k] }

// Operation is one command of a client.
type Operation struct {
	Client       int
	Kind         Kind
	Key          string
	Value        int64 // written, or answered; 0 is a key that is not there
	Call, Return time.Duration
	// Known is false if there was no answer: it may have been carried out at any
	// time since the call, or may still be.
	Known bool
}

// History is what happened so far. Safe for concurrent use.
type History struct {
	began time.Time

	mu   sync.Mutex
	keys map[string][]Operation
	// What was written once, each to a key of its own.
	once map[string]bool
}

// New begins a history.
func New() *History {
	return &History{began: time.Now(), keys: map[string][]Operation{}, once: map[string]bool{}}
}

// Now is the time since the beginning.
func (h *History) Now() time.Duration { return time.Since(h.began) }

// Add writes an operation down. A read without an answer says nothing.
func (h *History) Add(o Operation) {
	if o.Kind == Read && !o.Known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys[o.Key] = append(h.keys[o.Key], o)
}

// Acknowledged notes that a key was written which nobody writes again.
func (h *History) Acknowledged(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.once[key] = true
}

// Keys are those of the operations, and Once those that were acknowledged.
func (h *History) Keys() (operations, once []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k := range h.keys {
		operations = append(operations, k)
	}
	for k := range h.once {
		once = append(once, k)
	}
	return operations, once
}

// worn reports whether the key has seen so much that another should be taken:
// judging takes longer with each operation, and with each unknown one twice as
// long.
func (h *History) worn(key string) bool {
	const many, manyUnknown = 300, 5
	h.mu.Lock()
	defer h.mu.Unlock()
	unknown := 0
	for _, o := range h.keys[key] {
		if !o.Known {
			unknown++
		}
	}
	return len(h.keys[key]) >= many || unknown >= manyUnknown
}
