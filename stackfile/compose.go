package stackfile

import (
	"cmp"
	"slices"
	"strings"
)

// ComposeService is what is read of one service of a compose file. Texts are as they are written: what
// ${…} stands for is the reader's to decide.
type ComposeService struct {
	Name        string
	Image       string
	Build       bool
	Context     string // of the build; empty: the file's own folder
	Dockerfile  string // empty: the usual one
	Command     string // as a line for the shell
	Ports       []string
	Environment []ComposeVariable
	Volumes     []ComposeVolume
	Pos         Position
}

// ComposeVariable is one entry of a service's environment; Given is false where only its name is there.
type ComposeVariable struct {
	Name, Value string
	Given       bool
}

// ComposeVolume is one mount of a service.
type ComposeVolume struct{ Source, Target string }

// ParseCompose reads the services of a compose file, in the order of the file. Keys that it does not
// know are passed over; the error is an *Errors for what is not YAML or has no services.
func ParseCompose(file string, data []byte) ([]ComposeService, error) {
	d := &document{findings: findings{file: file}, lenient: true}
	root, ok := d.open(data)
	if !ok {
		_, err := d.result()
		return nil, err
	}
	list := root.object(keys{}).get("services")
	if list.absent() {
		list.fail("is missing; a compose file has services")
	}
	var all []ComposeService
	for _, s := range members(list) {
		all = append(all, composeService(s.name, s.value))
	}
	_, err := d.result()
	if err != nil {
		return nil, err
	}
	return all, nil
}

func composeService(name string, v value) ComposeService {
	s := ComposeService{Name: name, Pos: v.at}
	if !v.isObject() {
		return s
	}
	o := v.object(keys{})
	s.Image = o.get("image").loose()
	s.Command = composeCommand(o.get("command"))
	if build := o.get("build"); build.isObject() {
		b := build.object(keys{})
		s.Build, s.Context, s.Dockerfile = true, b.get("context").loose(), b.get("dockerfile").loose()
	} else if o.has("build") {
		s.Build, s.Context = true, build.loose()
	}
	for _, key := range []string{"ports", "expose"} {
		s.Ports = append(s.Ports, composePorts(o.get(key))...)
	}
	s.Environment = composeEnvironment(o.get("environment"))
	s.Volumes = composeVolumes(o.get("volumes"))
	return s
}

// composeCommand writes a list of arguments as the shell reads it.
func composeCommand(v value) string {
	if !v.isList() {
		return strings.TrimSpace(v.loose())
	}
	var words []string
	for _, item := range v.list() {
		word := item.loose()
		if strings.ContainsFunc(word, func(r rune) bool { return !plainInShell(r) }) || word == "" {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func plainInShell(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._/:@,+=-$", r)
}

// composePorts returns the container's side of each port.
func composePorts(v value) (ports []string) {
	if !v.isList() {
		return nil
	}
	for _, item := range v.list() {
		text := item.loose()
		if item.isObject() {
			text = item.object(keys{}).get("target").loose()
		}
		if text = containerPort(text); text != "" {
			ports = append(ports, text)
		}
	}
	return ports
}

// containerPort is what follows the last colon that is not part of ${…}, without the protocol.
func containerPort(text string) string {
	text, _, _ = strings.Cut(text, "/")
	from, isVariable := strings.LastIndex(text, "${"), strings.HasSuffix(text, "}")
	switch at := strings.LastIndexByte(text, ':'); {
	case isVariable && from > 0 && text[from-1] == ':':
		return text[from:]
	case isVariable || at < 0:
		return text
	default:
		return text[at+1:]
	}
}

func composeEnvironment(v value) (variables []ComposeVariable) {
	if v.isObject() {
		for _, m := range members(v) {
			variables = append(variables, ComposeVariable{Name: m.name, Value: m.value.loose(), Given: !m.value.absent()})
		}
		return variables
	}
	if !v.isList() {
		return nil
	}
	for _, item := range v.list() {
		name, text, given := strings.Cut(item.loose(), "=")
		variables = append(variables, ComposeVariable{Name: strings.TrimSpace(name), Value: text, Given: given})
	}
	return variables
}

func composeVolumes(v value) (volumes []ComposeVolume) {
	if !v.isList() {
		return nil
	}
	for _, item := range v.list() {
		if item.isObject() {
			o := item.object(keys{})
			volumes = append(volumes, ComposeVolume{Source: o.get("source").loose(), Target: o.get("target").loose()})
			continue
		}
		parts := strings.Split(item.loose(), ":")
		if len(parts) == 1 {
			parts = []string{"", parts[0]}
		}
		volumes = append(volumes, ComposeVolume{Source: parts[0], Target: parts[1]})
	}
	return volumes
}

// member is one key of a mapping whose keys are names.
type member struct {
	name  string
	value value
}

// members are a mapping's keys with what merge keys bring, in the order of the file.
func members(v value) (all []member) {
	if !v.isObject() {
		return nil
	}
	for name, field := range v.object(keys{}).fields {
		all = append(all, member{name, field})
	}
	slices.SortFunc(all, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.value.key.Line, b.value.key.Line), cmp.Compare(a.value.key.Column, b.value.key.Column), cmp.Compare(a.name, b.name))
	})
	return all
}

// loose is a scalar's text, and nothing for what is none.
func (v value) loose() string {
	s, ok := v.scalar()
	if !ok {
		return ""
	}
	return s
}
