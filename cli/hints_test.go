package cli

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every command that a sentence of any room names is one that the grammar knows.
func TestHintsCanBeTyped(t *testing.T) {
	list, seen := commands(), 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == "e2e" { // types commands, and gives no hints
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if !ok || text.Kind != token.STRING {
				return true
			}
			said, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Error(err)
			}
			for _, named := range namedCommand.FindAllStringSubmatch(said, -1) {
				seen++
				goesOn := strings.HasSuffix(said, named[0]) && strings.HasSuffix(said, " ") // in code
				if !goesOn && !typable(list, named[1]) {
					t.Errorf("%s: there is no such command: haulout %s", path, named[1])
				}
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 20 {
		t.Errorf("%d sentences name a command, %v", seen, err)
	}
}

var namedCommand = regexp.MustCompile(`haulout ((?:status|node|failover|migrate|explain|verify|bind|tune|info|cluster|db|help)\b[^;,:()\n]*)`)

// typable reports whether the grammar takes the words, or a beginning of them
// where the sentence goes on behind the command. What is filled in is a number.
func typable(list []command, said string) bool {
	text := strings.Fields(strings.NewReplacer("%d", "1", "%s", "1", "%v", "1", "%q", "1").Replace(said))
	for end := len(text); end > 0; end-- {
		_, _, err := parse(list, text[:end])
		var misused *usageError
		if err == nil || errors.As(err, &misused) && strings.HasSuffix(misused.reason.Message, " is missing") {
			return true
		}
	}
	return false
}

func TestHintsThatCanNotBeTyped(t *testing.T) {
	list := commands()
	for said, want := range map[string]bool{
		"status nodes": true, "node %d maintenance_mode off": true, "node %d snapshot list": true,
		"migrate shard %d target_node %d": true, "node %d maintenance_mode off takes one hold away": true,
		"node %d maintenance off": false, "cluster actions": false,
	} {
		if typable(list, said) != want {
			t.Errorf("%s: %t", said, !want)
		}
	}
}
