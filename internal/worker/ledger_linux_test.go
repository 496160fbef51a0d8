package worker

import "testing"

func TestLedgerCannotBeCut(t *testing.T) {
	l, err := newLedger(4)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, size := range []int64{0, 1 << 20} {
		if err := l.file.Truncate(size); err == nil {
			t.Errorf("its size could be set to %d", size)
		}
	}
}
