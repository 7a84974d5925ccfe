package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What operators have in their runbooks, typed against real daemons and engines
// while clients write. Each transcript ends with everything where it was.
func TestRunbook(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	c, clients := underLoad(ctx, t, "127.0.9.")
	rladmin := filepath.Join(c.Folder, "rladmin") // by this name it is the same tool
	if err := os.Symlink(c.Binary, rladmin); err != nil {
		t.Fatal(err)
	}
	before, err := c.Placement(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range transcripts(t) {
		ok := t.Run(name, func(t *testing.T) {
			task := ""
			for _, e := range readTranscript(t, name) {
				said := c.play(ctx, e.about(task))
				if fault := e.difference(said); fault != "" {
					t.Error(fault)
				}
				if told := taskID.FindString(said); told != "" {
					task = told
				}
			}
			f, _ := clients.Figures()
			t.Logf("clients: %s", summary(f))
			after, err := c.Placement(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range before.Differences(after) {
				t.Error(d)
			}
		})
		if !ok {
			break // the next begins where this one should have ended
		}
		if err := clients.goOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	noticedNothing(ctx, t, clients)
}

func transcripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "runbook", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	return names
}

var taskID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// about is the command with the task in place of the word TASK.
func (e exchange) about(task string) exchange {
	words := slices.Clone(e.words)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "TASK", task)
	}
	e.words = words
	return e
}

// play types the command and returns what was printed, on both streams. To pull
// the plug of a host and to put it in again are commands, too.
func (c *Cluster) play(ctx context.Context, e exchange) string {
	switch e.words[0] {
	case "poweroff":
		return complaint(c.Kill(e.node))
	case "poweron":
		return complaint(c.Start(ctx, e.node))
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
		return c.ask(ctx, e)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.Folder, e.words[0]), e.words[1:]...)
	cmd.Env = append(os.Environ(), "HAULOUT_SOCKET="+c.Socket(e.node))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Sprintf("%s(exit code %d)\n", &said, exit.ExitCode())
	}
	return said.String() + complaint(err)
}

// ask sends a request to the node's REST API and returns the answer.
func (c *Cluster) ask(ctx context.Context, e exchange) string {
	rest, err := c.Hosts.REST(e.node, operator, c.Password)
	if err != nil {
		return complaint(err)
	}
	var body []byte
	if len(e.words) > 2 {
		body = []byte(e.words[2])
	}
	var answer json.RawMessage
	err = rest.do(ctx, e.words[0], e.words[1], body, &answer)
	return string(answer) + "\n" + complaint(err)
}

func complaint(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() + "\n"
}
