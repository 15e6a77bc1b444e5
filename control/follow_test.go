package control_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/sqlite"
)

const three = "3333333333333333333333333333333333333333"

func (w *world) causes(t *testing.T, ref string) (list []string) {
	t.Helper()
	releases, err := w.owner.Releases(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range releases {
		list = append(list, r.Cause+" "+r.Commit[:1])
	}
	return list
}

// A new head is deployed once, however often and by however many it is looked at.
func TestEveryHeadIsActedUponOnce(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	w.deployment(t, "shop", "web", "production")
	w.deployment(t, "shop", "dev", "development")
	if list, err := w.Follow(t.Context(), p.ID, "ada"); err != nil || len(list) != 0 {
		t.Fatalf("nothing moved, and it did %v, %v", list, err)
	}
	w.git.branches["main"], w.git.files[three] = three, "usual"
	var acted []control.Following
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			list, err := w.Follow(t.Context(), p.ID, "ada")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			acted = append(acted, list...)
			mu.Unlock()
		})
	}
	group.Wait()
	if len(acted) != 2 {
		t.Fatalf("acted %d times upon one push for two deployments: %v", len(acted), acted)
	}
	if got := w.causes(t, "web"); !slices.Equal(got, []string{"push 3", "created 1"}) {
		t.Errorf("releases %v", got)
	}
	if got := w.causes(t, "dev"); !slices.Equal(got, []string{"created 1"}) {
		t.Errorf("the development deployment was overwritten: %v", got)
	}
	for _, f := range acted {
		if f.Deployment.Name == "dev" && !strings.Contains(f.Note, "stays as it is") {
			t.Errorf("told %q", f.Note)
		}
	}
}

func TestWhatDoesNotFollowAHead(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(w *world) error
		note    string // "": nothing is done
		later   string // what is done once the obstacle is away
	}{
		"a commit whose project file is wrong": {func(w *world) error { w.git.branches["main"] = wrong; return nil }, "is not deployed", ""},
		"a branch that is gone":                {func(w *world) error { delete(w.git.branches, "main"); return nil }, "is gone", ""},
		"a stopped deployment": {func(w *world) error {
			w.git.branches["main"] = two
			_, err := w.owner.StopDeployment(context.Background(), "web")
			return err
		}, "", "push 2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.project(t, "shop")
			w.deployment(t, "shop", "web", "production")
			w.git.files[two] = "usual"
			if err := test.prepare(w); err != nil {
				t.Fatal(err)
			}
			list, err := w.Follow(t.Context(), p.ID, "")
			if err != nil || (test.note == "") != (len(list) == 0) {
				t.Fatalf("%v, %v", list, err)
			}
			if len(list) > 0 && (!strings.Contains(list[0].Note, test.note) || list[0].Revision != 0) {
				t.Errorf("%+v", list[0])
			}
			if list, err = w.Follow(t.Context(), p.ID, ""); err != nil || len(list) != 0 {
				t.Errorf("said or done twice: %v, %v", list, err)
			}
			if test.later == "" {
				return
			}
			if _, err := w.owner.StartDeployment(t.Context(), "web"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Follow(t.Context(), p.ID, ""); err != nil || w.causes(t, "web")[0] != test.later {
				t.Errorf("%v, %v", w.causes(t, "web"), err)
			}
		})
	}
}

// What was deployed before anybody followed stays until somebody pushes.
func TestTheFirstLookDeploysNothing(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.update(t, func(tx *sqlite.Tx) error { return tx.ForgetFollowed(d.ID) })
	w.git.branches["main"], w.git.files[two] = two, "usual"
	if list, err := w.Follow(t.Context(), p.ID, ""); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	w.git.branches["main"], w.git.files[three] = three, "usual"
	if list, err := w.Follow(t.Context(), p.ID, ""); err != nil || len(list) != 1 || list[0].Revision != 2 {
		t.Fatalf("%v, %v", list, err)
	}
}

// Whoever deploys what a push has begun to deploy gets the push's release.
func TestDeployJoinsThePush(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.git.branches["main"], w.git.files[two] = two, "usual"
	if _, err := w.Follow(t.Context(), p.ID, ""); err != nil {
		t.Fatal(err)
	}
	if r, err := w.owner.Deploy(t.Context(), "web", ""); err != nil || r.Revision != 2 {
		t.Errorf("release %d, %v", r.Revision, err)
	}
	w.complete(t, d, berth.ReleaseServing)
	if r, err := w.owner.Deploy(t.Context(), "web", ""); err != nil || r.Revision != 3 {
		t.Errorf("release %d, %v; one that serves is made anew", r.Revision, err)
	}
	if list, err := w.Follow(t.Context(), p.ID, ""); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestFollowAnotherBranch(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	w.deployment(t, "shop", "web", "production")
	w.deployment(t, "shop", "dev", "development")
	w.git.files[two] = "usual"
	for branch, code := range map[string]berth.Code{"absent": berth.EInvalid, "broken": berth.EInvalid, "--all": berth.EInvalid} {
		if _, err := w.owner.FollowBranch(t.Context(), "web", branch); berth.CodeOf(err) != code {
			t.Errorf("%s: %v", branch, err)
		}
	}
	if _, err := w.owner.FollowBranch(t.Context(), "dev", "next"); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("a working tree was switched: %v", err)
	}
	if d, err := w.owner.FollowBranch(t.Context(), "web", "next"); err != nil || d.Branch != "next" {
		t.Fatalf("%s, %v", d.Branch, err)
	}
	if got := w.causes(t, "web"); got[0] != "branch 2" {
		t.Errorf("releases %v", got)
	}
	if list, err := w.Follow(t.Context(), p.ID, ""); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestBranchesOfOwnRepositoriesAreProtected(t *testing.T) {
	w := newWorld(t)
	w.project(t, "mirror")
	if _, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "own"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.owner.ProtectBranch(t.Context(), "mirror", "main", true); berth.CodeOf(err) != berth.EConflict {
		t.Errorf("another server's branch: %v", err)
	}
	for range 2 {
		if p, err := w.owner.ProtectBranch(t.Context(), "own", "main", true); err != nil || !slices.Equal(p.Protected, []string{"main"}) {
			t.Errorf("%v, %v", p.Protected, err)
		}
	}
	if p, err := w.owner.ProtectBranch(t.Context(), "own", "main", false); err != nil || len(p.Protected) != 0 {
		t.Errorf("%v, %v", p.Protected, err)
	}
}

// A repository is opened to who may see it, and to nobody else.
func TestOpenRepository(t *testing.T) {
	w := newWorld(t)
	p, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "own"})
	if err != nil {
		t.Fatal(err)
	}
	w.project(t, "mirror")
	viewer := w.As(w.person(t, "vera", berth.RoleNone, p.ID, berth.RoleViewer))
	stranger := w.As(w.person(t, "sam", berth.RoleNone, "", berth.RoleNone))
	for name, test := range map[string]struct {
		who     *control.Service
		project string
		push    bool
		code    berth.Code
	}{
		"owner pushes":          {w.owner, "own", true, ""},
		"viewer reads":          {viewer, "own", false, ""},
		"viewer pushes":         {viewer, "own", true, berth.EForbidden},
		"stranger reads":        {stranger, "own", false, berth.ENotFound},
		"nobody":                {w.As(berth.Caller{}), "own", false, berth.EUnauthenticated},
		"another server's":      {w.owner, "mirror", false, berth.EConflict},
		"one that is not there": {w.owner, "absent", false, berth.ENotFound},
	} {
		if _, err := test.who.OpenRepository(t.Context(), test.project, test.push); berth.CodeOf(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCommitsFromOutsideAreFetchedAndFollowed(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	w.deployment(t, "shop", "web", "production")
	w.git.fetching = func() { w.git.branches["main"], w.git.files[two] = two, "usual" }
	again, err := w.FollowOrigin(t.Context(), p.ID)
	if err != nil || again == 0 || w.causes(t, "web")[0] != "push 2" {
		t.Errorf("again in %s, %v, %v", again, w.causes(t, "web"), err)
	}
	w.pass(again)
	w.git.fail = errors.New("the network is down")
	if _, err := w.FollowOrigin(t.Context(), p.ID); err == nil {
		t.Error("a fetch that failed was taken for news")
	}
	w.git.fail = berth.Errorf(berth.EUnavailable, "git.test does not answer")
	if rest, err := w.FollowOrigin(t.Context(), p.ID); err != nil || rest <= again {
		t.Errorf("an origin that cannot be read is asked again in %s, %v", rest, err)
	}
	asked := false
	w.git.fail, w.git.fetching = nil, func() { asked = true }
	if rest, err := w.FollowOrigin(t.Context(), p.ID); err != nil || asked || rest <= again {
		t.Errorf("it was asked (%v) before its rest was over, again in %s, %v", asked, rest, err)
	}
	if keys, err := w.Followers(t.Context()); err != nil || !slices.Equal(keys, []berth.ID{p.ID}) {
		t.Errorf("%v, %v", keys, err)
	}
}

// A webhook that works has its origin looked at rarely; one that turns out to miss something, often again.
func TestAnOriginIsLeftAloneWhileItsWebhookTells(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	w.deployment(t, "shop", "web", "production")
	w.HookURL = func(path string) string { return path }
	w.HookPage = func(berth.GitURL) string { return "" }
	w.Moved = func(berth.ID) {}
	w.ReadDelivery = func(http.Header, []byte, berth.Secret) (bool, string, error) { return true, "main", nil }
	h, _, err := w.owner.RotateHook(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	deliveries := 0
	deliver := func() {
		t.Helper()
		deliveries++
		if _, err := w.TakeDelivery(t.Context(), h.URL, nil, []byte{byte(deliveries)}); err != nil {
			t.Fatal(err)
		}
	}
	looks := 0
	look := func() time.Duration {
		t.Helper()
		w.git.fetching = func() { looks++ }
		again, err := w.FollowOrigin(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	about := func(name string, got, want time.Duration) {
		t.Helper()
		if got < want || got > want+want/5 {
			t.Errorf("%s: again in %s, want about %s", name, got, want)
		}
	}
	about("nothing was told yet", look(), 2*time.Minute)
	w.pass(time.Second)
	deliver()
	about("the webhook works", look(), 15*time.Minute)
	w.pass(5 * time.Minute)
	if again := look(); looks != 2 || again > 13*time.Minute {
		t.Errorf("looked %d times before it was due, again in %s", looks, again)
	}
	deliver()
	if about("told before it is due", look(), 15*time.Minute); looks != 3 {
		t.Errorf("looked %d times, of which two were told", looks)
	}
	w.pass(20 * time.Minute)
	w.git.branches["main"], w.git.files[two] = two, "usual"
	about("something moved that was not told of", look(), 2*time.Minute)
	if o, err := w.owner.OriginState(t.Context(), "shop"); err != nil || !o.MissedAt.Equal(w.Now()) || !o.PolledAt.Equal(w.Now()) || !o.NextPollAt.After(w.Now()) {
		t.Errorf("%+v, %v", o, err)
	}
	w.pass(time.Minute)
	deliver()
	about("it tells again", look(), 15*time.Minute)
	w.pass(20 * time.Minute)
	w.git.fail = berth.Errorf(berth.EUnavailable, "git.test does not answer")
	about("it cannot be read", look(), 10*time.Minute)
	if o, err := w.owner.OriginState(t.Context(), "shop"); err != nil || o.PollError != "git.test does not answer" {
		t.Errorf("%+v, %v", o, err)
	}
	w.git.fail = nil
	w.pass(time.Hour)
	w.git.fetching = func() { w.git.mu.Unlock(); deliver(); w.git.mu.Lock() } // told while the look is under way
	if again, err := w.FollowOrigin(t.Context(), p.ID); err != nil || again > time.Second {
		t.Errorf("told during a look: again in %s, %v", again, err)
	}
	looks = 0
	if look(); looks != 1 {
		t.Error("what was told during a look is not looked at")
	}
}
