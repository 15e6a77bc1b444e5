package main

import "os"

// resized: Windows has no signal for it, and Notify would take none as all.
var resized = []os.Signal{windowResized{}}

type windowResized struct{}

func (windowResized) String() string { return "window resized" }
func (windowResized) Signal()        {}
