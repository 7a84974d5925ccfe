package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/haulout/haulout/cluster"
)

// HashPassword makes the hash that a cluster.User carries.
func HashPassword(password string) (string, error) {
	if password == "" {
		return "", badRequest("give one", "the password is empty")
	}
	if len(password) > maxPassword {
		return "", badRequest("choose a shorter one", "the password is longer than %d bytes", maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), hashCost)
	return string(hash), err
}

// hashCost is what a password costs whoever guesses it, and whoever logs in.
var hashCost = bcrypt.DefaultCost

const maxPassword = 72 // bytes; what bcrypt takes

// logins checks passwords: two at a time, since each costs a core for a while,
// and with a memory of good ones, since programs log in with every request.
// Failures are counted on each node for itself.
type logins struct {
	places   chan struct{}
	key      [32]byte
	now      func() time.Time
	failures failures

	mu    sync.Mutex
	known map[[32]byte]time.Time // until when
}

const loginRemembered = time.Minute

func newLogins(now func() time.Time) *logins {
	l := &logins{places: make(chan struct{}, 2), now: now, known: map[[32]byte]time.Time{}}
	_, _ = rand.Read(l.key[:]) // never fails: it ends the program instead
	return l
}

// nobodysHash is compared where there is no user or no second password, so that
// every refusal takes as long as any other.
var nobodysHash = sync.OnceValue(func() string {
	hash, _ := bcrypt.GenerateFromPassword([]byte(rand.Text()), hashCost)
	return string(hash)
})

// check returns the user whose login is good, and the hash of the password.
func (l *logins) check(ctx context.Context, v cluster.View, email, password string) (cluster.User, string, error) {
	if v.Board == nil {
		return cluster.User{}, "", errLogin()
	}
	u, _ := v.UserNamed(email)
	who := l.attempt(v, email, u)
	if err := l.failures.refuse(who, email); err != nil {
		return cluster.User{}, "", err
	}
	for _, hash := range u.Hashes() {
		if l.remembers(l.sum(hash, password)) {
			l.failures.forget(who)
			return u, hash, nil
		}
	}
	select {
	case l.places <- struct{}{}:
		defer func() { <-l.places }()
	case <-ctx.Done():
		return cluster.User{}, "", ctx.Err()
	}
	if err := l.failures.refuse(who, email); err != nil { // others have failed meanwhile
		return cluster.User{}, "", err
	}
	if hash := compare(u.Hashes(), password); hash != "" {
		l.failures.forget(who)
		l.remember(l.sum(hash, password))
		return u, hash, nil
	}
	l.failures.add(who)
	return cluster.User{}, "", errLogin()
}

func (l *logins) attempt(v cluster.View, email string, u cluster.User) attempt {
	return attempt{name: l.sum("name", folded(email)), user: u.ID, stamp: fmt.Sprint(u.Hashes()), at: v.Now, rule: v.Cluster.LoginLockout()}
}

// compare returns the hash that the password has. Without one, it has always
// compared twice.
func compare(hashes []string, password string) string {
	for i := range 2 {
		hash := nobodysHash()
		if i < len(hashes) {
			hash = hashes[i]
		}
		if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && i < len(hashes) {
			return hash
		}
	}
	return ""
}

func (l *logins) sum(kind, secret string) (sum [32]byte) {
	mac := hmac.New(sha256.New, l.key[:])
	fmt.Fprintf(mac, "%d %s%s", len(kind), kind, secret)
	copy(sum[:], mac.Sum(nil))
	return sum
}

func (l *logins) remembers(sum [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now().Before(l.known[sum])
}

func (l *logins) remember(sum [32]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, until := range l.known {
		if !l.now().Before(until) {
			delete(l.known, s)
		}
	}
	l.known[sum] = l.now().Add(loginRemembered)
}
