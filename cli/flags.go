package cli

import (
	"slices"
	"strings"
)

// flags are what stands before, between or behind the words of a command.
type flags struct {
	socket, url, user, caCert string
	json, yes, help           bool
}

var allFlags = []string{"--socket", "--url", "--user", "--ca-cert", "--json", "--yes", "--help"}

const flagsHelp = `  --socket PATH    the daemon's socket (or $HAULOUT_SOCKET)
  --url URL        a daemon elsewhere: https://HOST:9443, with
  --user EMAIL     the login; the password is asked for, or read from $HAULOUT_PASSWORD_FILE
  --ca-cert FILE   the cluster's CA certificate
  --json           print the objects of the REST API
  -y, --yes        answer every question with yes
`

// parse takes the flags out and returns the words. Behind -- all are words.
func (f *flags) parse(args []string) ([]string, error) {
	var words []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			return append(words, args...), nil
		}
		name, value, given := strings.Cut(arg, "=")
		switch {
		case f.text(name) != nil:
			if !given && len(args) > 0 {
				value, args, given = args[0], args[1:], true
			}
			if !given || value == "" {
				return nil, misuse("give it behind the flag", nil, "%s has no value", name)
			}
			*f.text(name) = value
		case f.toggle(arg) != nil:
			*f.toggle(arg) = true
		case given && f.toggle(name) != nil:
			return nil, misuse("give it alone", nil, "%s takes no value", name)
		case f.meant(name):
			return nil, misuse(didYouMean(name, allFlags), nil, "there is no flag %s", name)
		default:
			words = append(words, arg)
		}
	}
	return slices.Clip(words), nil
}

// meant reports whether a word that names no flag was to be one. -1 is a wrong
// number, and -@dangerous or -keys a rule of a user.
func (f *flags) meant(name string) bool {
	rest, dashed := strings.CutPrefix(name, "-")
	switch {
	case !dashed || rest == "":
		return false
	case len(rest) == 1:
		return rest < "0" || rest > "9"
	}
	return rest[0] == '-' || f.text("-"+name) != nil || f.toggle("-"+name) != nil
}

// daemon is what the flags say of the daemon to talk to.
func (f *flags) daemon() [4]string { return [4]string{f.socket, f.url, f.user, f.caCert} }

func (f *flags) text(name string) *string {
	switch name {
	case "--socket":
		return &f.socket
	case "--url":
		return &f.url
	case "--user":
		return &f.user
	case "--ca-cert":
		return &f.caCert
	}
	return nil
}

func (f *flags) toggle(name string) *bool {
	switch name {
	case "--json":
		return &f.json
	case "--yes", "-y":
		return &f.yes
	case "--help", "-h":
		return &f.help
	}
	return nil
}
