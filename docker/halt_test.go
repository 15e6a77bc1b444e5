//go:build docker

package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	corev1 "k8s.io/api/core/v1"
)

// TestLayersAreWhereInstancesWriteOutsideVolumes finds what a container wrote to its own file system and to an
// empty directory, and not what it wrote to a volume, which pins may have bound beside that.
func TestLayersAreWhereInstancesWriteOutsideVolumes(t *testing.T) {
	s := newStage(t)
	pod := s.sh("exec sleep 600")
	pod.Volumes = []corev1.Volume{
		{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		hostVolume("data", s.volumeOf(t)),
	}
	pod.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}, {Name: "data", MountPath: "/data"}}
	i := s.running(t, pod)
	s.must(t, i.ID, "echo x > /own; echo x > /scratch/empty; echo x > /data/kept")
	found := map[string]bool{}
	for _, l := range s.Layers() {
		if l.Instance != i.ID {
			continue
		}
		if l.Deployment != s.id || l.Element == "" {
			t.Errorf("of nobody: %+v", l)
		}
		for _, name := range []string{"own", "empty", "kept"} {
			if _, err := os.Stat(filepath.Join(l.Path, name)); err == nil {
				found[name] = true
			}
		}
	}
	if !found["own"] || !found["empty"] || found["kept"] {
		t.Errorf("found %v", found)
	}
	if quiet, err := s.Quiet(t.Context(), s.id); err != nil || quiet {
		t.Errorf("quiet while it runs: %v, %v", quiet, err)
	}
	if quiet, err := s.Quiet(t.Context(), berth.NewID()); err != nil || !quiet {
		t.Errorf("not quiet with nothing: %v, %v", quiet, err)
	}
	if root, err := s.Root(t.Context()); err != nil || !strings.HasPrefix(root, "/") {
		t.Errorf("Docker's directory is %q, %v", root, err)
	}
}
