package cluster

import (
	"fmt"
	"slices"
	"time"
)

// Token lets hosts join until it expires or is used up. Only its hash is stored.
type Token struct {
	ID      string     `json:"id"` // public part
	Hash    string     `json:"hash"`
	Expires time.Time  `json:"expires"`
	Owner   string     `json:"owner"`
	Uses    int        `json:"uses,omitempty"` // hosts that it admits; 0 is 1
	Used    []TokenUse `json:"used,omitempty"`
}

// TokenUse is a host that joined with a token. Key is the fingerprint of the
// key that it proved: with it the same host may ask again.
type TokenUse struct {
	Node int    `json:"node_uid"`
	Key  string `json:"key"`
}

// Key implements Object.
func (t Token) Key() Key { return Key{KindToken, t.ID} }

// PutToken stores a join token's hash. Expired tokens go at the same time.
type PutToken struct {
	At    time.Time
	Token Token
}

// Apply implements Command.
func (c PutToken) Apply(b *Board) (Change, error) {
	text := "join token " + c.Token.ID + " created"
	if c.Token.Uses > 1 {
		text += fmt.Sprintf(" for %d hosts", c.Token.Uses)
	}
	change := Change{
		Put: []Object{c.Token},
		Log: []Entry{{Time: c.At, Type: "join_token_created", Severity: "INFO", By: c.Token.Owner, Text: text}},
	}
	for _, t := range Sorted(b.Tokens) {
		if t.Expires.Before(c.At) {
			change.Delete = append(change.Delete, t.Key())
		}
	}
	return change, nil
}

// useToken completes the admission of a host with the use of its token. A host
// that proves the key with which it used the token, and still is that node, has
// its use already: its join died half-way.
func (c AddNode) useToken(b *Board, node Node, change Change) (Change, error) {
	t, ok := b.Tokens[c.Token]
	if !ok || !c.At.Before(t.Expires) {
		return Change{}, Refuse(CodeUnauthorized, "make another: haulout cluster token", "the join token is unknown or expired")
	}
	_, known := b.Nodes[node.ID]
	if known && slices.Contains(t.Used, TokenUse{node.ID, c.Key}) {
		return change, nil
	}
	if len(t.Used) >= max(t.Uses, 1) {
		return Change{}, Refuse(CodeUnauthorized, "make another: haulout cluster token", "join token %s is used up: node:%d joined with it", t.ID, t.Used[len(t.Used)-1].Node)
	}
	t.Used = append(slices.Clone(t.Used), TokenUse{node.ID, c.Key})
	change.Put = append(change.Put, t)
	if len(change.Log) == 0 {
		change.Log = []Entry{{Time: c.At, Type: "cluster_node_joined", Severity: "INFO", Node: node.ID, By: c.By,
			Text: fmt.Sprintf("node:%d at %s joins again", node.ID, node.Address)}}
	}
	change.Log[0].Text += fmt.Sprintf(" with join token %s of %s", t.ID, t.Owner)
	return change, nil
}
