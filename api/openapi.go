package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// openAPI is the OpenAPI 3.1 document of the routes.
func openAPI() ([]byte, error) {
	known := schemas{named: map[string]any{}, at: "#/components/schemas/"}
	failed := schema{"description": "refused or failed", "content": jsonOf(known.of(ErrorBody{}))}
	paths := map[string]schema{}
	for _, r := range routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if paths[path] == nil {
			paths[path] = schema{}
		}
		done := schema{"description": "done"}
		if r.out != nil {
			done["content"] = jsonOf(known.of(r.out))
		}
		operation := schema{
			"operationId": operationID(r.pattern), "summary": r.says, "x-roles": r.may.roles(),
			"responses": schema{"200": done, "default": failed},
		}
		if list := parameters(r); len(list) > 0 {
			operation["parameters"] = list
		}
		if r.in != nil {
			operation["requestBody"] = schema{"content": jsonOf(known.of(r.in))}
		}
		if r.may == anyone {
			operation["security"] = []schema{}
		}
		paths[path][strings.ToLower(method)] = operation
	}
	return json.Marshal(schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "Haulout", "version": cluster.Version,
			"description": "The REST contract of Haulout. What it has in common with other products and does not offer yet is answered with status 501 and error_code not_supported. Fields that a body must not have are refused by name.",
		},
		"servers":  []schema{{"url": "/"}},
		"security": []schema{{"login": []string{}}, {"token": []string{}}},
		"paths":    paths,
		"components": schema{
			"schemas": known.named,
			"securitySchemes": schema{
				"login": schema{"type": "http", "scheme": "basic", "description": "e-mail and password"},
				"token": schema{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "of POST /v1/users/authorize; Authorization: JWT is understood, too"},
			},
		},
	})
}

func jsonOf(s schema) schema { return schema{"application/json": schema{"schema": s}} }

// roles names the managements that have the permission, of users with a login.
func (p permission) roles() []string {
	list := []string{}
	for _, management := range slices.Sorted(maps.Keys(managements)) {
		if (Identity{Role: management}).may(p) {
			list = append(list, management)
		}
	}
	if p == ownUser {
		return manageUsers.roles()
	}
	return list
}

var notAWord = regexp.MustCompile(`[^A-Za-z0-9]+`)

func operationID(pattern string) string {
	return strings.Trim(notAWord.ReplaceAllString(strings.ToLower(pattern), "_"), "_")
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

func parameters(r route) []schema {
	var list []schema
	for _, m := range pathParameter.FindAllStringSubmatch(r.pattern, -1) {
		list = append(list, schema{"name": m[1], "in": "path", "required": true, "schema": schema{"type": "string"}})
	}
	for _, name := range r.query {
		list = append(list, schema{"name": name, "in": "query", "schema": schema{"type": "string"}})
	}
	if strings.HasPrefix(r.pattern, "PUT ") {
		list = append(list, schema{"name": StateHeader, "in": "header", "schema": schema{"type": "integer"},
			"description": "of an earlier answer: refused if anything has changed since"})
	}
	return list
}

func getOpenAPI(c *call) (any, error) { return c.server.document, nil }

// jsonObjects are the objects that clients ask the schema of, by their names there.
var jsonObjects = map[string]any{
	"bdb": Database{}, "node": NodeObject{}, "cluster": Cluster{}, "policy": ClusterPolicy{}, "action": Action{},
	"shard": Shard{}, "user": User{}, "role": UserRole{},
}

func getJSONSchema(c *call) (any, error) {
	name := c.URL.Query().Get("object")
	object, ok := jsonObjects[name]
	if !ok {
		return nil, cluster.Refuse(CodeNoSchema, "use "+strings.Join(slices.Sorted(maps.Keys(jsonObjects)), ", "), "there is no schema of an object %q", name)
	}
	known := schemas{named: map[string]any{}, at: "#/$defs/"}
	s := known.of(object)
	s["$schema"], s["$defs"] = "https://json-schema.org/draft/2020-12/schema", known.named
	return s, nil
}

// MasterCheck is what load balancers ask a node.
type MasterCheck struct {
	Status string `json:"status"` // active on the cluster master, inactive elsewhere
}

func getMasterCheck(c *call) (any, error) {
	if _, leading := c.server.node.Leading(); leading {
		return MasterCheck{"active"}, nil
	}
	return MasterCheck{"inactive"}, nil
}

// mustDocument makes the document once; the routes and types are the program's own.
func mustDocument() json.RawMessage {
	text, err := openAPI()
	if err != nil {
		panic(fmt.Sprintf("api: %v", err))
	}
	return text
}
