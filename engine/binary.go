package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The engines this package knows to run.
const (
	Redis  = "redis"
	Valkey = "valkey"
)

// Binary is an engine program on this host.
type Binary struct {
	Path    string `json:"path"`
	Flavour string `json:"flavour"` // Redis or Valkey
	Version string `json:"version"`
}

var versionWord = regexp.MustCompile(`\bv=((\d+)\.[0-9.]+)`)

// Find returns the named program, or with no name redis-server, else
// valkey-server, from PATH. Versions before 7.0 are refused: the rights that
// fence a replica and the commands that seal it are not in them.
func Find(name string) (Binary, error) {
	if name != "" {
		return probe(name)
	}
	b, err := probe("redis-server")
	if err == nil {
		return b, nil
	}
	if v, other := probe("valkey-server"); other == nil {
		return v, nil
	}
	return Binary{}, err
}

// Installed is an engine program that may be replaced while it is in use, as by
// an upgrade of its package. Safe for concurrent use.
type Installed struct {
	mu     sync.Mutex
	binary Binary
	file   os.FileInfo // as it was when the binary told its version
}

// Watch returns what is installed under the binary's path.
func Watch(b Binary) *Installed { return &Installed{binary: b} }

// Now returns the program that a process started now would run. If it has changed
// and does not tell its version, the error says why, and what is returned is the
// one that was there before.
func (i *Installed) Now() (Binary, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	file, err := os.Stat(i.binary.Path)
	if err != nil {
		return i.binary, err
	}
	if i.file != nil && os.SameFile(i.file, file) && i.file.ModTime().Equal(file.ModTime()) && i.file.Size() == file.Size() {
		return i.binary, nil
	}
	b, err := probe(i.binary.Path)
	if err != nil {
		return i.binary, err
	}
	i.binary, i.file = b, file
	return b, nil
}

func probe(name string) (Binary, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return Binary{}, fmt.Errorf("engine program %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Binary{}, fmt.Errorf("engine program %s: %w", path, err)
	}
	return parseVersion(path, string(out))
}

func parseVersion(path, text string) (Binary, error) {
	m := versionWord.FindStringSubmatch(text)
	if m == nil {
		return Binary{}, fmt.Errorf("engine program %s: tells no version", path)
	}
	if major, _ := strconv.Atoi(m[2]); major < 7 {
		return Binary{}, fmt.Errorf("engine program %s: version %s is older than 7.0", path, m[1])
	}
	flavour := Redis
	if strings.Contains(strings.ToLower(path+text), "valkey") {
		flavour = Valkey
	}
	return Binary{Path: path, Flavour: flavour, Version: m[1]}, nil
}
