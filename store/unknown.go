package store

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// keepUnknown returns text, which is the JSON of a value of type t, with those
// fields of known added that t does not have: a newer version wrote them, and
// rewriting an object must not lose them. It goes into nested objects, maps,
// and lists whose elements have an "id". Without such fields it returns text itself.
func keepUnknown(known, text json.RawMessage, t reflect.Type) (json.RawMessage, error) {
	if bytes.Equal(known, text) { // as most of the moves of an action, of which one goes on
		return text, nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice && isList(known) && isList(text) {
		return keepInList(known, text, t.Elem())
	}
	if !isObject(known) || !isObject(text) || (t.Kind() != reflect.Struct && t.Kind() != reflect.Map) {
		return text, nil
	}
	var before, after map[string]json.RawMessage
	if err := json.Unmarshal(known, &before); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &after); err != nil {
		return nil, err
	}
	added := false
	for name, old := range before {
		field, knownField := fieldType(t, name)
		now, stands := after[name]
		switch {
		case !knownField:
			after[name], added = old, true
		case stands:
			kept, err := keepUnknown(old, now, field)
			if err != nil {
				return nil, err
			}
			added = added || !bytes.Equal(kept, now)
			after[name] = kept
		}
	}
	if !added {
		return text, nil
	}
	return json.Marshal(after)
}

// keepInList pairs the elements by their id.
func keepInList(known, text json.RawMessage, element reflect.Type) (json.RawMessage, error) {
	var before, after []json.RawMessage
	if err := json.Unmarshal(known, &before); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &after); err != nil {
		return nil, err
	}
	byID := map[string]json.RawMessage{}
	for _, old := range before {
		byID[idOf(old)] = old
	}
	added := false
	for i, now := range after {
		old, ok := byID[idOf(now)]
		if !ok || idOf(now) == "" {
			continue
		}
		kept, err := keepUnknown(old, now, element)
		if err != nil {
			return nil, err
		}
		added = added || !bytes.Equal(kept, now)
		after[i] = kept
	}
	if !added {
		return text, nil
	}
	return json.Marshal(after)
}

func idOf(text json.RawMessage) string {
	var o struct {
		ID json.RawMessage `json:"id"`
	}
	if !isObject(text) || json.Unmarshal(text, &o) != nil {
		return ""
	}
	return string(o.ID)
}

// fieldType returns the type of the struct's JSON field or of the map's
// elements. A map knows all its names: those that are gone were removed.
func fieldType(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() == reflect.Map {
		return t.Elem(), true
	}
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" {
			tag = f.Name
		}
		if f.IsExported() && strings.EqualFold(tag, name) {
			return f.Type, true
		}
	}
	return nil, false
}

func isObject(text json.RawMessage) bool { return len(text) > 0 && text[0] == '{' }

func isList(text json.RawMessage) bool { return len(text) > 0 && text[0] == '[' }
