package store

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/haulout/haulout/cluster"
)

// valueVersion is raised when old daemons could no longer read the values.
const valueVersion = 1

// envelope is how an object stands in the store: in clear or sealed.
type envelope struct {
	Version int             `json:"v"`
	Object  json.RawMessage `json:"o,omitempty"`
	Sealed  []byte          `json:"s,omitempty"`
}

// codec turns objects into values and back. Sealed kinds are encrypted as a
// whole with AES-256-GCM and bound to their key, so that none can be put in
// another's place.
type codec struct{ seal cipher.AEAD } // nil without a key

func newCodec(key []byte) (*codec, error) {
	if len(key) == 0 {
		return &codec{}, nil
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("store: the sealing key has %d bytes, not 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	return &codec{seal}, err
}

// encode returns the value of the object. Known is the text that stands there
// so far: its fields that this version does not know are kept.
func (c *codec) encode(o cluster.Object, known json.RawMessage) ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if text, err = keepUnknown(known, text, reflect.TypeOf(o)); err != nil {
		return nil, err
	}
	if !o.Key().Kind.Sealed() {
		return json.Marshal(envelope{Version: valueVersion, Object: text})
	}
	if c.seal == nil {
		return nil, fmt.Errorf("no key to seal %s with", o.Key().Kind)
	}
	sealed := c.seal.Seal(nil, nil, text, []byte(objectKey(o.Key())))
	return json.Marshal(envelope{Version: valueVersion, Sealed: sealed})
}

// decode returns the object under the key and its text. The object is nil if
// it is of a kind that this version does not know or has no key to open.
func (c *codec) decode(key cluster.Key, value []byte) (cluster.Object, json.RawMessage, error) {
	var e envelope
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", key.Kind, key.ID, err)
	}
	pointer := cluster.NewObject(key.Kind)
	if pointer == nil || (key.Kind.Sealed() && c.seal == nil) {
		return nil, nil, nil
	}
	if e.Version > valueVersion {
		return nil, nil, fmt.Errorf("%s %s: written by a newer version", key.Kind, key.ID)
	}
	text, err := c.open(key, e)
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(text, pointer); err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", key.Kind, key.ID, err)
	}
	o := reflect.ValueOf(pointer).Elem().Interface().(cluster.Object)
	if o.Key() != key {
		return nil, nil, fmt.Errorf("%s %s: holds %s %s", key.Kind, key.ID, o.Key().Kind, o.Key().ID)
	}
	return o, text, nil
}

func (c *codec) open(key cluster.Key, e envelope) (json.RawMessage, error) {
	if !key.Kind.Sealed() {
		return e.Object, nil
	}
	text, err := c.seal.Open(nil, nil, e.Sealed, []byte(objectKey(key)))
	if err != nil {
		return nil, fmt.Errorf("%s %s: the sealing key of this node does not open it", key.Kind, key.ID)
	}
	return text, nil
}
