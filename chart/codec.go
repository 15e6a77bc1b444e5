package chart

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// Marshal writes objects as a JSON array. Equal objects give equal bytes.
func Marshal(objects []runtime.Object) ([]byte, error) {
	if objects == nil {
		objects = []runtime.Object{}
	}
	data, err := json.Marshal(objects)
	if err != nil {
		return nil, fmt.Errorf("marshal objects: %w", err)
	}
	return data, nil
}

// Unmarshal reads what Marshal wrote.
func Unmarshal(data []byte) ([]runtime.Object, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("unmarshal objects: %w", err)
	}
	objects := make([]runtime.Object, 0, len(raw))
	for i, r := range raw {
		o, err := unmarshalObject(r)
		if err != nil {
			return nil, fmt.Errorf("unmarshal object %d: %w", i, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func unmarshalObject(data []byte) (runtime.Object, error) {
	var meta v1.TypeMeta
	if err := json.Unmarshal(data, &meta); err != nil {
		return nil, err
	}
	k, ok := kindOf(meta.APIVersion, meta.Kind)
	if !ok {
		return nil, fmt.Errorf("%s %s is not of the closed list", meta.APIVersion, meta.Kind)
	}
	o := k.new()
	if err := json.Unmarshal(data, o); err != nil {
		return nil, err
	}
	return o, nil
}

// Describe returns objects as YAML for people, with every secret masked.
func Describe(objects []runtime.Object) (string, error) {
	var out bytes.Buffer
	for i, o := range objects {
		if i > 0 {
			out.WriteString("---\n")
		}
		text, err := json.Marshal(maskedSecret(o))
		if err == nil {
			text, err = yaml.JSONToYAML(escapeControls(text))
		}
		if err != nil {
			return "", fmt.Errorf("describe %s: %w", label(o), err)
		}
		out.Write(text)
	}
	return berth.MaskSecretTokens(out.String()), nil
}

// escapeControls writes characters that JSON allows in text, and YAML does not, as escapes that both know.
func escapeControls(data []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(data) {
		if r >= 0x7f && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.Bytes()
}

// maskedSecret hides all of a Secret's content: there is nothing in it that is not secret, and
// what a template encoded would not be found as a token.
func maskedSecret(o runtime.Object) runtime.Object {
	s, ok := o.(*corev1.Secret)
	if !ok {
		return o
	}
	s = s.DeepCopy()
	s.StringData = map[string]string{}
	for key := range s.Data {
		s.StringData[key] = berth.NewSecret("").String()
	}
	s.Data = nil
	return s
}
