package control

// room refuses what would begin something new while the machine's disks are nearly full.
func (c *Control) room() error {
	if c.Room == nil {
		return nil
	}
	return c.Room()
}
