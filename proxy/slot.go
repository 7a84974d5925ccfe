package proxy

import (
	"bytes"

	"github.com/haulout/haulout/cluster"
)

// slotOf returns the hash slot of a key: CRC16 of the part in the first pair of
// braces, if that is not empty, else of the whole key.
func slotOf(key []byte) int {
	if i := bytes.IndexByte(key, '{'); i >= 0 {
		if n := bytes.IndexByte(key[i+1:], '}'); n > 0 {
			key = key[i+1 : i+1+n]
		}
	}
	return int(crc16(key)) % cluster.Slots
}

// shardOf returns the shard that has the key, or nil if no range has it.
func (e *endpoint) shardOf(key []byte) *shard {
	if len(e.shards) == 1 && e.shards[0].first == 0 && e.shards[0].last == cluster.Slots-1 {
		return e.shards[0]
	}
	return e.shardAt(slotOf(key))
}

// crc16 takes four bytes at a time: their steps do not wait for one another.
func crc16(b []byte) (crc uint16) {
	t := &crcTables
	for ; len(b) >= 4; b = b[4:] {
		crc = t[3][byte(crc>>8)^b[0]] ^ t[2][byte(crc)^b[1]] ^ t[1][b[2]] ^ t[0][b[3]]
	}
	for _, c := range b {
		crc = crc<<8 ^ t[0][byte(crc>>8)^c]
	}
	return crc
}

// crcTables are those of CRC-16/XMODEM, polynomial 0x1021: for a byte, and for
// one with up to three zeros behind it.
var crcTables = func() (t [4][256]uint16) {
	for i := range t[0] {
		crc := uint16(i) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		t[0][i] = crc
	}
	for n := 1; n < len(t); n++ {
		for i, crc := range t[n-1] {
			t[n][i] = crc<<8 ^ t[0][byte(crc>>8)]
		}
	}
	return t
}()
