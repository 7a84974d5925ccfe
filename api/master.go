package api

import (
	"encoding/json"
	"strconv"
)

// postChangeMaster answers once the office has been handed on; the new master
// takes it up a moment later.
func postChangeMaster(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	node, given := o.uid("node_uid")
	if !given && o.faults.count() == 0 {
		o.refuse(badRequest("give the uid of a node", "node_uid is missing"))
	}
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	return nil, c.leader.ChangeMaster(c.Context(), node, c.id.Name)
}

// uid takes an id, which the contract writes as a string, and people as a number.
func (o *object) uid(name string) (id int, given bool) {
	var raw json.RawMessage
	if !take(o, name, "an id", &raw) {
		return 0, false
	}
	text := string(raw)
	if unquoted := ""; json.Unmarshal(raw, &unquoted) == nil {
		text = unquoted
	}
	id, err := strconv.Atoi(text)
	if err != nil || id < 1 {
		o.refuse(badRequest("", "%s%s must be an id, for example \"2\"", o.path, name))
		return 0, false
	}
	return id, true
}
