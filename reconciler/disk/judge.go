package disk

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// Finding is what is to be said of an element that is over its limit.
type Finding struct {
	Message string
	Stop    bool // it may not run for now
}

// Findings are a deployment's, by element; the code volume's, which all share, under "".
type Findings map[string]Finding

// Of returns what is to be said of an element.
func (f Findings) Of(element string) (Finding, bool) {
	own, found := f[element]
	if shared, both := f[""]; both && (!found || shared.Stop && !own.Stop) {
		return shared, true
	}
	return own, found
}

func (f Findings) equal(other Findings) bool { return maps.Equal(f, other) }

// allowed is what a volume may hold: its size, or, without one, what the deployment's size allows.
func allowed(v berth.Volume, limit int64) int64 { return cmp.Or(v.SizeBytes, limit) }

// fullShare is from where on a volume whose limit is enforced counts as full, in percent: what a store needs
// for its own books counts too.
const fullShare = 95

// judge says which elements' volumes hold too much. An element is told that it is over a volume's size, and has
// to stop when the machine's disks run out; where the store enforces limits, it is told before that the volume
// is full. One that had to stop may run again when it is not over any more, or when there is plenty of room.
func judge(volumes []berth.Volume, used map[string]int64, limit int64, enforced bool, p pressure, before Findings) Findings {
	out := Findings{}
	for _, v := range volumes {
		stops := p == high || p == some && before[v.Element].Stop
		may, has := allowed(v, limit), used[v.Element+"/"+v.Identifier]
		switch {
		case v.Detached || may == 0:
			continue
		case has > may && stops:
			out.add(v, Finding{Stop: true, Message: fmt.Sprintf("was stopped: its volume %s holds %s, more than its size of %s, and the machine runs out of disk. Give it a larger size in diploi.yaml and deploy, or free space on the machine", v.Identifier, Bytes(has), Bytes(may))})
		case has > may:
			out.add(v, Finding{Message: fmt.Sprintf("its volume %s holds %s, more than its size of %s; it will be stopped when the machine runs out of disk. Give it a larger size in diploi.yaml and deploy, or delete something in it", v.Identifier, Bytes(has), Bytes(may))})
		case enforced && has*100 >= may*fullShare:
			out.add(v, Finding{Message: fmt.Sprintf("its volume %s is full: it holds %s of %s. Give it a larger size in diploi.yaml and deploy, or delete something in it", v.Identifier, Bytes(has), Bytes(may))})
		}
	}
	return out
}

// add keeps the graver of two findings of one element.
func (f Findings) add(v berth.Volume, found Finding) {
	if before, has := f[v.Element]; !has || !before.Stop {
		f[v.Element] = found
	}
}

// layer is what one container wrote outside volumes.
type layer struct {
	engine.Layer
	bytes int64
}

// over is an instance that has to end.
type over struct {
	engine.Layer
	message string
}

// overLayers picks the instances that have to end so that each deployment's containers hold no more outside
// volumes than its size allows: the largest first.
func overLayers(layers []layer, limits map[berth.ID]int64) (out []over) {
	instances, sums := map[string]layer{}, map[berth.ID]int64{}
	for _, l := range layers {
		one := instances[l.Instance]
		instances[l.Instance] = layer{l.Layer, one.bytes + l.bytes}
		sums[l.Deployment] += l.bytes
	}
	largest := slices.SortedFunc(maps.Values(instances), func(a, b layer) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.Instance, b.Instance))
	})
	for _, l := range largest {
		limit := limits[l.Deployment]
		if limit == 0 || sums[l.Deployment] <= limit {
			continue
		}
		sums[l.Deployment] -= l.bytes
		out = append(out, over{l.Layer, fmt.Sprintf(
			"was stopped: it wrote %s outside its volumes, and all containers of the deployment may write %s there. Write to a volume, or choose a larger size", Bytes(l.bytes), Bytes(limit))})
	}
	return out
}
