package proxy

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// extra is what few sessions have, apart so that the many cost little. It is read
// by its fields' names and written by way of [session.more].
type extra struct {
	bridge      *bridge // of a client that speaks TLS
	name        string
	user        *user // nil: the default user
	silent      []silence
	transaction *transaction
	blocked     *blocked
	fan         *fan
	watching    *blocked // what is watched, and the line for it
	subscriber  *subscriber
	publication *publication
	slow        *slow     // while too much waits for it
	tracking    *tracking // of a client that keeps a cache of its own
	pushes      pushes
	lingerTo    int64
	gaveUp      bool    // it ended its side long after its last command
	library     library // that the client says it uses
	capture     *[]byte // where the reply goes of what is carried out inside a transaction
}

// noExtra is that of all sessions which have nothing of it. It lies in memory that
// nobody can write: what was written there would be every client's.
var noExtra = sealed()

func sealed() *extra {
	page, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(extra{})), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return &extra{}
	}
	return (*extra)(unsafe.Pointer(unsafe.SliceData(page)))
}

// more returns the session's own extra.
func (s *session) more() *extra {
	if s.extra == noExtra {
		s.extra = &extra{}
	}
	return s.extra
}

// forget makes the session one without a name that has begun nothing.
func (s *session) forget() {
	if s.extra != noExtra {
		s.name, s.silent, s.transaction = "", nil, nil
	}
}
