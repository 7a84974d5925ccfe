package resp

import "bytes"

// maxHead is more than the longest number between a type byte and its line end.
const maxHead = 32

// Limits before a client has shown a password, as the engine has them.
const (
	maxArgsStranger = 10
	maxBulkStranger = 16 << 10
)

// CommandFramer finds the end of one command after another in a client's
// input. It resumes where it stopped, so no byte is looked at twice however
// slowly a command arrives, and it allocates nothing by announced lengths. The
// zero value is ready. It is strict where the engine is lenient (line ends
// after bulk strings), so that what it lets through means the same to any engine.
type CommandFramer struct {
	// Stranger narrows the limits to those for clients not logged in.
	Stranger bool

	headed  bool // the head of the array has been read
	resumed bool
	endless bool  // an inline command has a zero byte: the engine finds no end behind that
	left    int32 // arguments still to come, MaxArgs at most
	body    int32 // length of the bulk string at pos, MaxBulk at most; -1: its head comes first
	pos     int   // everything before it has been understood
}

// Next looks for the end of the command that begins at buf[0]. It returns the
// command's length, or 0 when more input is needed: then the next call must
// give the same bytes and more. The arguments are appended to args as
// sub-slices of buf; an empty command has none. An error ends the connection.
func (f *CommandFramer) Next(buf []byte, args [][]byte) ([][]byte, int, error) {
	if len(buf) == 0 {
		return args, 0, nil
	}
	if buf[0] != KindArray {
		return f.inline(buf, args)
	}
	before := args
	done, args, err := f.array(buf, args)
	if err != nil || !done {
		f.resumed = true
		return before, 0, err
	}
	if f.resumed {
		args = collect(buf[:f.pos], before)
	}
	n := f.pos
	f.reset()
	return args, n, nil
}

func (f *CommandFramer) reset() { *f = CommandFramer{Stranger: f.Stranger} }

func (f *CommandFramer) array(buf []byte, args [][]byte) (bool, [][]byte, error) {
	if !f.headed {
		n, end, err := head(buf, 0, ErrMultibulk, ErrBigCount)
		if end == 0 || err != nil {
			return false, args, err
		}
		if n > MaxArgs || f.Stranger && n > maxArgsStranger {
			return false, args, f.tooMany(n)
		}
		f.headed, f.left, f.pos, f.body = true, int32(max(n, 0)), end, -1
	}
	for f.left > 0 {
		arg, err := f.bulk(buf)
		if arg == nil || err != nil {
			return false, args, err
		}
		if !f.resumed {
			args = append(args, arg)
		}
	}
	return true, args, nil
}

// bulk returns the bulk string at f.pos, or nil if it is not all there.
func (f *CommandFramer) bulk(buf []byte) ([]byte, error) {
	if f.body < 0 {
		if f.pos == len(buf) {
			return nil, nil
		}
		if buf[f.pos] != KindBulk {
			return nil, expectedBulk(buf[f.pos:])
		}
		n, end, err := head(buf, f.pos, ErrBulk, ErrBigBulk)
		if end == 0 || err != nil {
			return nil, err
		}
		if n < 0 || n > MaxBulk {
			return nil, ErrBulk
		}
		if f.Stranger && n > maxBulkStranger {
			return nil, ErrStrangerBulk
		}
		f.pos, f.body = end, int32(n)
	}
	end := f.pos + int(f.body)
	if len(buf) < end+2 {
		return nil, nil
	}
	if buf[end] != '\r' || buf[end+1] != '\n' {
		return nil, ErrBulk
	}
	arg := buf[f.pos:end:end]
	f.pos, f.body = end+2, -1
	f.left--
	return arg, nil
}

func (f *CommandFramer) tooMany(n int) error {
	if n > MaxArgs {
		return ErrMultibulk
	}
	return ErrStrangerMultibulk
}

// inline uses pos as the place up to which no line end was found.
func (f *CommandFramer) inline(buf []byte, args [][]byte) ([][]byte, int, error) {
	i := bytes.IndexAny(buf[f.pos:], "\n\x00")
	f.endless = f.endless || i >= 0 && buf[f.pos+i] == 0
	if i < 0 || f.endless {
		f.pos = len(buf)
		if f.pos > MaxInline {
			return args, 0, ErrBigInline
		}
		return args, 0, nil
	}
	n := f.pos + i + 1
	f.reset()
	args, ok := splitInline(args, bytes.TrimSuffix(buf[:n-1], []byte("\r")))
	if !ok {
		return args, 0, ErrUnbalanced
	}
	return args, n, nil
}

// collect appends the arguments of a command known to be whole and well formed.
func collect(command []byte, args [][]byte) [][]byte {
	_, pos, _ := head(command, 0, "", "")
	for pos < len(command) {
		n, start, _ := head(command, pos, "", "")
		args = append(args, command[start:start+n:start+n])
		pos = start + n + 2
	}
	return args
}

// head reads the number behind the type byte at buf[at] and returns it with
// the place after its line end, which is 0 while the line is not complete. The
// number is written as the engine demands it: no sign but '-', no zeros ahead.
func head(buf []byte, at int, invalid, endless ProtocolError) (n, end int, err error) {
	i := at + 1
	negative := i < len(buf) && buf[i] == '-'
	if negative {
		i++
	}
	first := i
	for ; i < len(buf) && buf[i] >= '0' && buf[i] <= '9'; i++ {
		if i-at > maxHead {
			return 0, 0, endless
		}
		if n = n*10 + int(buf[i]-'0'); n > 1<<40 {
			return 0, 0, invalid
		}
	}
	if i == len(buf) {
		return 0, 0, nil
	}
	if buf[i] != '\r' || i == first || buf[first] == '0' && (i > first+1 || negative) {
		return 0, 0, invalid
	}
	if i+1 == len(buf) {
		return 0, 0, nil
	}
	if buf[i+1] != '\n' {
		return 0, 0, invalid
	}
	if negative {
		n = -n
	}
	return n, i + 2, nil
}
