package buildkit

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// definition marshals a build of two stages, with a step in each and a file operation between them.
func definition(ctx context.Context, commands ...string) (*pb.Definition, error) {
	state := llb.Image("docker.io/berth/base:trixie")
	for i, command := range commands {
		state = state.Run(llb.Shlex(command), llb.AddEnv("OWN", "kept"), llb.WithCustomName("RUN "+command),
			llb.WithProxy(llb.ProxyEnv{NoProxy: "own.example"})).Root()
		if i%2 == 1 {
			state = llb.Image("docker.io/berth/node:22").File(llb.Copy(state, "/made", "/made"))
		}
	}
	def, err := state.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	return def.ToPB(), nil
}

func mustDefine(t *testing.T, commands ...string) *pb.Definition {
	t.Helper()
	def, err := definition(t.Context(), commands...)
	if err != nil {
		t.Fatal(err)
	}
	return def
}

func trusting() outfit {
	b := &Builder{caFile: "/bundle", env: map[string]string{"SSL_CERT_FILE": caPath, "OWN": "ours", "HTTPS_PROXY": "http://proxy.example", "no_proxy": "machine.example"}}
	return b.outfit()
}

func ops(t *testing.T, def *pb.Definition) []*pb.Op {
	t.Helper()
	var all []*pb.Op
	for _, raw := range def.Def {
		op := new(pb.Op)
		if err := proto.Unmarshal(raw, op); err != nil {
			t.Fatal(err)
		}
		all = append(all, op)
	}
	return all
}

func TestRewriteDressesEveryStep(t *testing.T) {
	out, err := rewrite(mustDefine(t, "npm ci", "npm run build", "true"), trusting())
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for _, op := range ops(t, out) {
		exec := op.GetExec()
		if exec == nil {
			continue
		}
		steps++
		for _, want := range []string{"OWN=kept", "SSL_CERT_FILE=" + caPath, "APT_CONFIG=" + aptPath} {
			if !slices.Contains(exec.Meta.Env, want) {
				t.Errorf("%v: environment %q lacks %s", exec.Meta.Args, exec.Meta.Env, want)
			}
		}
		if strings.Contains(strings.Join(exec.Meta.Env, " "), "roxy") {
			t.Errorf("the proxy is in the environment, where it counts for the cache: %q", exec.Meta.Env)
		}
		if p := exec.Meta.ProxyEnv; p.HttpsProxy != "http://proxy.example" || p.NoProxy != "own.example" {
			t.Errorf("proxy %v, want the machine's where the build has none of its own", p)
		}
		var mounted []string
		for _, m := range exec.Mounts {
			if m.MountType == pb.MountType_SECRET {
				mounted = append(mounted, m.SecretOpt.ID+" at "+m.Dest)
			}
		}
		if want := []string{"berth-ca at " + caPath, "berth-apt at " + aptPath}; !slices.Equal(mounted, want) {
			t.Errorf("mounts %q, want %q", mounted, want)
		}
	}
	if steps != 3 {
		t.Errorf("%d steps, want 3", steps)
	}
}

func TestRewriteWithoutTrustMountsNothing(t *testing.T) {
	out, err := rewrite(mustDefine(t, "true"), new(Builder).outfit())
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range ops(t, out) {
		if exec := op.GetExec(); exec != nil && (len(exec.Mounts) != 1 || slices.ContainsFunc(exec.Meta.Env, func(v string) bool { return strings.HasPrefix(v, "APT_CONFIG") })) {
			t.Errorf("mounts %v, environment %v", exec.Mounts, exec.Meta.Env)
		}
	}
}

func TestMountOfTheDockerfileStays(t *testing.T) {
	exec := &pb.ExecOp{Meta: &pb.Meta{}, Mounts: []*pb.Mount{{Dest: caPath, MountType: pb.MountType_BIND}}}
	trusting().dress(exec)
	if len(exec.Mounts) != 2 || exec.Mounts[0].MountType != pb.MountType_BIND {
		t.Errorf("mounts %v", exec.Mounts)
	}
}

// Whatever the graph, a rewritten definition is whole: every input, every piece of metadata and every
// source position names a step that is there, steps come after their inputs, names stay with their
// steps, and a second rewrite changes nothing.
func TestRewriteKeepsTheGraphWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		commands := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,8}( [a-z]{1,4})?`), 1, 8).Draw(r, "commands")
		before, err := definition(t.Context(), commands...)
		if err != nil {
			r.Fatal(err)
		}
		before.Source = &pb.Source{Locations: make(map[string]*pb.Locations)}
		for _, raw := range before.Def {
			before.Source.Locations[digest.FromBytes(raw).String()] = &pb.Locations{}
		}
		after, err := rewrite(before, trusting())
		if err != nil {
			r.Fatal(err)
		}
		known := make(map[string]bool)
		for _, raw := range after.Def {
			var op pb.Op
			if err := proto.Unmarshal(raw, &op); err != nil {
				r.Fatal(err)
			}
			for _, input := range op.Inputs {
				if !known[input.Digest] {
					r.Fatalf("input %s does not come before its step", input.Digest)
				}
			}
			dgst := digest.FromBytes(raw).String()
			known[dgst] = true
			if exec := op.GetExec(); exec != nil {
				if name := after.Metadata[dgst].GetDescription()["llb.customname"]; name != "RUN "+strings.Join(exec.Meta.Args, " ") {
					r.Fatalf("step %q is named %q", exec.Meta.Args, name)
				}
			}
		}
		if len(known) != len(before.Def) || len(after.Metadata) != len(before.Metadata) {
			r.Fatalf("%d steps and %d pieces of metadata, want %d and %d", len(known), len(after.Metadata), len(before.Def), len(before.Metadata))
		}
		for dgst := range after.Metadata {
			if !known[dgst] {
				r.Fatalf("metadata of %s, which is no step", dgst)
			}
		}
		for dgst := range after.Source.Locations {
			if !known[dgst] {
				r.Fatalf("position of %s, which is no step", dgst)
			}
		}
		if again, err := rewrite(after, trusting()); err != nil || !proto.Equal(again, after) {
			r.Fatalf("a second rewrite changed it, %v", err)
		}
	})
}

func TestRewriteRefusesAMissingInput(t *testing.T) {
	def := mustDefine(t, "true")
	def.Def = def.Def[1:]
	if _, err := rewrite(def, trusting()); err == nil {
		t.Error("a definition without its first step was rewritten")
	}
}
