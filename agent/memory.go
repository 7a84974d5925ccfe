package agent

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// freeMemory is the memory the kernel says is available, in bytes; 0 if unknown.
func freeMemory() int64 { return meminfo("MemAvailable") }

// TotalMemory is the host's memory in bytes; 0 if unknown.
func TotalMemory() int64 { return meminfo("MemTotal") }

func meminfo(field string) int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if name != field {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0
		}
		return kb << 10
	}
	return 0
}
