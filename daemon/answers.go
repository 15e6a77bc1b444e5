package daemon

// answered counts the requests that an instance has answered since it is routed to, and the failed ones.
func (d *Daemon) answered(instance string) (requests, failures uint64) {
	a := d.proxy.Answers(instance)
	return a.Requests, a.Failures
}

// answeredLately is the same of the last minute.
func (d *Daemon) answeredLately(instance string) (requests, failures uint64) {
	a := d.proxy.AnswersLately(instance)
	return a.Requests, a.Failures
}
