package route

import (
	"reflect"
	"testing"
)

// Each key of a route either is a condition, or does not matter to which route it is.
func TestMatcher(t *testing.T) {
	for key, condition := range map[string]bool{
		"Host": true, "Path": true, "Method": true, "Header": true, "Query": true, "Client": true, "Scheme": true, "Listener": true,
		"Internal": false, "App": false, "Strip": false, "Rewrite": false, "NoRerun": false,
		"Redirect": false, "Respond": false, "ContentType": false, "Status": false,
	} {
		t.Run(key, func(t *testing.T) {
			var c Config
			f := reflect.ValueOf(&c).Elem().FieldByName(key)
			switch f.Kind() {
			case reflect.String:
				f.SetString("x")
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Int:
				f.SetInt(1)
			case reflect.Slice:
				f.Set(reflect.ValueOf([]string{"x"}))
			case reflect.Map:
				f.Set(reflect.ValueOf(map[string]string{"x": "y"}))
			default:
				t.Fatalf("it is a %v", f.Kind())
			}
			if got := !reflect.ValueOf(c.Matcher()).IsZero(); got != condition {
				t.Errorf("a condition: %v, want %v", got, condition)
			}
		})
	}
	if n := reflect.TypeFor[Config]().NumField(); n != 17 {
		t.Errorf("there are %d keys: say of the new one whether it is a condition", n)
	}
}
