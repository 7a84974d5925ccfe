package cli

import (
	"fmt"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func explainShard(s *session, w words) error {
	e, err := s.client.ExplainShard(s.ctx, numbers(w["shard"])[0])
	if err != nil || s.print(e) {
		return err
	}
	s.tellReasons(e)
	t := table{title: fmt.Sprintf("WHERE IT COULD GO (it needs %s):", sizeText(e.Shards[0].Needs)), columns: strings.Fields("NODE:ID RESULT SHARDS FREE_RAM CODE WHY")}
	for _, p := range e.Shards[0].Places {
		if p.Fits {
			t.add(placeRow(p, "fits", &cluster.Error{})...)
		}
		for _, why := range p.Against {
			t.add(placeRow(p, "refused", why)...)
		}
	}
	s.show(t)
	s.say("NEXT STEP: %s", e.Next)
	return nil
}

func placeRow(p api.Seat, result string, why *cluster.Error) []string {
	return []string{fmt.Sprintf("node:%d", p.Node), result, fmt.Sprintf("%d/%d", p.Shards, p.MaxShards), sizeText(p.Free), dash(string(why.Code)), dash(why.Message)}
}

func explainNode(s *session, w words) error {
	e, err := s.client.ExplainNode(s.ctx, w.number("node"))
	if err != nil || s.print(e) {
		return err
	}
	s.tellReasons(e)
	t := table{title: "WHERE ITS SHARDS COULD GO:", columns: strings.Fields("ID ROLE NEEDS COULD_GO_TO CODE WHY_NOT")}
	for _, shard := range e.Shards {
		for _, row := range shardRows(shard) {
			t.add(row...)
		}
	}
	if len(t.rows) > 0 {
		s.show(t)
	}
	s.say("NEXT STEP: %s", e.Next)
	return nil
}

// shardRows are one row for a shard that has somewhere to go; else one for
// each reason why it has not.
func shardRows(shard api.SeatedShard) (rows [][]string) {
	var fits []string
	for _, p := range shard.Places {
		if p.Fits {
			fits = append(fits, fmt.Sprintf("node:%d", p.Node))
		}
	}
	name := []string{fmt.Sprintf("redis:%d", shard.Shard), shard.Role, sizeText(shard.Needs)}
	if len(fits) > 0 {
		return [][]string{append(name, strings.Join(fits, ","), "-", "-")}
	}
	for _, p := range shard.Places {
		for _, why := range p.Against {
			rows = append(rows, append(name[:3:3], "nowhere", string(why.Code), why.Message))
		}
	}
	if len(rows) == 0 {
		rows = append(rows, append(name, "nowhere", string(cluster.CodeInsufficientResources), "there is no other node"))
	}
	return rows
}

func (s *session) tellReasons(e api.Explanation) {
	if e.Memory > 0 {
		e.Summary += fmt.Sprintf(", and %s of %s promised to shards", sizeText(e.Promised), sizeText(e.Memory))
	}
	s.say("%s", e.Summary)
	for _, part := range []struct {
		title string
		list  []*cluster.Error
	}{{"WHY:", e.Because}, {"WAITING FOR:", e.Waits}} {
		s.say("%s", part.title)
		for _, r := range part.list {
			s.say("* %s: %s", r.Code, r)
		}
		if len(part.list) == 0 {
			s.say("* nothing")
		}
	}
}
