package api_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
)

// document is what the server says of itself, with its schemas compiled. Here
// its objects are closed: an answer with a field that the document lacks is a
// fault.
type document struct {
	raw     map[string]any
	schemas *jsonschema.Compiler
}

const documentURL = "http://haulout/openapi.json"

var described = sync.OnceValue(func() document {
	w := httptest.NewRecorder()
	server(apitest.New()).Public().ServeHTTP(w, httptest.NewRequest("GET", "/v1/openapi.json", nil))
	raw, err := jsonschema.UnmarshalJSON(w.Body)
	if err != nil {
		panic(err)
	}
	d := document{raw.(map[string]any), jsonschema.NewCompiler()}
	d.schemas.AssertFormat()
	for _, s := range dig(raw, "components", "schemas").(map[string]any) {
		s.(map[string]any)["additionalProperties"] = false
	}
	if err := d.schemas.AddResource(documentURL, raw); err != nil {
		panic(err)
	}
	return d
})

func dig(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// pointer escapes a step of a JSON pointer in an address.
func pointer(step string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(step)
}

// checked lets every answer pass only if the document describes it.
func checked(t *testing.T, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		h.ServeHTTP(recorded, r)
		pattern := ""
		for _, p := range api.Patterns() {
			method, path, _ := strings.Cut(p, " ")
			if method == r.Method && fits(path, r.URL.Path) && (pattern == "" || strings.Count(path, "{") < strings.Count(pattern, "{")) {
				pattern = p
			}
		}
		if pattern != "" {
			described().check(t, pattern, recorded)
		}
		for name, values := range recorded.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(recorded.Body.Bytes())
	})
}

func fits(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") })
}

func (d document) check(t *testing.T, pattern string, answer *httptest.ResponseRecorder) {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	response := "default"
	if answer.Code == http.StatusOK {
		response = "200"
	}
	steps := []string{"paths", path, strings.ToLower(method), "responses", response, "content", "application/json", "schema"}
	where := documentURL + "#"
	for _, s := range steps {
		where += "/" + pointer(s)
	}
	body := answer.Body.Bytes()
	if dig(d.raw, steps...) == nil {
		if len(body) > 0 {
			t.Errorf("%s: %d: the document knows no body: %s", pattern, answer.Code, body)
		}
		return
	}
	s, err := d.compile(where)
	if err != nil {
		t.Errorf("%s: %v", pattern, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%s: %d: %v\n%s", pattern, answer.Code, err, body)
	}
}

var compiling sync.Mutex

func (d document) compile(where string) (*jsonschema.Schema, error) {
	compiling.Lock()
	defer compiling.Unlock()
	return d.schemas.Compile(where)
}

func TestDocumentIsOpenAPI(t *testing.T) {
	text, err := os.ReadFile("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("http://rules/", rules); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("http://rules/")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(described().raw); err != nil {
		t.Error(err)
	}
}

// Every route is in the document, and everything in the document is a route
// that answers something else than that there is nothing.
func TestDocumentHasEveryRoute(t *testing.T) {
	var there []string
	operations := map[string]bool{}
	for path, methods := range described().raw["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			there = append(there, strings.ToUpper(method)+" "+path)
			id, _ := dig(operation, "operationId").(string)
			if operations[id] || id == "" || dig(operation, "summary") == "" {
				t.Errorf("%s %s: operationId %q, summary %q", method, path, id, dig(operation, "summary"))
			}
			operations[id] = true
		}
	}
	slices.Sort(there)
	want := slices.Sorted(slices.Values(api.Patterns()))
	if !slices.Equal(there, want) {
		t.Errorf("the document has\n%s\nthe server has\n%s", strings.Join(there, "\n"), strings.Join(want, "\n"))
	}
	h := server(apitest.Cluster()).Public()
	for _, pattern := range there {
		method, path, _ := strings.Cut(pattern, " ")
		status, body := send(t, h, method, strings.NewReplacer("{", "", "}", "").Replace(path), "")
		if status == http.StatusMethodNotAllowed || status == http.StatusNotFound && code(t, body) == api.CodeNotFound {
			t.Errorf("%s: %d %s", pattern, status, body)
		}
	}
}

func TestDocumentNeedsNoLogin(t *testing.T) {
	w := httptest.NewRecorder()
	server(apitest.Cluster()).Public().ServeHTTP(w, httptest.NewRequest("GET", "/v1/openapi.json", nil))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || strings.Contains(w.Body.String(), "haulout.local") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// Every field that a handler takes from a body is in the document.
func TestDocumentHasEveryField(t *testing.T) {
	known := map[string]bool{}
	for _, s := range dig(described().raw, "components", "schemas").(map[string]any) {
		for name := range dig(s, "properties").(map[string]any) {
			known[name] = true
		}
	}
	found := 0
	takers := []string{"text", "number", "flag", "texts", "large", "uid", "uids", "object", "setting"}
	take := func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		selector, isMethod := call.Fun.(*ast.SelectorExpr)
		literal, isText := call.Args[0].(*ast.BasicLit)
		if !isMethod || !isText || literal.Kind != token.STRING || !slices.Contains(takers, selector.Sel.Name) {
			return true
		}
		if from, ok := selector.X.(*ast.Ident); ok && from.Name == "q" { // parameters
			return true
		}
		found++
		if name, _ := strconv.Unquote(literal.Value); !known[name] {
			t.Errorf("no schema has the field %s", name)
		}
		return true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			ast.Inspect(file, take)
		}
	}
	if found < 40 {
		t.Errorf("only %d fields were found", found)
	}
}

// What the document says of a body, the server understands: a field of a wrong
// kind is refused as such, and not as unknown.
func TestServerKnowsEveryField(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	elsewhere := map[string][]string{ // fields that only some of the routes with this body have
		"DELETE /v1/users/password":             {"new_password"},
		"POST /v1/nodes/{uid}/actions/{action}": {"snapshot_name", "skip_shards_restore", "wait_for_persistence", "endpoints_only", "shards_only"},
		"POST /v1/shards/{uid}/actions/migrate": {"shard_uids"}, "POST /v1/shards/{uid}/actions/failover": {"shard_uids"},
	}
	for _, pattern := range api.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		ref, _ := dig(described().raw, "paths", path, strings.ToLower(method), "requestBody", "content", "application/json", "schema", "$ref").(string)
		if ref == "" {
			continue
		}
		properties := dig(described().raw, "components", "schemas", strings.TrimPrefix(ref, "#/components/schemas/"), "properties").(map[string]any)
		body := map[string]any{}
		for name := range properties {
			if !slices.Contains(elsewhere[pattern], name) {
				body[name] = map[string]any{"wrong": []int{1}}
			}
		}
		text, _ := json.Marshal(body)
		r := httptest.NewRequest(method, strings.NewReplacer("{uid}", "1", "{action}", "maintenance_on", "{task}", "x", "{name}", "x").Replace(path), bytes.NewReader(text))
		r.SetBasicAuth(apitest.Admin, apitest.Password)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(api.SecretHeader, "once")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for name := range properties {
			if strings.Contains(w.Body.String(), "there is no field "+name+`"`) {
				t.Errorf("%s: the server does not know %s", pattern, name)
			}
		}
	}
}

func TestJSONSchema(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	_, text := send(t, h, "GET", "/v1/jsonschema?object=bdb", "")
	rules, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("http://bdb/", rules); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("http://bdb/")
	if err != nil {
		t.Fatal(err)
	}
	for path, good := range map[string]bool{"/v1/bdbs/1": true, "/v1/nodes/1": false} {
		_, text := send(t, h, "GET", path, "")
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
}
