package proxy

import (
	"testing"
	"time"
)

func TestOnlyTheLastMinuteIsCountedLately(t *testing.T) {
	var l lately
	at := time.Unix(1_000_000_000, 0)
	for second := range 200 { // one answer a second, the newest ten of them failures
		l.add(at.Add(time.Duration(second)*time.Second), second >= 190)
	}
	now := at.Add(199 * time.Second)
	if got := l.sum(now); got != (Answers{Requests: 70, Failures: 10}) {
		t.Errorf("the last minute has %+v", got)
	}
	if got := l.sum(now.Add(61 * time.Second)); got != (Answers{}) {
		t.Errorf("a minute later there is still %+v", got)
	}
}
