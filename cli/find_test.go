package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that anybody can write to may hold a socket of anybody.
func TestSocketOfTheCurrentFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	s := &session{env: func(string) string { return "" }}
	if err := os.Mkdir(".haulout", 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(".haulout", "haulout.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for _, c := range []struct {
		folder, socket os.FileMode
		believed       bool
	}{{0o700, 0o600, true}, {0o755, 0o755, true}, {0o777, 0o600, false}, {0o770, 0o600, false}, {0o700, 0o666, false}} {
		for p, mode := range map[string]os.FileMode{".haulout": c.folder, path: c.socket} {
			if err := os.Chmod(p, mode); err != nil {
				t.Fatal(err)
			}
		}
		found, err := s.socket()
		if (err == nil) != c.believed || c.believed && found != path || !c.believed && !strings.Contains(err.Error(), "could be the work of another user") {
			t.Errorf("%o %o: %q %v", c.folder, c.socket, found, err)
		}
	}
	l.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.socket(); err == nil {
		t.Error("a mere file is believed to be a socket")
	}
}
