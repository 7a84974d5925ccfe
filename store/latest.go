package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// record names a board: the newest that a daemon showed to its rooms.
type record struct {
	boot        string // of the host: what was acted on before the host started again is not known
	cluster     string
	incarnation int64
	revision    int64
}

// recordSize is fixed, so that writing never needs room on the disk.
const recordSize = 160

// latest is how new the boards were that this host has been shown, also by daemons that
// ran here before. What a member knows without a quorum may be older than what its host
// once carried out; with this the next daemon knows whether it is. The file outlives
// the daemon, not the host: it is in the kernel's hands as soon as it is written, and one
// of another boot counts for nothing. Not safe for concurrent use.
type latest struct {
	path string
	boot string
	file *os.File // nil: nothing can be kept
	left record   // by the daemon before
	kept int64    // revision in the file
	bad  error    // why the file is older than what was shown, and could not be removed yet
	sure bool     // the present board is as new as any that was shown here
	log  *slog.Logger
}

// openLatest reads what the daemon before has left in the folder. If nothing can be
// kept, that is logged; an error says that what is there would be believed nevertheless.
func openLatest(dir string, log *slog.Logger) (*latest, error) {
	l := &latest{path: latestPath(dir), log: log}
	if err := l.open(); err != nil {
		return l, l.forget(err)
	}
	return l, nil
}

func (l *latest) open() error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	l.boot = strings.TrimSpace(string(boot))
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return err
	}
	if l.file, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	text := make([]byte, recordSize)
	n, err := io.ReadFull(l.file, text)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	l.left = parseRecord(string(text[:n]))
	return nil
}

const latestName = "latest"

func latestPath(dir string) string { return filepath.Join(dir, latestName) }

func (r record) String() string {
	return fmt.Sprintf("%-*s\n", recordSize-1, fmt.Sprintf("%s %s %d %d", r.boot, r.cluster, r.incarnation, r.revision))
}

// parseRecord returns a record that fits nothing if the text is not a whole one.
func parseRecord(text string) record {
	var r record
	_, err := fmt.Sscan(text, &r.boot, &r.cluster, &r.incarnation, &r.revision)
	if err != nil || r.String() != text {
		return record{}
	}
	return r
}

// covers reports whether a board is as new as what the daemon before has shown.
func (l *latest) covers(b *cluster.Board) bool {
	r := l.left
	return r.boot != "" && r.boot == l.boot && r.cluster == b.Cluster.ID && r.incarnation == b.Cluster.Incarnation && b.Revision >= r.revision
}

// show keeps the board's revision, if it is as new as any before, and has to be called
// before anybody sees it. After an error nobody may: it can not be kept, and what was
// kept can not be taken back.
func (l *latest) show(b *cluster.Board) error {
	l.sure = l.sure || l.covers(b)
	if l.bad != nil {
		return l.forget(l.bad)
	}
	if !l.sure || l.file == nil || b.Revision == l.kept {
		return nil
	}
	r := record{l.boot, b.Cluster.ID, b.Cluster.Incarnation, b.Revision}
	if _, err := l.file.WriteAt([]byte(r.String()), 0); err != nil {
		return l.forget(err)
	}
	l.kept = b.Revision
	return nil
}

// leased says that the quorum has shown all there is.
func (l *latest) leased(b *cluster.Board) error {
	l.sure = true
	return l.show(b)
}

// forget takes back what was kept, at last.
func (l *latest) forget(why error) error {
	l.close()
	err := os.Remove(l.path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		l.bad = nil
		l.log.Warn("started again without a quorum, this node will serve nothing", "error", why)
		return nil
	}
	l.bad = why
	return fmt.Errorf("%s can be neither written nor removed: %w", l.path, errors.Join(why, err))
}

func (l *latest) close() {
	if l.file != nil {
		_ = l.file.Close() // a later error is of the disk, which this does not rely on
		l.file = nil
	}
}
