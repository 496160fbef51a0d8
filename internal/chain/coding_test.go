package chain

import (
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

func accepting(values ...string) []exchange.Field {
	var fields []exchange.Field
	for _, v := range values {
		fields = append(fields, exchange.Field{Name: []byte("accept-encoding"), Value: []byte(v)})
	}
	return fields
}

func TestChoose(t *testing.T) {
	order := []coding{codingZstd, codingBrotli, codingGzip}
	for _, tt := range []struct {
		accept []string
		want   coding
	}{
		{nil, identity},
		{[]string{""}, identity},
		{[]string{"gzip, deflate, br, zstd"}, codingZstd},
		{[]string{"gzip, deflate"}, codingGzip},
		{[]string{"GZIP"}, codingGzip},
		{[]string{"x-gzip"}, codingGzip},
		{[]string{"deflate"}, identity},
		{[]string{"*"}, codingZstd},
		{[]string{"*;q=0"}, identity},
		{[]string{"zstd;q=0, *"}, codingBrotli},
		{[]string{"gzip;q=1.0, identity; q=0.5, *;q=0"}, codingGzip},
		{[]string{"gzip;q=0.5, identity"}, identity},
		{[]string{"gzip;q=0.5, identity;q=0.5"}, codingGzip},
		{[]string{"gzip;q=0.5, br;q=0.501"}, codingBrotli},
		{[]string{"br;q=0.001"}, codingBrotli},
		{[]string{"br;q=0.000"}, identity},
		{[]string{"br;q=0"}, identity},
		{[]string{"br ; Q = 1"}, codingBrotli},
		{[]string{"gzip", "br"}, codingBrotli},
		{[]string{"br;q=2, gzip"}, codingGzip},
		{[]string{"br;q=1.001, gzip"}, codingGzip},
		{[]string{"br;q=0.1234, gzip"}, codingGzip},
		{[]string{"br;q=, gzip"}, codingGzip},
		{[]string{"br;q=-1, gzip"}, codingGzip},
		{[]string{"br;level=9, gzip"}, codingGzip},
		{[]string{",,gzip,"}, codingGzip},
	} {
		if got := choose(accepting(tt.accept...), order); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.accept, got, tt.want)
		}
	}
	if got := choose(accepting("gzip, br"), []coding{codingGzip}); got != codingGzip {
		t.Errorf("only gzip is offered: %v", got)
	}
}

func TestChoosingAllocatesNothing(t *testing.T) {
	order := []coding{codingZstd, codingBrotli, codingGzip}
	fields := accepting("gzip, deflate;q=0.3, br;q=0.2, *;q=0.1")
	if n := testing.AllocsPerRun(100, func() { choose(fields, order) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestTypes(t *testing.T) {
	s := newTypeSet([]string{"text/*", "*+json", "application/json"})
	for value, want := range map[string]bool{
		"text/html": true, "TEXT/Plain;charset=x": true, " text/css ; a=b": true, "application/ld+json": true,
		"application/json": true, "application/json5": false, "image/png": false, "": false, ";": false,
		"text/" + strings.Repeat("x", 100): false,
	} {
		if got := s.has([]byte(value)); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	every := newTypeSet([]string{"*/*"})
	if !every.has([]byte("image/png")) {
		t.Error("*/* is not everything")
	}
}

// Whatever a client sends, what is chosen is something it has named, or all.
func FuzzAcceptEncoding(f *testing.F) {
	for _, s := range []string{"gzip", "br;q=0.5, *;q=0", "zstd;q=1.000,identity;q=0", "x-gzip ; q=0.1", ";;,=,q=1", "*"} {
		f.Add(s)
	}
	order := []coding{codingZstd, codingBrotli, codingGzip}
	f.Fuzz(func(t *testing.T, value string) {
		c := choose(accepting(value), order)
		lower := strings.ToLower(value)
		if c != identity && !strings.Contains(lower, c.String()) && !strings.Contains(lower, "*") {
			t.Errorf("%q: %v was not asked for", value, c)
		}
		if strings.TrimSpace(lower) == c.String()+";q=0" {
			t.Errorf("%q: %v was refused", value, c)
		}
	})
}
