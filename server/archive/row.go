package archive

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"freehold.example/base/sqldb"
)

// appendRow writes one row and a line's end.
func appendRow(dst []byte, row []any) ([]byte, error) {
	for i, value := range row {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		switch v := value.(type) {
		case nil:
			dst = append(dst, "null"...)
		case int64:
			dst = strconv.AppendInt(dst, v, 10)
		case bool:
			dst = strconv.AppendBool(dst, v)
		case string:
			dst = appendText(dst, []byte(v))
		case []byte:
			dst = appendText(dst, v)
		default:
			return nil, fmt.Errorf("bug: a value of the type %T in a row", value)
		}
	}
	return append(dst, "]\n"...), nil
}

// appendText writes text as a JSON string, and what is no text in base64.
func appendText(dst, b []byte) []byte {
	if !utf8.Valid(b) {
		dst = append(dst, `{"base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, b)
		return append(dst, `"}`...)
	}
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i, c := range b {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, b[start:i]...)
		if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
		start = i + 1
	}
	return append(append(dst, b[start:]...), '"')
}

// parseRow reads one line for a table.
func parseRow(line []byte, t *sqldb.Table) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return nil, err
	}
	if len(raw) != len(t.Columns) {
		return nil, fmt.Errorf("a row has %d columns, not %d", len(raw), len(t.Columns))
	}
	row := make([]any, len(raw))
	for i, r := range raw {
		v, err := parseValue(r, t.Columns[i].Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", t.Columns[i].Name, err)
		}
		row[i] = v
	}
	return row, nil
}

func parseValue(raw []byte, kind string) (any, error) {
	if bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	switch kind {
	case "BIGINT":
		return strconv.ParseInt(string(raw), 10, 64)
	case "BOOLEAN":
		var b bool
		err := json.Unmarshal(raw, &b)
		return b, err
	case "TEXT":
		b, err := parseText(raw)
		return string(b), err
	case "BYTEA":
		return parseText(raw)
	}
	return nil, fmt.Errorf("there is no type %q", kind)
}

func parseText(raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '{' {
		var s string
		err := json.Unmarshal(raw, &s)
		return []byte(s), err
	}
	var coded struct {
		Base64 *string `json:"base64"`
	}
	if err := json.Unmarshal(raw, &coded); err != nil {
		return nil, err
	}
	if coded.Base64 == nil {
		return nil, errors.New("an object without base64")
	}
	b, err := base64.StdEncoding.DecodeString(*coded.Base64)
	if b == nil {
		b = []byte{} // nil would be NULL
	}
	return b, err
}
