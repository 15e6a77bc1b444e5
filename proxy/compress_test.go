package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func gunzip(t *testing.T, body io.Reader) string {
	t.Helper()
	reader, err := gzip.NewReader(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTextIsCompressed(t *testing.T) {
	long := strings.Repeat("the same words ", 1000)
	for _, c := range []struct {
		name     string
		request  map[string]string
		method   string
		response map[string]string
		status   int
		body     string
		want     bool
		vary     bool
	}{
		{name: "HTML", response: map[string]string{"Content-Type": "text/html; charset=utf-8"}, want: true, vary: true},
		{name: "JSON with its length", response: map[string]string{"Content-Type": "application/json", "Content-Length": strconv.Itoa(len(long))}, want: true, vary: true},
		{name: "problem", status: 500, response: map[string]string{"Content-Type": "application/problem+json"}, want: true, vary: true},
		{name: "not asked for", request: map[string]string{"Accept-Encoding": "br"}, response: map[string]string{"Content-Type": "text/css"}, vary: true},
		{name: "refused", request: map[string]string{"Accept-Encoding": "gzip;q=0, *"}, response: map[string]string{"Content-Type": "text/css"}, vary: true},
		{name: "anything", request: map[string]string{"Accept-Encoding": "*;q=0.5"}, response: map[string]string{"Content-Type": "text/css"}, want: true, vary: true},
		{name: "a range", request: map[string]string{"Accept-Encoding": "gzip", "Range": "bytes=0-99"}, response: map[string]string{"Content-Type": "text/css"}, vary: true},
		{name: "HEAD", method: http.MethodHead, response: map[string]string{"Content-Type": "text/css"}, vary: true},
		{name: "small", response: map[string]string{"Content-Type": "text/css", "Content-Length": "5"}, body: "small"},
		{name: "an image", response: map[string]string{"Content-Type": "image/png"}},
		{name: "no type", response: map[string]string{"Content-Type": ""}},
		{name: "events", response: map[string]string{"Content-Type": "text/event-stream"}},
		{name: "JSON lines", response: map[string]string{"Content-Type": "application/x-ndjson"}},
		{name: "encoded already", response: map[string]string{"Content-Type": "text/css", "Content-Encoding": "br"}},
		{name: "not to be touched", response: map[string]string{"Content-Type": "text/css", "Cache-Control": "public, No-Transform"}},
		{name: "a part", status: 206, response: map[string]string{"Content-Type": "text/css", "Content-Range": "bytes 0-9/20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, records := recording(t)
			server := front(t, p)
			body := long
			if c.body != "" {
				body = c.body
			}
			p.Swap(keyed(backend(t, "a", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Etag", `"v1"`)
				w.Header()["Accept-Ranges"] = []string{"bytes"}
				for name, value := range c.response {
					w.Header()[name] = []string{value}
				}
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				_, _ = io.WriteString(w, body)
			})))
			method := http.MethodGet
			if c.method != "" {
				method = c.method
			}
			r := request(t, server, method, "/", nil)
			r.Header.Set("Accept-Encoding", "deflate, gzip, br")
			for name, value := range c.request {
				r.Header.Set(name, value)
			}
			response, got := do(t, server, r)
			record := <-records
			if record.Bytes != int64(len(got)) {
				t.Errorf("%d bytes recorded, %d came", record.Bytes, len(got))
			}
			if vary := response.Header.Get("Vary") == "Accept-Encoding"; vary != c.vary {
				t.Errorf("Vary: %q", response.Header["Vary"])
			}
			header := response.Header
			if c.want {
				if header.Get("Content-Encoding") != "gzip" || header.Get("Etag") != `W/"v1"` || header.Get("Accept-Ranges") != "" || len(got) > len(body)/10 {
					t.Errorf("%d bytes, %v", len(got), header)
				}
				got = gunzip(t, strings.NewReader(got))
			} else if header.Get("Content-Encoding") == "gzip" || header.Get("Etag") != `"v1"` {
				t.Errorf("%v", header)
			}
			if method != http.MethodHead && got != body {
				t.Errorf("%d bytes came, want %d", len(got), len(body))
			}
		})
	}
}

func TestCompressedStreamsArriveAsTheyAreSent(t *testing.T) {
	p := newTestProxy(t)
	next := make(chan string)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for word := range next {
			fmt.Fprintln(w, word)
			_ = http.NewResponseController(w).Flush()
		}
	})))
	server := front(t, p)
	r := request(t, server, http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	answers := make(chan *http.Response, 1)
	go func() {
		response, err := server.Client().Transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
		}
		answers <- response
	}()
	next <- "one"
	response := <-answers
	defer response.Body.Close()
	reader, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(reader)
	for _, word := range []string{"two", "three"} {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		next <- word
	}
	close(next)
	if !lines.Scan() || lines.Text() != "three" || lines.Scan() {
		t.Errorf("%q, %v", lines.Text(), lines.Err())
	}
}

func TestACompressedAnswerThatBreaksOffLooksSo(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 5000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	server := front(t, p)
	r := request(t, server, http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	response, err := server.Client().Transport.RoundTrip(r)
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("it looks whole")
	}
}
