package chart

import (
	"fmt"
	"reflect"
	"strings"
)

const (
	maxWork  = 200_000 // steps of one rendering; the largest public chart takes four thousand
	maxValue = 1 << 20 // bytes of one value
	maxDepth = 100     // templates inside templates, and values inside values
)

// limitError ends a rendering that asks for too much.
type limitError struct{ what string }

func (e *limitError) Error() string { return e.what }

// budget is what one rendering may use. It counts steps, not seconds, so that the same chart
// renders or fails on every machine alike.
type budget struct {
	work    int
	written int
	depth   int
}

func newBudget() *budget { return &budget{work: maxWork} }

func (b *budget) spend(steps int) error {
	if b.work -= 1 + steps; b.work < 0 {
		return &limitError{"they take more than the steps that a chart may take; is there a loop without end?"}
	}
	return nil
}

func (b *budget) enter(cost int) (string, error) {
	if b.depth++; b.depth > maxDepth {
		return "", &limitError{fmt.Sprintf("templates include each other more than %d deep", maxDepth)}
	}
	return "", b.spend(cost)
}

func (b *budget) leave(int) string {
	b.depth--
	return ""
}

func (b *budget) turn(cost int) (string, error) { return "", b.spend(cost) }

// show measures a value that is about to be printed.
func (b *budget) show(v any) (any, error) { return v, b.measure(reflect.ValueOf(v)) }

// measure refuses a value that is too large or holds itself, and charges for looking at it.
func (b *budget) measure(v reflect.Value) error {
	size := 0
	if !sizeOf(v, 0, &size) {
		return &limitError{fmt.Sprintf("a value has more than %d KiB, or holds itself", maxValue>>10)}
	}
	return b.spend(size / 64)
}

// sizeOf adds up the size of v; false when there is more than a value may have.
func sizeOf(v reflect.Value, depth int, size *int) bool {
	if depth > maxDepth {
		return false
	}
	*size++
	switch v.Kind() {
	case reflect.String:
		*size += v.Len()
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() && !sizeOf(v.Elem(), depth+1, size) {
			return false
		}
	case reflect.Slice, reflect.Array:
		for i := 0; i < v.Len() && *size <= maxValue; i++ {
			if !sizeOf(v.Index(i), depth+1, size) {
				return false
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next() && *size <= maxValue; {
			if !sizeOf(it.Key(), depth+1, size) || !sizeOf(it.Value(), depth+1, size) {
				return false
			}
		}
	default:
		*size += 8
	}
	return *size <= maxValue
}

// output collects what templates write, up to what one rendering may give.
type output struct {
	*budget
	strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	if o.written += len(p); o.written > maxOutput {
		return 0, &limitError{fmt.Sprintf("they render to more than %d MiB", maxOutput>>20)}
	}
	return o.Builder.Write(p)
}
