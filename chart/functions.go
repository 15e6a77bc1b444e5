package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

// withheld are functions that a chart may not call: they read the machine or the network, give
// something else each time, or exist to take long.
var withheld = map[string]string{
	"env": "reads the machine", "expandenv": "reads the machine", "getHostByName": "asks the network",
	"lookup": "asks a cluster", "osBase": "depends on the machine", "osClean": "depends on the machine",
	"osDir": "depends on the machine", "osExt": "depends on the machine", "osIsAbs": "depends on the machine",

	"now": changes, "ago": changes, "date": changes, "dateInZone": changes, "date_in_zone": changes, "dateModify": changes,
	"date_modify": changes, "mustDateModify": changes, "must_date_modify": changes, "htmlDate": changes, "htmlDateInZone": changes,
	"toDate": changes, "mustToDate": changes, "unixEpoch": changes, "duration": changes, "durationRound": changes,
	"randAlpha": changes, "randAlphaNum": changes, "randAscii": changes, "randNumeric": changes, "randBytes": changes,
	"randInt": changes, "shuffle": changes, "uuidv4": changes, "genPrivateKey": changes, "genCA": changes, "genCAWithKey": changes,
	"genSelfSignedCert": changes, "genSelfSignedCertWithKey": changes, "genSignedCert": changes, "genSignedCertWithKey": changes,
	"buildCustomCert": changes, "bcrypt": changes, "htpasswd": changes, "encryptAES": changes,

	"tpl": "runs text as a template", "toToml": "is not there", "fromToml": "is not there",
	"derivePassword": "takes long", "decryptAES": "takes long",
}

const changes = "gives another result each time; let the package generate a parameter instead"

// multiplies are functions whose result, or whose work, can grow with the product of what goes in,
// and how many times over.
var multiplies = map[string]int{
	"repeat": 1, "indent": 1, "nindent": 1, "replace": 1, "join": 1, "wrap": 1, "wrapWith": 1,
	"until": 1, "untilStep": 1, "seq": 1, "chunk": 1, "mustChunk": 1, "toPrettyJson": 16, "mustToPrettyJson": 16,
	"fromYaml": 16, "fromYamlArray": 16,
	"regexMatch": 64, "mustRegexMatch": 64, "regexFind": 64, "mustRegexFind": 64, "regexFindAll": 64, "mustRegexFindAll": 64,
	"regexReplaceAll": 64, "mustRegexReplaceAll": 64, "regexReplaceAllLiteral": 64, "mustRegexReplaceAllLiteral": 64,
	"regexSplit": 64, "mustRegexSplit": 64,
}

// maxProduct bounds what such a function may make on its way.
const maxProduct = 16 << 20

// functions are Helm's, each within the budget.
func (e *execution) functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	for name, f := range helmFunctions() {
		all[name] = f
	}
	out := template.FuncMap{}
	for name, f := range all {
		out[name] = e.bounded(name, f)
	}
	for name, why := range withheld {
		out[name] = refuseCall(name, why)
	}
	out["include"] = e.include
	out["berthEnter"], out["berthLeave"], out["berthTurn"], out["berthShow"] = e.enter, e.leave, e.turn, e.show
	return out
}

// helmFunctions are those that Helm adds to Sprig, and text/template's own that format values.
func helmFunctions() template.FuncMap {
	return template.FuncMap{
		"toYaml": toYAML, "toYamlPretty": toYAML, "toJson": toJSON,
		"fromYaml": fromYAML[map[string]any], "fromYamlArray": fromYAML[[]any],
		"fromJson": fromYAML[map[string]any], "fromJsonArray": fromYAML[[]any],
		"keys": keys, "values": values,
		"required": required, "fail": func(text string) (string, error) { return "", errors.New(text) },
		"print": fmt.Sprint, "println": fmt.Sprintln, "printf": format,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
	}
}

func refuseCall(name, why string) any {
	return func(...any) (string, error) { return "", fmt.Errorf("%s may not be used: it %s", name, why) }
}

// bounded wraps f so that what goes in and comes out is measured, and what would multiply is refused first.
func (e *execution) bounded(name string, f any) any {
	fn := reflect.ValueOf(f)
	typ := fn.Type()
	outs := []reflect.Type{typ.Out(0), reflect.TypeFor[error]()}
	ins := make([]reflect.Type, typ.NumIn())
	for i := range ins {
		ins[i] = typ.In(i)
	}
	return reflect.MakeFunc(reflect.FuncOf(ins, outs, typ.IsVariadic()), func(args []reflect.Value) []reflect.Value {
		result, err := e.call(name, fn, args)
		if err != nil {
			return []reflect.Value{reflect.Zero(outs[0]), reflect.ValueOf(&err).Elem()}
		}
		return []reflect.Value{result, reflect.Zero(outs[1])}
	}).Interface()
}

func (e *execution) call(name string, fn reflect.Value, args []reflect.Value) (reflect.Value, error) {
	for _, a := range args {
		if err := e.measure(a); err != nil {
			return reflect.Value{}, err
		}
	}
	if weight := multiplies[name]; weight > 0 {
		if err := e.multiply(name, weight, args); err != nil {
			return reflect.Value{}, err
		}
	}
	call := fn.Call
	if fn.Type().IsVariadic() {
		call = fn.CallSlice
	}
	results := call(args)
	if len(results) == 2 && !results[1].IsNil() {
		return reflect.Value{}, results[1].Interface().(error)
	}
	return results[0], e.measure(results[0])
}

func (e *execution) multiply(name string, product int, args []reflect.Value) error {
	for _, a := range args {
		if product *= factor(a); product > maxProduct {
			return &limitError{fmt.Sprintf("%s would make more than %d MiB", name, maxProduct>>20)}
		}
	}
	return e.spend(product / 64)
}

// factor is what an argument can multiply a result by: a number's value, else its size.
func factor(v reflect.Value) int {
	for v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	number := 0.0
	switch {
	case v.CanInt():
		number = float64(v.Int())
	case v.CanUint():
		number = float64(v.Uint())
	case v.CanFloat():
		number = v.Float()
	}
	n := int(min(math.Abs(number), maxProduct+1))
	size := 0
	sizeOf(v, 0, &size)
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if e := v.Index(i); e.CanInt() {
				n = max(n, factor(e))
			}
		}
	}
	if number != 0 {
		return max(1, n)
	}
	return max(1, n, size)
}

var wideVerb = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4}|\*)`)

// format is printf without widths that blow a value up.
func format(text string, args ...any) (string, error) {
	if wideVerb.MatchString(text) {
		return "", &limitError{"printf may not pad to a thousand characters"}
	}
	return fmt.Sprintf(text, args...), nil
}

func required(text string, v any) (any, error) {
	if v == nil || v == "" {
		return nil, errors.New(text)
	}
	return v, nil
}

// toYAML and its like swallow errors, as Helm's do.
func toYAML(v any) string {
	data, err := yaml.Marshal(v)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(data), "\n")
}

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

func fromYAML[T any](text string) (out T, err error) {
	err = yaml.Unmarshal([]byte(text), &out)
	return out, err
}

// include renders a named template into a value.
func (e *execution) include(name string, data any) (string, error) {
	out := &output{budget: e.budget}
	if err := e.root.ExecuteTemplate(out, name, data); err != nil {
		return "", err
	}
	e.written -= out.Len() // it counts again when it is printed
	return out.String(), e.measure(reflect.ValueOf(out.String()))
}

// keys and values follow the keys' order; Sprig's follow none.
func keys(dicts ...map[string]any) []string {
	var out []string
	for _, m := range dicts {
		out = append(out, slices.Sorted(maps.Keys(m))...)
	}
	return out
}

func values(m map[string]any) []any {
	out := []any{}
	for _, k := range keys(m) {
		out = append(out, m[k])
	}
	return out
}
