package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func noDatabase(text string) error {
	return cluster.Refuse(cluster.CodeDatabaseNotFound, "see haulout status databases", "there is no database %s", text)
}

func databaseCreate(s *session, w words) error {
	size, _ := cluster.ParseSize(w.text("memory_size")) // the grammar has found it to be one
	r := api.CreateDatabase{
		Name: w.text("name"), MemorySize: size, ShardsCount: w.number("shards_count"), Replication: w.has("replication"),
		Port: w.number("port"), Persistence: w.text("persistence"), Eviction: w.text("eviction_policy"), Events: w.text("notify_keyspace_events"), RackAware: w.has("rack_aware"),
		MinReplicas: w.number("min_replicas"),
		ProxyPolicy: w.text("proxy_policy"), TLSMode: w.text("tls_mode"),
	}
	if w.has("shards_count") && r.ShardsCount == 0 {
		return misuse("give a number from 1", nil, "shards_count can not be 0")
	}
	if w.has("password_file") {
		var err error
		if r.Password, err = firstLine(w.text("password_file")); err != nil {
			return err
		}
	}
	d, err := s.client.CreateDatabase(s.ctx, r)
	if err != nil {
		return err
	}
	d, err = s.awaitDatabase(int(d.UID), func(d api.Database) bool { return d.Status == "active" })
	if err != nil || s.print(d) {
		return err
	}
	s.say("Creating db:%d (%s)... ok, at %s", d.UID, d.Name, endpointAddress(d))
	return nil
}

func databaseDelete(s *session, w words) error {
	d, err := s.database(w.text("db"))
	if err != nil {
		return err
	}
	question := fmt.Sprintf("Delete db:%d (%s) with all its data?", d.UID, d.Name)
	if !s.confirm(question) {
		return cluster.Refuse(cluster.CodeBadRequest, "answer with y, or give -y", "db:%d (%s) was not deleted", d.UID, d.Name)
	}
	gone, err := s.client.DeleteDatabase(s.ctx, int(d.UID))
	if err != nil {
		return err
	}
	_, err = s.awaitDatabase(int(d.UID), func(api.Database) bool { return false })
	if cluster.CodeOf(err) != cluster.CodeDatabaseNotFound {
		return err
	}
	if !s.print(gone) {
		s.say("Deleting db:%d (%s)... ok", d.UID, d.Name)
	}
	return nil
}

// database finds a database by db:<id> or by name.
func (s *session) database(text string) (api.Database, error) {
	list, err := s.client.Databases(s.ctx)
	if err != nil {
		return api.Database{}, err
	}
	for _, d := range list {
		if names(text, d) {
			return d, nil
		}
	}
	return api.Database{}, noDatabase(text)
}

const databasePatience = time.Minute

func (s *session) awaitDatabase(uid int, there func(api.Database) bool) (api.Database, error) {
	deadline, news := time.Now().Add(databasePatience), s.news()
	for {
		d, err := fresh(s, func(ctx context.Context) (api.Database, error) { return s.client.Database(ctx, uid) })
		if news.end(err) || err == nil && there(d) {
			return d, err
		}
		if time.Now().After(deadline) {
			return d, cluster.Refuse(cluster.CodeDeadline, "look at haulout status", "db:%d is still %s after %s%s", uid, d.Status, databasePatience, s.whyNot(d))
		}
		if s.sleep(s.poll) != nil {
			return d, errors.New("interrupted; the cluster goes on by itself")
		}
	}
}

// whyNot says, behind a colon, what keeps the database from where it should be, if
// that is known.
func (s *session) whyNot(d api.Database) string {
	shards, err := s.client.Shards(s.ctx)
	if err != nil {
		return ""
	}
	p := picture{Databases: []api.Database{d}, Shards: slices.DeleteFunc(shards, func(shard api.Shard) bool { return shard.Database != d.UID })}
	if lines := p.trouble(words{}); len(lines) > 0 {
		return ": " + strings.Join(lines, "; ")
	}
	return ""
}
