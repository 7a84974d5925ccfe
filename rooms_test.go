package haulout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says which rooms a room may look into. This is policy: do not
// change it to make a build pass. A room that is not listed fails.
var mayImport = map[string]string{
	"cluster":     "",
	"plan":        "cluster",
	"maintenance": "cluster plan",
	"recovery":    "cluster plan",
	"resp":        "",
	"peer":        "",
	"store":       "cluster",
	"controller":  "cluster plan maintenance recovery",
	"engine":      "resp",
	"agent":       "cluster engine peer proxy",
	"proxy":       "cluster resp",
	"discovery":   "cluster resp",
	"api":         "cluster maintenance recovery",
	"cli":         "cluster api",
	"daemon":      everything,
	"cmd/haulout": "cli daemon",
	"e2e":         everything,
	"sim":         everything,
	"bench":       everything,
}

const everything = "*"

// Pure rooms decide: they see no clock, no disk and no network, and start
// nothing. Their tests may.
var (
	pure            = strings.Fields("cluster plan maintenance recovery")
	pureMayImport   = strings.Fields("cmp encoding/json errors fmt iter maps math slices strconv strings time")
	clock           = strings.Fields("Now Since Until After AfterFunc Sleep NewTimer NewTicker Tick")
	wordlessPackage = strings.Fields("util utils common types model models helper helpers manager")
)

const module = "github.com/haulout/haulout/"

// file is one source file, parsed here and not by another process: the test
// cache knows only the files a test opens itself.
type file struct {
	*ast.File
	path string
	room string
	test bool
}

func TestRooms(t *testing.T) {
	files := parseAll(t)
	documented := map[string]bool{}
	for _, f := range files {
		dir := filepath.Dir(f.path)
		if !f.test {
			documented[dir] = documented[dir] || f.Doc != nil
		}
		checkName(t, f)
		checkDirections(t, f)
		if slices.Contains(pure, f.room) && !f.test {
			checkPurity(t, f)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		if !documented[dir] {
			t.Errorf("%s: no package comment", dir)
		}
	}
	if len(documented) == 0 {
		t.Error("no room was found")
	}
}

func checkName(t *testing.T, f file) {
	if slices.Contains(wordlessPackage, f.Name.Name) {
		t.Errorf("%s: %q says nothing about what is in the package", f.path, f.Name.Name)
	}
}

func checkDirections(t *testing.T, f file) {
	allowed, listed := mayImport[f.room]
	if !listed {
		t.Errorf("%s: the room %s is not in the table", f.path, f.room)
		return
	}
	for _, path := range imports(f) {
		inside, ours := strings.CutPrefix(path, module)
		if !ours || allowed == everything {
			continue
		}
		if room := roomOf(inside); room != f.room && !slices.Contains(strings.Fields(allowed), room) {
			t.Errorf("%s: %s may not import %s", f.path, f.room, room)
		}
	}
}

func checkPurity(t *testing.T, f file) {
	for _, path := range imports(f) {
		if !strings.HasPrefix(path, module) && !slices.Contains(pureMayImport, path) {
			t.Errorf("%s: %s is pure and may not import %s", f.path, f.room, path)
		}
	}
	for _, i := range f.Imports {
		if i.Path.Value == `"time"` && i.Name != nil {
			t.Errorf("%s: a pure room imports time by its own name", f.path)
		}
	}
	ast.Inspect(f.File, func(n ast.Node) bool {
		if what := impure(n); what != "" {
			t.Errorf("%s: %s is pure and may not use %s", f.path, f.room, what)
		}
		return true
	})
}

// impure names what a pure room may not have, or returns "".
func impure(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "goroutines"
	case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
		return "channels"
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
			return "time." + n.Sel.Name
		}
	}
	return ""
}

func imports(f file) []string {
	var list []string
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			list = append(list, path)
		}
	}
	return list
}

// roomOf returns the room of a path below the root: its first part, and under
// cmd its first two.
func roomOf(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	if parts[0] == "cmd" && len(parts) > 1 {
		return "cmd/" + parts[1]
	}
	return parts[0]
}

// parseAll parses every source file below the root's folders.
func parseAll(t *testing.T) []file {
	t.Helper()
	var files []file
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || filepath.Dir(path) == ".":
			return nil
		}
		parsed, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			files = append(files, file{parsed, path, roomOf(filepath.Dir(path)), strings.HasSuffix(path, "_test.go")})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
