package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table in README.md names tests that exist, and has a line for each test
// that was made for a fault.
func TestFaultsHaveTests(t *testing.T) {
	table, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, line := range strings.Split(string(table), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 3 || !regexp.MustCompile(`^(RS|PR)\d`).MatchString(cells[0]) {
			continue
		}
		rows++
		for _, m := range regexp.MustCompile("`([a-z0-9]+) (Test[^`]*)`").FindAllStringSubmatch(cells[2], -1) {
			if !exists(t, m[1], m[2]) {
				t.Errorf("%s: there is no %s in %s", cells[0], m[2], m[1])
			}
		}
	}
	if rows < 40 {
		t.Errorf("only %d rows were found", rows)
	}
	made, _ := filepath.Glob("../*/testdata/bugs/*.txt")
	for _, path := range made {
		if name := strings.TrimSuffix(filepath.Base(path), ".txt"); !strings.Contains(string(table), "TestBugs/"+name) {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// exists reports whether the room has the test, or the scenario of that name.
func exists(t *testing.T, room, test string) bool {
	t.Helper()
	name, scenario, _ := strings.Cut(test, "/")
	if scenario != "" {
		_, err := os.Stat(filepath.Join("..", room, "testdata", "bugs", scenario+".txt"))
		return err == nil
	}
	files, _ := filepath.Glob(filepath.Join("..", room, "*_test.go"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}
