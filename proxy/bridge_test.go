package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// halved is a client's connection that keeps the second half of each write back
// until it is asked for.
type halved struct {
	net.Conn
	on   bool
	rest []byte
}

func (h *halved) Write(b []byte) (int, error) {
	if !h.on {
		return h.Conn.Write(b)
	}
	h.rest = append(h.rest, b[len(b)/2:]...)
	_, err := h.Conn.Write(b[:len(b)/2])
	return len(b), err
}

// A client of whose record only a part has come is in the midst of a command,
// although nothing of it is in the socket or with the loop.
func TestHalfARecordIsNotQuiet(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	raw, err := newRawConn(accepted.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	server := sign(t, "server", nil, time.Hour)
	b := &bridge{raw: raw, secure: tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{server.tls()}})}
	got := make(chan byte, 16)
	go func() {
		defer close(got)
		for buf := make([]byte, 1); ; {
			if _, err := b.secure.Read(buf); err != nil {
				return
			}
			got <- buf[0]
		}
	}()
	half := &halved{Conn: dialled}
	config := trusting(nil, server)
	config.ServerName = "127.0.0.1"
	client := tls.Client(half, config)
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "quiet after the handshake", b.quiet)
	half.on = true
	for _, word := range []string{"a", "b"} {
		if _, err := io.WriteString(client, word); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if b.quiet() {
				t.Fatal("half a record was taken for none")
			}
		}
		rest := half.rest
		half.rest = nil
		if _, err := dialled.Write(rest); err != nil {
			t.Fatal(err)
		}
		if c := <-got; string(c) != word {
			t.Fatalf("got %q", c)
		}
		eventually(t, "quiet again", b.quiet)
	}
	client.Close()
	dialled.Close()
	for range got {
	}
}
