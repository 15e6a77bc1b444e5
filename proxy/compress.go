package proxy

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const (
	// minCompressed is the size below which an answer fits into a packet or two anyway.
	minCompressed = 1024
	// compression is fast: what is sent waits for it, and what comes after saves little more.
	compression = 3
)

// compressed are the types of text that no one has compressed, besides text/*. Streams of events and of
// JSON lines are none: what reads them wants each item at once, and a server may look at them for hours.
var compressed = map[string]bool{
	"application/javascript": true, "application/json": true, "application/manifest+json": true, "application/wasm": true,
	"application/xml": true, "application/x-javascript": true, "application/vnd.ms-fontobject": true, "font/otf": true, "font/ttf": true,
	"image/svg+xml": true, "image/bmp": true, "image/x-icon": true, "image/vnd.microsoft.icon": true,
}

func isCompressedType(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (compressed[kind] || strings.HasPrefix(kind, "text/") && kind != "text/event-stream" ||
		strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml"))
}

// isCompressible reports whether an answer is text as the application wrote it, and worth it.
func isCompressible(status int, header http.Header) bool {
	switch {
	case status < 200, status == http.StatusNoContent, status == http.StatusPartialContent, status == http.StatusNotModified:
		return false
	case header.Get("Content-Encoding") != "", header.Get("Content-Range") != "", header.Get("Content-Digest") != "":
		return false
	case slices.Contains(listOf(lower(header["Cache-Control"])), "no-transform"): // RFC 9111, 5.2.2.6
		return false
	}
	if length, err := strconv.Atoi(header.Get("Content-Length")); err == nil && length < minCompressed {
		return false
	}
	return isCompressedType(header.Get("Content-Type"))
}

func lower(values []string) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = strings.ToLower(value)
	}
	return out
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3).
func acceptsGzip(header http.Header) bool {
	any := false
	for _, element := range listOf(lower(header["Accept-Encoding"])) {
		coding, parameters, _ := strings.Cut(element, ";")
		weight, found := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		wanted := true
		if q, err := strconv.ParseFloat(weight, 64); found && (err != nil || q <= 0) {
			wanted = false
		}
		switch strings.TrimSpace(coding) {
		case "gzip", "x-gzip":
			return wanted
		case "*":
			any = wanted
		}
	}
	return any
}

// gzips lets answers share their compressors, which are big.
type gzips struct{ pool sync.Pool }

func (g *gzips) get(w http.ResponseWriter) *gzip.Writer {
	if z, ok := g.pool.Get().(*gzip.Writer); ok {
		z.Reset(w)
		return z
	}
	z, err := gzip.NewWriterLevel(w, compression)
	if err != nil {
		return gzip.NewWriter(w) // only for a level that there is not
	}
	return z
}

// encode decides, before the header is sent, whether the answer of a target is compressed on its way.
func (w *response) encode(status int) {
	header := w.Header()
	if w.flight.target == nil || !isCompressible(status, header) {
		return
	}
	if !slices.Contains(listOf(lower(header["Vary"])), "accept-encoding") {
		header.Add("Vary", "Accept-Encoding")
	}
	if w.request.Method == http.MethodHead || w.request.Header.Get("Range") != "" || !acceptsGzip(w.request.Header) {
		return
	}
	header.Set("Content-Encoding", "gzip")
	header.Del("Content-Length")
	header.Del("Accept-Ranges")
	if tag := header.Get("Etag"); strings.HasPrefix(tag, `"`) { // other bytes, same meaning (RFC 9110, 8.8.1)
		header.Set("Etag", "W/"+tag)
	}
	w.gzip = w.proxy.gzips.get(w.counted())
}

// counted is the way of compressed bytes.
func (w *response) counted() http.ResponseWriter { return countedWriter{w.ResponseWriter, &w.bytes} }

type countedWriter struct {
	http.ResponseWriter
	bytes *int64
}

func (w countedWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	*w.bytes += int64(n)
	return n, err
}

// FlushError sends what there is.
func (w *response) FlushError() error {
	if w.gzip != nil && w.begun {
		if err := w.gzip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// finish ends a compressed answer that was whole.
func (w *response) finish() {
	if w.gzip == nil {
		return
	}
	_ = w.gzip.Close() // nobody is left to hear of an error
	w.proxy.gzips.pool.Put(w.gzip)
	w.gzip = nil
}
