package websocket

// maxHistory is the largest distance of DEFLATE (RFC 1951 §2).
const maxHistory = 32 << 10

// firstHistory is the room that short messages need.
const firstHistory = 2 << 10

// Inflater decompresses messages (RFC 7692 §7.2.2), one after the other, each
// with Reset before it. The zero value is ready for the first. It takes from 5
// to 45 KiB, by the longest message.
//
// What was decompressed and not taken waits in its window, at most 32 KiB:
// Write stops when that is full.
type Inflater struct {
	bits  uint64 // read and not used, the next one lowest
	nbits uint
	step  inflateStep
	final bool // the block is marked as the last

	history []byte
	at      int  // where the next octet goes
	wrapped bool // history is full of octets
	pending int  // octets before at that have not been taken

	length, distance int // of a match; length also of a stored block

	lit, dist       []uint16 // the tables of this block's codes
	ownLit, ownDist huffman
	header          dynamicHeader

	src []byte // what Write has not read yet
}

type inflateStep uint8

const (
	stepBlock    inflateStep = iota // a block begins
	stepStored                      // the length of a stored block
	stepCopy                        // octets of a stored block
	stepCounts                      // a dynamic block's numbers of codes
	stepOrder                       // the lengths of its code of lengths
	stepLengths                     // the lengths of its codes
	stepSymbol                      // a literal or the length of a match
	stepDistance                    // the distance of a match
	stepMatch                       // octets of a match
)

// Reset makes z ready for the next message.
func (z *Inflater) Reset() {
	z.bits, z.nbits, z.step, z.final = 0, 0, stepBlock, false
	z.at, z.wrapped, z.pending = 0, false, 0
}

// Tail is what the receiver of a message writes after it.
func Tail() []byte { return []byte(tail) }

// Whole reports whether a message may end here, after Tail.
func (z *Inflater) Whole() bool { return z.step == stepBlock && z.nbits == 0 }

// Pending is how many octets have been decompressed and not been taken.
func (z *Inflater) Pending() int { return z.pending }

// Take returns at most limit octets of what was decompressed, as many as lie
// together. They are the caller's until Write is called again.
func (z *Inflater) Take(limit int) []byte {
	from := z.at - z.pending
	end := z.at
	if from < 0 {
		from, end = from+len(z.history), len(z.history)
	}
	n := min(end-from, limit)
	z.pending -= n
	return z.history[from : from+n]
}

// room is how many octets can be decompressed before some are taken.
func (z *Inflater) room() int { return maxHistory - z.pending }

// Full reports whether Write stopped because as much as fits is pending: then
// there may be more to come even if all input was read.
func (z *Inflater) Full() bool { return z.pending == maxHistory }

// Write decompresses src and returns how much of it was read: all, unless Full.
// After an error only Reset is of use.
func (z *Inflater) Write(src []byte) (int, *ProtocolError) {
	z.src = src
	defer func() { z.src = nil }()
	for {
		z.fill()
		more, ok := z.advance()
		if !ok {
			return 0, &ProtocolError{CodeInvalid, "compressed data is not DEFLATE"}
		}
		if !more && (len(z.src) == 0 || z.Full()) {
			return len(src) - len(z.src), nil
		}
	}
}

// fill reads what fits into bits.
func (z *Inflater) fill() {
	n := 0
	for z.nbits <= 56 && n < len(z.src) {
		z.bits |= uint64(z.src[n]) << z.nbits
		z.nbits += 8
		n++
	}
	z.src = z.src[n:]
}

// take takes n bits off, at most 32, if they are there.
func (z *Inflater) take(n uint) (int, bool) {
	if z.nbits < n {
		return 0, false
	}
	v := z.bits & (1<<n - 1)
	z.bits >>= n
	z.nbits -= n
	return int(v), true
}

// advance does one step and reports whether there was enough to do it, and
// whether all is well.
func (z *Inflater) advance() (more, ok bool) {
	switch z.step {
	case stepBlock:
		return z.block()
	case stepStored:
		return z.stored()
	case stepCopy:
		return z.copyStored(), true
	case stepCounts:
		return z.counts()
	case stepOrder:
		return z.order()
	case stepLengths:
		return z.lengths()
	case stepMatch:
		z.match()
		return !z.Full(), true
	}
	return z.symbols()
}

// block reads the header of a block (RFC 1951 §3.2.3). After a last block, which
// ends with an octet, another message-long stream of blocks may follow (RFC
// 7692 §7.2.3.4).
func (z *Inflater) block() (more, ok bool) {
	if z.final {
		z.align()
		z.final = false
	}
	v, got := z.take(3)
	if !got {
		return false, true
	}
	z.final = v&1 != 0
	switch v >> 1 {
	case 0:
		z.align()
		z.step = stepStored
	case 1:
		z.lit, z.dist, z.step = fixedLit.table, fixedDist.table, stepSymbol
	case 2:
		z.step = stepCounts
	default:
		return false, false
	}
	return true, true
}

func (z *Inflater) align() { z.take(z.nbits % 8) }

// stored reads the length of a stored block, and its complement.
func (z *Inflater) stored() (more, ok bool) {
	v, got := z.take(32)
	if !got {
		return false, true
	}
	z.length = v & 0xffff
	z.step = stepCopy
	return true, z.length == ^(v>>16)&0xffff
}

// copyStored takes octets of a stored block, first those among the bits.
func (z *Inflater) copyStored() bool {
	for z.length > 0 && z.nbits > 0 && !z.Full() {
		v, _ := z.take(8)
		z.put(byte(v))
		z.length--
	}
	for z.length > 0 && z.nbits == 0 && !z.Full() && len(z.src) > 0 {
		z.grow()
		k := copy(z.history[z.at:], z.src[:min(len(z.src), z.length, z.room())])
		z.wrote(k)
		z.length -= k
		z.src = z.src[k:]
	}
	if z.length > 0 {
		return false
	}
	z.step = stepBlock
	return true
}

// put appends an octet. There must be room.
func (z *Inflater) put(c byte) {
	z.grow()
	z.history[z.at] = c
	z.wrote(1)
}

// grow makes room at at.
func (z *Inflater) grow() {
	if z.at < len(z.history) {
		return
	}
	if len(z.history) == maxHistory {
		z.at, z.wrapped = 0, true
		return
	}
	larger := make([]byte, max(firstHistory, min(2*len(z.history), maxHistory)))
	copy(larger, z.history)
	z.history = larger
}

func (z *Inflater) wrote(n int) {
	z.at += n
	z.pending += n
}

// match copies octets of a match, as far as there is room.
func (z *Inflater) match() {
	for z.length > 0 && !z.Full() {
		z.grow()
		from := z.at - z.distance
		if from < 0 {
			from += len(z.history)
		}
		// Octets that this copy itself writes must not be read before.
		k := min(z.length, z.room(), len(z.history)-z.at, len(z.history)-from, z.distance)
		copy(z.history[z.at:z.at+k], z.history[from:from+k])
		z.wrote(k)
		z.length -= k
	}
	if z.length == 0 {
		z.step = stepSymbol
	}
}
