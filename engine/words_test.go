package engine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What an engine said last is the cause of its end, be it followed by a page of its state.
func TestLastWords(t *testing.T) {
	for want, log := range map[string]string{
		"no word in its log": "\n\n",
		"2: bye":             "1: hello\n2: bye\n\n",
		"2: # Guru Meditation: Replica was unable to write command to disk. #server.c:3890": "1: hello\n2: # Guru Meditation: Replica was unable to write command to disk. #server.c:3890\n3: page\n4: of its state\n",
		"6: bye": "2: # Redis 7.0.15 crashed by signal: 11\n4: of its state\n5: # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n6: bye\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, logName), []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := LastWords(dir); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if got := LastWords(t.TempDir()); got != "no log" {
		t.Errorf("%q without one", got)
	}
}

// A log does not fill the disk, and the engine goes on writing to it.
func TestLogIsCut(t *testing.T) {
	p := startMaster(t, "1.1")
	path := filepath.Join(p.Dir, logName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Repeat([]byte("Connecting to MASTER, again and again\n"), logMost/38+1))
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	p.Observe(bounded(t))
	if err := p.Stop(bounded(t)); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path)
	if err != nil || len(log) > logKept+4096 || !bytes.HasPrefix(log, []byte("Connecting to MASTER")) || !strings.Contains(LastWords(p.Dir), "bye bye") {
		t.Errorf("%d bytes, the last of them %s, %v", len(log), LastWords(p.Dir), err)
	}
}
