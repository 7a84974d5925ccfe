package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// A file that is cut short, as on a full disk, does not count as success.
func TestOutputThatCanNotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this host has no full device: ", err)
	}
	defer func() { _ = full.Close() }()
	for _, line := range []string{"version", "--json version", "help", "completion bash"} {
		var said bytes.Buffer
		code := Main(append([]string{"haulout"}, strings.Fields(line)...), strings.NewReader(""), full, &said, nil)
		if code != exitFailed || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%s: %d %q", line, code, said.String())
		}
	}
}
