package eks

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const maxPage = 100

// paginate cuts one page out of a list whose order does not change. The token
// names the last one shown, so that pages stay right while the list grows or
// shrinks elsewhere; all must be sorted for that to hold when it is the last
// one itself that goes.
func paginate(all []string, max *int32, token *string) (page []string, next *string, err error) {
	size := maxPage
	if max != nil {
		if *max < 1 || *max > maxPage {
			return nil, nil, invalidParameter("maxResults %d is not valid: it must be between 1 and %d", *max, maxPage)
		}
		size = int(*max)
	}
	start, err := position(all, aws.ToString(token))
	if err != nil {
		return nil, nil, err
	}
	end := min(start+size, len(all))
	if end < len(all) {
		next = aws.String(base64.URLEncoding.EncodeToString([]byte("after:" + all[end-1])))
	}
	return notNil(all[start:end]), next, nil
}

// position is the index of the first element of the page that a token asks for.
func position(all []string, token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	data, err := base64.URLEncoding.DecodeString(token)
	last, ok := strings.CutPrefix(string(data), "after:")
	if err != nil || !ok {
		return 0, invalidParameter("nextToken %s is not valid", token)
	}
	if i := slices.Index(all, last); i >= 0 {
		return i + 1, nil
	}
	i, _ := slices.BinarySearch(all, last)
	return i, nil
}
