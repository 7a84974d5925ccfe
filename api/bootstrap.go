package api

import (
	"github.com/haulout/haulout/cluster"
)

func getBootstrap(c *call) (any, error) {
	b := c.server.node.Bootstrap()
	answer := BootstrapAnswer{
		Status: BootstrapStatus{State: string(b.State), Start: b.Started, End: b.Ended},
		Local: LocalNodeInfo{
			UID: NumberID(c.server.node.LocalNodeID()), Address: b.Local.Address, Hostname: b.Local.Hostname,
			Cores: b.Local.Cores, TotalMemory: b.Local.TotalMemory, Version: b.Local.Version,
		},
	}
	if b.Err != nil {
		body, known := bodyOf(b.Err)
		answer.Status.ErrorCode, answer.Status.ErrorDetails, answer.Status.ErrorHint = string(body.Code), body.Description, body.Hint
		if !known {
			answer.Status.ErrorDetails, answer.Status.ErrorHint = c.internal(b.Err)
		}
	}
	return answer, nil
}

// internal tells what has gone wrong inside, with its paths and addresses, to the operator
// of the node. Before the node is in a cluster anybody may ask.
func (c *call) internal(err error) (details, hint string) {
	if c.id.may(administer) || c.server.hasSecret(c.Request) {
		return err.Error(), "look into the log of the daemon"
	}
	return "internal error", "ask at the socket of the node, or look into the log of its daemon"
}

func postCreateCluster(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	r, form := takeBootstrap(o, "create_cluster")
	c.checkAddress(o, r)
	if form.Cluster.Name == "" {
		o.refuse(badRequest("give cluster.name", "a cluster needs a name"))
	}
	if form.Credentials.Username == "" || form.Credentials.Password == "" {
		o.refuse(badRequest("give credentials.username, an e-mail, and credentials.password", "a cluster needs its first admin"))
	}
	if err := cluster.CheckEmail(form.Credentials.Username); err != nil && form.Credentials.Username != "" {
		o.refuse(err)
	}
	c.checkPassword(o, form.Credentials.Username, form.Credentials.Password)
	o.checkUnused("cluster.nodes", len(form.Cluster.Nodes) > 0)
	o.checkUnused("credentials.token", form.Credentials.Token != "")
	o.checkUnused("credentials.ca_hash", form.Credentials.CAHash != "")
	if err := o.err(); err != nil {
		return nil, err
	}
	return nil, c.server.node.CreateCluster(c.Context(), CreateCluster{
		Name: form.Cluster.Name, RackAware: form.Policy.RackAware,
		Username: form.Credentials.Username, Password: form.Credentials.Password, Node: r,
	})
}

func postJoinCluster(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	r, form := takeBootstrap(o, "join_cluster")
	c.checkAddress(o, r)
	login := form.Credentials
	if len(form.Cluster.Nodes) == 0 {
		o.refuse(badRequest("give cluster.nodes", "joining needs the address of a node of the cluster"))
	}
	switch {
	case login.Token != "":
		o.checkUnused("credentials.username", login.Username != "")
		o.checkUnused("credentials.password", login.Password != "")
		if _, err := ParseJoinToken(login.Token); err != nil {
			o.refuse(badRequest("copy it whole from: haulout cluster token", "credentials.token is not a join token"))
		}
	case login.Username == "" || login.Password == "":
		o.refuse(badRequest("give credentials.token, or credentials.username, password and ca_hash", "joining needs a token or a login"))
	case len(PlainHash(login.CAHash)) != 64:
		o.refuse(badRequest("give credentials.ca_hash, the SHA-256 of the cluster's CA certificate", "joining by password needs to know the cluster's CA"))
	}
	o.checkUnused("cluster.name", form.Cluster.Name != "")
	o.checkUnused("policy.rack_aware", form.Policy.RackAware)
	if err := o.err(); err != nil {
		return nil, err
	}
	return nil, c.server.node.JoinCluster(c.Context(), JoinCluster{
		Nodes: form.Cluster.Nodes, Token: login.Token, Username: login.Username, Password: login.Password,
		CAHash: PlainHash(login.CAHash), Node: r,
	})
}

// checkAddress refuses another address than the daemon serves at.
func (c *call) checkAddress(o *object, n Identification) {
	if own := c.server.node.Bootstrap().Local.Address; n.Address != "" && n.Address != own {
		o.refuse(cluster.Refuse(cluster.CodeUnsupported, "leave it out, or start the daemon with --address "+n.Address,
			"node.identity.addr can not be %s: the daemon of this host serves at %s", n.Address, own))
	}
}

func (o *object) checkUnused(name string, given bool) {
	if given {
		o.refuse(badRequest("leave it out", "%s has no meaning here", name))
	}
}

func takeBootstrap(o *object, action string) (Identification, BootstrapRequest) {
	var r BootstrapRequest
	o.neutral("action", `"`+action+`"`)
	named := o.object("cluster")
	named.text("name", &r.Cluster.Name)
	named.texts("nodes", &r.Cluster.Nodes)
	named.rest()

	login := o.object("credentials")
	login.text("username", &r.Credentials.Username)
	login.text("password", &r.Credentials.Password)
	login.text("token", &r.Credentials.Token)
	login.text("ca_hash", &r.Credentials.CAHash)
	login.rest("client_cert", "client_key", "trusted_ca")

	policy := o.object("policy")
	policy.flag("rack_aware", &r.Policy.RackAware)
	policy.rest("default_shards_placement", "shards_overbooking")

	o.neutral("license", `""`)
	o.neutral("dns_suffixes", "[]")
	node := takeIdentification(o.object("node"))
	o.rest("recovery_filename")
	return node, r
}

func takeIdentification(o *object) Identification {
	var n Identification
	identity := o.object("identity")
	identity.text("addr", &n.Address)
	identity.texts("external_addr", &n.ExternalAddresses)
	identity.text("rack_id", &n.RackID)
	if n.RackID != "" && !validRack(n.RackID) {
		identity.refuse(badRequest("use up to 63 letters, digits, - and _, from a letter to a letter or digit", "%q can not be a rack_id", n.RackID))
	}
	identity.neutral("accept_servers", "true")
	identity.rest("name", "override_rack_id", "second_rack_id", "uid", "use_internal_ipv6")

	limits := o.object("limits")
	for name, into := range map[string]*int{"max_listeners": &n.MaxListeners, "max_redis_servers": &n.MaxShards} {
		if limits.number(name, into) && *into < 1 {
			limits.refuse(badRequest("give a number from 1", "%s%s can not be %d", limits.path, name, *into))
		}
	}
	limits.rest()
	o.rest("bigstore_driver", "ephemeral_path", "paths", "persistent_path")
	return n
}

func validRack(s string) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	if len(s) > 63 || !letter(s[0]) || !letter(s[len(s)-1]) && !digit(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !letter(c) && !digit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
