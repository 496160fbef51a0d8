package python

import (
	"strings"
	"testing"
	"time"
)

func TestProcessKeysAreValidated(t *testing.T) {
	good := Config{WSGI: "a", Umask: "0027", DisplayName: "(wsgi:shop)", InactivityTimeout: time.Hour}
	if err := good.Validate(); err != nil {
		t.Errorf("%+v: %v", good, err)
	}
	for want, c := range map[string]Config{
		`umask: "27x" is not a mode`:              {Umask: "27x"},
		`umask: "9" is not a mode`:                {Umask: "9"},
		`umask: "01000" is not a mode`:            {Umask: "01000"},
		`display_name: "a\nb" holds a control`:    {DisplayName: "a\nb"},
		`display_name: "aaaa`:                     {DisplayName: strings.Repeat("a", maxTitle+1)},
		`inactivity_timeout: -1ns is less than 0`: {InactivityTimeout: -1},
	} {
		c.WSGI = "a"
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
