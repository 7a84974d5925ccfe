package api

import (
	"strconv"
	"strings"
	"time"
)

const longest = 10 * 365 * 24 * time.Hour

// ParseDuration reads a positive duration of ten years at most: 90s, 30m, 1h30m, or days: 3d.
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 12)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 || d > longest {
		return 0, badRequest("use for example 90s, 30m, 2h or 3d", "%q is not a duration", text)
	}
	return d, nil
}
