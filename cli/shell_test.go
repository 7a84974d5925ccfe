package cli

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
)

// keyboard is a console on which somebody types.
type keyboard struct {
	io.Reader
	bytes.Buffer // what is shown
	raws         int
}

func (k *keyboard) Read(p []byte) (int, error) { return k.Reader.Read(p) }

func (b *bench) typed(keys string) (code int, out, err string, k *keyboard) {
	var stdout, stderr bytes.Buffer
	k = &keyboard{Reader: strings.NewReader(keys)}
	s := &session{
		ctx: b.ctx, program: "haulout", in: newInput(strings.NewReader("")), out: &stdout, err: &stderr,
		env: func(name string) string { return map[string]string{"HAULOUT_SOCKET": b.socket}[name] },
	}
	code = s.shell(console{
		ReadWriter: k,
		raw:        func() (func(), error) { k.raws++; return func() { k.raws-- }, nil },
		size:       func() (int, int, error) { return 100, 40, nil },
	})
	return code, stdout.String(), stderr.String(), k
}

// A flag holds for its line: it is not ignored on a later one, and does not stick.
func TestShellFlagsHoldForTheirLine(t *testing.T) {
	elsewhere := apitest.Cluster()
	elsewhere.Forward(nil)
	b, other := newBench(t, apitest.Cluster()), newBench(t, elsewhere)
	_, out, errText, _ := b.typed("--socket " + other.socket + " cluster master\rcluster master\r--socket /nowhere cluster master\r--socket " + other.socket + " cluster master\rexit\r")
	if strings.Count(out, "Node 1 is the cluster master node\n") != 1 || strings.Count(errText, "the cluster has no master now") != 2*2 || strings.Count(errText, "/nowhere") != 1 {
		t.Errorf("%q %q", out, errText)
	}
}

func TestShell(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	code, out, errText, k := b.typed("cluster master\r\rnonsense\rhelp 'x\rnode 9 maintenance_mode on\rexit\rversion\r")
	want := "haulout: Tab completes, ? shows what fits, exit or Ctrl-D leaves\nNode 1 is the cluster master node\n"
	wantErr := "ERROR: there is no command \"nonsense\"; see haulout help\nERROR: the quote ' is not closed; close it\nERROR: there is no node:9; see haulout status nodes\n"
	if code != exitDone || out != want || errText != wantErr || k.raws != 0 {
		t.Errorf("%d %q %q, raw %d", code, out, errText, k.raws)
	}
	if shown := k.String(); !strings.HasPrefix(shown, "haulout> cluster master") {
		t.Errorf("shown %q", shown)
	}
	// Tab completes words of the grammar and names of what is there; Ctrl-C empties
	// the line; the end of the input leaves.
	code, out, errText, k = b.typed("st\x03clu\tma\t\rstatus node\t\tx\x03expl\tsh\t7\x03info db se\t\r")
	if code != exitDone || errText != "" || !strings.Contains(out, "Node 1 is the cluster master node\n") || !strings.Contains(out, "db:1 [sessions]:") {
		t.Errorf("%d %q %q", code, out, errText)
	}
	if shown := k.String(); !strings.Contains(shown, "  node\r\n") || !strings.Contains(shown, "  nodes\r\n") {
		t.Errorf("shown %q", shown)
	}
	if _, _, _, k = b.typed("node ?\x03cluster master ?"); !strings.Contains(k.String(), "  1\r\n  2\r\n  3\r\n") || !strings.Contains(k.String(), "  set\r\n") {
		t.Errorf("shown %q", k.String())
	}
	// Words in quotes are one word; inside of them there is nothing to complete.
	if _, _, errText, k = b.typed("node 9 maintenance_mode on reason 'bad \tfan' dr\t\r"); !strings.Contains(k.String(), "dry_run") || !strings.Contains(errText, "there is no node:9") {
		t.Errorf("%q shown %q", errText, k.String())
	}
	// Flags alone do not begin a shell in the shell.
	if code, _, errText, _ := b.typed("--json\r"); code != exitDone || !strings.HasPrefix(errText, "usage:") {
		t.Errorf("%d %q", code, errText)
	}
}

func TestSplitLine(t *testing.T) {
	for line, want := range map[string][]string{
		"":                             nil,
		"  status  nodes ":             {"status", "nodes"},
		`reason "bad fan" cause other`: {"reason", "bad fan", "cause", "other"},
		`a'b c'd ""`:                   {"ab cd", ""},
		"über\tall":                    {"über", "all"},
	} {
		if got, err := splitLine(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q %v", line, got, err)
		}
	}
	for _, bad := range []string{`"`, `a 'b`} {
		if got, err := splitLine(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestSharedBeginning(t *testing.T) {
	for want, list := range map[string][]string{"": {"a", "b"}, "no": {"nodes", "no", "node"}, "one": {"one"}} {
		if got := shared(list); got != want {
			t.Errorf("%v: %q", list, got)
		}
	}
}
