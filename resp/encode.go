package resp

import "strconv"

// AppendCommand appends a command as an array of bulk strings.
func AppendCommand(b []byte, args ...string) []byte {
	b = AppendArrayHeader(b, len(args))
	for _, a := range args {
		b = AppendBulkString(b, a)
	}
	return b
}

// AppendArrayHeader appends the head of an array of n elements.
func AppendArrayHeader(b []byte, n int) []byte { return appendHead(b, KindArray, int64(n)) }

// AppendMapHeader appends the head of a map of n pairs: a map in protocol
// version 3, a flat array of 2n elements in version 2.
func AppendMapHeader(b []byte, version, n int) []byte {
	if version < 3 {
		return AppendArrayHeader(b, 2*n)
	}
	return appendHead(b, KindMap, int64(n))
}

// AppendPushHeader appends the head of a push of n elements: an array in
// protocol version 2.
func AppendPushHeader(b []byte, version, n int) []byte {
	if version < 3 {
		return AppendArrayHeader(b, n)
	}
	return appendHead(b, KindPush, int64(n))
}

// AppendBulk appends a bulk string.
func AppendBulk(b, s []byte) []byte {
	b = appendHead(b, KindBulk, int64(len(s)))
	return append(append(b, s...), '\r', '\n')
}

// AppendBulkString appends a bulk string.
func AppendBulkString(b []byte, s string) []byte {
	b = appendHead(b, KindBulk, int64(len(s)))
	return append(append(b, s...), '\r', '\n')
}

// AppendVerbatim appends a text: a verbatim string in protocol version 3, a bulk
// string in version 2.
func AppendVerbatim(b []byte, version int, s string) []byte {
	if version < 3 {
		return AppendBulkString(b, s)
	}
	b = append(appendHead(b, KindVerbatim, int64(len(s)+4)), "txt:"...)
	return append(append(b, s...), '\r', '\n')
}

// AppendSimple appends a simple string. It must not contain a line end.
func AppendSimple(b []byte, s string) []byte {
	return append(append(append(b, KindSimple), s...), '\r', '\n')
}

// AppendError appends an error reply. Line ends in it become spaces.
func AppendError(b []byte, s string) []byte {
	b = append(b, KindError)
	for i := range len(s) {
		c := s[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		b = append(b, c)
	}
	return append(b, '\r', '\n')
}

// AppendInt appends an integer.
func AppendInt(b []byte, n int64) []byte { return appendHead(b, KindInt, n) }

// AppendNull appends the null of the protocol version.
func AppendNull(b []byte, version int) []byte {
	if version < 3 {
		return append(b, "$-1\r\n"...)
	}
	return append(b, "_\r\n"...)
}

func appendHead(b []byte, kind byte, n int64) []byte {
	return append(strconv.AppendInt(append(b, kind), n, 10), '\r', '\n')
}

// AppendCommandBytes appends a command as an array of bulk strings.
func AppendCommandBytes(b []byte, args [][]byte) []byte {
	b = AppendArrayHeader(b, len(args))
	for _, a := range args {
		b = AppendBulk(b, a)
	}
	return b
}
