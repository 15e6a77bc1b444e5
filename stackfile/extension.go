package stackfile

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// extension is the one key under which everything of Berth's own stands, so that the file
// stays a valid Diploi file.
const extension = "berth"

var (
	elementExtension = []string{"context", "storage", "health", "preDeploy", "cron", "actions", "replicas", "private", "ignore"}
	fileExtension    = []string{"stages", "cron", "actions", "private", "ignore"}
	// notYet are keys whose issue has not landed.
	notYet = []string{"cron", "actions", "private", "ignore"}

	storageKeys = keys{known: []string{"identifier", "path", "size"}}
	healthKeys  = keys{known: []string{"path", "command", "port", "timeout"}}
	stageKeys   = keys{known: []string{"identifier", "name", "kind", "size", "branch"}}
)

// underExtension tells where a key of the extension belongs that stands beside it.
func underExtension(names []string) map[string]string {
	moved := map[string]string{}
	for _, name := range names {
		moved[name] = extension + "." + name
	}
	return moved
}

// extend reads an element's "berth:".
func (e *Element) extend(v value) {
	o := v.object(keys{known: elementExtension, moved: map[string]string{"stages": "berth.stages at the top of the file"}})
	warnNotYet(o)
	e.Storage = projectStorage(o.get("storage"))
	if o.has("health") {
		e.Health = health(o.get("health"))
	}
	if o.has("replicas") {
		e.Replicas = int(o.get("replicas").integer(1, maxReplicas))
	}
	if o.has("preDeploy") {
		e.PreDeploy = command(o.get("preDeploy"))
	}
	e.Private = o.get("private").boolean()
	e.Context = buildContext(o.get("context"))
}

// maxReplicas bounds what one element may ask of a machine.
const maxReplicas = 20

// buildContext reads the folder that an element's own Dockerfile is built in, "" for the repository's root.
func buildContext(v value) string {
	folder, err := parseFolder(v.text())
	if err != nil {
		v.fail("%s", sentence(err))
	}
	if folder == "/" {
		return ""
	}
	return folder
}

// fileStages reads the file's "berth:".
func fileStages(v value) []berth.Stage {
	o := v.object(keys{known: fileExtension, moved: map[string]string{
		"storage": "berth.storage of an element", "health": "berth.health of an element", "replicas": "berth.replicas of an element",
		"preDeploy": "berth.preDeploy of an element",
	}})
	warnNotYet(o)
	if !o.has("stages") {
		return berth.DefaultStages()
	}
	return stages(o.get("stages"))
}

func warnNotYet(o object) {
	for _, name := range notYet {
		switch {
		case !o.has(name):
		case name == "private":
			o.get(name).warn("is not supported yet: the element's hosts are public")
		default:
			o.get(name).warn("is not supported yet and has no effect")
		}
	}
}

func projectStorage(list value) (all []Storage) {
	names, paths := map[string]bool{}, map[string]bool{}
	for _, item := range list.list() {
		o := item.object(storageKeys)
		s := Storage{Identifier: identifier(o), Path: mountPath(o.get("path")), UID: -1, GID: -1, Pos: o.at}
		if o.has("size") {
			s.SizeMiB = sizeMiB(o.get("size"))
		}
		switch {
		case s.Identifier == "" || s.Path == "":
			continue
		case s.Identifier == berth.CodeVolume:
			o.get("identifier").fail("%s is the volume of the working tree; choose another identifier", shown(s.Identifier))
		case names[s.Identifier]:
			o.get("identifier").fail("%s is given twice; every volume of an element needs its own identifier", shown(s.Identifier))
		case paths[s.Path]:
			o.get("path").fail("%s has a volume already; mount this one elsewhere", shown(s.Path))
		}
		names[s.Identifier], paths[s.Path] = true, true
		all = append(all, s)
	}
	return all
}

// systemPaths may not be covered by a volume: the container would not start, or not be itself.
var systemPaths = []string{"/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/.berth"}

// mountPath reads an absolute directory of a container.
func mountPath(v value) string {
	text := v.text()
	clean := path.Clean(text)
	if !strings.HasPrefix(text, "/") || hasSegment(text, "..") || clean == "/" || !folderPattern.MatchString(text) || len(text) > maxFolder {
		v.fail("%s must be a directory of the container, like /data", shown(text))
		return ""
	}
	for _, system := range systemPaths {
		if clean == system || strings.HasPrefix(clean, system+"/") && system != "/usr" && system != "/etc" {
			v.fail("%s belongs to the system; mount the volume elsewhere, like /data", shown(text))
			return ""
		}
	}
	return clean
}

const maxSizeMiB = 64 << 20 // 64 TiB

var sizePattern = regexp.MustCompile(`^([0-9]{1,12})(Mi|Gi|Ti)?B?$`)

// sizeMiB reads a number of MiB, or a number with Mi, Gi or Ti.
func sizeMiB(v value) int64 {
	text := v.text()
	match := sizePattern.FindStringSubmatch(text)
	if match == nil || match[2] == "" && strings.HasSuffix(text, "B") {
		v.fail("%s is not a size; write it like 512Mi or 2Gi, or as a number of MiB", shown(text))
		return 0
	}
	number, err := strconv.ParseInt(match[1], 10, 64)
	size := number << map[string]int{"": 0, "Mi": 0, "Gi": 10, "Ti": 20}[match[2]]
	if err != nil || number < 1 || number > maxSizeMiB || size > maxSizeMiB {
		v.fail("%s is out of range; a volume has between 1Mi and 64Ti", shown(text))
		return 0
	}
	return size
}

func health(v value) *berth.Health {
	o := v.object(healthKeys)
	var h berth.Health
	given := 0
	for _, name := range []string{"path", "command", "port"} {
		if o.has(name) {
			given++
		}
	}
	if given > 1 {
		o.fail("has more than one of path, command and port; keep the one that shows best that the element is ready")
	}
	if o.has("path") {
		if h.Path = o.get("path").line(); !strings.HasPrefix(h.Path, "/") {
			o.get("path").fail("must start with a slash, like /health")
		}
	}
	if o.has("command") {
		h.Command = command(o.get("command"))
	}
	if o.has("port") {
		h.Port = o.get("port").port()
	}
	if o.has("timeout") {
		h.Timeout = timeout(o.get("timeout"))
	}
	return &h
}

// command reads a list of arguments, or a line for the shell.
func command(v value) (args []string) {
	if !v.isList() {
		if line := v.text(); strings.TrimSpace(line) != "" {
			return []string{"/bin/sh", "-c", line}
		}
	}
	if v.isList() {
		for _, item := range v.list() {
			args = append(args, item.text())
		}
	}
	if len(args) == 0 || args[0] == "" {
		v.fail("is empty; write the command to run, as one line or as a list of arguments")
	}
	return args
}

const longestTimeout = time.Hour

// timeout reads a duration like 90s, or a number of seconds.
func timeout(v value) time.Duration {
	text := v.text()
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > longestTimeout {
		v.fail("must be a duration between 1s and 1h, like 90s, not %s", v.written())
		return 0
	}
	return d
}
