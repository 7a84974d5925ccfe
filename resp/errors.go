package resp

// ProtocolError is a violation by a client, in the engine's own words. It is
// sent as an error reply before the connection is closed.
type ProtocolError string

// Error returns the text of the reply.
func (e ProtocolError) Error() string { return string(e) }

// What a client can do wrong.
const (
	ErrMultibulk ProtocolError = "ERR Protocol error: invalid multibulk length"
	ErrBulk      ProtocolError = "ERR Protocol error: invalid bulk length"
	ErrBigInline ProtocolError = "ERR Protocol error: too big inline request"
	ErrBigCount  ProtocolError = "ERR Protocol error: too big mbulk count string"
	ErrBigBulk   ProtocolError = "ERR Protocol error: too big bulk count string"

	ErrStrangerMultibulk ProtocolError = "ERR Protocol error: unauthenticated multibulk length"
	ErrStrangerBulk      ProtocolError = "ERR Protocol error: unauthenticated bulk length"

	ErrUnbalanced ProtocolError = "ERR Protocol error: unbalanced quotes in request"
)

// expectedBulk names the byte that stood where a bulk string should begin.
func expectedBulk(line []byte) ProtocolError {
	c := byte('\r')
	if len(line) > 0 {
		c = line[0]
	}
	return ProtocolError("ERR Protocol error: expected '$', got '" + printable(c) + "'")
}

func printable(c byte) string {
	if c == '\r' || c == '\n' {
		return " "
	}
	return string([]byte{c})
}
