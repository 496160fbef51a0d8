package websocket

import "math/bits"

// rootBits is how many bits the first look into a huffman table takes.
const rootBits = 9

// An entry of a table is, from bit 4 on, a symbol, and below it the length of
// its code; or, with link set, where another table begins and how many bits
// beyond rootBits index it. 0 is no code.
const (
	link      = 0x8000
	lengthOf  = 0xf
	symbolBit = 4
)

// huffman is a table that decodes a prefix code (RFC 1951 §3.2.2).
type huffman struct {
	table []uint16
}

// build makes the table of the code whose lengths, from 0 to 15, are given by
// symbol. It reports whether they are those of a code: neither over-subscribed
// nor, but for a code of one symbol or none, incomplete.
func (h *huffman) build(lengths []uint8) bool {
	var count, next [16]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	code, used := 0, 0
	for n := 1; n < 16; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
		used += count[n] << (15 - n)
	}
	if used != 1<<15 && used != 0 && (used != 1<<14 || count[1] != 1) {
		return false
	}
	h.table = append(h.table[:0], make([]uint16, 1<<rootBits)...)
	h.reserve(lengths, next)
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		h.fill(reversed(next[n], int(n)), int(n), uint16(symbol<<symbolBit)|uint16(n))
		next[n]++
	}
	return true
}

// reserve makes room for the codes that are longer than rootBits.
func (h *huffman) reserve(lengths []uint8, next [16]int) {
	var longest [1 << rootBits]uint8
	any := false
	for _, n := range lengths {
		if n > rootBits {
			prefix := reversed(next[n], int(n)) & (1<<rootBits - 1)
			longest[prefix] = max(longest[prefix], n)
			any = true
		}
		next[n]++
	}
	if !any {
		return
	}
	for prefix, n := range longest {
		if n == 0 {
			continue
		}
		h.table[prefix] = link | uint16(len(h.table)-1<<rootBits)<<symbolBit | uint16(n-rootBits)
		h.table = append(h.table, make([]uint16, 1<<(n-rootBits))...)
	}
}

// fill enters a code, its first bit lowest, wherever it can be looked up.
func (h *huffman) fill(code, n int, entry uint16) {
	if n <= rootBits {
		for i := code; i < 1<<rootBits; i += 1 << n {
			h.table[i] = entry
		}
		return
	}
	l := h.table[code&(1<<rootBits-1)]
	sub := h.table[1<<rootBits+int(l&^link>>symbolBit):]
	for i := code >> rootBits; i < 1<<(l&lengthOf); i += 1 << (n - rootBits) {
		sub[i] = entry
	}
}

func reversed(code, n int) int { return int(bits.Reverse16(uint16(code)) >> (16 - n)) }

// look returns the entry of the code that b begins with, lowest bit first. Where
// not all of b is there yet, the entry counts only if its length is no more than
// what is.
func look(table []uint16, b uint64) uint16 {
	e := table[b&(1<<rootBits-1)]
	if e&link == 0 {
		return e
	}
	i := b >> rootBits & (1<<(e&lengthOf) - 1)
	return table[1<<rootBits+uint64(e&^link>>symbolBit)+i]
}
