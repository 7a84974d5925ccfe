package proxy

// early are replies that came before their turn, by turn modulo the length of the list.
type early struct {
	replies [][]byte
	count   int
	bytes   int
}

func (e *early) at(turn uint32) *[]byte { return &e.replies[int(turn)&(len(e.replies)-1)] }

// grow makes room for the turns from head on.
func (e *early) grow(head uint32, need int) {
	size := 8
	for size < need {
		size *= 2
	}
	wider := early{replies: make([][]byte, size)}
	for i := range len(e.replies) {
		turn := head + uint32(i)
		*wider.at(turn) = *e.at(turn)
	}
	e.replies = wider.replies
}
