package proxy

import "encoding/binary"

const (
	opClose         = 0x8
	goingAway       = 1001
	finalBit        = 0x80
	maskBit         = 0x80
	maxFrameHeader  = 14
	shortFrameLimit = 126 // lengths from here on stand in 2 or 8 bytes of their own
)

// frames follows a stream of WebSocket frames (RFC 6455, section 5.2) and knows where one ends.
type frames struct {
	header  [maxFrameHeader]byte
	have    int    // bytes of the present frame's header
	left    uint64 // bytes of its payload that are to come
	payload bool   // the header is whole
	closed  bool   // a Close frame has passed as a whole: nothing follows
}

// between reports whether the stream is at the end of a frame, where another one may be put in.
func (f *frames) between() bool { return f.have == 0 }

// next follows b up to the end of the present frame, or of b, and returns how many bytes that is.
func (f *frames) next(b []byte) int {
	n := 0
	for ; n < len(b) && !f.payload; n++ {
		f.header[f.have] = b[n]
		f.have++
		if f.have == f.headerSize() {
			f.left, f.payload = f.length(), true
		}
	}
	if !f.payload {
		return n
	}
	taken := min(f.left, uint64(len(b)-n))
	f.left -= taken
	if f.left == 0 {
		f.closed = f.closed || f.header[0]&0xf == opClose
		f.have, f.payload = 0, false
	}
	return n + int(taken)
}

func (f *frames) follow(b []byte) {
	for len(b) > 0 {
		b = b[f.next(b):]
	}
}

// headerSize is that of the present frame; more than there is of it until that is known.
func (f *frames) headerSize() int {
	if f.have < 2 {
		return maxFrameHeader
	}
	size := 2
	switch f.header[1] &^ maskBit {
	case shortFrameLimit:
		size += 2
	case shortFrameLimit + 1:
		size += 8
	}
	if f.header[1]&maskBit != 0 {
		size += 4
	}
	return size
}

func (f *frames) length() uint64 {
	switch short := f.header[1] &^ maskBit; short {
	case shortFrameLimit:
		return uint64(binary.BigEndian.Uint16(f.header[2:]))
	case shortFrameLimit + 1:
		return binary.BigEndian.Uint64(f.header[2:])
	default:
		return uint64(short)
	}
}

// closeFrame is the Close frame of a server.
func closeFrame(code uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{finalBit | opClose, 2}, code)
}

// maskedCloseFrame is the Close frame of a client (section 5.3).
func maskedCloseFrame(code uint16, mask [4]byte) []byte {
	frame := append([]byte{finalBit | opClose, maskBit | 2}, mask[:]...)
	return append(frame, byte(code>>8)^mask[0], byte(code)^mask[1])
}
