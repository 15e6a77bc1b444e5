package buildkit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

// Where every RUN step finds the machine's certificate bundle. Containers that Berth runs have it at
// the same path, so that what a step writes down about it still holds later.
const (
	caPath    = "/.berth/ca.crt"
	caSecret  = "berth-ca"
	aptPath   = "/.berth/apt.conf"
	aptSecret = "berth-apt"
	// apt heeds no variable of the usual ones, but one that names a further configuration file.
	aptConfig = "Acquire::https::CaInfo \"" + caPath + "\";\n"
)

// outfit is what every RUN step gets on this machine. It is put into the marshalled build steps, below the
// level of the Dockerfile, so that neither the image's configuration nor its history know of it.
type outfit struct {
	trust bool // mount the certificate bundle
	env   map[string]string
	proxy *pb.ProxyEnv // BuildKit's own place for it, which does not count for the cache
}

func (b *Builder) outfit() outfit {
	o := outfit{trust: b.caFile != "", env: make(map[string]string), proxy: new(pb.ProxyEnv)}
	for name, value := range b.env {
		switch strings.ToLower(name) {
		case "http_proxy":
			o.proxy.HttpProxy = value
		case "https_proxy":
			o.proxy.HttpsProxy = value
		case "ftp_proxy":
			o.proxy.FtpProxy = value
		case "all_proxy":
			o.proxy.AllProxy = value
		case "no_proxy":
			o.proxy.NoProxy = value
		default:
			o.env[name] = value
		}
	}
	if o.trust {
		o.env["APT_CONFIG"] = aptPath
	}
	return o
}

// dress adds the outfit to a step. What the step sets itself stays.
func (o outfit) dress(exec *pb.ExecOp) {
	taken := make(map[string]bool)
	for _, variable := range exec.Meta.Env {
		name, _, _ := strings.Cut(variable, "=")
		taken[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(o.env)) {
		if !taken[name] {
			exec.Meta.Env = append(exec.Meta.Env, name+"="+o.env[name])
		}
	}
	if o.trust {
		mountSecret(exec, caSecret, caPath)
		mountSecret(exec, aptSecret, aptPath)
	}
	exec.Meta.ProxyEnv = mergeProxy(exec.Meta.ProxyEnv, o.proxy)
}

func mountSecret(exec *pb.ExecOp, id, dest string) {
	for _, m := range exec.Mounts {
		if m.Dest == dest {
			return
		}
	}
	exec.Mounts = append(exec.Mounts, &pb.Mount{
		Input:     int64(pb.Empty),
		Dest:      dest,
		MountType: pb.MountType_SECRET,
		SecretOpt: &pb.SecretOpt{ID: id, Mode: 0o444},
	})
}

// mergeProxy prefers what the build set by its own arguments.
func mergeProxy(own, machine *pb.ProxyEnv) *pb.ProxyEnv {
	if proto.Equal(machine, &pb.ProxyEnv{}) {
		return own
	}
	merged := proto.CloneOf(machine)
	if own != nil {
		proto.Merge(merged, own)
	}
	return merged
}

// rewrite returns the definition with every RUN step dressed. Steps name their inputs by digest, so
// each step behind a changed one changes too; metadata and source positions move along. Steps come
// after their inputs in a definition, which makes one pass enough.
func rewrite(def *pb.Definition, o outfit) (*pb.Definition, error) {
	moved := make(map[string]string, len(def.Def))
	out := &pb.Definition{Metadata: make(map[string]*pb.OpMetadata, len(def.Metadata))}
	for _, raw := range def.Def {
		before := digest.FromBytes(raw).String()
		after, err := rewriteOp(raw, moved, o)
		if err != nil {
			return nil, err
		}
		moved[before] = digest.FromBytes(after).String()
		out.Def = append(out.Def, after)
	}
	for dgst, metadata := range def.Metadata {
		if to, ok := moved[dgst]; ok {
			dgst = to
		}
		out.Metadata[dgst] = metadata
	}
	out.Source = moveSource(def.Source, moved)
	return out, nil
}

func rewriteOp(raw []byte, moved map[string]string, o outfit) ([]byte, error) {
	var op pb.Op
	if err := proto.Unmarshal(raw, &op); err != nil {
		return nil, fmt.Errorf("read step: %w", err)
	}
	changed := false
	for _, input := range op.Inputs {
		to, ok := moved[input.Digest]
		if !ok {
			return nil, fmt.Errorf("read step: its input %s does not come before it", input.Digest)
		}
		changed = changed || to != input.Digest
		input.Digest = to
	}
	if exec := op.GetExec(); exec != nil {
		o.dress(exec)
		changed = true
	}
	if !changed {
		return raw, nil
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(&op)
}

func moveSource(source *pb.Source, moved map[string]string) *pb.Source {
	if source == nil {
		return nil
	}
	out := &pb.Source{Infos: source.Infos, Locations: make(map[string]*pb.Locations, len(source.Locations))}
	for dgst, locations := range source.Locations {
		if to, ok := moved[dgst]; ok {
			dgst = to
		}
		out.Locations[dgst] = locations
	}
	return out
}
