package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var units = []struct {
	name  string
	bytes float64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}}

// sizeText is a number of bytes as the tables show it: 14.21GB, 2MB, 0KB.
func sizeText(bytes int64) string { return scaled(bytes, 2) }

// roughSize is a number of bytes as progress shows it: 112.4MB.
func roughSize(bytes int64) string { return scaled(bytes, 1) }

func scaled(bytes int64, digits int) string {
	for _, u := range units {
		if math.Abs(float64(bytes)) >= u.bytes || u.name == "KB" {
			text := strconv.FormatFloat(float64(bytes)/u.bytes, 'f', digits, 64)
			return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + u.name
		}
	}
	return ""
}

// parseSize reads 100MB, 2GB, 1.5gb or a plain number of bytes.
func parseSize(text string) (int64, error) {
	number, factor := strings.ToUpper(text), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || n*factor > math.MaxInt64/2 || n != n || strings.ContainsAny(number, "XP_") {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	return int64(n * factor), nil
}
