package resp

import "strconv"

// The kinds of values: the first byte of each on the wire.
const (
	KindSimple    = '+'
	KindError     = '-'
	KindInt       = ':'
	KindBulk      = '$'
	KindArray     = '*'
	KindNull      = '_'
	KindBool      = '#'
	KindDouble    = ','
	KindBigNumber = '('
	KindBulkError = '!'
	KindVerbatim  = '='
	KindMap       = '%'
	KindSet       = '~'
	KindPush      = '>'
	KindAttribute = '|'
)

// Error is an error reply, without its leading '-'.
type Error string

// Error returns the reply's text.
func (e Error) Error() string { return string(e) }

// Value is one decoded reply. Kind is its first byte on the wire. Scalars have
// Str, integers and booleans Int too; aggregates have Array, a map its keys
// and values in turn. Null marks the null of either protocol version.
type Value struct {
	Kind  byte
	Str   string
	Int   int64
	Array []Value
	Null  bool
}

// IsError reports whether the value is an error reply.
func (v Value) IsError() bool { return v.Kind == KindError || v.Kind == KindBulkError }

// Err returns the error reply as an [Error], or nil for any other value.
func (v Value) Err() error {
	if v.IsError() {
		return Error(v.Str)
	}
	return nil
}

// Text returns a scalar as text: integers in decimal, null and aggregates as "".
func (v Value) Text() string {
	if v.Kind == KindInt {
		return strconv.FormatInt(v.Int, 10)
	}
	return v.Str
}

// Strings returns the text of each element of an aggregate.
func (v Value) Strings() []string {
	list := make([]string, len(v.Array))
	for i, e := range v.Array {
		list[i] = e.Text()
	}
	return list
}
