package cli

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// sockets are where a daemon's socket is looked for when none is named. The
// first is of the current folder, which may be anybody's.
var sockets = []string{".haulout/haulout.sock", "/run/haulout/haulout.sock", "/var/lib/haulout/haulout.sock"}

// connect finds the daemon to talk to.
func (s *session) connect() error {
	if s.flags.url != "" {
		return s.connectURL()
	}
	if s.flags.user != "" || s.flags.caCert != "" {
		return misuse("give --url https://HOST:9443", nil, "--user and --ca-cert are for a daemon elsewhere")
	}
	path, err := s.socket()
	if err != nil {
		return err
	}
	s.client = api.NewSocketClient(path)
	return nil
}

func (s *session) socket() (string, error) {
	for _, named := range []string{s.flags.socket, s.env("HAULOUT_SOCKET")} {
		if named != "" {
			return named, nil
		}
	}
	for _, path := range sockets {
		_, err := os.Stat(path)
		if err == nil && !filepath.IsAbs(path) {
			return path, trustworthy(path)
		}
		if err == nil {
			return path, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return "", cluster.Refuse(cluster.CodeForbidden, "become a user who may, for example with sudo", "you may not look at %s", path)
		}
	}
	return "", cluster.Refuse(cluster.CodeNodeDown, "start one with haulout serve, or name it with --socket, HAULOUT_SOCKET or --url",
		"no daemon was found at %s", strings.Join(sockets, " or "))
}

// trustworthy refuses a socket that others than the user or root could have put
// there: whoever answers at it is told passwords.
func trustworthy(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return unreadable(path, err)
	}
	for _, p := range []string{filepath.Dir(path), filepath.Dir(real), real} {
		info, err := os.Stat(p)
		if err != nil {
			return unreadable(p, err)
		}
		owner, known := info.Sys().(*syscall.Stat_t)
		if !known || owner.Uid != 0 && int(owner.Uid) != os.Geteuid() || info.Mode()&0o022 != 0 || p == real && info.Mode().Type() != fs.ModeSocket {
			return cluster.Refuse(cluster.CodeForbidden, "name the daemon you mean with --socket, HAULOUT_SOCKET or --url",
				"%s is not believed: %s could be the work of another user", path, p)
		}
	}
	return nil
}

func (s *session) connectURL() error {
	if s.flags.socket != "" {
		return misuse("give one of them", nil, "--socket and --url name two daemons")
	}
	if s.flags.user == "" {
		return misuse("give --user EMAIL", nil, "a daemon elsewhere needs a login")
	}
	var config *tls.Config
	if s.flags.caCert != "" {
		pem, err := os.ReadFile(s.flags.caCert)
		if err != nil {
			return unreadable(s.flags.caCert, err)
		}
		config = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return cluster.Refuse(cluster.CodeBadRequest, "give a PEM file", "there is no certificate in %s", s.flags.caCert)
		}
	}
	login := api.Login{Email: s.flags.user}
	var err error
	if file := s.env("HAULOUT_PASSWORD_FILE"); file != "" {
		login.Password, err = firstLine(file)
	} else {
		login.Password, err = s.askPassword("Password for " + s.flags.user + ": ")
	}
	if err != nil {
		return err
	}
	s.client, err = api.NewClient(s.flags.url, login, config)
	return err
}

// input reads what people type, or what is piped in.
type input struct {
	lines *bufio.Reader
	file  *os.File // if it is a terminal
}

func newInput(r io.Reader) *input {
	in := &input{lines: bufio.NewReader(r)}
	if terminal(r) {
		in.file = r.(*os.File)
	}
	return in
}

func (in *input) line() (string, error) {
	line, err := in.lines.ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// askPassword reads a password without showing it; from a pipe, one line.
func (s *session) askPassword(prompt string) (string, error) {
	return s.askSecret(prompt, cluster.Refuse(cluster.CodeBadRequest, "type it, or name a file with password_file or HAULOUT_PASSWORD_FILE", "no password was given"))
}

// askSecret is askPassword for anything that is not to be shown; missing is the error if
// nothing comes.
func (s *session) askSecret(prompt string, missing *cluster.Error) (string, error) {
	var text string
	var err error
	if s.in.file != nil {
		fmt.Fprint(s.err, prompt)
		text, err = s.unshown()
		fmt.Fprintln(s.err)
	} else {
		text, err = s.in.line()
	}
	if s.ctx.Err() != nil {
		return "", s.ctx.Err()
	}
	if err != nil || text == "" {
		return "", missing
	}
	return text, nil
}

// unshown reads a line from the terminal, which does not show it.
func (s *session) unshown() (string, error) {
	fd := int(s.in.file.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return "", err
	}
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }()
	if err := s.awaitTyped(); err != nil {
		return "", err
	}
	text, err := term.ReadPassword(fd)
	return string(text), err
}

// awaitTyped returns when a line was typed at the terminal, or the session is
// interrupted, which would not end a read.
func (s *session) awaitTyped() error {
	for s.in.file != nil && s.in.lines.Buffered() == 0 && s.ctx.Err() == nil {
		typed := []unix.PollFd{{Fd: int32(s.in.file.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(typed, int(answersWithin.Milliseconds())/5)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return s.ctx.Err()
}

// confirm asks a question. Where nobody can answer, the answer is no.
func (s *session) confirm(question string) bool { return s.affirm(s.err, question+" [y/N] ") }

func (s *session) affirm(to io.Writer, question string) bool {
	if s.flags.yes {
		return true
	}
	fmt.Fprint(to, question)
	err := s.awaitTyped()
	answer := ""
	if err == nil {
		answer, err = s.in.line()
	}
	if s.in.file == nil || err != nil {
		fmt.Fprintln(to)
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

// password is what the words give: in the arguments with a warning, by a file,
// or by the prompt.
func (s *session) password(w words, prompt string) (string, error) {
	switch {
	case w.has("password") && w.has("password_file"):
		return "", misuse("give one of them", nil, "password and password_file stand both")
	case w.has("password"):
		fmt.Fprintln(s.err, "WARNING: a password in the arguments is seen by everybody on this host; use password_file, or leave it out to be asked")
		return w.text("password"), nil
	case w.has("password_file"):
		return firstLine(w.text("password_file"))
	}
	return s.askPassword(prompt)
}

func firstLine(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", unreadable(path, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", cluster.Refuse(cluster.CodeBadRequest, "write it into its first line", "the file %s is empty", path)
	}
	return line, nil
}

func unreadable(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return cluster.Refuse(cluster.CodeBadRequest, "check the path", "%s can not be read: %v", path, err)
}
