package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A transcript is what an operator typed on which node, and what had to come
// back. In what comes back, a line of three dots stands for any lines, an
// ellipsis (…) for anything within one, and how wide a gap is does not matter,
// as it does not to scripts that split tables on white space. A command that
// fails ends with its exit code:
//
//	node1$ rladmin node 9 maintenance_mode on
//	ERROR: there is no node:9; see haulout status nodes
//	(exit code 1)
//
// Lines that begin with # explain. TASK in a command is the task that was told
// last, and a command may be a request to the node's REST API:
//
//	node1$ POST /v1/nodes/2/actions/maintenance_on '{"keep_slave_shards":true}'
type transcript []exchange

type exchange struct {
	line  int // where it stands in the file
	node  int
	words []string
	want  []string
}

var prompt = regexp.MustCompile(`^node(\d)\$ (.+)$`)

func readTranscript(t *testing.T, file string) transcript {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "runbook", file))
	if err != nil {
		t.Fatal(err)
	}
	var script transcript
	for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if p := prompt.FindStringSubmatch(line); p != nil {
			script = append(script, exchange{line: i + 1, node: int(p[1][0] - '0'), words: shellWords(p[2])})
		} else if len(script) > 0 && !strings.HasPrefix(line, "#") {
			last := &script[len(script)-1]
			last.want = append(last.want, line)
		}
	}
	return script
}

// shellWords splits at white space outside of quotes.
func shellWords(line string) []string {
	words := shellWord.FindAllString(line, -1)
	for i, w := range words {
		if w[0] == '"' || w[0] == '\'' {
			words[i] = w[1 : len(w)-1]
		}
	}
	return words
}

var shellWord = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)

// difference says how what came differs from what had to come, or "".
func (e exchange) difference(said string) string {
	want, got := squeeze(e.want), squeeze(strings.Split(said, "\n"))
	if lineUp(want, got) {
		return ""
	}
	return fmt.Sprintf("line %d: %s\nwanted:\n%s\n\ncame:\n%s", e.line, strings.Join(e.words, " "), strings.Join(want, "\n"), strings.Join(got, "\n"))
}

// squeeze makes each gap one blank, and drops blank lines at the end.
func squeeze(lines []string) []string {
	var out []string
	for _, line := range lines {
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// lineUp tells whether the lines that came are those wanted.
func lineUp(want, got []string) bool {
	switch {
	case len(want) == 0:
		return len(got) == 0
	case want[0] == "...":
		return lineUp(want[1:], got) || len(got) > 0 && lineUp(want, got[1:])
	}
	return len(got) > 0 && alike(want[0], got[0]) && lineUp(want[1:], got[1:])
}

func alike(want, got string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(got)
}

func TestTranscript(t *testing.T) {
	e := exchange{want: []string{"A  …  C", "...", "end", ""}}
	for said, fits := range map[string]bool{
		"A B C\nend\n":           true,
		"A   b b   C\n1\n2\nend": true,
		"A B D\nend\n":           false,
		"A B C\nend\nmore\n":     false,
		"A B C\n":                false,
	} {
		if (e.difference(said) == "") != fits {
			t.Errorf("%q: %s", said, e.difference(said))
		}
	}
	if words := shellWords(`rladmin node 2 on reason "two words" '{"x": 1}'`); len(words) != 7 || words[5] != "two words" || words[6] != `{"x": 1}` {
		t.Errorf("%q", words)
	}
}
