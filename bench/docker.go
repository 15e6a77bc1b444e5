package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// rawDocker is Docker's HTTP API, as little of it as the rival needs.
type rawDocker struct{ client *http.Client }

const (
	dockerSocket = "/var/run/docker.sock"
	dockerAPI    = "http://docker/v1.41"
)

func newDocker() rawDocker {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", dockerSocket)
	}
	return rawDocker{&http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 16}}}
}

// call sends body as JSON and decodes the answer into out. Either may be nil.
func (d rawDocker) call(ctx context.Context, method, path string, body, out any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, dockerAPI+path, sent)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := d.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode >= 400:
		return fmt.Errorf("docker %s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(answer))
	case out == nil || len(answer) == 0:
		return nil
	}
	return json.Unmarshal(answer, out)
}

// filters builds filters=… for lists.
func filters(conditions map[string][]string) string {
	text, err := json.Marshal(conditions)
	if err != nil {
		panic("bench: filters are plain data: " + err.Error())
	}
	return "filters=" + url.QueryEscape(string(text))
}

func labelled(labels ...string) string { return filters(map[string][]string{"label": labels}) }

// containers lists the ids of containers with all of the labels.
func (d rawDocker) containers(ctx context.Context, labels ...string) ([]string, error) {
	var list []struct{ ID string }
	err := d.call(ctx, "GET", "/containers/json?all=1&"+labelled(labels...), nil, &list)
	ids := make([]string, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	return ids, err
}

// inspected is a container as Docker describes it; what the rival copies stays as it is.
type inspected struct {
	ID     string
	Name   string
	Image  string
	Config map[string]any
	Host   map[string]any `json:"HostConfig"`
	State  struct {
		Running  bool
		ExitCode int
		Pid      int
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
}

func (d rawDocker) inspect(ctx context.Context, id string) (c inspected, err error) {
	return c, d.call(ctx, "GET", "/containers/"+id+"/json", nil, &c)
}

// exec runs a command in a container and returns its exit code.
func (d rawDocker) exec(ctx context.Context, id string, command []string) (code int, err error) {
	var made struct{ ID string }
	create := map[string]any{"Cmd": command, "AttachStdout": true, "AttachStderr": true}
	if err := d.call(ctx, "POST", "/containers/"+id+"/exec", create, &made); err != nil {
		return 0, err
	}
	// The answer is the command's output; it ends with the command.
	r, err := http.NewRequestWithContext(ctx, "POST", dockerAPI+"/exec/"+made.ID+"/start", bytes.NewBufferString(`{"Detach":false}`))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := d.client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if err != nil {
		return 0, err
	}
	var state struct{ ExitCode int }
	err = d.call(ctx, "GET", "/exec/"+made.ID+"/json", nil, &state)
	return state.ExitCode, err
}

// wait blocks until a container ended.
func (d rawDocker) wait(ctx context.Context, id string) (code int, err error) {
	var ended struct{ StatusCode int }
	err = d.call(ctx, "POST", "/containers/"+id+"/wait", nil, &ended)
	return ended.StatusCode, err
}

// remove removes a container, running or not.
func (d rawDocker) remove(ctx context.Context, id string) error {
	return d.call(ctx, "DELETE", "/containers/"+id+"?force=1&v=1", nil, nil)
}
