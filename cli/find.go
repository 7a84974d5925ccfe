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
		var raw []byte
		raw, err = term.ReadPassword(int(s.in.file.Fd()))
		fmt.Fprintln(s.err)
		text = string(raw)
	} else {
		text, err = s.in.line()
	}
	if err != nil || text == "" {
		return "", missing
	}
	return text, nil
}

// confirm asks a question. Where nobody can answer, the answer is no.
func (s *session) confirm(question string) bool {
	if s.flags.yes {
		return true
	}
	fmt.Fprint(s.err, question+" [y/N] ")
	answer, err := s.in.line()
	if s.in.file == nil {
		fmt.Fprintln(s.err)
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
