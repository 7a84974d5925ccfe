package proxy

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestLockTellsWhoLives(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "proxy.sock")
	if _, alive := Alive(socket); alive {
		t.Error("alive before there was any")
	}
	lock, err := takeLock(socket)
	if err != nil {
		t.Fatal(err)
	}
	if pid, alive := Alive(socket); !alive || pid != os.Getpid() {
		t.Errorf("process %d, alive %v", pid, alive)
	}
	if _, err := takeLock(socket); cluster.CodeOf(err) != cluster.CodePortUnavailable {
		t.Errorf("a second proxy: %v", err)
	}
	lock.Close()
	if _, alive := Alive(socket); alive {
		t.Error("alive after its end")
	}
	if err := End(socket); err != nil {
		t.Errorf("nothing to end: %v", err)
	}
}
