package lan

import (
	"math/rand/v2"
	"time"
)

// Link is one direction between two hosts.
type Link struct{ From, To int }

// Weather is how a link does. The zero value is fair.
type Weather struct {
	Cut   bool
	Loss  float64 // the share of packets that vanish
	Delay time.Duration
}

func newDice() func() float64 {
	return rand.New(rand.NewPCG(7, 7)).Float64 // the same for everybody: what is lost depends on timing anyway
}

// Set changes the weather of the links.
func (l *LAN) Set(w Weather, links ...Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, link := range links {
		if w == (Weather{}) {
			delete(l.links, link)
		} else {
			l.links[link] = w
		}
	}
}

// Heal makes all links fair.
func (l *LAN) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.links)
}

// Between is both directions between each of the ones and each of the others.
func Between(ones, others []int) []Link {
	var list []Link
	for _, a := range ones {
		for _, b := range others {
			list = append(list, Link{a, b}, Link{b, a})
		}
	}
	return list
}

// Around is every link of the host, those with the clients too.
func (l *LAN) Around(host int) []Link {
	return Between([]int{host}, l.but(host))
}

// Peers is every link of the host but those with the clients.
func (l *LAN) Peers(host int) []Link {
	return Between([]int{host}, l.but(host)[1:])
}

// but is every host except that one, the client first.
func (l *LAN) but(host int) []int {
	var list []int
	for _, h := range l.hosts {
		if h.number != host {
			list = append(list, h.number)
		}
	}
	return list
}

// carry brings what the host sends to where it goes, until the network closes.
func (l *LAN) carry(from *host) {
	buffer := make([]byte, packetBytes)
	for {
		n, err := from.tunnel.Read(buffer)
		if err != nil {
			return
		}
		to := l.receiver(buffer[:n])
		if to == nil {
			continue
		}
		w, lost := l.weather(Link{from.number, to.number})
		switch {
		case lost:
		case w.Delay > 0:
			packet := append([]byte(nil), buffer[:n]...)
			time.AfterFunc(w.Delay, func() { deliver(to, packet) })
		default:
			deliver(to, buffer[:n])
		}
	}
}

// deliver may fail, as a network may.
func deliver(to *host, packet []byte) { _, _ = to.tunnel.Write(packet) }

// receiver is the host an IPv4 packet goes to, or nil.
func (l *LAN) receiver(packet []byte) *host {
	const header, destination = 20, 16
	if len(packet) < header || packet[0]>>4 != 4 || [3]byte(packet[destination:]) != [3]byte{10, 77, 0} {
		return nil
	}
	for _, h := range l.hosts {
		if packet[destination+3] == lastNumber(h.number) {
			return h
		}
	}
	return nil
}

// weather tells how the link does, and whether this packet is lost.
func (l *LAN) weather(link Link) (w Weather, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w = l.links[link]
	return w, w.Cut || w.Loss > 0 && l.dice() < w.Loss
}
