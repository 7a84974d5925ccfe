package api

import "github.com/haulout/haulout/cluster"

// Task is an action in the newer form of the contract, which knows four statuses.
type Task struct {
	ActionUID string    `json:"action_uid"`
	Type      string    `json:"action_type"`   // task
	Created   int64     `json:"creation_time"` // seconds since 1970
	Name      string    `json:"name"`
	Progress  float64   `json:"progress"` // percent
	Status    string    `json:"status"`   // queued, running, completed or failed; a cancelled one failed
	Info      *TaskInfo `json:"additional_info,omitempty"`
}

// TaskInfo is what more there is to say about a task.
type TaskInfo struct {
	Description string `json:"description,omitempty"`
	Error       string `json:"error,omitempty"`
	ObjectType  string `json:"object_type,omitempty"` // node or bdb
	ObjectUID   string `json:"object_uid,omitempty"`
}

func getTasks(c *call) (any, error) {
	list := []Task{}
	for _, a := range c.view.ActionsByAge() {
		list = append(list, taskObject(c.view, a))
	}
	return list, nil
}

func getTask(c *call) (any, error) {
	a, err := c.task()
	if err != nil {
		return nil, err
	}
	return taskObject(c.view, a), nil
}

func taskObject(v cluster.View, a cluster.Action) Task {
	o := actionObject(v, a)
	t := Task{
		ActionUID: a.ID, Type: "task", Created: a.Created.Unix(), Name: o.Name, Progress: o.Progress, Status: string(a.Status),
		Info: &TaskInfo{Description: a.Reason, Error: o.ErrorMessage, ObjectType: "node", ObjectUID: o.Node.String()},
	}
	if a.Database != 0 {
		t.Info.ObjectType, t.Info.ObjectUID = "bdb", o.Database.String()
	}
	if a.Status == cluster.ActionCancelled {
		t.Status = string(cluster.ActionFailed)
	}
	if t.Info.Error == "" && a.Cancel != nil {
		t.Info.Error = "cancelled by " + a.Cancel.By
	}
	return t
}

// getDatabaseActions lists the actions on the database.
func getDatabaseActions(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	list := []Action{}
	for _, a := range c.view.ActionsByAge() {
		if a.Database == d.ID {
			list = append(list, actionObject(c.view, a))
		}
	}
	return list, nil
}
