package proxy

import "bytes"

const errSortElsewhere = "ERR BY and GET of SORT may only name keys of the sorted key's hash slot in databases of several shards"

func init() {
	for _, name := range []string{"sort", "sort_ro"} {
		commands[name].sorts = true
	}
}

// sortsElsewhere reports whether a SORT looks at keys that may be on other shards.
// The engine would take those for missing.
func sortsElsewhere(args [][]byte) bool {
	for i := 2; i < len(args); i++ {
		switch {
		case equalFold(args[i], "LIMIT"):
			i += 2
		case equalFold(args[i], "STORE"):
			i++
		case equalFold(args[i], "BY"), equalFold(args[i], "GET"):
			if i++; i < len(args) && !near(args[i], args[1]) {
				return true
			}
		}
	}
	return false
}

// near reports whether all keys that fit the pattern are in the key's slot: a hash
// tag stands before what is put in for the star. Without a star it names no key.
func near(pattern, key []byte) bool {
	fixed, _, varies := bytes.Cut(pattern, []byte("*"))
	if !varies {
		return true
	}
	open := bytes.IndexByte(fixed, '{')
	return open >= 0 && bytes.IndexByte(fixed[open:], '}') > 1 && slotOf(fixed) == slotOf(key)
}
