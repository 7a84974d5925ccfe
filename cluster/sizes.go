package cluster

import (
	"math"
	"strconv"
	"strings"
)

var units = []struct {
	name  string
	bytes float64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}}

// Size is a number of bytes as people read it: 14.21GB, 2MB, 0KB; to so many
// digits behind the point at the most.
func Size(bytes int64, digits int) string {
	for _, u := range units {
		if math.Abs(float64(bytes)) >= u.bytes || u.name == "KB" {
			text := strconv.FormatFloat(float64(bytes)/u.bytes, 'f', digits, 64)
			if digits > 0 {
				text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
			}
			return text + u.name
		}
	}
	return ""
}

// ParseSize reads 100MB, 2GB, 1.5gb or a plain number of bytes; ok is false for
// what is no size.
func ParseSize(text string) (bytes int64, ok bool) {
	number, factor := strings.ToUpper(text), 1.0
	for _, u := range units {
		if rest, found := strings.CutSuffix(number, u.name); found {
			number, factor = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || n*factor > math.MaxInt64/2 || n != n || strings.ContainsAny(number, "XP_") {
		return 0, false
	}
	return int64(n * factor), true
}

// Count is a number of things as people read it: 1 shard, 2 shards.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// Because puts a reason, if there is one, behind a colon.
func Because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
