package agent

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/haulout/haulout/cluster"
)

// host tells what this host is made of.
func (a *Agent) host() cluster.Host {
	name, version := release()
	h := cluster.Host{
		Architecture: map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH], OS: name, OSVersion: version,
		DataFolder: filepath.Dir(a.cfg.Shards),
	}
	var up syscall.Sysinfo_t
	if syscall.Sysinfo(&up) == nil {
		h.Uptime = time.Duration(up.Uptime) * time.Second
	}
	var disk syscall.Statfs_t
	if syscall.Statfs(h.DataFolder, &disk) == nil {
		h.DataSize = int64(disk.Blocks) * disk.Bsize
	}
	return h
}

// release returns the name and the version of the operating system.
var release = sync.OnceValues(func() (name, version string) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", ""
	}
	return parseRelease(string(text))
})

func parseRelease(text string) (name, version string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"'`); key {
		case "ID":
			name = value
		case "VERSION_ID":
			version = value
		}
	}
	return name, version
}
