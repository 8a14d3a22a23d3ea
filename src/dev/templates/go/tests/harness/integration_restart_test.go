//go:build integration

package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The service is started as in production, killed, and started again: what it acknowledged is still there.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	program := filepath.Join(t.TempDir(), "service")
	if out, err := exec.Command("go", "build", "-o", program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	user := fmt.Sprintf("%d@aspora.com", time.Now().UnixNano())
	serving(t, program, func(url string) {
		body := fmt.Sprintf(`{"user_id": %q, "amount": 700}`, user)
		answer, err := http.Post(url+"/api/v1/entries", "application/json", strings.NewReader(body))
		if err != nil || answer.StatusCode != http.StatusCreated {
			t.Fatal(answer, err)
		}
	})
	serving(t, program, func(url string) {
		answer, err := http.Get(url + "/api/v1/entries?user_id=" + user)
		if err != nil {
			t.Fatal(err)
		}
		var shown struct{ Total int64 }
		if err := json.NewDecoder(answer.Body).Decode(&shown); err != nil || shown.Total != 700 {
			t.Errorf("the total is %d (%v)", shown.Total, err)
		}
	})
}

// Starts the service, has something done at its address, and kills it.
func serving(t *testing.T, program string, act func(url string)) {
	t.Helper()
	command := exec.Command(program, "--port", "0")
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), "serving on "); found {
			act(url)
			return
		}
	}
	t.Fatal("the service did not start")
}
