package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// schema is a JSON schema of the 2020-12 draft.
type schema map[string]any

// schemas makes schemas of the wire types, each struct once, under its name.
type schemas struct {
	named map[string]any
	at    string // where the named ones stand in the document
}

var scalars = map[reflect.Type]schema{
	reflect.TypeFor[NumberID]():        {"type": "integer"},
	reflect.TypeFor[TextID]():          {"type": "string", "pattern": "^[0-9]+$"},
	reflect.TypeFor[time.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[SnapshotTime]():    {"type": "string", "pattern": "^[0-9-]{10} [0-9:]{8}$"},
	reflect.TypeFor[json.RawMessage](): {},
}

// of returns the schema of a value, as it is written.
func (s *schemas) of(v any) schema {
	switch v := v.(type) {
	case either:
		var any []schema
		for _, one := range v {
			any = append(any, s.of(one))
		}
		return schema{"anyOf": any}
	case []fieldsOf:
		return schema{"type": "array", "items": s.of(v[0])}
	case fieldsOf:
		t := reflect.TypeOf(v.whole)
		name := t.Name() + "Fields"
		some := s.object(t)
		delete(some, "required")
		s.named[name] = some
		return schema{"$ref": s.at + name}
	}
	return s.typed(reflect.TypeOf(v))
}

func (s *schemas) typed(t reflect.Type) schema {
	if scalar, ok := scalars[t]; ok {
		return scalar
	}
	switch t.Kind() {
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Pointer:
		return s.typed(t.Elem())
	case reflect.Slice:
		return schema{"type": "array", "items": s.typed(t.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.typed(t.Elem())}
	}
	if _, ok := s.named[t.Name()]; !ok {
		s.named[t.Name()] = nil // taken: a type may contain itself
		s.named[t.Name()] = s.object(t)
	}
	return schema{"$ref": s.at + t.Name()}
}

// object is the schema of a struct. A field that may be left out says so in its tag.
func (s *schemas) object(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = s.typed(f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return schema{"type": "object", "properties": properties, "required": required}
}
