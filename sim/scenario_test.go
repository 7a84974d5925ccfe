package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What once broke a promise, each shortened to what it takes.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if o := Run(strings.Split(strings.TrimSpace(string(text)), "\n")); o.Err != nil {
				t.Errorf("%v\n\n%s\n\n%s", o.Err, text, strings.Join(o.Trace, "\n"))
			}
		})
	}
}

// The same history is the same again, to the last commit.
func TestSameSeedSameHistory(t *testing.T) {
	for seed := range uint64(20) {
		one, two := Run(Random(seed)), Run(Random(seed))
		if a, b := strings.Join(one.Trace, "\n"), strings.Join(two.Trace, "\n"); a != b {
			t.Fatalf("seed %d:\n%s\n\nand then\n\n%s", seed, a, b)
		}
	}
}
