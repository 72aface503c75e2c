// Call the scoring routes from Go's standard library: URL=http://127.0.0.1:3000 go run examples/client.go
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	tries   = 4                // most times that a request is sent
	longest = 30 * time.Second // for all tries of a request and the waits between them
)

// Decision is what is used here of an answer. A json.Number keeps every digit as it was sent.
type Decision struct {
	Decision             string      `json:"decision"`
	ProbabilityOfDefault json.Number `json:"probability_of_default"`
	Errors               []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	} `json:"errors"`
}

// secondsAsked is what a Retry-After header asks for, be it seconds or a date; 0 where there is none to be read.
func secondsAsked(retryAfter string) time.Duration {
	// A number that is too large is read as the largest that there is, which is beyond the longest wait too.
	if seconds, err := strconv.ParseUint(strings.TrimSpace(retryAfter), 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	if when, err := http.ParseTime(retryAfter); err == nil {
		return max(0, time.Until(when))
	}
	return 0
}

// lost says whether a connection ended before the answer was whole.
func lost(err error) bool {
	for _, kind := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// send is one try: the response, with its body read.
func send(ctx context.Context, url, id string, body []byte) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Request-ID", id)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, text, err
}

// post sends a document and reads the answer into `answer`. It is sent again where the service asks for it, and where
// the connection was lost; scoring changes nothing, so that is safe. It is not sent again after a timeout, which would
// only add to the load.
func post(url string, document, answer any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	id := fmt.Sprintf("example-%x", random) // the same for all tries; it stands in the service's log
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	end, _ := ctx.Deadline()
	for try := 1; ; try++ {
		retryAfter := ""
		var failure error
		response, text, err := send(ctx, url, id, body)
		switch {
		case err != nil:
			failure = fmt.Errorf("%w (request id %s, try %d)", err, id, try)
			if !lost(err) {
				return failure
			}
		case response.StatusCode == http.StatusOK:
			return json.Unmarshal(text, answer)
		default:
			if !strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
				text = []byte("request id " + id)
			}
			failure = fmt.Errorf("%d %s", response.StatusCode, text)
			if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
				return failure
			}
			retryAfter = response.Header.Get("Retry-After")
		}
		// What was asked, and a random part that doubles, lest all who were refused come back at once.
		jitter := 100*time.Millisecond + time.Duration(mathrand.Int63n(int64(250*time.Millisecond)<<try))
		wait := secondsAsked(retryAfter) + jitter
		if try == tries || time.Now().Add(wait).After(end) {
			return failure
		}
		time.Sleep(wait)
	}
}

// with is an application with one field changed.
func with(application map[string]any, field string, value any) map[string]any {
	changed := map[string]any{}
	for name, given := range application {
		changed[name] = given
	}
	changed[field] = value
	return changed
}

func run(url string) error {
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "application.json"))
	if err != nil {
		return err
	}
	application := map[string]any{}
	if err := json.Unmarshal(text, &application); err != nil {
		return err
	}

	var decided Decision
	if err := post(url+"/predict", application, &decided); err != nil {
		return err
	}
	fmt.Println(decided.Decision, decided.ProbabilityOfDefault)

	var batch struct {
		Results []Decision `json:"results"`
	}
	bad := with(application, "loan_grade", "Z")
	rows := []any{application, bad, with(application, "loan_percent_income", nil)}
	if err := post(url+"/predict/batch?partial=true", rows, &batch); err != nil {
		return err
	}
	for _, row := range batch.Results {
		if row.Errors == nil {
			fmt.Println(row.Decision, row.ProbabilityOfDefault)
		}
		for _, wrong := range row.Errors {
			fmt.Println(wrong.Loc, wrong.Msg)
		}
	}

	if err := post(url+"/predict", bad, &decided); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return nil
}

func main() {
	url := os.Getenv("URL")
	if url == "" {
		url = "http://127.0.0.1:3000"
	}
	if err := run(url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
