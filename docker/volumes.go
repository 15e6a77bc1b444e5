package docker

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// volumes translates what a pod may mount.
func (el *element) volumes(p *pod, spec corev1.PodSpec) error {
	p.Volumes = make(map[string]volume, len(spec.Volumes))
	var group int64
	if spec.SecurityContext != nil && spec.SecurityContext.FSGroup != nil {
		group = *spec.SecurityContext.FSGroup
	}
	for _, v := range spec.Volumes {
		out, err := el.volume(v)
		if err != nil {
			return err
		}
		if out.HostPath == "" {
			out.Group = group
		}
		p.Volumes[v.Name] = out
	}
	return nil
}

func (el *element) volume(v corev1.Volume) (volume, error) {
	switch {
	case v.HostPath != nil:
		return hostPath(v.Name, v.HostPath)
	case v.EmptyDir != nil:
		return volume{}, nil
	case v.ConfigMap != nil:
		values, found := el.config(v.ConfigMap.Name)
		if !found && !optional(v.ConfigMap.Optional) {
			return volume{}, unsupported("volume %s of ConfigMap %s, which does not exist,", v.Name, v.ConfigMap.Name)
		}
		return filesOf(v.Name, values, v.ConfigMap.Items, v.ConfigMap.DefaultMode)
	case v.Secret != nil:
		values, found := el.secret(v.Secret.SecretName)
		if !found && !optional(v.Secret.Optional) {
			return volume{}, unsupported("volume %s of Secret %s, which does not exist,", v.Name, v.Secret.SecretName)
		}
		return filesOf(v.Name, values, v.Secret.Items, v.Secret.DefaultMode)
	case v.PersistentVolumeClaim != nil:
		return volume{}, unsupported("volume %s of claim %s, which has no path on this machine,", v.Name, v.PersistentVolumeClaim.ClaimName)
	case v.VolumeSource == (corev1.VolumeSource{}):
		return volume{}, nil // Kubernetes: an empty directory
	}
	return volume{}, unsupported("the kind of volume %s", v.Name)
}

func hostPath(name string, h *corev1.HostPathVolumeSource) (volume, error) {
	out := volume{HostPath: path.Clean(h.Path)}
	if !path.IsAbs(h.Path) || slices.Contains(strings.Split(h.Path, "/"), "..") {
		return volume{}, unsupported("the path %q of volume %s", h.Path, name)
	}
	if h.Type != nil {
		out.PathType = string(*h.Type)
	}
	switch corev1.HostPathType(out.PathType) {
	case corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate, corev1.HostPathDirectory, corev1.HostPathFileOrCreate, corev1.HostPathFile:
		return out, nil
	}
	return volume{}, unsupported("the type %s of volume %s", out.PathType, name)
}

const defaultFileMode = 0o644

func filesOf(name string, values map[string]string, items []corev1.KeyToPath, mode *int32) (volume, error) {
	fileMode := int64(defaultFileMode)
	if mode != nil {
		fileMode = int64(*mode)
	}
	out := volume{Files: map[string]volumeFile{}}
	if len(items) == 0 {
		for key, content := range values {
			out.Files[key] = volumeFile{content, fileMode}
		}
		return out, nil
	}
	for _, item := range items {
		content, found := values[item.Key]
		if !found {
			return volume{}, unsupported("key %s of volume %s, which does not exist,", item.Key, name)
		}
		m := fileMode
		if item.Mode != nil {
			m = int64(*item.Mode)
		}
		out.Files[path.Clean(item.Path)] = volumeFile{content, m}
	}
	return out, nil
}
