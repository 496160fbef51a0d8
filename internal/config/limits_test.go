package config

import (
	"testing"

	"rickhouse/internal/units"
)

func TestBodyLimits(t *testing.T) {
	for _, tt := range []struct {
		top     units.Size
		routes  []units.Size
		largest units.Size
		want    []units.Size
	}{
		{100, nil, 0, nil},
		{100, []units.Size{0, 50}, 0, []units.Size{0, 50}},
		{100, []units.Size{0, 50, 500}, 500, []units.Size{100, 50, 500}},
	} {
		s := &Server{}
		s.Front.MaxBody = tt.top
		for _, limit := range tt.routes {
			r := Route{}
			r.Chain.Limit.MaxBody = limit
			s.Routes = append(s.Routes, r)
		}
		s.bodyLimits()
		if s.Front.LargestBody != tt.largest {
			t.Errorf("%v: the fronts let in %v, want %v", tt.routes, s.Front.LargestBody, tt.largest)
		}
		for i, r := range s.Routes {
			if r.Chain.Limit.MaxBody != tt.want[i] {
				t.Errorf("%v: route %d lets in %v, want %v", tt.routes, i, r.Chain.Limit.MaxBody, tt.want[i])
			}
		}
	}
}
