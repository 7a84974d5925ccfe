package cli

import (
	"regexp"
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
)

// Programs in the field read the tables: they cut the text at the titles, the
// rows at white space, and expect these beginnings.
func TestStatusAsProgramsReadIt(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	titles := regexp.MustCompile(`CLUSTER NODES:|DATABASES:|ENDPOINTS:|SHARDS:`)
	rows := []*regexp.Regexp{
		regexp.MustCompile(`^\*?node:\d+ (master|slave) [0-9.]+ .*\d+/\d+ .*(OK|DOWN)$`),
		regexp.MustCompile(`^db:\d+ \S+ redis \S+ \d+ \S+ (enabled|disabled) \S+ [0-9.]+:\d+( \S+){0,5}$`),
		regexp.MustCompile(`^db:\d+ \S+ endpoint:\d+:\d+ node:\d+ \S+ (Yes|No)( \S+)?$`),
		regexp.MustCompile(`^db:\d+ \S+ redis:\d+ node:\d+ (master|slave) \d+-\d+ [0-9.]+[KMGT]B( \S+){1,3}$`),
	}
	for _, line := range []string{"status", "status extra all", "status extra nodestats", "status extra watchdog"} {
		_, text, _ := b.run(line)
		if at := strings.Index(text, "CLUSTER NODES:"); at > 0 {
			text = text[at:]
		}
		sections := titles.Split(text, -1)[1:]
		if len(sections) != len(rows) {
			t.Fatalf("%s: %d sections:\n%s", line, len(sections), text)
		}
		for i, section := range sections {
			table := strings.Split(strings.TrimSpace(section), "\n")
			if len(table) < 2 {
				t.Errorf("%s: section %d is empty", line, i)
			}
			for _, row := range table[1:] {
				if words := strings.Join(strings.Fields(row), " "); !rows[i].MatchString(words) {
					t.Errorf("%s: a program can not read %q", line, words)
				}
			}
		}
	}
}

// A header has as many words as it has columns, so that they can be counted.
func TestHeadersAreSingleWords(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for _, line := range []string{"status extra all", "status nodes extra maintenance", "status modules", "explain shard 7", "explain node 2"} {
		_, text, _ := b.run(line)
		for _, header := range strings.Split(text, "\n") {
			columns := regexp.MustCompile(` {3,}`).Split(header, -1)
			if strings.Contains(header, ":ID ") && len(columns) != len(strings.Fields(header)) {
				t.Errorf("%s: %q", line, header)
			}
		}
	}
}
