package resp

// splitInline appends the words of an inline command to dst, by the engine's
// own rules: words apart by blanks, "..." with escapes, '...' with \' only.
// Words without quotes are sub-slices of line. It reports whether the quotes
// are balanced.
func splitInline(dst [][]byte, line []byte) ([][]byte, bool) {
	for {
		for len(line) > 0 && isSpace(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			return dst, true
		}
		word, rest, ok := inlineWord(line)
		if !ok {
			return dst, false
		}
		dst, line = append(dst, word), rest
	}
}

// inlineWord takes the first word of line.
func inlineWord(line []byte) (word, rest []byte, ok bool) {
	end := 0
	for end < len(line) && !isSpace(line[end]) && line[end] != '"' && line[end] != '\'' {
		end++
	}
	if end == len(line) || isSpace(line[end]) {
		return line[:end:end], line[end:], true
	}
	word, rest = append([]byte{}, line[:end]...), line[end:]
	for len(rest) > 0 && !isSpace(rest[0]) {
		switch rest[0] {
		case '"':
			word, rest, ok = doubleQuoted(word, rest[1:])
		case '\'':
			word, rest, ok = singleQuoted(word, rest[1:])
		default:
			word, rest = append(word, rest[0]), rest[1:]
			continue
		}
		// A closing quote must be followed by a blank or nothing.
		if !ok || len(rest) > 0 && !isSpace(rest[0]) {
			return nil, nil, false
		}
	}
	return word, rest, true
}

func doubleQuoted(word, s []byte) ([]byte, []byte, bool) {
	for len(s) > 0 {
		switch {
		case s[0] == '"':
			return word, s[1:], true
		case len(s) >= 4 && s[0] == '\\' && s[1] == 'x' && isHex(s[2]) && isHex(s[3]):
			word, s = append(word, unhex(s[2])<<4|unhex(s[3])), s[4:]
		case len(s) >= 2 && s[0] == '\\':
			word, s = append(word, unescape(s[1])), s[2:]
		default:
			word, s = append(word, s[0]), s[1:]
		}
	}
	return nil, nil, false
}

func singleQuoted(word, s []byte) ([]byte, []byte, bool) {
	for len(s) > 0 {
		switch {
		case s[0] == '\'':
			return word, s[1:], true
		case len(s) >= 2 && s[0] == '\\' && s[1] == '\'':
			word, s = append(word, '\''), s[2:]
		default:
			word, s = append(word, s[0]), s[1:]
		}
	}
	return nil, nil, false
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0 }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
