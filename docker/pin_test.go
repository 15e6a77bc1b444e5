//go:build docker

package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	corev1 "k8s.io/api/core/v1"
)

// volumeOf makes a volume of the stage's deployment.
func (s *stage) volumeOf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(s.config.VolumesDir, string(s.id), "web", "data")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func hostVolume(name, path string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}}
}

// An init container runs between the making of the main ones and their start: enough time to put a link
// in the place of what they mount.
func TestALinkPlantedBeforeTheStartIsNotFollowed(t *testing.T) {
	for name, volume := range map[string]func(*stage) corev1.Volume{
		"sub-path of a volume": func(s *stage) corev1.Volume { return hostVolume("v", s.volumeOf(t)) },
		"sub-path of an empty directory": func(*stage) corev1.Volume {
			return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			pod := s.sh("echo planted >/v/proof; sleep 600")
			plant := s.container("plant", "rm -r /v/sub; ln -s "+s.config.RunDir+" /v/sub")
			plant.VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}
			pod.InitContainers = []corev1.Container{plant}
			pod.Volumes = []corev1.Volume{volume(s)}
			pod.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v", SubPath: "sub"}}
			o := s.until(t, s.workload(s.element("web", pod)), "refused", func(o engine.Observation) bool {
				return len(o.Instances) == 1 && o.Instances[0].Reason == "StartFailed"
			})
			if m := o.Instances[0].Message; !strings.Contains(m, "symbolic link") {
				t.Errorf("message %q", m)
			}
			if _, err := os.Stat(filepath.Join(s.config.RunDir, "proof")); err == nil {
				t.Error("a container wrote outside of its volume")
			}
		})
	}
}

func TestAMountBelowAVolumeIsWhatWasOpened(t *testing.T) {
	s := newStage(t)
	dir := s.volumeOf(t)
	for _, sub := range []string{"app", "deep/er"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, sub, "file"), []byte("of "+sub), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pod := s.sh(forever)
	file := corev1.HostPathFile
	seed := hostVolume("seed", filepath.Join(dir, "app", "file"))
	seed.HostPath.Type = &file
	pod.Volumes = []corev1.Volume{hostVolume("v", dir), hostVolume("deep", filepath.Join(dir, "deep", "er")), seed}
	pod.Containers[0].VolumeMounts = []corev1.VolumeMount{
		{Name: "v", MountPath: "/sub", SubPath: "app"}, {Name: "deep", MountPath: "/deep"}, {Name: "seed", MountPath: "/seed"},
	}
	i := s.running(t, pod)
	for script, want := range map[string]string{
		"cat /sub/file": "of app", "cat /deep/file": "of deep/er", "cat /seed": "of app", "echo new >/sub/new; echo ok": "ok",
	} {
		if got := s.must(t, i.ID, script); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "app", "new")); err != nil || string(text) != "new\n" {
		t.Errorf("what the container wrote: %q, %v", text, err)
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), s.config.RunDir) {
		t.Errorf("a mount is left after the start: %v", err)
	}
}

// A server that was killed while a container started leaves what it bound.
func TestWhatIsStillBoundIsNotRemovedWithAnInstance(t *testing.T) {
	dir, volume := t.TempDir(), t.TempDir()
	kept := filepath.Join(volume, "sub", "kept")
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := &Engine{config: Config{RunDir: dir}}
	id := berth.NewID()
	p := pin{At: filepath.Join(e.pinsDir(id, "one"), "0", "0"), Root: volume, Relative: "sub"}
	if err := placePins(e.pinsDir(id, "one"), 0, []pin{p}); err != nil {
		t.Fatal(err)
	}
	if err := p.bind(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unbind(p.At) })
	if _, err := os.Stat(filepath.Join(p.At, "kept")); err != nil {
		t.Fatalf("bound: %v", err)
	}
	if err := e.removeInstanceDir(id, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the volume's file went with the instance: %v", err)
	}
	if _, err := os.Stat(filepath.Join(e.instancesDir(id), "one")); err == nil {
		t.Error("the instance's directory is left")
	}
}
