package agentwire

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
)

// FuzzReadFrame is what a hostile helper may send: it is read into the buffer that there is, or refused.
func FuzzReadFrame(f *testing.F) {
	var good bytes.Buffer
	if err := NewFrames(&good).Write(FrameOutput, []byte("hello")); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte{FrameOutput, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{FrameOutput, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, sent []byte) {
		kind, payload, err := ReadFrame(bytes.NewReader(sent), make([]byte, MaxFrame))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := NewFrames(&again).Write(kind, payload); err != nil || !bytes.HasPrefix(sent, again.Bytes()) {
			t.Errorf("%q was read as %q of kind %q, %v", sent, payload, kind, err)
		}
	})
}

func TestFramesAreBounded(t *testing.T) {
	if err := NewFrames(&bytes.Buffer{}).Write(FrameInput, make([]byte, MaxFrame+1)); err == nil {
		t.Error("a frame of any size is written")
	}
	var into Reply
	if err := ReadLine(strings.NewReader(strings.Repeat(" ", maxLine+1)), &into); err == nil {
		t.Error("a line of any length is read")
	}
}

func TestALineIsReadAndNothingBeyondIt(t *testing.T) {
	var sent bytes.Buffer
	if err := WriteLine(&sent, Reply{Address: "127.0.0.1:8000"}); err != nil {
		t.Fatal(err)
	}
	sent.WriteString("the stream begins")
	var reply Reply
	if err := ReadLine(&sent, &reply); err != nil || reply.Address != "127.0.0.1:8000" || sent.String() != "the stream begins" {
		t.Errorf("%+v, %v, and then %q", reply, err, sent.String())
	}
}

// TestBothSidesProveTheKey has each side meet one that does not know the container's key.
func TestBothSidesProveTheKey(t *testing.T) {
	server := []byte("the server's key")
	right, wrong := KeyOf(server, "a container"), KeyOf(server, "another")
	for name, c := range map[string]struct {
		berth, helper     []byte
		greeted, welcomed bool
	}{
		"both know it":            {right, right, true, true},
		"the helper is another's": {right, wrong, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			welcomed := make(chan error, 1)
			go func() {
				welcomed <- Welcome(there, c.helper)
				_ = there.Close()
			}()
			greeted := Greet(here, c.berth)
			_ = here.Close()
			if (greeted == nil) != c.greeted || !c.greeted && !errors.Is(greeted, ErrStranger) {
				t.Errorf("Berth says %v", greeted)
			}
			if err := <-welcomed; (err == nil) != c.welcomed {
				t.Errorf("the helper says %v", err)
			}
		})
	}
}

// TestAHelperServesNobodyWhoMerelyRepeats answers a helper with its own proof.
func TestAHelperServesNobodyWhoMerelyRepeats(t *testing.T) {
	here, there := net.Pipe()
	welcomed := make(chan error, 1)
	go func() { welcomed <- Welcome(there, []byte("key")) }()
	if _, err := here.Write(make([]byte, nonceSize)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, nonceSize+32)
	if _, err := here.Read(answer); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Write(answer[nonceSize:]); err != nil {
		t.Fatal(err)
	}
	if err := <-welcomed; !errors.Is(err, ErrStranger) {
		t.Errorf("it is served: %v", err)
	}
	_ = here.Close()
}
