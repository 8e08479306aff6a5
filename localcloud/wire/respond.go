package wire

import (
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"strconv"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

func writeOutput(w http.ResponseWriter, req *request, out any) {
	v := reflect.ValueOf(out).Elem()
	h := w.Header()
	h.Set("X-Amzn-Requestid", req.id)
	status := http.StatusOK
	var body []byte
	switch req.svc.model.Protocol {
	case "ec2", "query":
		h.Set("Content-Type", "text/xml;charset=UTF-8")
		body = encodeQuery(req.svc.model, req.op, v, req.id)
	case "json":
		h.Set("Content-Type", "application/x-amz-json-"+req.svc.model.JSONVersion)
		body = encodeJSON(req.op.out, v)
	default:
		h.Set("Content-Type", "application/json")
		if s := writeRESTHeaders(req.op, v, h); s != 0 {
			status = s
		}
		body = encodeJSON(req.op.out, v)
	}
	send(w, status, body)
}

func writeError(w http.ResponseWriter, req *request, err *Error) {
	h := w.Header()
	h.Set("X-Amzn-Requestid", req.id)
	var body []byte
	switch req.svc.model.Protocol {
	case "ec2", "query":
		h.Set("Content-Type", "text/xml;charset=UTF-8")
		body = encodeQueryError(req.svc.model, err, req.id)
	case "json":
		h.Set("Content-Type", "application/x-amz-json-"+req.svc.model.JSONVersion)
		h.Set("X-Amzn-Errortype", err.Code)
		body = encodeJSONError(req.svc.model, err)
	default:
		h.Set("Content-Type", "application/json")
		h.Set("X-Amzn-Errortype", err.Code)
		body = encodeJSONError(req.svc.model, err)
	}
	send(w, err.Status, body)
}

// writeUnrouted answers a request of which not even the service is known, in XML to what looks like a query.
func writeUnrouted(w http.ResponseWriter, req *request, err error) {
	e := &Error{Code: "UnknownEndpoint", Message: Message(err), Status: http.StatusNotFound}
	unknown := &Service{model: &models.Service{Protocol: "rest-json"}}
	if req.form.Get("Action") != "" {
		unknown.model.Protocol = "query"
	}
	req.svc = unknown
	writeError(w, req, e)
}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		slog.Debug("writing response", "error", err)
	}
}

func reportPanic(err error) {
	slog.Error("panic", "error", err, "stack", string(debug.Stack()))
}
