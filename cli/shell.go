package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// console is where the interactive shell reads lines.
type console struct {
	io.ReadWriter
	raw  func() (cooked func(), err error) // for the time of a line; commands run in between
	size func() (width, height int, err error)
}

// onTerminal is the console of a program that is at one with both ends, if it is.
func (s *session) onTerminal() (console, bool) {
	out, ok := s.out.(*os.File)
	if !ok || s.in.file == nil || !terminal(s.out) {
		return console{}, false
	}
	fd := int(s.in.file.Fd())
	return console{
		ReadWriter: struct {
			io.Reader
			io.Writer
		}{s.in.file, out},
		raw: func() (func(), error) {
			before, err := term.MakeRaw(fd)
			return func() { _ = term.Restore(fd, before) }, err
		},
		size: func() (int, int, error) { return term.GetSize(fd) },
	}, true
}

// shell carries out one line after the other until exit or the end of the input.
// An interrupt ends a command, or empties the line, not the shell.
func (s *session) shell(c console) int {
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{uninterrupted{c}, c}, s.program+"> ")
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) { return s.tab(t, line, pos, key) }
	s.ctx, s.extra, s.inside = context.WithoutCancel(s.ctx), nil, true
	if !s.flags.json {
		s.say("%s: Tab completes, ? shows what fits, exit or Ctrl-D leaves", s.program)
	}
	for {
		line, err := readLine(t, c)
		if errors.Is(err, io.EOF) {
			return exitDone
		}
		if err != nil {
			return s.fail(err)
		}
		args, err := splitLine(line)
		switch {
		case err != nil:
			s.fail(err)
		case len(args) == 0:
		case args[0] == "exit":
			return exitDone
		default:
			s.once(args)
		}
	}
}

func readLine(t *term.Terminal, c console) (string, error) {
	cooked, err := c.raw()
	if err != nil {
		return "", err
	}
	defer cooked()
	if width, height, err := c.size(); err == nil && width > 0 {
		_ = t.SetSize(width, height) // what it can not draw it does not show
	}
	return t.ReadLine()
}

// once carries out one command, which an interrupt ends.
func (s *session) once(args []string) {
	ctx, stop := signal.NotifyContext(s.ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	one := *s
	one.ctx = ctx
	one.run(args)
	if one.flags.daemon() == s.flags.daemon() {
		s.client = one.client // a login is asked for once
	} else if one.client != nil {
		one.client.Close()
	}
}

// uninterrupted makes of Ctrl-C what empties the line.
type uninterrupted struct{ io.Reader }

const ctrlC, ctrlU = 3, 21

func (u uninterrupted) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	for i := range p[:n] {
		if p[i] == ctrlC {
			p[i] = ctrlU
		}
	}
	return n, err
}

// tab completes the word before the cursor as far as it is certain, and shows
// what it may become where it is not. A ? behind a blank just shows that.
func (s *session) tab(to io.Writer, line string, pos int, key rune) (string, int, bool) {
	before := line[:pos]
	atWord := before == "" || strings.HasSuffix(before, " ")
	if key != '\t' && !(key == '?' && atWord) {
		return "", 0, false
	}
	args, err := splitLine(before)
	if err != nil {
		return line, pos, true // inside quotes anything goes
	}
	if atWord {
		args = append(args, "")
	}
	list := s.candidates(args)
	typed := args[len(args)-1]
	if key == '?' {
		s.showCandidates(to, list)
		return line, pos, true
	}
	grown := shared(list)
	if len(list) == 1 {
		grown += " "
	}
	if len(grown) <= len(typed) {
		if len(list) > 1 {
			s.showCandidates(to, list)
		}
		return line, pos, true
	}
	before = strings.TrimSuffix(before, typed) + grown
	return before + line[pos:], len(before), true
}

func (s *session) showCandidates(to io.Writer, list []string) {
	if len(list) == 0 {
		list = []string{"<eol>"}
	}
	fmt.Fprintf(to, "  %s\n", strings.Join(list, "\n  "))
}

// shared is what all words begin with.
func shared(list []string) string {
	if len(list) == 0 {
		return ""
	}
	first, last := slices.Min(list), slices.Max(list)
	n := 0
	for n < len(first) && n < len(last) && first[n] == last[n] {
		n++
	}
	return first[:n]
}

// splitLine cuts a line into words at blanks; quotes of either kind keep them together.
func splitLine(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	begun := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, misuse("close it", nil, "the quote %c is not closed", quote)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
