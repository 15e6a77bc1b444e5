package berth

// Size names what a deployment may use of its machine.
type Size string

// Limits are the numbers behind a Size. Zero means no limit.
type Limits struct {
	MilliCPU    int64 `json:"milliCpu"`
	MemoryBytes int64 `json:"memoryBytes"`
	Processes   int64 `json:"processes"`
	DiskBytes   int64 `json:"diskBytes"`
}

const gib = 1 << 30

// Sizes is the one table of sizes, smallest first.
var sizes = []struct {
	Size   Size
	Limits Limits
}{
	{"S", Limits{1000, 1 * gib, 1024, 5 * gib}},
	{"M", Limits{2000, 2 * gib, 2048, 10 * gib}},
	{"L", Limits{4000, 4 * gib, 4096, 20 * gib}},
	{"XL", Limits{8000, 8 * gib, 8192, 40 * gib}},
}

// DefaultSize is what a deployment gets that asks for none.
const DefaultSize Size = "M"

// LimitsOf returns the limits of s; ok is false when there is no such size.
func LimitsOf(s Size) (l Limits, ok bool) {
	for _, row := range sizes {
		if row.Size == s {
			return row.Limits, true
		}
	}
	return Limits{}, false
}
