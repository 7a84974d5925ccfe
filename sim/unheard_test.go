package sim

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A leader that a living host does not hear, or that does not hear it, keeps clients
// waiting no longer than until another leads.
func TestLeaderMakesWay(t *testing.T) {
	for _, file := range []string{"leader_hears_not_everybody", "leader_does_not_reach_everybody"} {
		text, err := os.ReadFile("testdata/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if o := Run(strings.Split(strings.TrimSpace(string(text)), "\n")); o.Err != nil || o.Gap > time.Minute {
			t.Errorf("clients waited %v: %v\n%s", o.Gap, o.Err, strings.Join(o.Trace, "\n"))
		}
	}
}
