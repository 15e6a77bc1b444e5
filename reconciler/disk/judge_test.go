package disk

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

func volume(element, identifier string, size int64) berth.Volume {
	return berth.Volume{Deployment: "d", Element: element, Identifier: identifier, SizeBytes: size}
}

func TestJudge(t *testing.T) {
	stopped := Findings{"db": {Stop: true, Message: "was"}}
	for _, c := range []struct {
		name     string
		volume   berth.Volume
		used     int64
		enforced bool
		pressure pressure
		before   Findings
		says     string
		stop     bool
	}{
		{name: "within its size", volume: volume("db", "data", 10*mib), used: 10 * mib},
		{name: "over its size, with room", volume: volume("db", "data", 10*mib), used: 11 * mib, says: "volume data holds 11.0 MiB, more than its size of 10.0 MiB"},
		{name: "over its size, without room", volume: volume("db", "data", 10*mib), used: 11 * mib, pressure: high, says: "was stopped: its volume data holds 11.0 MiB", stop: true},
		{name: "within its size, without room", volume: volume("db", "data", 10*mib), used: 9 * mib, pressure: high},
		{name: "stopped stays so while there is little room", volume: volume("db", "data", 10*mib), used: 11 * mib, pressure: some, before: stopped, says: "was stopped", stop: true},
		{name: "what runs may run on while there is little room", volume: volume("db", "data", 10*mib), used: 11 * mib, pressure: some, says: "will be stopped"},
		{name: "stopped runs again with room", volume: volume("db", "data", 10*mib), used: 11 * mib, before: stopped, says: "will be stopped"},
		{name: "a larger size ends it", volume: volume("db", "data", 12*mib), used: 11 * mib, pressure: high, before: stopped},
		{name: "without a size the deployment's counts", volume: volume("db", "data", 0), used: 101 * mib, says: "more than its size of 100.0 MiB"},
		{name: "full, where the limit is enforced", volume: volume("db", "data", 100*mib), used: 99 * mib, enforced: true, says: "is full: it holds 99.0 MiB of 100.0 MiB"},
		{name: "nearly full where it is watched", volume: volume("db", "data", 100*mib), used: 99 * mib},
		{name: "detached", volume: berth.Volume{Element: "db", Identifier: "data", SizeBytes: mib, Detached: true}, used: 2 * mib, pressure: high},
	} {
		t.Run(c.name, func(t *testing.T) {
			used := map[string]int64{c.volume.Element + "/" + c.volume.Identifier: c.used}
			found, has := judge([]berth.Volume{c.volume}, used, 100*mib, c.enforced, c.pressure, c.before).Of("db")
			if has != (c.says != "") || !strings.Contains(found.Message, c.says) || found.Stop != c.stop {
				t.Errorf("got %+v", found)
			}
		})
	}
}

func TestTheCodeVolumeConcernsEveryElement(t *testing.T) {
	found := judge([]berth.Volume{volume("", "code", mib), volume("db", "data", mib)},
		map[string]int64{"/code": 2 * mib}, mib, false, high, nil)
	for _, element := range []string{"web", "db"} {
		if f, has := found.Of(element); !has || !f.Stop || !strings.Contains(f.Message, "code") {
			t.Errorf("%s: %+v", element, f)
		}
	}
}

func TestOverLayersEndsTheLargestUntilTheRestFits(t *testing.T) {
	at := func(d berth.ID, instance string, bytes int64) layer {
		return layer{engine.Layer{Deployment: d, Element: "web", Instance: instance}, bytes}
	}
	limits := map[berth.ID]int64{"a": 100, "b": 100}
	for _, c := range []struct {
		name   string
		layers []layer
		want   string
	}{
		{"all within", []layer{at("a", "1", 60), at("a", "2", 40), at("b", "3", 100)}, ""},
		{"together over", []layer{at("a", "1", 60), at("a", "2", 50), at("b", "3", 100)}, "1"},
		{"containers of one instance count together", []layer{at("a", "1", 30), at("a", "1", 31), at("a", "2", 60)}, "1"},
		{"two have to end", []layer{at("a", "1", 200), at("a", "2", 150), at("a", "3", 10)}, "1 2"},
		{"nobody's", []layer{at("c", "1", 1<<40)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ended []string
			for _, o := range overLayers(c.layers, limits) {
				ended = append(ended, o.Instance)
			}
			if got := strings.Join(ended, " "); got != c.want {
				t.Errorf("ended %q, want %q", got, c.want)
			}
		})
	}
}

func TestFloorAndRoom(t *testing.T) {
	for total, want := range map[int64]int64{100 * gib: 5 * gib, 20 * gib: 2 * gib, 10 * gib: 2 * gib, 5 * gib: gib} {
		if got := (Space{Total: total}).Floor(); got != want {
			t.Errorf("of %s Berth keeps %s, want %s", Bytes(total), Bytes(got), Bytes(want))
		}
	}
	plenty := Space{Path: "/a", Free: 50 * gib, Total: 100 * gib}
	if err := Room([]Space{plenty}); err != nil {
		t.Error(err)
	}
	err := Room([]Space{plenty, {Path: "/b", Free: gib, Total: 20 * gib}})
	if berth.CodeOf(err) != berth.EUnavailable || !strings.Contains(err.Error(), "/b has 1.0 GiB left, and Berth keeps 2.0 GiB") {
		t.Errorf("got %v", err)
	}
}

func TestScheduleKeepsItsShareAndHurriesWhenADiskFills(t *testing.T) {
	start := time.Unix(0, 0)
	disks := func(free int64) []Space { return []Space{{Path: "/a", Free: free, Total: 100 * gib}} }
	s := schedule{every: 10 * time.Second, share: 250}
	if !s.due(start, disks(50*gib)) {
		t.Error("not due at first")
	}
	s.done(start, start.Add(time.Millisecond), disks(50*gib))
	if s.due(start.Add(9*time.Second), disks(50*gib)) || !s.due(start.Add(11*time.Second), disks(50*gib)) {
		t.Error("a short measuring is not repeated every 10 s")
	}
	if !s.due(start.Add(2*time.Second), disks(44*gib)) || s.due(start.Add(2*time.Second), disks(46*gib)) {
		t.Error("a disk that fills fast does not hurry it")
	}
	s.done(start, start.Add(time.Second), disks(50*gib))
	if s.due(start.Add(200*time.Second), disks(50*gib)) || !s.due(start.Add(260*time.Second), disks(50*gib)) {
		t.Error("a long measuring takes more than its share")
	}
}
