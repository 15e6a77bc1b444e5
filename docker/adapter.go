package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

const (
	defaultSocket = "unix:///var/run/docker.sock"
	callTimeout   = 30 * time.Second
)

// adapter makes the calls to Docker, one each, and knows which containers are this server's.
type adapter struct {
	client *client.Client
	server string

	mu    sync.Mutex
	known map[string]containerState // by id; valid while the status is the same
}

func newAdapter(socket, server string) (*adapter, error) {
	if socket == "" {
		socket = defaultSocket
	}
	if strings.HasPrefix(socket, "/") {
		socket = "unix://" + socket
	}
	c, err := client.New(client.WithHost(socket), client.WithDialContext(dialEngine(socket)))
	if err != nil {
		return nil, fmt.Errorf("prepare Docker client: %w", err)
	}
	return &adapter{client: c, server: server, known: map[string]containerState{}}, nil
}

// dialEngine connects to the engine; that it does not answer is an error for people, and may pass.
func dialEngine(socket string) func(ctx context.Context, network, address string) (net.Conn, error) {
	network, address, _ := strings.Cut(socket, "://")
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil && ctx.Err() == nil {
			err = &berth.Error{Code: berth.EUnavailable, Message: "Docker Engine does not answer at " + socket + "; install it or start it", Err: err}
		}
		return conn, err
	}
}

func (a *adapter) close() error { return a.client.Close() }

// minAPI is what Debian 12's engine speaks.
const minAPI = "1.41"

func (a *adapter) checkVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ping, err := a.client.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if said := (*berth.Error)(nil); errors.As(err, &said) {
		return said
	}
	if err != nil {
		return fmt.Errorf("ask Docker Engine for its version: %w", err)
	}
	if olderAPI(ping.APIVersion, minAPI) {
		return berth.Errorf(berth.EUnsupported, "Docker Engine speaks API %s, and Berth needs %s (Docker Engine 20.10) or newer", ping.APIVersion, minAPI)
	}
	return nil
}

func olderAPI(version, than string) bool {
	var a, b, c, d int
	if _, err := fmt.Sscanf(version, "%d.%d", &a, &b); err != nil {
		return true
	}
	if _, err := fmt.Sscanf(than, "%d.%d", &c, &d); err != nil {
		return true
	}
	return a < c || a == c && b < d
}

// containerState is a container as far as the engine cares.
type containerState struct {
	ID       string
	Name     string
	Image    string
	Labels   map[string]string
	Status   container.ContainerState
	Address  string
	Pid      int
	ExitCode int
	OOM      bool
	Error    string // why Docker could not start it
	Created  time.Time
	Started  time.Time
	Finished time.Time
	LogPath  string
	Layer    string     // what it writes outside volumes lies below; empty: not known
	Reserved netip.Addr // the address it was made with, if a fixed one
	Command  []string
}

func (c containerState) ended() bool {
	return c.Status == container.StateExited || c.Status == container.StateDead || c.Status == container.StateRemoving || c.failedToStart()
}

func (c containerState) failedToStart() bool {
	return c.Status == container.StateCreated && (c.Error != "" || c.ExitCode != 0)
}

func (c containerState) running() bool {
	return c.Status == container.StateRunning || c.Status == container.StatePaused || c.Status == container.StateRestarting
}

// labelled is a filter for what is this server's and carries label=value pairs. Of containers it finds
// too many: they inherit the labels of their image, whoever made them.
func (a *adapter) labelled(pairs ...string) client.Filters {
	f := client.Filters{}.Add("label", labelServer+"="+a.server)
	for i := 0; i < len(pairs); i += 2 {
		f.Add("label", pairs[i]+"="+pairs[i+1])
	}
	return f
}

// containers lists this server's containers with the given label=value pairs, whatever their state.
func (a *adapter) containers(ctx context.Context, pairs ...string) ([]containerState, error) {
	list, err := a.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: a.labelled(pairs...).Add("label", labelRole)})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	out := make([]containerState, 0, len(list.Items))
	for _, c := range list.Items {
		s, found, err := a.state(ctx, c.ID, c.State)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, s)
		}
	}
	return out, nil
}

// state inspects a container unless it is known in this status: ours are started once in their lives.
func (a *adapter) state(ctx context.Context, id string, status container.ContainerState) (_ containerState, found bool, err error) {
	a.mu.Lock()
	s, ok := a.known[id]
	a.mu.Unlock()
	if ok && s.Status == status {
		return s, true, nil
	}
	return a.inspect(ctx, id)
}

func (a *adapter) inspect(ctx context.Context, id string) (_ containerState, found bool, err error) {
	r, err := a.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		a.forget(id)
		return containerState{}, false, nil
	}
	if err != nil {
		return containerState{}, false, fmt.Errorf("inspect container: %w", err)
	}
	s := stateOf(r.Container)
	a.mu.Lock()
	a.known[s.ID] = s
	a.mu.Unlock()
	return s, true, nil
}

func (a *adapter) forget(id string) {
	a.mu.Lock()
	delete(a.known, id)
	a.mu.Unlock()
}

// keepOnly drops what is known of a deployment's containers that exist no more.
func (a *adapter) keepOnly(deployment berth.ID, exist []containerState) {
	ids := make(map[string]bool, len(exist))
	for _, c := range exist {
		ids[c.ID] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, c := range a.known {
		if c.Labels[labelDeployment] == string(deployment) && !ids[id] {
			delete(a.known, id)
		}
	}
}

func stateOf(r container.InspectResponse) containerState {
	s := containerState{ID: r.ID, Name: strings.TrimPrefix(r.Name, "/"), Image: r.Image, Created: parseTime(r.Created), LogPath: r.LogPath}
	s.Command = append([]string{r.Path}, r.Args...)
	if r.GraphDriver != nil {
		s.Layer = r.GraphDriver.Data["UpperDir"]
	}
	if r.Config != nil {
		s.Labels = r.Config.Labels
	}
	if st := r.State; st != nil {
		s.Status, s.Pid, s.ExitCode, s.OOM, s.Error = st.Status, st.Pid, st.ExitCode, st.OOMKilled, st.Error
		s.Started, s.Finished = parseTime(st.StartedAt), parseTime(st.FinishedAt)
	}
	if r.NetworkSettings != nil {
		for name, n := range r.NetworkSettings.Networks {
			if name != networkName(berth.ID(s.Labels[labelDeployment])) || n == nil {
				continue
			}
			if n.IPAddress.IsValid() {
				s.Address = n.IPAddress.String()
			}
			if n.IPAMConfig != nil {
				s.Reserved = n.IPAMConfig.IPv4Address
			}
		}
	}
	return s
}

// parseTime reads Docker's times; its "never" (year 1) becomes the zero time.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// create makes a container and returns its id. A left-over of the same name is removed first, if it
// is ours.
func (a *adapter) create(ctx context.Context, name string, c *container.Config, h *container.HostConfig, n *network.NetworkingConfig) (string, error) {
	opts := client.ContainerCreateOptions{Name: name, Config: c, HostConfig: h, NetworkingConfig: n}
	c.Labels[labelServer] = a.server
	r, err := a.client.ContainerCreate(ctx, opts)
	if errdefs.IsConflict(err) {
		if err := a.removeOurs(ctx, name); err != nil {
			return "", err
		}
		r, err = a.client.ContainerCreate(ctx, opts)
	}
	if err != nil {
		return "", fmt.Errorf("create container %s: %w", name, err)
	}
	return r.ID, nil
}

// removeOurs removes the container of that name, unless somebody else made it.
func (a *adapter) removeOurs(ctx context.Context, name string) error {
	s, found, err := a.inspect(ctx, name)
	if err != nil || !found {
		return err
	}
	if s.Labels[labelServer] != a.server || s.Labels[labelRole] == "" {
		a.forget(s.ID)
		return berth.Errorf(berth.EConflict, "a container named %s exists that is not this server's; remove or rename it", name)
	}
	if err := a.remove(ctx, s.ID); err != nil {
		return err
	}
	return a.awaitGone(ctx, s.ID)
}

// goneWithin bounds how long Docker may take to free the name of a container that is being removed,
// perhaps for somebody who did not wait for it.
const goneWithin = 15 * time.Second

// awaitGone blocks until a container that is being removed has left its name.
func (a *adapter) awaitGone(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	for {
		_, found, err := a.inspect(ctx, id)
		a.forget(id)
		if err != nil || !found {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of container %s: %w", id, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// start starts a container; already running is success.
func (a *adapter) start(ctx context.Context, id string) error {
	a.forget(id)
	if _, err := a.client.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start container: %w", err)
	}
	return nil
}

// stop asks a container to end and kills it after grace; ended or gone is success.
func (a *adapter) stop(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(grace.Round(time.Second) / time.Second)
	_, err := a.client.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("stop container: %w", err)
	}
	return nil
}

// kill ends a container at once; ended or gone is success.
func (a *adapter) kill(ctx context.Context, id string) error {
	_, err := a.client.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "SIGKILL"})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("kill container: %w", err)
	}
	return nil
}

// remove ends and removes a container with the anonymous volumes its image declares; gone is success.
func (a *adapter) remove(ctx context.Context, id string) error {
	_, err := a.client.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	a.forget(id)
	if err == nil || errdefs.IsNotFound(err) || beingRemoved(err) {
		return nil
	}
	return fmt.Errorf("remove container: %w", err)
}

// beingRemoved says that another call removes the container already; Docker has no code of its own for it.
func beingRemoved(err error) bool {
	return errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress")
}

// readJSONMessages drains a stream of Docker's progress messages and returns the first error in it.
func readJSONMessages(r io.Reader, each func(status string)) error {
	d := json.NewDecoder(r)
	for {
		var m struct {
			Status   string
			ID       string `json:"id"`
			Progress string `json:"progress"`
			Error    string `json:"error"`
		}
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return errors.New(m.Error)
		}
		if each != nil {
			each(strings.TrimSpace(strings.Join([]string{m.ID, m.Status, m.Progress}, " ")))
		}
	}
}
