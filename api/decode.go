package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/haulout/haulout/cluster"
)

const (
	maxDepth  = 32  // of nested JSON
	maxName   = 256 // bytes; of a field
	maxFaults = 50  // that an answer names
)

// object is a JSON object on its way into a Go value. Fields are taken out one
// by one; every fault is collected, and what nobody took is a fault as well.
type object struct {
	path   string // of the object in the body, with its dot
	fields map[string]json.RawMessage
	faults *faults
}

// faults are those of a request. Who sends many is told of some, and how many more
// there are: a small request is not to fill the memory with its answer.
type faults struct {
	named   cluster.Refusals
	unnamed int
}

func (f *faults) add(list ...*cluster.Error) {
	room := min(len(list), maxFaults-len(f.named))
	f.named = append(f.named, list[:room]...)
	f.unnamed += len(list) - room
}

func (f *faults) count() int { return len(f.named) + f.unnamed }

func (f *faults) err() error {
	switch {
	case f.count() == 0:
		return nil
	case f.unnamed == 0:
		return f.named
	}
	return append(slices.Clip(f.named), badRequest("", "and %d more", f.unnamed))
}

func badRequest(hint, format string, args ...any) *cluster.Error {
	return cluster.Refuse(cluster.CodeBadRequest, hint, format, args...)
}

func checkJSON(r *http.Request) error {
	t := r.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(t); err != nil || kind != "application/json" {
		return cluster.Refuse(CodeMediaType, "send the header Content-Type: application/json", "the content type %q is not JSON", t)
	}
	return nil
}

// readObject reads the request's body as one JSON object; no body is an empty one.
func readObject(r *http.Request) (*object, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("Content-Type") != "" || len(data) > 0 {
		if err := checkJSON(r); err != nil {
			return nil, err
		}
	}
	return parseObject(data)
}

func parseObject(data []byte) (*object, error) {
	o := &object{fields: map[string]json.RawMessage{}, faults: &faults{}}
	if len(bytes.TrimSpace(data)) == 0 {
		return o, nil
	}
	if !utf8.Valid(data) {
		return nil, badRequest("send UTF-8", "the body is not valid UTF-8")
	}
	if err := checkSyntax(data); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &o.fields); err != nil || o.fields == nil {
		return nil, badRequest("send an object: {...}", "the body is %s, not a JSON object", kindOf(data))
	}
	return o, nil
}

// checkSyntax refuses what is not exactly one JSON value, one too deep, and
// names that stand twice in an object.
func checkSyntax(data []byte) error {
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		offset := int64(len(data))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			offset = syntax.Offset
		}
		return badRequest("", "the body is not JSON: %v (%s)", err, position(data, offset))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return checkNames(d, data, nil, 0)
}

// spot is where a value stands in the body. It is put into words for a message
// alone: the words of every place would take fields times depth.
type spot struct {
	in    *spot
	name  string
	index int // in a list; -1: the name counts
}

func (p *spot) String() string {
	switch {
	case p == nil:
		return ""
	case p.index >= 0:
		return fmt.Sprintf("%s[%d]", p.in, p.index)
	}
	return strings.TrimPrefix(fmt.Sprintf("%s.%s", p.in, p.name), ".")
}

func checkNames(d *json.Decoder, data []byte, at *spot, depth int) error {
	if depth > maxDepth {
		return badRequest("", "the body is nested more than %d deep (%s)", maxDepth, position(data, d.InputOffset()))
	}
	token, err := d.Token()
	if err != nil {
		return badRequest("", "the body is not JSON: %v", err)
	}
	switch token {
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			if err := checkNames(d, data, &spot{in: at, index: i}, depth+1); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			token, err := d.Token()
			if err != nil {
				return badRequest("", "the body is not JSON: %v", err)
			}
			name, _ := token.(string) // the decoder takes nothing else for a name
			if len(name) > maxName {
				return badRequest("", "the name of a field is longer than %d bytes (%s)", maxName, position(data, d.InputOffset()))
			}
			inner := &spot{in: at, name: name, index: -1}
			if seen[name] {
				return badRequest("give it once", "the field %s stands twice (%s)", inner, position(data, d.InputOffset()))
			}
			seen[name] = true
			if err := checkNames(d, data, inner, depth+1); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // the closing bracket
	return err
}

func position(data []byte, offset int64) string {
	before := data[:min(int(offset), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Sprintf("line %d, column %d", line, max(column, 1))
}

// kindOf names the kind of a JSON value without repeating it: it may be a secret.
func kindOf(raw json.RawMessage) string {
	switch c := bytes.TrimSpace(raw); {
	case len(c) == 0:
		return "nothing"
	case c[0] == '"':
		return "a string"
	case c[0] == '{':
		return "an object"
	case c[0] == '[':
		return "a list"
	case c[0] == 't' || c[0] == 'f':
		return "a boolean"
	case c[0] == 'n':
		return "null"
	case bytes.ContainsAny(c, "eE"):
		return "a number with an exponent"
	case bytes.ContainsAny(c, "."):
		return "a fraction"
	}
	return "a number"
}

func (o *object) refuse(e *cluster.Error) { o.faults.add(e) }

const wholeNumber = "a whole number"

// take removes the field and decodes it. It reports whether the field was there
// and good; want says in words what it must be.
func take[T any](o *object, name, want string, into *T) bool {
	raw, ok := o.fields[name]
	if !ok {
		return false
	}
	delete(o.fields, name)
	var v T
	if kindOf(raw) == "null" || json.Unmarshal(raw, &v) != nil {
		kind := kindOf(raw)
		if want == wholeNumber && kind == "a number" {
			kind = "one so large"
		}
		o.refuse(badRequest("", "%s%s must be %s, not %s", o.path, name, want, kind))
		return false
	}
	*into = v
	return true
}

func (o *object) number(name string, into *int) bool  { return take(o, name, wholeNumber, into) }
func (o *object) large(name string, into *int64) bool { return take(o, name, wholeNumber, into) }
func (o *object) text(name string, into *string) bool { return take(o, name, "a string", into) }
func (o *object) flag(name string, into *bool) bool   { return take(o, name, "true or false", into) }
func (o *object) texts(name string, into *[]string) bool {
	return take(o, name, "a list of strings", into)
}

// object removes the field and returns the object in it; an empty one if it is
// not there. Its faults are the parent's.
func (o *object) object(name string) *object {
	sub := &object{path: o.path + name + ".", fields: map[string]json.RawMessage{}, faults: o.faults}
	take(o, name, "an object", &sub.fields)
	return sub
}

// neutral lets the field pass if it says what happens anyway, and refuses it by
// name otherwise. The values are compact JSON.
func (o *object) neutral(name string, values ...string) {
	raw, ok := o.fields[name]
	if !ok {
		return
	}
	delete(o.fields, name)
	var compact bytes.Buffer
	if json.Compact(&compact, raw) == nil && slices.Contains(values, compact.String()) {
		return
	}
	o.refuse(unsupportedField(o.path+name, "leave it out, or give "+strings.Join(values, " or ")))
}

func unsupportedField(name, hint string) *cluster.Error {
	return cluster.Refuse(cluster.CodeUnsupported, hint, "%s is not supported yet", name)
}

// rest refuses every field that nobody took: by name as not supported yet if it
// is among the known ones, as unknown otherwise.
func (o *object) rest(known ...string) {
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		if slices.Contains(known, name) {
			o.refuse(unsupportedField(o.path+name, "leave it out"))
		} else {
			o.refuse(badRequest("leave it out", "there is no field %s%s", o.path, name))
		}
	}
	clear(o.fields)
}

// foresee adds what the cluster would refuse of the command, so that all is told
// at once.
func (o *object) foresee(board *cluster.Board, command cluster.Command) {
	_, err := command.Apply(board)
	var all cluster.Refusals
	var one *cluster.Error
	if !errors.As(err, &all) && errors.As(err, &one) {
		all = cluster.Refusals{one}
	}
	o.faults.add(all...)
}

func (o *object) has(name string) bool {
	_, ok := o.fields[name]
	return ok
}

// err returns the faults found so far.
func (o *object) err() error { return o.faults.err() }
