package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// maxLine is the longest line of a stream: a log line with everything around it.
const maxLine = 4 << 20

// Logs yields what containers wrote.
func (c *Client) Logs(ctx context.Context, ref string, q berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(yield func(berth.LogLine, error) bool) {
		err := c.lines(ctx, at("deployments", ref, "logs"), logQuery(q), func(line []byte) (bool, error) {
			if len(line) == 0 {
				return true, nil
			}
			var item apiwire.LogItem
			if err := json.Unmarshal(line, &item); err != nil {
				return false, fmt.Errorf("read log: %w", err)
			}
			if item.Error != nil {
				return false, item.Error.Err()
			}
			return yield(item.LogLine, nil), nil
		})
		if err != nil {
			yield(berth.LogLine{}, err)
		}
	}
}

// Requests yields what hosts were asked.
func (c *Client) Requests(ctx context.Context, ref string, q berth.LogQuery) iter.Seq2[berth.Request, error] {
	return func(yield func(berth.Request, error) bool) {
		err := c.lines(ctx, at("deployments", ref, "requests"), logQuery(q), func(line []byte) (bool, error) {
			if len(line) == 0 {
				return true, nil
			}
			var item apiwire.RequestItem
			if err := json.Unmarshal(line, &item); err != nil {
				return false, fmt.Errorf("read requests: %w", err)
			}
			if item.Error != nil {
				return false, item.Error.Err()
			}
			return yield(item.Request, nil), nil
		})
		if err != nil {
			yield(berth.Request{}, err)
		}
	}
}

func logQuery(q berth.LogQuery) url.Values {
	query := url.Values{}
	add(query, "element", q.Element, q.Element != "")
	add(query, "since", q.Since.String(), q.Since > 0)
	add(query, "tail", strconv.Itoa(q.Tail), q.Tail > 0)
	add(query, "follow", "true", q.Follow)
	add(query, "previous", "true", q.Previous)
	return query
}

// Events yields what happened.
func (c *Client) Events(ctx context.Context, q berth.EventQuery) iter.Seq2[berth.Event, error] {
	query := url.Values{}
	add(query, "after", strconv.FormatInt(q.After, 10), q.After > 0)
	add(query, "limit", strconv.Itoa(q.Limit), q.Limit > 0)
	add(query, "follow", "true", q.Follow)
	path := at("events")
	if q.Deployment != "" {
		path = at("deployments", q.Deployment, "events")
	}
	return func(yield func(berth.Event, error) bool) {
		var kind string
		err := c.lines(ctx, path, query, func(line []byte) (bool, error) {
			if field, value, ok := bytes.Cut(line, []byte(": ")); ok && string(field) == "event" {
				kind = string(value)
			} else if ok && string(field) == "data" {
				if kind == "error" {
					return false, streamError(value)
				}
				var e berth.Event
				if err := json.Unmarshal(value, &e); err != nil {
					return false, fmt.Errorf("read event: %w", err)
				}
				return yield(e, nil), nil
			}
			return true, nil
		})
		if err != nil {
			yield(berth.Event{}, err)
		}
	}
}

func streamError(data []byte) error {
	var p apiwire.Problem
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	return p.Err()
}

// lines calls show for each line of an answer until it says no or fails. A stream that breaks off is an error.
func (c *Client) lines(ctx context.Context, path string, query url.Values, show func(line []byte) (more bool, err error)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // so that the server learns at once that nobody reads on
	response, err := c.send(ctx, get, path, query, nil, "")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	scan := bufio.NewScanner(response.Body)
	scan.Buffer(make([]byte, 64<<10), maxLine)
	for scan.Scan() {
		if more, err := show(scan.Bytes()); err != nil || !more {
			return err
		}
	}
	if err := scan.Err(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return coded(berth.EUnavailable, err, "the server went away while it was answering")
		}
		return fmt.Errorf("read stream: %w", err)
	}
	return nil
}

func add(query url.Values, name, value string, when bool) {
	if when {
		query.Set(name, value)
	}
}
