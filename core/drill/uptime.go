package drill

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Uptime is how long the machine has been running, suspension included, and which of its runs this is: a clock that nobody
// sets, and that outlives this process. boot is "" where the system does not tell.
func Uptime() (boot string, up time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "", 0
	}
	seconds, _, _ := strings.Cut(string(text), " ")
	f, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)), time.Duration(f * float64(time.Second))
}
