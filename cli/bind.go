package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// bind changes on which nodes an endpoint is bound, and waits until it is.
func bind(s *session, w words) error {
	d, e, err := s.endpoint(w)
	if err != nil {
		return err
	}
	u := api.UpdateDatabase{Endpoint: e.UID}
	if w.has("policy") {
		policy := w.text("policy")
		u.ProxyPolicy = &policy
	}
	if w.has("include") {
		u.Include = proxies(w["include"])
	}
	if w.has("exclude") {
		u.Exclude = proxies(w["exclude"])
	}
	if u.ProxyPolicy == nil && u.Include == nil && u.Exclude == nil {
		return misuse("", nil, "give policy, include or exclude")
	}
	return s.change("Executing bind endpoint: ", "OOO.", int(d.UID), u)
}

// write says what ends a line later.
func (s *session) write(text string) {
	if !s.flags.json {
		fmt.Fprint(s.out, text)
	}
}

// change alters how clients reach a database, and waits until that was seen.
func (s *session) change(title, mark string, uid int, u api.UpdateDatabase) error {
	if _, err := s.client.UpdateDatabase(s.ctx, uid, u); err != nil {
		return err
	}
	s.write(title)
	d, err := s.awaitChange(uid)
	if err != nil {
		s.write("\n")
		return err
	}
	s.write(mark + "\n")
	if !s.print(d) {
		s.say("Finished successfully")
	}
	return nil
}

// bindPatience is more than the time that clients may take to leave a node.
const bindPatience = 3 * time.Minute

// awaitChange waits until nothing of the database changes any more.
func (s *session) awaitChange(uid int) (api.Database, error) {
	news := s.news()
	for deadline := time.Now().Add(bindPatience); ; {
		d, err := fresh(s, func(ctx context.Context) (api.Database, error) { return s.client.Database(ctx, uid) })
		switch {
		case news.end(err):
			return d, err
		case err == nil && d.Status != "active-change-pending":
			return d, nil
		case time.Now().After(deadline):
			return d, cluster.Refuse(cluster.CodeDeadline, "look at haulout status endpoints; what was asked for stands", "db:%d is still %s after %s", uid, d.Status, bindPatience)
		}
		if s.sleep(s.poll) != nil {
			return d, errors.New("interrupted; the cluster goes on by itself")
		}
	}
}

// endpoint finds the endpoint that is named, and its database.
func (s *session) endpoint(w words) (api.Database, api.Endpoint, error) {
	uid := strings.TrimPrefix(w.text("endpoint"), "endpoint:")
	list, err := s.client.Databases(s.ctx)
	if err != nil {
		return api.Database{}, api.Endpoint{}, err
	}
	if w.has("db") && !slices.ContainsFunc(list, func(d api.Database) bool { return wantsDatabase(w, d) }) {
		return api.Database{}, api.Endpoint{}, noDatabase(w.text("db"))
	}
	for _, d := range list {
		for _, e := range d.Endpoints {
			if e.UID != uid {
				continue
			}
			if !wantsDatabase(w, d) {
				return d, e, cluster.Refuse(cluster.CodeBadRequest, "see haulout status endpoints", "endpoint:%s is of db:%d (%s)", uid, d.UID, d.Name)
			}
			return d, e, nil
		}
	}
	return api.Database{}, api.Endpoint{}, cluster.Refuse(cluster.CodeEndpointNotFound, "see haulout status endpoints", "there is no endpoint:%s", uid)
}

// proxies reads nodes that parse has found to be ones; none is an empty list.
func proxies(texts []string) *[]int {
	list := []int{}
	for _, text := range texts {
		if n, err := strconv.Atoi(bareProxy(text)); err == nil {
			list = append(list, n)
		}
	}
	return &list
}

func bareProxy(text string) string {
	return strings.TrimPrefix(strings.TrimPrefix(text, "proxy:"), "node:")
}

// role is the policy with how many proxies it leaves out or adds.
func role(e api.Endpoint) string {
	text := e.ProxyPolicy
	if len(e.Exclude) > 0 {
		text += fmt.Sprintf(" -%d", len(e.Exclude))
	}
	if len(e.Include) > 0 {
		text += fmt.Sprintf(" +%d", len(e.Include))
	}
	return text
}

// tuneDatabase changes what the engines of a database are told of it, or how its clients
// are spoken to.
func tuneDatabase(s *session, w words) error {
	d, err := s.database(w.text("db"))
	if err != nil {
		return err
	}
	var u api.UpdateDatabase
	for name, into := range map[string]**string{
		"eviction_policy": &u.Eviction, "notify_keyspace_events": &u.Events,
		"proxy_policy": &u.ProxyPolicy, "tls_mode": &u.TLSMode, "enforce_client_authentication": &u.EnforceClients,
	} {
		if w.has(name) {
			text := w.text(name)
			*into = &text
		}
	}
	if u.Events != nil && *u.Events == "none" {
		*u.Events = ""
	}
	if w.has("memory_size") {
		size, _ := cluster.ParseSize(w.text("memory_size")) // the grammar has found it to be one
		u.MemorySize = &size
	}
	if w.has("client_cert_files") {
		certs, err := clientCerts(w["client_cert_files"])
		if err != nil {
			return err
		}
		u.ClientCerts = &certs
	}
	if u == (api.UpdateDatabase{}) {
		return misuse("", nil, "give memory_size, eviction_policy, notify_keyspace_events, proxy_policy, tls_mode, enforce_client_authentication or client_cert_files")
	}
	return s.change("Tuning database: ", "o", int(d.UID), u)
}

func clientCerts(files []string) ([]api.ClientCert, error) {
	certs := []api.ClientCert{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, cluster.Refuse(cluster.CodeBadRequest, "give a file that can be read", "%v", err)
		}
		certs = append(certs, api.ClientCert{PEM: string(text)})
	}
	return certs, nil
}

// certificateSet replaces the certificate that endpoints show.
func certificateSet(s *session, w words) error {
	if err := replaceable(w); err != nil {
		return err
	}
	var texts [2]string
	for i, name := range []string{"certificate_file", "key_file"} {
		text, err := os.ReadFile(w.text(name))
		if err != nil {
			return cluster.Refuse(cluster.CodeBadRequest, "give a file that can be read", "%v", err)
		}
		texts[i] = string(text)
	}
	done := fmt.Sprintf("Set %s certificate to contents of file %s", w.text("certificate"), w.text("certificate_file"))
	return s.updateCertificate(done, api.UpdateCertificate{Name: w.text("certificate"), Certificate: texts[0], Key: texts[1]})
}

// certificateReset has endpoints show what the cluster's authority issues.
func certificateReset(s *session, w words) error {
	if err := replaceable(w); err != nil {
		return err
	}
	return s.updateCertificate(fmt.Sprintf("Set %s certificate: ok", w.text("certificate")), api.UpdateCertificate{Name: w.text("certificate")})
}

func replaceable(w words) error {
	if name := w.text("certificate"); name != "proxy" {
		return misuse("only proxy can be replaced", nil, "the certificate %q can not be replaced", name)
	}
	return nil
}

func (s *session) updateCertificate(done string, u api.UpdateCertificate) error {
	if err := s.client.UpdateCertificate(s.ctx, u); err != nil {
		return err
	}
	if !s.print(map[string]string{"name": u.Name}) {
		s.say("%s", done)
	}
	return nil
}

// certificateShow prints what clients need to believe endpoints.
func certificateShow(s *session, w words) error {
	c, err := s.client.Certificates(s.ctx)
	if err != nil {
		return err
	}
	text, known := map[string]string{"ca": c.CA, "proxy": c.Proxy}[w.text("certificate")]
	switch {
	case !known:
		return misuse("use ca or proxy", nil, "there is no certificate %q", w.text("certificate"))
	case text == "":
		return cluster.Refuse(cluster.CodeBadRequest, "show ca, which has issued what they show", "endpoints show no certificate of your own")
	case !s.print(c):
		s.write(text)
	}
	return nil
}
