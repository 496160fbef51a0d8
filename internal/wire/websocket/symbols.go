package websocket

// The alphabets of DEFLATE (RFC 1951 §3.2.5, §3.2.7).
const (
	endOfBlock  = 256
	maxLit      = 286 // symbols of literals and lengths
	maxDist     = 30  // symbols of distances
	maxSymbols  = maxLit + maxDist
	lengthCodes = 19
)

// codeOrder is the order in which the lengths of the code of lengths stand.
var codeOrder = [lengthCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// extra says what a symbol stands for: base and what the next bits add.
type extra struct {
	base uint16
	bits uint8
}

// matchLengths are the symbols from 257 on.
var matchLengths = func() (t [29]extra) {
	base := uint16(3)
	for i := range t {
		n := max(0, i/4-1)
		t[i] = extra{base, uint8(n)}
		base += 1 << n
	}
	t[28] = extra{258, 0}
	return t
}()

var distances = func() (t [maxDist]extra) {
	base := uint16(1)
	for i := range t {
		n := max(0, i/2-1)
		t[i] = extra{base, uint8(n)}
		base += 1 << n
	}
	return t
}()

// The fixed codes (RFC 1951 §3.2.6). Two symbols of each mean nothing.
var (
	fixedLit = func() (h huffman) {
		var lengths [288]uint8
		for i := range lengths {
			switch {
			case i < 144, i >= 280:
				lengths[i] = 8
			case i < 256:
				lengths[i] = 9
			default:
				lengths[i] = 7
			}
		}
		h.build(lengths[:])
		return h
	}()
	fixedDist = func() (h huffman) {
		var lengths [32]uint8
		for i := range lengths {
			lengths[i] = 5
		}
		h.build(lengths[:])
		return h
	}()
)

// dynamicHeader is the head of a dynamic block in the making.
type dynamicHeader struct {
	lits, dists, codes int
	at                 int
	lengths            [maxSymbols]uint8
}

// counts reads how many codes of each kind a dynamic block has.
func (z *Inflater) counts() (more, ok bool) {
	v, got := z.take(14)
	if !got {
		return false, true
	}
	h := &z.header
	h.lits, h.dists, h.codes = v&31+257, v>>5&31+1, v>>10+4
	h.at = 0
	h.lengths = [maxSymbols]uint8{}
	z.step = stepOrder
	return true, h.lits <= maxLit && h.dists <= maxDist
}

// order reads the lengths of the code that the other lengths are written in.
func (z *Inflater) order() (more, ok bool) {
	h := &z.header
	for ; h.at < h.codes; h.at++ {
		v, got := z.take(3)
		if !got {
			return false, true
		}
		h.lengths[codeOrder[h.at]] = uint8(v)
	}
	if !z.ownLit.build(h.lengths[:lengthCodes]) {
		return false, false
	}
	h.at = 0
	h.lengths = [maxSymbols]uint8{}
	z.step = stepLengths
	return true, true
}

// lengths reads the lengths of both codes (RFC 1951 §3.2.7).
func (z *Inflater) lengths() (more, ok bool) {
	h := &z.header
	for h.at < h.lits+h.dists {
		e := look(z.ownLit.table, z.bits)
		n := uint(e & lengthOf)
		symbol := e >> symbolBit
		if n == 0 && z.nbits >= 7 {
			return false, false
		}
		width := n
		if symbol >= 16 {
			width += [...]uint{2, 3, 7}[symbol-16]
		}
		if n == 0 || z.nbits < width {
			return false, true
		}
		z.take(n)
		if symbol < 16 {
			h.lengths[h.at] = uint8(symbol)
			h.at++
			continue
		}
		v, _ := z.take(width - n)
		if !h.repeat(symbol, v) {
			return false, false
		}
	}
	if !z.ownLit.build(h.lengths[:h.lits]) || !z.ownDist.build(h.lengths[h.lits:h.lits+h.dists]) {
		return false, false
	}
	z.lit, z.dist, z.step = z.ownLit.table, z.ownDist.table, stepSymbol
	return true, true
}

// repeat does what the symbols 16 to 18 say.
func (h *dynamicHeader) repeat(symbol uint16, v int) bool {
	var length uint8
	n := v + 3
	switch symbol {
	case 16:
		if h.at == 0 {
			return false
		}
		length = h.lengths[h.at-1]
	case 18:
		n = v + 11
	}
	if h.at+n > h.lits+h.dists {
		return false
	}
	for range n {
		h.lengths[h.at] = length
		h.at++
	}
	return true
}

// symbols decodes literals and matches until there is no more to read, no room,
// or the block is over.
func (z *Inflater) symbols() (more, ok bool) {
	for {
		z.fill()
		if z.Full() {
			return false, true
		}
		if z.step == stepSymbol {
			if got, ok := z.symbol(); !got || !ok {
				return false, ok
			}
		}
		switch z.step {
		case stepBlock:
			return true, true
		case stepDistance:
			if got, ok := z.readDistance(); !got || !ok {
				return false, ok
			}
			z.match()
			if z.step == stepMatch {
				return false, true
			}
		}
	}
}

// symbol decodes a literal, the length of a match, or the end of a block.
func (z *Inflater) symbol() (got, ok bool) {
	e := look(z.lit, z.bits)
	n := uint(e & lengthOf)
	if n == 0 || n > z.nbits {
		return false, n != 0 || z.nbits < 15
	}
	symbol := int(e >> symbolBit)
	switch {
	case symbol < endOfBlock:
		z.take(n)
		z.put(byte(symbol))
		return true, true
	case symbol == endOfBlock:
		z.take(n)
		z.step = stepBlock
		return true, true
	case symbol >= maxLit:
		return false, false
	}
	x := matchLengths[symbol-endOfBlock-1]
	if z.nbits < n+uint(x.bits) {
		return false, true
	}
	z.take(n)
	v, _ := z.take(uint(x.bits))
	z.length = int(x.base) + v
	z.step = stepDistance
	return true, true
}

// readDistance decodes the distance of a match.
func (z *Inflater) readDistance() (got, ok bool) {
	e := look(z.dist, z.bits)
	n := uint(e & lengthOf)
	if n == 0 || n > z.nbits {
		return false, n != 0 || z.nbits < 15
	}
	symbol := int(e >> symbolBit)
	if symbol >= maxDist {
		return false, false
	}
	x := distances[symbol]
	if z.nbits < n+uint(x.bits) {
		return false, true
	}
	z.take(n)
	v, _ := z.take(uint(x.bits))
	z.distance = int(x.base) + v
	z.step = stepMatch
	return true, z.wrapped || z.distance <= z.at
}
