package canon

import "strings"

// SplitPath cuts a dot-separated property path into the names of the properties: a backslash before a dot or a backslash
// takes its meaning away (Appendices, "Dot-separated property paths").
func SplitPath(path string) []string {
	if !strings.Contains(path, `\`) {
		return strings.Split(path, ".")
	}
	var out []string
	var name []byte
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path) && (path[i+1] == '.' || path[i+1] == '\\'):
			i++
			name = append(name, path[i])
		case c == '.':
			out = append(out, string(name))
			name = name[:0]
		default:
			name = append(name, c)
		}
	}
	return append(out, string(name))
}

// AppendPath appends a name to a path, dots and backslashes in it escaped. An empty path takes the name alone.
func AppendPath(path []byte, name string) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	for i := range len(name) {
		if name[i] == '.' || name[i] == '\\' {
			path = append(path, '\\')
		}
		path = append(path, name[i])
	}
	return path
}
