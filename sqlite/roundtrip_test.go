package sqlite

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
)

// fill sets every field of v, nested ones included, to something that is not its zero value, so
// that a field which the store forgets is missed, one that is added later included.
func fill(t testing.TB, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text-ü'\"")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	default:
		t.Fatalf("fill does not know %v", v.Type())
	}
}

func filled[T any](t testing.TB) (v T) {
	t.Helper()
	fill(t, reflect.ValueOf(&v).Elem())
	return v
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what came back differs (-stored +read):\n%s", diff)
	}
}

func TestProjectComesBackWhole(t *testing.T) {
	s := open(t)
	p := filled[berth.Project](t)
	update(t, s, func(tx *Tx) error { return tx.CreateProject(p) })
	same(t, get(t, s, func(tx *Tx) (berth.Project, error) { return tx.ProjectByID(berth.Everything(), p.ID) }), p)

	p.Name, p.GitURL, p.GitToken, p.DefaultBranch, p.Stages, p.Deleting = "b", "c", "d", "e", nil, false
	update(t, s, func(tx *Tx) error { return tx.UpdateProject(p) })
	same(t, get(t, s, func(tx *Tx) (berth.Project, error) { return tx.Project(berth.Everything(), "b") }), p)
}

func TestProjectFileComesBackWholeAndReplacesTheOneBefore(t *testing.T) {
	s := open(t)
	p := filled[berth.Project](t)
	update(t, s, func(tx *Tx) error { return tx.CreateProject(p) })
	view(t, s, func(tx *Tx) error {
		_, ok, err := tx.ProjectFile(p.ID)
		if ok {
			t.Error("a file is kept that nobody gave")
		}
		return err
	})
	f := filled[berth.ProjectFile](t)
	update(t, s, func(tx *Tx) error { return tx.PutProjectFile(p.ID, berth.ProjectFile{Text: "before"}) })
	update(t, s, func(tx *Tx) error { return tx.PutProjectFile(p.ID, f) })
	f.Branch, f.Commit = "", "" // whose newest commit it counts for is found out when it is asked for
	view(t, s, func(tx *Tx) error {
		got, ok, err := tx.ProjectFile(p.ID)
		if !ok {
			t.Error("no file is kept")
		}
		same(t, got, f)
		return err
	})
}

func TestDeploymentKeepsItsDesiredFieldsOnly(t *testing.T) {
	s := open(t)
	p, _, _ := world(t, s)
	d := filled[berth.Deployment](t)
	d.ProjectID, d.Project, d.Desire = p.ID, p.Name, berth.DesireStop
	h := filled[berth.Host](t)
	h.Deployment, h.Name, h.URL, h.RedirectTo = d.ID, "", "", ""
	h.Certificate, h.Protection = berth.Certificate{}, nil
	update(t, s, func(tx *Tx) error { return errors.Join(tx.CreateDeployment(d), tx.AddHost(h)) })

	d.Commit, d.Phase, d.Message, d.SSH, d.Elements, d.Volumes, d.Releases, d.Domains, d.Idle = "", "", "", nil, nil, nil, nil, nil, nil // computed
	d.Hosts = []berth.Host{h}
	read := func(tx *Tx) (berth.Deployment, error) { return tx.DeploymentByID(berth.Everything(), d.ID) }
	same(t, get(t, s, read), d)

	d.Name, d.Branch, d.Size, d.Desire, d.Restarts = "b", "c", "d", berth.DesireRun, map[string]int{"x": 1}
	update(t, s, func(tx *Tx) error { return tx.UpdateDeployment(d) })
	same(t, get(t, s, read), d)
	list := get(t, s, func(tx *Tx) ([]berth.Deployment, error) { return tx.Deployments(berth.Everything(), p.ID) })
	same(t, list[0], d)
}

func TestWishToDeleteStays(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	d.Desire = berth.DesireDelete
	update(t, s, func(tx *Tx) error { return tx.UpdateDeployment(d) })
	d.Desire = berth.DesireRun
	update(t, s, func(tx *Tx) error { return tx.UpdateDeployment(d) })
	got := get(t, s, func(tx *Tx) (berth.Deployment, error) { return tx.Deployment(berth.Everything(), d.Slug) })
	if got.Desire != berth.DesireDelete {
		t.Errorf("desire is %s again", got.Desire)
	}
}

func TestReleaseComesBackWhole(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	r := filled[berth.Release](t)
	r.Deployment, r.State = d.ID, berth.ReleaseServing
	update(t, s, func(tx *Tx) (err error) {
		r, err = tx.CreateRelease(r)
		return err
	})
	if r.Revision != 1 {
		t.Errorf("first revision is %d", r.Revision)
	}
	same(t, get(t, s, func(tx *Tx) (berth.Release, error) { return tx.Release(r.ID) }), r)
	view(t, s, func(tx *Tx) error {
		latest, ok, err := tx.LatestRelease(d.ID)
		if !ok || err != nil {
			t.Error(ok, err)
		}
		same(t, latest, r)
		serving, ok, err := tx.ServingRelease(d.ID)
		if !ok || err != nil {
			t.Error(ok, err)
		}
		same(t, serving, r)
		return nil
	})
	head := r
	head.Elements = nil
	same(t, get(t, s, func(tx *Tx) ([]berth.Release, error) { return tx.Releases(d.ID, 0) }), []berth.Release{head})
	same(t, get(t, s, func(tx *Tx) (map[berth.ID]berth.Release, error) { return tx.ServingReleases(berth.Everything()) }),
		map[berth.ID]berth.Release{d.ID: head})
}

func TestReleaseElementsAreFixedOnceKnown(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	r := berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleasePending}
	update(t, s, func(tx *Tx) (err error) {
		r, err = tx.CreateRelease(r)
		return err
	})
	stored := func() berth.Release {
		return get(t, s, func(tx *Tx) (berth.Release, error) { return tx.Release(r.ID) })
	}
	if stored().Elements != nil || stored().Hashes != nil {
		t.Error("a new release has elements or hashes")
	}
	r.Elements = []berth.ReleaseElement{{Identifier: "web", Objects: []byte("[]")}}
	r.State, r.ServingAt, r.Hashes = berth.ReleaseServing, noon, map[string]string{"web/app": "h"}
	update(t, s, func(tx *Tx) error { return tx.UpdateRelease(r) })
	same(t, stored(), r)

	later := r
	later.Elements, later.Hashes, later.State = nil, nil, berth.ReleaseSuperseded
	update(t, s, func(tx *Tx) error { return tx.UpdateRelease(later) })
	later.Elements, later.Hashes = r.Elements, r.Hashes
	same(t, stored(), later)

	changed := later
	changed.Elements = []berth.ReleaseElement{{Identifier: "other"}}
	update(t, s, func(tx *Tx) error { return tx.UpdateRelease(changed) })
	same(t, stored(), later)
}

func TestNewestReleases(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	update(t, s, func(tx *Tx) error {
		for i, state := range []berth.ReleaseState{berth.ReleaseSuperseded, berth.ReleaseServing, berth.ReleaseFailed} {
			r, err := tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID, State: state})
			if err != nil || r.Revision != i+1 {
				t.Errorf("release %d has revision %d, %v", i, r.Revision, err)
			}
		}
		return nil
	})
	view(t, s, func(tx *Tx) error {
		latest, _, _ := tx.LatestRelease(d.ID)
		serving, _, _ := tx.ServingRelease(d.ID)
		latestAll, _ := tx.LatestReleases(berth.Everything())
		servingAll, _ := tx.ServingReleases(berth.Everything())
		two, err := tx.Releases(d.ID, 2)
		if latest.Revision != 3 || serving.Revision != 2 || latestAll[d.ID].Revision != 3 || servingAll[d.ID].Revision != 2 {
			t.Error(latest, serving, latestAll, servingAll)
		}
		if len(two) != 2 || two[0].Revision != 3 {
			t.Error(two)
		}
		return err
	})
}

func TestBuildComesBackWholeAndStaysAsItEnded(t *testing.T) {
	s := open(t)
	p, d, _ := world(t, s)
	b := filled[berth.Build](t)
	b.Project, b.Deployment, b.Release, b.State = p.ID, d.ID, berth.NewID(), berth.BuildQueued
	update(t, s, func(tx *Tx) error {
		_, err := tx.CreateRelease(berth.Release{ID: b.Release, Deployment: d.ID})
		return errors.Join(err, tx.CreateBuild(b))
	})
	stored := func() berth.Build {
		return get(t, s, func(tx *Tx) (berth.Build, error) { return tx.BuildOf(d.ID, b.ID) })
	}
	lengths := func() (n [3]int) {
		queued := get(t, s, (*Tx).QueuedBuilds)
		running := get(t, s, (*Tx).RunningBuilds)
		return [3]int{len(queued), len(running), len(get(t, s, func(tx *Tx) ([]berth.Build, error) { return tx.BuildsOfRelease(b.Release) }))}
	}
	same(t, stored(), b)
	same(t, lengths(), [3]int{1, 0, 1})
	b.State = berth.BuildRunning
	update(t, s, func(tx *Tx) error { return tx.UpdateBuild(b) })
	same(t, lengths(), [3]int{0, 1, 1})
	b.State, b.Image, b.Message, b.EndedAt = berth.BuildSucceeded, "sha256:1", "", noon.Add(time.Minute)
	update(t, s, func(tx *Tx) error { return tx.UpdateBuild(b) })
	same(t, stored(), b)
	view(t, s, func(tx *Tx) error {
		found, ok, err := tx.SucceededBuild(p.ID, b.Key)
		if !ok || found.Image != b.Image {
			t.Errorf("SucceededBuild = %v, %v", found, ok)
		}
		if _, ok, _ := tx.SucceededBuild(berth.NewID(), b.Key); ok {
			t.Error("another project's build was found")
		}
		return err
	})
	late := b
	late.State = berth.BuildFailed
	update(t, s, func(tx *Tx) error { return tx.UpdateBuild(late) })
	same(t, stored(), b)
	err := s.View(t.Context(), func(tx *Tx) error { _, err := tx.BuildOf(berth.NewID(), b.ID); return err })
	wantCode(t, err, berth.ENotFound)
}

func TestObservedComesBackWhole(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	o := filled[berth.Observed](t)
	update(t, s, func(tx *Tx) error { return tx.PutObserved(d.ID, o) })
	same(t, get(t, s, func(tx *Tx) (berth.Observed, error) { return tx.Observed(d.ID) }), o)
	same(t, get(t, s, func(tx *Tx) (berth.Observed, error) { return tx.Observed(berth.NewID()) }), berth.Observed{})
}

func TestObservedAllIsNeverStale(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	seen := func() string {
		return get(t, s, func(tx *Tx) (map[berth.ID]berth.Observed, error) { return tx.ObservedAll(berth.Everything()) })[d.ID].Step
	}
	for _, step := range []string{"one", "two", "three"} {
		update(t, s, func(tx *Tx) error { return tx.PutObserved(d.ID, berth.Observed{Step: step}) })
		if got := [2]string{seen(), seen()}; got != [2]string{step, step} {
			t.Errorf("saw %v, want %s", got, step)
		}
		_ = s.Update(t.Context(), func(tx *Tx) error {
			if err := tx.PutObserved(d.ID, berth.Observed{Step: "rolled back"}); err != nil {
				return err
			}
			all, err := tx.ObservedAll(berth.Everything())
			if all[d.ID].Step != "rolled back" {
				t.Errorf("an update does not see its own write: %v", all)
			}
			return errors.Join(err, errors.New("roll back"))
		})
	}
}

func TestSettingsSideBySide(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	generated, own := filled[berth.Setting](t), filled[berth.Setting](t)
	generated.Deployment, own.Deployment = d.ID, d.ID
	own.Generated, own.Value = false, "mine"
	settings := func() []berth.Setting {
		return get(t, s, func(tx *Tx) ([]berth.Setting, error) { return tx.Settings(d.ID) })
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutSetting(own), tx.PutSetting(generated), tx.PutSetting(generated))
	})
	same(t, settings(), []berth.Setting{generated, own})
	update(t, s, func(tx *Tx) error { return tx.DeleteSetting(d.ID, own.Element, own.Name) })
	same(t, settings(), []berth.Setting{generated})
}

func TestSecretVersions(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	id := berth.NewID()
	update(t, s, func(tx *Tx) error {
		for want, sealed := range []string{"one", "two"} {
			if version, err := tx.PutSecret(d.ID, id, []byte(sealed)); version != want+1 || err != nil {
				t.Errorf("PutSecret = %d, %v", version, err)
			}
		}
		return nil
	})
	view(t, s, func(tx *Tx) error {
		one, err1 := tx.Secret(id, 1)
		version, two, err2 := tx.LatestSecret(id)
		if string(one) != "one" || string(two) != "two" || version != 2 {
			t.Error(one, two, version)
		}
		_, err3 := tx.Secret(id, 3)
		wantCode(t, err3, berth.ENotFound)
		return errors.Join(err1, err2)
	})
	err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.PutSecret(berth.NewID(), id, nil); return err })
	wantCode(t, err, berth.EConflict)
	update(t, s, func(tx *Tx) error { return tx.DeleteDeployment(d.ID) })
	err = s.View(t.Context(), func(tx *Tx) error { _, _, err := tx.LatestSecret(id); return err })
	wantCode(t, err, berth.ENotFound)
}

func TestVolumeComesBackWhole(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	v := filled[berth.Volume](t)
	v.Deployment = d.ID
	volumes := func() []berth.Volume {
		return get(t, s, func(tx *Tx) ([]berth.Volume, error) { return tx.Volumes(d.ID) })
	}
	update(t, s, func(tx *Tx) error { return tx.PutVolume(v) })
	same(t, volumes(), []berth.Volume{v})
	v.UID, v.GID, v.SizeBytes, v.UsedBytes, v.Detached = -1, -1, 1, 2, false
	update(t, s, func(tx *Tx) error { return tx.PutVolume(v) })
	same(t, volumes(), []berth.Volume{v})
	update(t, s, func(tx *Tx) error { return tx.DeleteVolume(d.ID, v.Element, v.Identifier) })
	same(t, volumes(), []berth.Volume(nil))
}

func TestHostsAndFormerLabels(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	h := filled[berth.Host](t)
	h.Deployment, h.Name, h.URL, h.Label, h.RedirectTo = d.ID, "", "", "api", ""
	h.Certificate, h.Protection = berth.Certificate{}, nil
	update(t, s, func(tx *Tx) error { return tx.AddHost(h) })
	byLabel := func(tx *Tx) (berth.Host, error) { return tx.HostByLabel("api") }
	same(t, get(t, s, byLabel), h)
	wantCode(t, s.Update(t.Context(), func(tx *Tx) error { return tx.AddHost(h) }), berth.EConflict)

	update(t, s, func(tx *Tx) error { return tx.RenameHost("api", "shop", noon.Add(time.Hour)) })
	update(t, s, func(tx *Tx) error { return tx.RenameHost("shop", "store", noon.Add(time.Hour)) })
	if former := get(t, s, byLabel); former.RedirectTo != "store" {
		t.Errorf("the oldest label leads to %q", former.RedirectTo)
	}
	own := get(t, s, func(tx *Tx) ([]berth.Host, error) { return tx.Hosts(d.ID) })
	if len(own) != 2 || own[1].Label != "store" {
		t.Errorf("hosts: %v", own)
	}
	if everything := get(t, s, (*Tx).AllHosts); len(everything) != 4 {
		t.Errorf("all hosts: %v", everything)
	}
	wantCode(t, s.Update(t.Context(), func(tx *Tx) error { return tx.RenameHost("api", "x", noon) }), berth.EInvalid)

	s.now = func() time.Time { return noon.Add(2 * time.Hour) }
	wantCode(t, s.View(t.Context(), func(tx *Tx) error { _, err := byLabel(tx); return err }), berth.ENotFound)
	if everything := get(t, s, (*Tx).AllHosts); len(everything) != 2 {
		t.Errorf("all hosts later: %v", everything)
	}
	update(t, s, func(tx *Tx) error { return tx.AddHost(h) }) // free again
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DeleteHost("api"), tx.DeleteHost("api")) })
}

func TestLoginLinkLetsInOnce(t *testing.T) {
	s := open(t)
	_, _, ada := world(t, s)
	take := func(hash string, now time.Time) (who berth.ID, err error) {
		err = s.Update(t.Context(), func(tx *Tx) error {
			who, err = tx.TakeLoginLink([]byte(hash), now)
			return err
		})
		return who, err
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.CreateLoginLink([]byte("one"), ada.ID, ada.ID, noon.Add(time.Minute)), tx.CreateLoginLink([]byte("two"), ada.ID, ada.ID, noon.Add(time.Minute)))
	})
	if who, err := take("one", noon); who != ada.ID || err != nil {
		t.Error(who, err)
	}
	_, err := take("one", noon)
	wantCode(t, err, berth.EUnauthenticated)
	_, err = take("two", noon.Add(time.Minute))
	wantCode(t, err, berth.EUnauthenticated)
}

func TestTokens(t *testing.T) {
	s := open(t)
	_, _, ada := world(t, s)
	token := filled[berth.Token](t)
	token.Person, token.ExpiresAt = ada.ID, noon.Add(time.Hour)
	update(t, s, func(tx *Tx) error { return tx.CreateToken(token, []byte("hash")) })
	view(t, s, func(tx *Tx) error {
		got, person, err := tx.TokenByHash([]byte("hash"), noon)
		same(t, got, token)
		if person.ID != ada.ID || person.Name != ada.Name {
			t.Error(person)
		}
		_, _, late := tx.TokenByHash([]byte("hash"), token.ExpiresAt)
		wantCode(t, late, berth.EUnauthenticated)
		_, _, wrong := tx.TokenByHash([]byte("hasH"), noon)
		wantCode(t, wrong, berth.EUnauthenticated)
		return err
	})
	s.now = func() time.Time { return noon.Add(time.Minute) }
	update(t, s, func(tx *Tx) error { return tx.TouchToken(token.ID) })
	token.LastUsed = noon.Add(time.Minute)
	same(t, get(t, s, func(tx *Tx) ([]berth.Token, error) { return tx.Tokens(ada.ID) }), []berth.Token{token})
	wantCode(t, s.Update(t.Context(), func(tx *Tx) error { return tx.DeleteToken(berth.NewID(), token.ID) }), berth.ENotFound)
	update(t, s, func(tx *Tx) error { return tx.DeleteToken(ada.ID, token.ID) })
}

func TestPersonsAndRoles(t *testing.T) {
	s := open(t)
	p, _, ada := world(t, s)
	bob := filled[berth.Person](t)
	update(t, s, func(tx *Tx) error { return tx.CreatePerson(bob) })
	wantCode(t, s.Update(t.Context(), func(tx *Tx) error { return tx.CreatePerson(bob) }), berth.EConflict)
	same(t, get(t, s, func(tx *Tx) (berth.Person, error) { return tx.PersonByName(bob.Name) }), bob)
	same(t, get(t, s, func(tx *Tx) (berth.Person, error) { return tx.Person(bob.ID) }), bob)
	if everybody := get(t, s, (*Tx).Persons); len(everybody) != 2 {
		t.Error(everybody)
	}
	role := func(who berth.ID) berth.Role {
		return get(t, s, func(tx *Tx) (berth.Role, error) { return tx.RoleOn(who, p.ID) })
	}
	if role(ada.ID) != berth.RoleViewer || role(bob.ID) != berth.RoleNone {
		t.Error(role(ada.ID), role(bob.ID))
	}
	m := berth.Membership{Person: ada.ID, Project: p.ID, Role: berth.RoleOwner}
	update(t, s, func(tx *Tx) error { return tx.PutMembership(m) })
	same(t, get(t, s, func(tx *Tx) ([]berth.Membership, error) { return tx.Memberships(p.ID) }), []berth.Membership{m})
	update(t, s, func(tx *Tx) error { return tx.DeleteMembership(ada.ID, p.ID) })
	if role(ada.ID) != berth.RoleNone {
		t.Error(role(ada.ID))
	}
}

func TestDeleteTakesEverythingButEvents(t *testing.T) {
	s := open(t)
	p, d, ada := world(t, s)
	wantCode(t, s.Update(t.Context(), func(tx *Tx) error { return tx.DeleteProject(p.ID) }), berth.EConflict)
	update(t, s, func(tx *Tx) error {
		r, err := tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID})
		return errors.Join(err,
			tx.CreateBuild(berth.Build{ID: berth.NewID(), Project: p.ID, Deployment: d.ID, Release: r.ID, State: berth.BuildQueued}),
			tx.PutSetting(berth.Setting{Deployment: d.ID, Name: "A"}), tx.PutVolume(berth.Volume{Deployment: d.ID, Identifier: "code"}))
	})
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DeleteDeployment(d.ID), tx.DeleteDeployment(d.ID)) })
	for _, table := range []string{"deployments", "observed", "releases", "builds", "hosts", "settings", "volumes", "secrets"} {
		n := get(t, s, func(tx *Tx) (int, error) {
			return must(tx, "count", nil, scanValue[int], `SELECT count(*) FROM `+table)
		})
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	events := get(t, s, func(tx *Tx) ([]berth.Event, error) { return tx.Events(berth.Scope{Person: ada.ID}, d.ID, 0, 0) })
	if len(events) != 1 || events[0].Slug != d.Slug || events[0].Project != p.ID {
		t.Errorf("events of a deleted deployment: %v", events)
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutProjectFile(p.ID, berth.ProjectFile{Text: "x"}), tx.DeleteProject(p.ID))
	})
	if kept := get(t, s, func(tx *Tx) (bool, error) { _, ok, err := tx.ProjectFile(p.ID); return ok, err }); kept {
		t.Error("a deleted project's file is left")
	}
}

func TestLoginsComeBackAndAreBounded(t *testing.T) {
	s := open(t)
	_, _, ada := world(t, s)
	l := filled[berth.Login](t)
	l.Person, l.ExpiresAt, l.Current = ada.ID, noon.Add(time.Hour), false
	update(t, s, func(tx *Tx) error { return tx.CreateLogin(l, []byte("hash")) })
	view(t, s, func(tx *Tx) error {
		got, person, err := tx.LoginByHash([]byte("hash"), noon, noon.Add(-time.Minute))
		same(t, got, l)
		same(t, person, get(t, s, func(tx *Tx) (berth.Person, error) { return tx.Person(ada.ID) }))
		for name, at := range map[string][2]time.Time{"expired": {l.ExpiresAt, noon.Add(-time.Minute)}, "idle": {noon, noon}} {
			_, _, ended := tx.LoginByHash([]byte("hash"), at[0], at[1])
			wantCode(t, ended, berth.EUnauthenticated)
			if lives, err := tx.LoginLives(l.ID, at[0], at[1]); lives || err != nil {
				t.Errorf("%s: %v, %v", name, lives, err)
			}
		}
		return err
	})
	update(t, s, func(tx *Tx) error {
		for i := range 2 * maxLogins {
			more := l
			more.ID, more.LastUsed = berth.NewID(), noon.Add(time.Duration(i+1)*time.Second)
			if err := tx.CreateLogin(more, []byte(more.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	list := get(t, s, func(tx *Tx) ([]berth.Login, error) { return tx.Logins(ada.ID, noon, noon.Add(-time.Minute)) })
	if len(list) != maxLogins || !list[0].LastUsed.Equal(noon.Add(2*maxLogins*time.Second)) {
		t.Errorf("%d logins, the newest used at %v", len(list), list[0].LastUsed)
	}
	update(t, s, func(tx *Tx) error { return tx.DeletePerson(ada.ID) })
	if left := get(t, s, func(tx *Tx) (int, error) {
		return must(tx, "count", nil, scanValue[int], `SELECT count(*) FROM logins`)
	}); left != 0 {
		t.Errorf("%d logins of a removed person are left", left)
	}
}
