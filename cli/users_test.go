package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
)

// Rules that take something away begin as flags do.
func TestRulesThatTakeAway(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	code, text, errText := b.run("db user set sessions careful rules ~* +@all -@dangerous -config|set -keys nopass")
	if code != 0 || !strings.HasSuffix(text, "ok\n") {
		t.Fatalf("%d %q %q", code, text, errText)
	}
	if _, text, _ := b.run("db user list sessions"); !strings.Contains(text, "~* +@all -@dangerous -config|set -keys\n") {
		t.Errorf("got\n%s", text)
	}
}

func TestUsersOfADatabase(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"db user set sessions app rules ~app:* +@read password_file " + file: "Setting user app of db:1 (sessions)... ok\n",
		"db user set db:1 batch rules +@all nopass login disabled":           "Setting user batch of db:1 (sessions)... ok\n",
	} {
		if code, text, errText := b.run(line); code != 0 || text != want || errText != "" {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
	_, text, _ := b.run("db user list sessions")
	golden(t, "db_user_list", text)
	if _, text, _ := b.run("db user list sessions --json"); !strings.Contains(text, `"name": "app"`) || strings.Contains(text, "geheim") {
		t.Error(text)
	}
	for line, want := range map[string]string{
		"db user set sessions new nopass":                        "has no rules",
		"db user set sessions new rules +@all":                   "has no password",
		"db user set sessions new rules +nosuchcommand nopass":   "refuses the rule '+nosuchcommand'",
		"db user set sessions app":                               "nothing to change",
		"db user set sessions app password_file /nowhere":        "no such file",
		"db user set sessions app login perhaps":                 "login can not be",
		"db user set nowhere app nopass":                         "there is no database nowhere",
		"db user delete sessions nobody":                         "has no user nobody",
		"db user delete sessions default":                        "can not be deleted",
		"db user set sessions app further_password_file " + file: "has this password already",
	} {
		if code, _, errText := b.run(line); code == 0 || !strings.Contains(errText, want) {
			t.Errorf("%s: %d %q, want %q", line, code, errText, want)
		}
	}
	if code, text, errText := b.run("db user delete sessions app"); code != 0 || text != "Deleting user app of db:1 (sessions)... ok\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	b.run("db user set sessions once rules +@all nopass")
	if code, text, _ := b.run("--json db user delete sessions once"); code != 0 || text != "{\n  \"bdb_uid\": 1,\n  \"name\": \"once\"\n}\n" {
		t.Errorf("%d %q", code, text)
	}
	// Whom a process does not know yet is waited for, and named.
	b.steps = nil
	d.Silence(1)
	if code, _, errText := b.run("db user set sessions batch login enabled"); code == 0 || !strings.Contains(errText, "is not in force everywhere") {
		t.Errorf("%d %q", code, errText)
	}
}
