package reconciler

// Beside runs work in a goroutine, and returns what waits for its end and says how it ended. The caller has
// to wait.
func Beside(work func() error) (wait func() error) {
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	return func() error { return <-ended }
}
