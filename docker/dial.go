package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

const dialTimeout = 5 * time.Second

// endpoint is where an instance's network namespace is.
type endpoint struct {
	Deployment berth.ID
	Container  string // the one that owns the namespace
	Pid        int
	Address    string
	Kind       berth.StageKind
}

// Dial connects to a port of an instance from inside its network namespace and returns a plain socket.
// In development a server on loopback answers as well; in build stages the instance's own address is
// dialled, so that no visitor looks like localhost to a production application.
func (e *Engine) Dial(ctx context.Context, instance string, port int) (net.Conn, error) {
	conn, _, err := e.reach(ctx, instance, func(ctx context.Context, to endpoint) (net.Conn, error) {
		return dialFirst(ctx, addresses(to), port)
	})
	return conn, err
}

// reach dials from inside an instance's network namespace. What was known of the instance may be outdated: then it is
// looked for once more.
func (e *Engine) reach(ctx context.Context, instance string, dial func(context.Context, endpoint) (net.Conn, error)) (conn net.Conn, to endpoint, err error) {
	for range 2 {
		if to, err = e.endpoint(ctx, instance); err != nil {
			return nil, to, err
		}
		if conn, err = dialInside(ctx, to, dial); !errors.Is(err, engine.ErrNoInstance) {
			return conn, to, err
		}
		e.forgetEndpoint(instance, to)
	}
	return nil, to, err
}

func dialInside(ctx context.Context, to endpoint, dial func(context.Context, endpoint) (net.Conn, error)) (net.Conn, error) {
	p, err := openProcess(to.Pid, to.Container)
	if err != nil {
		return nil, err
	}
	defer p.close()
	ns, err := p.netns()
	if err != nil {
		return nil, err
	}
	defer func() { _ = ns.Close() }()
	var conn net.Conn
	err = inside(ctx, ns, func(ctx context.Context) error {
		conn, err = dial(ctx, to)
		return err
	})
	return conn, err
}

// addresses to try, in order.
func addresses(to endpoint) []string {
	if to.Kind == berth.KindDevelopment {
		return []string{"127.0.0.1", "::1", to.Address}
	}
	return []string{to.Address}
}

// dialFirst connects to the first address that accepts. Each is a literal, so that the socket is made on
// the calling thread.
func dialFirst(ctx context.Context, addresses []string, port int) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	var errs []error
	for _, a := range addresses {
		if a == "" {
			continue
		}
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a, strconv.Itoa(port)))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("dial port %d: %w", port, errors.Join(errs...))
}

// endpoint finds an instance's namespace, from what the last Sync saw or by asking Docker.
func (e *Engine) endpoint(ctx context.Context, instance string) (endpoint, error) {
	e.mu.Lock()
	to, ok := e.instances[instance]
	e.mu.Unlock()
	if ok {
		return to, nil
	}
	p, err := e.findInstance(ctx, instance)
	if err != nil {
		return endpoint{}, err
	}
	to, ok = p.endpoint()
	if !ok {
		return endpoint{}, engine.ErrNoInstance
	}
	e.mu.Lock()
	e.instances[instance] = to
	e.mu.Unlock()
	return to, nil
}

// findInstance asks Docker for one instance.
func (e *Engine) findInstance(ctx context.Context, instance string) (*observedPod, error) {
	if instance == "" {
		return nil, engine.ErrNoInstance
	}
	containers, err := e.docker.containers(ctx, labelInstance, instance)
	if err != nil {
		return nil, err
	}
	pods, _ := groupPods(containers)
	if len(pods) != 1 {
		return nil, engine.ErrNoInstance
	}
	return pods[0], nil
}

func (e *Engine) forgetEndpoint(instance string, was endpoint) {
	e.docker.forget(was.Container)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.instances[instance] == was {
		delete(e.instances, instance)
	}
}

// rememberEndpoints replaces what is known of a deployment's running instances.
func (e *Engine) rememberEndpoints(id berth.ID, pods []*observedPod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for instance, to := range e.instances {
		if to.Deployment == id {
			delete(e.instances, instance)
		}
	}
	for _, p := range pods {
		if to, ok := p.endpoint(); ok {
			e.instances[p.ID] = to
		}
	}
}
