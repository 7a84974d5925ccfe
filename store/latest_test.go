package store

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func boardAt(id string, incarnation, revision int64) *cluster.Board {
	return emptyBoard().With(revision, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: id, Incarnation: incarnation}}})
}

func opened(t *testing.T, dir string) *latest {
	t.Helper()
	l, err := openLatest(dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil || l.file == nil {
		t.Fatal(l.file, err)
	}
	t.Cleanup(l.close)
	return l
}

func show(t *testing.T, l *latest, b *cluster.Board) {
	t.Helper()
	if err := l.show(b); err != nil {
		t.Fatal(err)
	}
}

// leased is what a daemon keeps that has had a lease with the board.
func leased(t *testing.T, dir string, b *cluster.Board) *latest {
	t.Helper()
	l := opened(t, dir)
	if err := l.leased(b); err != nil {
		t.Fatal(err)
	}
	return l
}

// A daemon knows whether its board is as new as what the one before it showed, and
// takes nothing for known that it can not be sure of.
func TestLatest(t *testing.T) {
	dir := t.TempDir()
	first := opened(t, dir)
	show(t, first, boardAt("c", 1, 5))
	if first.sure {
		t.Error("a host that knows nothing is sure")
	}
	if second := opened(t, dir); second.covers(boardAt("c", 1, 5)) {
		t.Error("what was shown without a lease was written down")
	}
	for name, test := range map[string]struct {
		board *cluster.Board
		want  bool
	}{
		"as new":          {boardAt("c", 1, 9), true},
		"newer":           {boardAt("c", 1, 10), true},
		"older":           {boardAt("c", 1, 8), false},
		"another life":    {boardAt("c", 2, 1_000_000_009), false},
		"another cluster": {boardAt("d", 1, 9), false},
	} {
		dir := t.TempDir()
		show(t, leased(t, dir, boardAt("c", 1, 7)), boardAt("c", 1, 9))
		l := opened(t, dir)
		show(t, l, test.board)
		if l.sure != test.want {
			t.Errorf("%s: sure is %v", name, l.sure)
		}
	}
}

// A board that is older is not written over what was newer; the daemon after that is as
// unsure, until one has caught up.
func TestLatestStaysNew(t *testing.T) {
	dir := t.TempDir()
	l := leased(t, dir, boardAt("c", 1, 9))
	for range 2 {
		l = opened(t, dir)
		if show(t, l, boardAt("c", 1, 8)); l.sure {
			t.Fatal("an older board is taken for the newest")
		}
	}
	if show(t, l, boardAt("c", 1, 9)); !l.sure {
		t.Error("a board that has caught up is not believed")
	}
}

func TestLatestOfAnotherBootOrDamaged(t *testing.T) {
	dir := t.TempDir()
	l := leased(t, dir, boardAt("c", 1, 9))
	text, err := os.ReadFile(latestPath(dir))
	if err != nil || len(text) != recordSize {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	for name, damaged := range map[string]string{
		"another boot":   strings.Replace(string(text), l.boot, "00000000-0000-4000-8000-000000000000", 1),
		"cut off":        strings.TrimSpace(string(text)),
		"cut off later":  string(text[:recordSize-1]),
		"nothing":        "",
		"not a number":   strings.Replace(string(text), " 9 ", " x ", 1),
		"no boot":        strings.Replace(string(text), l.boot, "", 1),
		"more than fits": strings.Repeat("x", recordSize) + string(text),
	} {
		if err := os.WriteFile(latestPath(dir), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if opened(t, dir).covers(boardAt("c", 1, 9)) {
			t.Errorf("%s: %q is believed", name, damaged)
		}
	}
}

// What can not be written is taken back. If that can not be done either, nobody sees
// the board.
func TestLatestThatCanNotBeWritten(t *testing.T) {
	dir := t.TempDir()
	l := leased(t, dir, boardAt("c", 1, 9))
	notForWriting := func(l *latest) {
		l.close()
		f, err := os.Open(latestPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		l.file = f
	}
	said := make(lines, 1)
	l.log = slog.New(slog.NewTextHandler(said, nil))
	notForWriting(l)
	show(t, l, boardAt("c", 1, 10))
	select {
	case line := <-said:
		if !strings.Contains(line, "will serve nothing") {
			t.Errorf("%q does not say what follows", line)
		}
	default:
		t.Error("nobody is told that nothing is kept")
	}
	if _, err := os.Stat(latestPath(dir)); !os.IsNotExist(err) {
		t.Errorf("what is older than what was shown is still there: %v", err)
	}
	show(t, l, boardAt("c", 1, 11))

	l = leased(t, dir, boardAt("c", 1, 12))
	notForWriting(l)
	l.path = filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(l.path, "of things"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if l.show(boardAt("c", 1, 13)) == nil || l.leased(boardAt("c", 1, 13)) == nil {
			t.Error("a board may be seen that is newer than what stays written down")
		}
	}
	if err := os.RemoveAll(l.path); err != nil {
		t.Fatal(err)
	}
	show(t, l, boardAt("c", 1, 13))
}
