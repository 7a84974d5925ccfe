package engine

import (
	"os"
	"path/filepath"
	"testing"
)

// A package upgrade replaces the program while the daemon runs.
func TestInstalledNoticesAnUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redis-server")
	install := func(script string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	install("echo Redis server v=7.0.15 bits=64")
	found, err := Find(path)
	if err != nil {
		t.Fatal(err)
	}
	installed := Watch(found)
	expect := func(version string, fails bool) {
		t.Helper()
		if got, err := installed.Now(); got.Version != version || (err != nil) != fails {
			t.Errorf("%+v, %v", got, err)
		}
	}
	expect("7.0.15", false)
	install("echo Redis server v=8.0.2 bits=64")
	expect("8.0.2", false)
	expect("8.0.2", false)
	install("exit 1")
	expect("8.0.2", true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("8.0.2", true)
	install("echo Valkey server v=9.1.2 bits=64")
	expect("9.1.2", false)
	if got, _ := installed.Now(); got.Flavour != Valkey {
		t.Errorf("%+v", got)
	}
}
