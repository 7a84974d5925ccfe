package discovery

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

func TestPatterns(t *testing.T) {
	for pattern, fits := range map[string]map[string]bool{
		"+switch-master":      {"+switch-master": true, "switch-master": false},
		"[-+]sdown":           {"-sdown": true, "+sdown": true, "xsdown": false},
		"*":                   {"": true, "+switch-master": true},
		"+s*r":                {"+switch-master": true, "+sdown": false},
		"?sdown":              {"+sdown": true, "sdown": false},
		"[^+]sdown":           {"-sdown": true, "+sdown": false},
		"[a-c]x[":             {"bx[": false, "bx": false},
		"\\*":                 {"*": true, "x": false},
		"__sentinel__:hello*": {"__sentinel__:hello": true},
	} {
		for name, want := range fits {
			if got := matches(pattern, name); got != want {
				t.Errorf("%q, %q: got %v", pattern, name, got)
			}
		}
	}
}

// Whoever tries each place for each * does not come to an end with this.
func TestAPatternFullOfStarsKeepsNobodyBusy(t *testing.T) {
	name := strings.Repeat("a", 60)
	if matches(strings.Repeat("*a", 30)+"*b", name) || !matches(strings.Repeat("*a", 30)+"*", name) {
		t.Error("it fits what it does not, or not what it does")
	}
}

// The engine is asked by publishing to who has subscribed to the pattern.
func TestPatternsFitAsTheEngines(t *testing.T) {
	engine := startEngine(t, "127.0.0.1", freePort(t))
	rapid.Check(t, func(rt *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?\[\]^\\\-]{1,6}`).Draw(rt, "pattern")
		name := rapid.StringMatching(`[ab^\-\]]{1,4}`).Draw(rt, "name")
		sub := engine.PSubscribe(t.Context(), pattern)
		defer sub.Close()
		if _, err := sub.Receive(t.Context()); err != nil {
			rt.Fatal(err)
		}
		n, err := engine.Publish(t.Context(), name, "").Result()
		if err != nil && err != redis.Nil {
			rt.Fatal(err)
		}
		if got := matches(pattern, name); got != (n == 1) {
			rt.Fatalf("%q, %q: got %v, the engine tells %d", pattern, name, got, n)
		}
	})
}
