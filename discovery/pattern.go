package discovery

// matches reports whether the name fits the pattern by the engine's rules: ? is
// any byte, * any number of them, [a-z] and [^a-z] are sets, and \ takes what
// follows for itself. Those of package path differ: to them [-+] is none.
// It takes no longer than the one length times the other: nobody has to log in here,
// and a pattern full of * must keep nobody busy.
func matches(pattern, name string) bool {
	starred, behind, from := false, "", "" // the last *: what follows it, and the name from where that is tried
	for pattern != "" || name != "" {
		if pattern != "" && pattern[0] == '*' {
			pattern = pattern[1:]
			starred, behind, from = true, pattern, name
			continue
		}
		if pattern != "" && name != "" {
			if fits, rest := first(pattern, name[0]); fits {
				pattern, name = rest, name[1:]
				continue
			}
		}
		if !starred || from == "" {
			return false
		}
		from = from[1:]
		pattern, name = behind, from
	}
	return true
}

// first reports whether the byte fits the beginning of the pattern, and returns
// what comes behind that.
func first(pattern string, b byte) (fits bool, rest string) {
	switch c := pattern[0]; {
	case c == '?':
		return true, pattern[1:]
	case c == '[':
		return set(pattern[1:], b)
	case c == '\\' && len(pattern) > 1:
		return pattern[1] == b, pattern[2:]
	default:
		return c == b, pattern[1:]
	}
}

// set is first for what stands behind a bracket. One that is not closed ends
// with the pattern.
func set(pattern string, b byte) (fits bool, rest string) {
	not := pattern != "" && pattern[0] == '^'
	if not {
		pattern = pattern[1:]
	}
	for pattern != "" && pattern[0] != ']' {
		switch {
		case pattern[0] == '\\' && len(pattern) > 1:
			fits = fits || pattern[1] == b
			pattern = pattern[2:]
		case len(pattern) > 2 && pattern[1] == '-':
			low, high := min(pattern[0], pattern[2]), max(pattern[0], pattern[2])
			fits = fits || low <= b && b <= high
			pattern = pattern[3:]
		default:
			fits = fits || pattern[0] == b
			pattern = pattern[1:]
		}
	}
	if pattern != "" {
		pattern = pattern[1:]
	}
	return fits != not, pattern
}
