package proxy

import (
	"runtime/debug"
	"testing"
	"unsafe"
)

// Go's allocator has a class of this size; twemproxy keeps 270 bytes, all in all.
func TestSessionIsSmall(t *testing.T) {
	const most = 160
	if n := unsafe.Sizeof(session{}); n > most {
		t.Errorf("a session has %d bytes, more than %d", n, most)
	}
}

// A slip would mix clients up; it ends the process instead.
func TestWhatAllSessionsShareCanNotBeWritten(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("it was written")
		}
	}()
	(&session{extra: noExtra}).name = "of everybody"
}
