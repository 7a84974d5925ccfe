package resp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Limits of what is accepted from the other end.
const (
	MaxBulk   = 512 << 20 // bytes of a bulk string
	MaxArgs   = 1 << 20   // arguments of a command
	MaxInline = 64 << 10  // bytes of a line
	maxDepth  = 64        // aggregates within aggregates
)

// errLine says that a line is longer than MaxInline.
var errLine = errors.New("protocol error: line too long")

// ReadValue reads one reply of either protocol version. Attributes are read
// and dropped. An error means that the connection is of no further use.
func (c *Conn) ReadValue() (Value, error) { return c.readValue(0) }

func (c *Conn) readValue(depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, errors.New("protocol error: reply nested too deeply")
	}
	line, err := c.readLine()
	if err != nil {
		return Value{}, err
	}
	if len(line) == 0 {
		return Value{}, errors.New("protocol error: empty line where a reply should be")
	}
	v := Value{Kind: line[0]}
	rest := string(line[1:])
	switch v.Kind {
	case KindSimple, KindError, KindDouble, KindBigNumber:
		v.Str = rest
	case KindInt:
		v.Int, err = strconv.ParseInt(rest, 10, 64)
	case KindBool:
		v.Str = rest
		v.Int = int64(bytes.Count(line[1:], []byte("t")))
	case KindNull:
		v.Null = true
	case KindBulk, KindBulkError, KindVerbatim:
		err = c.readBulk(&v, rest)
	case KindArray, KindSet, KindPush, KindMap:
		err = c.readAggregate(&v, rest, depth)
	case KindAttribute:
		if err = c.readAggregate(&v, rest, depth); err == nil {
			return c.readValue(depth)
		}
	default:
		err = fmt.Errorf("protocol error: unknown reply type %q", v.Kind)
	}
	return v, err
}

// readBulk grows with what arrives, never with what was announced.
func (c *Conn) readBulk(v *Value, head string) error {
	n, err := strconv.ParseInt(head, 10, 64)
	if err != nil || n < -1 || n > MaxBulk {
		return fmt.Errorf("protocol error: bulk length %q", head)
	}
	if n < 0 {
		v.Null = true
		return nil
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, c.r, n+2); err != nil {
		return unexpected(err)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\r\n")) {
		return errors.New("protocol error: bulk string without its end")
	}
	v.Str = string(b.Bytes()[:n])
	if v.Kind == KindVerbatim && len(v.Str) >= 4 {
		v.Str = v.Str[4:]
	}
	return nil
}

func (c *Conn) readAggregate(v *Value, head string, depth int) error {
	n, err := strconv.ParseInt(head, 10, 32)
	if err != nil || n < -1 {
		return fmt.Errorf("protocol error: aggregate length %q", head)
	}
	if n < 0 {
		v.Null = true
		return nil
	}
	if v.Kind == KindMap || v.Kind == KindAttribute {
		n *= 2
	}
	v.Array = make([]Value, 0, min(n, 64))
	for range n {
		e, err := c.readValue(depth + 1)
		if err != nil {
			return unexpected(err)
		}
		v.Array = append(v.Array, e)
	}
	return nil
}

// ReadCommand reads one command as a server does: an array of bulk strings, or
// a line of words. Empty commands are skipped. io.EOF comes only between
// commands.
func (c *Conn) ReadCommand() ([]string, error) {
	for {
		line, err := c.readLine()
		if err != nil {
			return nil, err
		}
		var args []string
		if len(line) > 0 && line[0] == KindArray {
			args, err = c.readArgs(string(line[1:]))
		} else {
			args, err = inlineWords(line)
		}
		if err != nil || len(args) > 0 {
			return args, err
		}
	}
}

func inlineWords(line []byte) ([]string, error) {
	words, ok := splitInline(nil, line)
	if !ok {
		return nil, ErrUnbalanced
	}
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = string(w)
	}
	return args, nil
}

func (c *Conn) readArgs(head string) ([]string, error) {
	n, err := strconv.ParseInt(head, 10, 64)
	if err != nil || n > MaxArgs {
		return nil, ErrMultibulk
	}
	args := make([]string, 0, max(0, min(n, 64)))
	for range n {
		line, err := c.readLine()
		if err != nil {
			return nil, unexpected(err)
		}
		if len(line) == 0 || line[0] != KindBulk {
			return nil, expectedBulk(line)
		}
		v := Value{Kind: KindBulk}
		if n, err := strconv.ParseInt(string(line[1:]), 10, 64); err != nil || n < 0 || n > MaxBulk {
			return nil, ErrBulk
		}
		if err := c.readBulk(&v, string(line[1:])); err != nil {
			return nil, err
		}
		args = append(args, v.Str)
	}
	return args, nil
}

// readLine returns a line without its end. It is valid until the next read.
func (c *Conn) readLine() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = c.readLongLine(bytes.Clone(line))
	}
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

func (c *Conn) readLongLine(line []byte) ([]byte, error) {
	for len(line) < MaxInline {
		more, err := c.r.ReadSlice('\n')
		line = append(line, more...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
	return nil, errLine
}

// unexpected turns the end of the stream in the midst of a value into what it is.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
