package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newPythonWorkshop is a working tree with stand-ins for Python and what is installed with it. has names
// the modules that are there after an installation.
func newPythonWorkshop(t *testing.T, has ...string) workshop {
	t.Helper()
	root := t.TempDir()
	w := workshop{t: t, dir: filepath.Join(root, "app"), bin: filepath.Join(root, "bin")}
	w.write(".keep", "")
	w.pip("true")
	python := `case "$*" in
--version) echo Python 3.13.5 ;;
"-m venv "*) mkdir -p "$3/bin" ;;
*find_spec*) for last; do :; done; case " ` + strings.Join(has, " ") + ` " in *" $last "*) ;; *) exit 1 ;; esac ;;
"-m pip "*) shift 2; exec pip "$@" ;;
-c*) ;;
*) exec started python "$@" ;;
esac`
	w.tool("python", python)
	w.tool("python3", python)
	for _, name := range []string{"uvicorn", "flask", "gunicorn", "uv"} {
		w.tool(name, "exec started "+name+` "$@"`)
	}
	w.tool("started", `echo "$PWD: $*" >> "`+root+`/calls"`)
	return w
}

// pip replaces pip by a script that also notes how it was called.
func (w workshop) pip(script string) {
	w.t.Helper()
	w.tool("pip", `echo "$PWD: $*" | sed 's/--disable-pip-version-check --no-input //' >> "`+filepath.Dir(w.bin)+`/calls"`+"\n"+script)
}

func TestPythonInstallsWhatTheFileOfDependenciesNames(t *testing.T) {
	install, _ := scripts(t, "python")
	for name, c := range map[string]struct {
		files map[string]string
		has   []string
		want  []string
	}{
		"requirements":             {map[string]string{"requirements.txt": "x", "pyproject.toml": ""}, nil, []string{"/app: install -r requirements.txt"}},
		"a project":                {map[string]string{"pyproject.toml": "[project]\n"}, nil, []string{"/app: install -r /tmp/requirements.txt"}},
		"a project that is built":  {map[string]string{"pyproject.toml": "[build-system]\n"}, nil, []string{"/app: install --editable ."}},
		"a lock file of uv":        {map[string]string{"uv.lock": "x", "requirements.txt": "x"}, nil, []string{"/app: install uv", "/app: uv sync --frozen --inexact --python /app/.venv/bin/python"}},
		"FastAPI without a server": {map[string]string{"requirements.txt": "fastapi"}, []string{"fastapi"}, []string{"/app: install -r requirements.txt", "/app: install uvicorn"}},
		"FastAPI with a server":    {map[string]string{"requirements.txt": "fastapi"}, []string{"fastapi", "uvicorn"}, []string{"/app: install -r requirements.txt"}},
		"Flask, in development":    {map[string]string{"requirements.txt": "flask"}, []string{"flask"}, []string{"/app: install -r requirements.txt"}},
		"nothing":                  {nil, nil, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPythonWorkshop(t, c.has...)
			for file, text := range c.files {
				w.write(file, text)
			}
			for range 2 { // the second time there is nothing to do
				if err := w.run(install); err != nil {
					t.Fatal(err)
				}
			}
			equal(t, "calls", w.calls(), c.want)
		})
	}
}

func TestPythonForProductionInstallsAServerToo(t *testing.T) {
	_, rest, _ := strings.Cut(packageFile(t, "python/Dockerfile"), "target=/root/.cache <<'EOF'\n")
	install, _, _ := strings.Cut(rest, "\nEOF\n")
	for has, want := range map[string]string{"flask": "gunicorn", "django": "gunicorn", "fastapi": "uvicorn"} {
		w := newPythonWorkshop(t, has)
		w.write("requirements.txt", has)
		if err := w.run("VIRTUAL_ENV=venv\n" + install); err != nil {
			t.Fatal(err)
		}
		equal(t, has, w.calls(), []string{"/app: install -r requirements.txt", "/app: install " + want})
	}
	w := newPythonWorkshop(t)
	w.write("uv.lock", "")
	if err := w.run("VIRTUAL_ENV=venv\n" + install); err != nil {
		t.Fatal(err)
	}
	equal(t, "uv", w.calls(), []string{"/app: install uv", "/app: uv sync --frozen --inexact --python venv/bin/python --no-dev"})
	w.pip("exit 1")
	if said, err := w.output("VIRTUAL_ENV=venv\n" + install); err == nil || !strings.Contains(said, "dependencies of uv.lock failed") || !strings.Contains(said, "PIP_INDEX_URL") {
		t.Errorf("a failure says %q, %v", said, err)
	}
}

func TestPythonKeepsTheLastGoodInstall(t *testing.T) {
	install, _ := scripts(t, "python")
	w := newPythonWorkshop(t)
	w.write("requirements.txt", "1")
	w.pip("exit 1")
	if said, err := w.output(install); err == nil || !strings.Contains(said, "dependencies of requirements.txt failed") || w.has(".venv") {
		t.Errorf("a first install that fails: %v: %s", err, said)
	}
	w.pip("touch .venv/good")
	if err := w.run(install); err != nil {
		t.Fatal(err)
	}
	w.pip("touch .venv/bad; exit 1")
	w.write("requirements.txt", "2")
	if said, err := w.output(install); err != nil || !strings.Contains(said, "last successful install") {
		t.Errorf("there was something to start with: %v: %s", err, said)
	}
	if !w.has(".venv/good") || w.has(".venv/bad") || w.has(".venv.berth") {
		t.Error("the last good state is gone")
	}
	if err := os.Rename(filepath.Join(w.dir, ".venv"), filepath.Join(w.dir, ".venv.berth")); err != nil {
		t.Fatal(err)
	}
	w.write(".venv/half", "")
	w.write("requirements.txt", "1")
	if err := w.run(install); err != nil || !w.has(".venv/good") || w.has(".venv/half") {
		t.Errorf("an install cut short does not go back: %v", err)
	}
}

func TestPythonRecognisesWhatRuns(t *testing.T) {
	_, development := scripts(t, "python")
	_, rest, _ := strings.Cut(packageFile(t, "python/Dockerfile"), "/usr/local/bin/start-app\n")
	production, _, _ := strings.Cut(rest, "\nEOF\n")
	const (
		uvicorn  = "/app: uvicorn --host 0.0.0.0 --port 5173 --proxy-headers --forwarded-allow-ips * "
		reload   = "/app: uvicorn --reload --host 0.0.0.0 --port 5173 "
		gunicorn = "/app: gunicorn --bind 0.0.0.0:5173 --worker-tmp-dir /dev/shm --access-logfile - "
	)
	for name, c := range map[string]struct{ file, text, development, production string }{
		"Django":                     {"manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')", "/app: python manage.py runserver 0.0.0.0:5173", gunicorn + "shop.wsgi"},
		"Django, settings by stage":  {"manage.py", `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")`, "/app: python manage.py runserver 0.0.0.0:5173", gunicorn + "config.wsgi"},
		"FastAPI":                    {"main.py", "from fastapi import FastAPI\napp = FastAPI(\n  title='x')\n", reload + "main:app", uvicorn + "main:app"},
		"FastAPI in a folder":        {"app/main.py", "api: FastAPI = fastapi.FastAPI()\n", reload + "app.main:api", uvicorn + "app.main:api"},
		"FastAPI made by a function": {"main.py", "def create_app() -> FastAPI:\n    app = FastAPI()\n", reload + "--factory main:create_app", uvicorn + "--factory main:create_app"},
		"Starlette":                  {"server.py", "web = Starlette(routes=[])\n", reload + "server:web", uvicorn + "server:web"},
		"Flask":                      {"app.py", "app = Flask(__name__)\n", "/app: flask --app app:app --debug run --host 0.0.0.0 --port 5173", gunicorn + "app:app"},
		"Flask in a package":         {"shop/__init__.py", "def create_app(config=None):\n    app = Flask(__name__)\n", "/app: flask --app shop:create_app() --debug run --host 0.0.0.0 --port 5173", gunicorn + "shop:create_app()"},
		"a program":                  {"main.py", "print('FastAPI')\n", "/app: python main.py", "/app: python main.py"},
		"a program in src":           {"src/main.py", "", "/app: python src/main.py", "/app: python src/main.py"},
	} {
		t.Run(name, func(t *testing.T) {
			for script, want := range map[string]string{development: c.development, production: c.production} {
				w := newPythonWorkshop(t)
				w.write(c.file, c.text)
				if err := w.run(script); err != nil {
					t.Fatal(err)
				}
				equal(t, "started", w.calls(), []string{want})
			}
		})
	}
	for script, remedy := range map[string]string{development: "developmentStart", production: "productionStart"} {
		w := newPythonWorkshop(t)
		if said, err := w.output(script); err == nil || !strings.Contains(said, remedy) {
			t.Errorf("nothing to start: %v: %s", err, said)
		}
		w.write("main.py", "app = FastAPI()\n")
		if err := os.Remove(filepath.Join(w.bin, "uvicorn")); err != nil {
			t.Fatal(err)
		}
		if said, err := w.output(script); err == nil || !strings.Contains(said, "needs uvicorn") {
			t.Errorf("no server: %v: %s", err, said)
		}
	}
}
